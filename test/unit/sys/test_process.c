/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "sys/sys.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SH(text) ((char *[]){ "sh", "-c", (text), NULL })

PN_TEST(gives_the_exit_code)
{
    CHECK_EQ(pn_process_run(SH("exit 0"), NULL), 0);
    CHECK_EQ(pn_process_run(SH("exit 7"), NULL), 7);
    CHECK_EQ(pn_process_run(SH("kill -KILL $$"), NULL), 128 + SIGKILL);
}

PN_TEST(says_when_it_cannot_run)
{
    CHECK_EQ(pn_process_run((char *[]){ "/nonexistent/command", NULL }, NULL), 127);
    CHECK_EQ(pn_process_run((char *[]){ "postern-no-such-command", NULL }, NULL), 127);
    CHECK_EQ(pn_process_run((char *[]){ "/", NULL }, NULL), 126);
    CHECK_EQ(pn_process_run((char *[]){ "/etc/passwd", NULL }, NULL), 126);
}

PN_TEST(adds_to_the_environment_and_replaces)
{
    setenv("PN_OLD", "old", 1);
    setenv("PN_OLDER", "older", 1);
    CHECK_EQ(pn_process_run(SH("test \"$PN_OLD-$PN_NEW-$PN_OLDER\" = new-added-older"),
                            (char *[]){ "PN_OLD=new", "PN_NEW=added", NULL }),
             0);
    CHECK_EQ(pn_process_run(SH("test \"$(env | grep -c ^PN_OLD=)\" = 1"),
                            (char *[]){ "PN_OLD=new", NULL }),
             0);
    CHECK_EQ(pn_process_run(SH("test \"$PN_OLD\" = old"), NULL), 0);
}

PN_TEST(the_child_starts_with_default_actions_and_no_descriptors)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char number[32];

    snprintf(number, sizeof(number), "PN_FD=%d", fd);
    signal(SIGPIPE, SIG_IGN);
    CHECK_EQ(pn_process_run(SH("kill -PIPE $$; exit 0"), NULL), 128 + SIGPIPE);
    CHECK_EQ(pn_process_run(SH("test ! -e /proc/$$/fd/$PN_FD"), (char *[]){ number, NULL }), 0);
    close(fd);
    signal(SIGPIPE, SIG_DFL);
}

static volatile sig_atomic_t heard;

static void hear(int number)
{
    heard = number;
}

/* The child tells us (its parent) to end; that must come back to the child and not end us. */
PN_TEST(passes_signals_on_and_restores_handlers)
{
    static const char *const names[] = { "INT", "TERM", "HUP", "QUIT" };
    struct sigaction now;
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    char script[200];

    /* A shell cannot trap what was ignored when it started, as in a job that runs in the background. */
    for (size_t i = 0; i < PN_COUNT(numbers); i++)
        signal(numbers[i], SIG_DFL);
    signal(SIGTERM, hear);
    for (size_t i = 0; i < PN_COUNT(names); i++) {
        snprintf(script, sizeof(script), "trap 'exit 42' %s; kill -%s $PPID; while :; do :; done",
                 names[i], names[i]);
        CHECK_EQ(pn_process_run(SH(script), NULL), 42);
    }
    CHECK_EQ(heard, 0);
    sigaction(SIGTERM, NULL, &now);
    CHECK(now.sa_handler == hear);
    raise(SIGTERM);
    CHECK_EQ(heard, SIGTERM);
    signal(SIGTERM, SIG_DFL);
}

PN_TEST(what_was_ignored_stays_ignored)
{
    signal(SIGHUP, SIG_IGN);
    CHECK_EQ(pn_process_run(SH("kill -HUP $PPID; kill -HUP $$; exit 3"), NULL), 3);
    signal(SIGHUP, SIG_DFL);
}

PN_TEST(counts_memory_and_descriptors)
{
    int64_t before = pn_process_open_files();
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    CHECK_EQ(pn_process_open_files(), before + 1);
    close(fd);
    CHECK_EQ(pn_process_open_files(), before);
    CHECK(pn_process_resident_bytes() > 100000);
}

PN_TEST(hardens)
{
    struct rlimit limit;
    int status = 0;
    pid_t child;

    pn_process_raise_files();
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK(limit.rlim_cur == limit.rlim_max);
    child = fork();
    if (child == 0) {
        pn_process_harden();
        _exit(prctl(PR_GET_DUMPABLE) == 0 && pn_process_open_files() > 0 ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

PN_TEST(finds_what_it_would_run)
{
    CHECK(pn_process_finds("sh"));
    CHECK(pn_process_finds("/bin/sh"));
    CHECK(!pn_process_finds("postern-no-such-command"));
    CHECK(!pn_process_finds("/nonexistent/command"));
    unsetenv("PATH");
    CHECK(pn_process_finds("sh"));
    CHECK(!pn_process_finds("postern-no-such-command"));
}

/* A signal that came before the command began ends the command and not us, who hold it back still. */
PN_TEST(what_is_held_back_reaches_the_command)
{
    sigset_t held, now;

    sigemptyset(&held);
    sigaddset(&held, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &held, NULL);
    kill(getpid(), SIGTERM);
    /* exec: a child of the shell would live on, and whoever reads our output would wait for its end too */
    CHECK_EQ(pn_process_run_held(SH("exec sleep 20"), NULL, &held), 128 + SIGTERM);
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    CHECK_EQ(sigismember(&now, SIGTERM), 1);
    sigpending(&now);
    CHECK_EQ(sigismember(&now, SIGTERM), 0);
    CHECK_EQ(pn_process_run_held(SH("kill -TERM $$; exit 3"), NULL, &held), 128 + SIGTERM);
    CHECK_EQ(pn_process_run_held(SH("exit 3"), NULL, &held), 3);
    pthread_sigmask(SIG_UNBLOCK, &held, NULL);
}

PN_TEST_MAIN(T(finds_what_it_would_run), T(gives_the_exit_code), T(says_when_it_cannot_run),
             T(adds_to_the_environment_and_replaces),
             T(the_child_starts_with_default_actions_and_no_descriptors),
             T(passes_signals_on_and_restores_handlers), T(what_was_ignored_stays_ignored),
             T(what_is_held_back_reaches_the_command), T(counts_memory_and_descriptors), T(hardens))
