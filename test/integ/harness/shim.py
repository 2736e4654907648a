"""A library under our programs, for what cannot be done to this machine: clocks that are wrong, a disk that is full or slow."""
import mmap
import struct
import subprocess

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static struct { long off_s, is_full, slow_us; } nothing;
static const volatile typeof(nothing) *state = &nothing;
__attribute__((constructor)) static void begin(void)
{
    int fd = open(getenv("SHIM_STATE"), O_RDONLY);
    void *at = mmap(NULL, sizeof(nothing), PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) abort();
    state = at;
    close(fd);
}
int clock_gettime(clockid_t id, struct timespec *at)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(id, at);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) at->tv_sec += state->off_s;
    return done;
}
int gettimeofday(struct timeval *at, void *zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
static int is_of_database(int fd)
{
    char link[64], path[4096];
    ssize_t length;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof(path) - 1);
    path[length < 0 ? 0 : length] = 0;
    return strstr(path, ".db") != NULL;
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    if (state->is_full && is_of_database(fd)) { errno = ENOSPC; return -1; }
    if (state->slow_us && is_of_database(fd)) usleep(state->slow_us);
    return real(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }
"""


class Shim:
    """What a process that was started with `env` believes of its wall clock and of the disk under its database; may change while it runs."""

    def __init__(self, folder):
        (folder / "shim.c").write_text(SOURCE)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", folder / "shim.so", folder / "shim.c", "-ldl"], check=True)
        (folder / "state").write_bytes(bytes(24))
        with open(folder / "state", "r+b") as file:
            self.state = mmap.mmap(file.fileno(), 24)
        self.env = {"LD_PRELOAD": str(folder / "shim.so"), "SHIM_STATE": str(folder / "state")}

    def clock(self, off_s):
        self.state[0:8] = struct.pack("@l", off_s)

    def disk(self, is_full):
        self.state[8:16] = struct.pack("@l", is_full)

    def slow(self, each_write_us):
        self.state[16:24] = struct.pack("@l", each_write_us)
