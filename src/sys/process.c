/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const int passed_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/* What the handler needs while a command runs: the one child in the foreground, and the last signal
 * that came before it was known. */
static volatile sig_atomic_t foreground_pid;
static volatile sig_atomic_t early_signal;

void pn_process_raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void pn_process_harden(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int64_t pn_process_resident_bytes(void)
{
    char text[128];
    ssize_t got;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    struct pn_str rest, size, resident;
    int64_t pages;

    if (fd < 0)
        return 0;
    got = read(fd, text, sizeof(text));
    close(fd);
    rest = pn_str_of(text, got > 0 ? (size_t)got : 0);
    if (!pn_str_cut(&rest, ' ', &size) || !pn_str_cut(&rest, ' ', &resident) ||
        !pn_str_i64(resident, &pages))
        return 0;
    return pages * sysconf(_SC_PAGESIZE);
}

int64_t pn_process_open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int64_t count = 0;

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 3; /* ".", ".." and the directory itself */
}

/* `added` in front of ours, without those it replaces. */
static char **join_environment(char *const added[])
{
    size_t ours = 0;
    size_t theirs = 0;
    size_t count = 0;
    char **all;

    while (environ != NULL && environ[ours] != NULL)
        ours++;
    while (added != NULL && added[theirs] != NULL)
        theirs++;
    all = pn_heap_new((ours + theirs + 1) * sizeof(*all));
    for (size_t i = 0; i < theirs; i++)
        all[count++] = added[i];
    for (size_t i = 0; i < ours; i++) {
        size_t name_len = strcspn(environ[i], "=");
        bool is_replaced = false;

        for (size_t j = 0; j < theirs; j++)
            is_replaced |=
                strncmp(added[j], environ[i], name_len) == 0 && added[j][name_len] == '=';
        if (!is_replaced)
            all[count++] = environ[i];
    }
    return all;
}

/* The child starts as if a shell had started it: with the caller's signal mask; what we catch has its
 * default action again, and so has SIGPIPE, which only we ignore; what nohup ignores stays ignored. */
static int spawn(char *const argv[], char *const environment[], const sigset_t *mask, pid_t *child)
{
    posix_spawnattr_t attributes;
    sigset_t defaults;
    char **all = join_environment(environment);
    int failure;

    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGCHLD);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setsigmask(&attributes, mask);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    failure = posix_spawnp(child, argv[0], NULL, &attributes, argv, all);
    posix_spawnattr_destroy(&attributes);
    pn_heap_free(all);
    return failure;
}

/* A key press on the terminal (SI_KERNEL) reaches the child without us: it is in our group. */
static void pass_on(int number, siginfo_t *info, void *context PN_UNUSED)
{
    int saved_errno = errno;

    if (info->si_code == SI_KERNEL)
        return;
    if (foreground_pid > 0)
        kill((pid_t)foreground_pid, number);
    else
        early_signal = number;
    errno = saved_errno;
}

/* Waits without reaping, so that the pid stays the child's until nobody signals it any more. */
static int wait_exited(pid_t child)
{
    siginfo_t info;
    int status = 0;

    while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        continue;
    foreground_pid = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct pn_str pn_process_path(struct pn_arena *arena)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path);

    return len > 0 ? pn_arena_copy(arena, pn_str_of(path, (size_t)len)) : PN_LIT("postern");
}

/* As posix_spawnp looks. */
bool pn_process_finds(const char *word)
{
    struct pn_str path = pn_str_from(getenv("PATH")), directory;
    char name[PATH_MAX];

    if (strchr(word, '/') != NULL)
        return pn_file_exists(word);
    if (path.ptr == NULL) /* the system's own */
        path = PN_LIT("/bin:/usr/bin");
    while (pn_str_cut(&path, ':', &directory)) {
        int len = snprintf(name, sizeof name, "%.*s%s%s", PN_ARG(directory),
                           directory.len > 0 ? "/" : "", word);

        if (len > 0 && (size_t)len < sizeof name && pn_file_exists(name))
            return true;
    }
    return false;
}

/* Of the caller, less what it only holds back. */
static void mask_of_child(const sigset_t *held, sigset_t *mask)
{
    pthread_sigmask(SIG_BLOCK, NULL, mask);
    for (size_t i = 0; held != NULL && i < PN_COUNT(passed_signals); i++)
        if (sigismember(held, passed_signals[i]) == 1)
            sigdelset(mask, passed_signals[i]);
}

int pn_process_run_held(char *const argv[], char *const environment[], const sigset_t *held)
{
    struct sigaction action = { .sa_sigaction = pass_on, .sa_flags = SA_SIGINFO };
    struct sigaction before[PN_COUNT(passed_signals)];
    sigset_t mask;
    pid_t child;
    int failure;
    int code;

    early_signal = 0;
    sigemptyset(&action.sa_mask);
    mask_of_child(held, &mask);
    for (size_t i = 0; i < PN_COUNT(passed_signals); i++) {
        sigaction(passed_signals[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN)
            sigaction(passed_signals[i], &action, NULL);
    }
    if (held != NULL) /* the handlers are there: from here on they are passed on */
        pthread_sigmask(SIG_UNBLOCK, held, NULL);
    failure = spawn(argv, environment, &mask, &child);
    if (failure == 0) {
        foreground_pid = child;
        if (early_signal != 0)
            kill(child, early_signal);
        code = wait_exited(child);
    } else {
        code = failure == ENOENT ? 127 : 126;
    }
    if (held != NULL)
        pthread_sigmask(SIG_BLOCK, held, NULL);
    for (size_t i = 0; i < PN_COUNT(passed_signals); i++)
        sigaction(passed_signals[i], &before[i], NULL);
    return code;
}

int pn_process_run(char *const argv[], char *const environment[])
{
    return pn_process_run_held(argv, environment, NULL);
}
