/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES ((size_t)65536)
#define LOCK_STEP_MS 10

static void close_fd(int *fd)
{
    if (*fd > STDERR_FILENO)
        close(*fd);
}

static bool fail_path(struct pn_err *err, int cause, const char *verb, const char *path)
{
    enum pn_code code = cause == ENOENT || cause == ENOTDIR ? PN_NOT_FOUND : PN_IO;

    return pn_fail_cause(err, code, cause, "cannot %s %s: %s", verb, path, strerror(cause));
}

static ssize_t read_again(int fd, void *to, size_t bytes)
{
    ssize_t got;

    do {
        got = read(fd, to, bytes);
    } while (got < 0 && errno == EINTR);
    return got;
}

static bool read_all(int fd, const char *path, size_t max_bytes, struct pn_buf *out,
                     struct pn_err *err)
{
    size_t limit = max_bytes < out->max_bytes - out->len ? max_bytes : out->max_bytes - out->len;
    size_t total = 0;

    for (;;) {
        char probe; /* at the limit: is there one byte more? */
        size_t want = limit - total < READ_BYTES ? limit - total : READ_BYTES;
        ssize_t got =
            want > 0 ? read_again(fd, pn_buf_room(out, want), want) : read_again(fd, &probe, 1);

        if (got < 0)
            return fail_path(err, errno, "read", path);
        if (got == 0)
            return true;
        if (want == 0)
            return pn_fail(err, PN_TOO_LARGE, "%s is larger than %zu bytes", path, limit);
        pn_buf_grew(out, (size_t)got);
        total += (size_t)got;
    }
}

bool pn_file_read(const char *path, size_t max_bytes, struct pn_buf *out, struct pn_err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    pn_auto(close_fd) int fd =
        is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return fail_path(err, errno, "read", path);
    return read_all(fd, is_stdin ? "the standard input" : path, max_bytes, out, err);
}

bool pn_file_read_plain(const char *path, size_t max_bytes, struct pn_buf *out, struct pn_err *err)
{
    pn_auto(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat info;

    if (fd < 0)
        return fail_path(err, errno, "read", path);
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return pn_fail(err, PN_IO, "%s is no plain file", path);
    return read_all(fd, path, max_bytes, out, err);
}

static bool write_all(int fd, struct pn_str bytes)
{
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.ptr, bytes.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        bytes = pn_str_slice(bytes, (size_t)put, bytes.len);
    }
    return true;
}

/* The rename itself must survive a power cut. Some file systems cannot sync a directory. */
static void sync_parent(const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int fd;

    snprintf(parent, sizeof(parent), "%.*s",
             slash == NULL   ? 1
             : slash == path ? 1
                             : (int)(slash - path),
             slash == NULL ? "." : path);
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

bool pn_file_write(const char *path, struct pn_str bytes, unsigned mode, struct pn_err *err)
{
    char beside[PATH_MAX];
    int len = snprintf(beside, sizeof(beside), "%s.XXXXXX", path);
    int cause;
    int fd;
    bool is_written;

    if (len < 0 || (size_t)len >= sizeof(beside))
        return fail_path(err, ENAMETOOLONG, "write", path);
    fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0)
        return fail_path(err, errno, "write", path);
    is_written = fchmod(fd, mode) == 0 && write_all(fd, bytes) && fsync(fd) == 0;
    cause = errno;
    if (close(fd) != 0 && is_written) {
        cause = errno;
        is_written = false;
    }
    if (is_written && rename(beside, path) != 0) {
        cause = errno;
        is_written = false;
    }
    if (!is_written) {
        unlink(beside);
        return fail_path(err, cause, "write", path);
    }
    sync_parent(path);
    return true;
}

int pn_file_append(const char *path, struct pn_err *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

    if (fd < 0)
        (void)fail_path(err, errno, "write", path);
    return fd;
}

bool pn_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool pn_file_remove(const char *path, struct pn_err *err)
{
    if (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR)
        return true;
    return fail_path(err, errno, "remove", path);
}

static bool is_directory(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool pn_dir_make(const char *path, unsigned mode, struct pn_err *err)
{
    char prefix[PATH_MAX];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(prefix))
        return fail_path(err, len == 0 ? ENOENT : ENAMETOOLONG, "make the directory", path);
    memcpy(prefix, path, len + 1);
    for (size_t at = 1; at <= len; at++) {
        if (path[at] != '/' && path[at] != '\0')
            continue;
        prefix[at] = '\0';
        if (mkdir(prefix, mode) != 0 && !is_directory(prefix))
            return fail_path(err, errno, "make the directory", prefix);
        prefix[at] = path[at];
    }
    return true;
}

/* Counted, not timed, so that a clock that stands still cannot hold us here. */
int pn_file_lock(const char *path, int64_t wait_ms, struct pn_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int cause = 0;

    if (fd < 0) {
        fail_path(err, errno, "lock", path);
        return -1;
    }
    for (int64_t waited_ms = 0;; waited_ms += LOCK_STEP_MS) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        cause = errno;
        if ((cause != EWOULDBLOCK && cause != EINTR) || waited_ms >= wait_ms)
            break;
        poll(NULL, 0, LOCK_STEP_MS); /* flock has no deadline of its own */
    }
    close(fd);
    if (cause == EWOULDBLOCK)
        pn_fail(err, PN_BUSY, "%s is in use by another process", path);
    else
        fail_path(err, cause, "lock", path);
    return -1;
}

bool pn_file_claim(const char *path, int64_t wait_ms, struct pn_err *err)
{
    for (int64_t waited_ms = 0;; waited_ms += LOCK_STEP_MS) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd >= 0) {
            close(fd);
            return true;
        }
        if (errno != EEXIST)
            return fail_path(err, errno, "make", path);
        if (waited_ms >= wait_ms)
            return pn_fail(err, PN_TIMEOUT,
                           "%s is there: somebody else changes the file; if nobody does, remove it",
                           path);
        (void)poll(NULL, 0, LOCK_STEP_MS);
    }
}

void pn_file_unlock(int fd)
{
    if (fd >= 0)
        close(fd);
}

bool pn_file_is_private(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) == 0 &&
           (info.st_uid == geteuid() || info.st_uid == 0);
}

#ifdef __has_feature
#    if __has_feature(thread_sanitizer)
#        define IS_WATCHED 1
void __sanitizer_syscall_pre_impl_close(long fd); /* of its <sanitizer/linux_syscall_hooks.h> */
#    endif
#endif

void pn_fd_closes_unseen(int fd)
{
#ifdef IS_WATCHED
    if (fd >= 0)
        __sanitizer_syscall_pre_impl_close(fd);
#else
    (void)fd;
#endif
}
