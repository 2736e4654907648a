/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_BASE_DIES_H
#define PN_TEST_UNIT_BASE_DIES_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs `abuse` in a child; true when an assertion, or pn_die, ended it. */
static inline bool dies(void (*abuse)(void))
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        abuse();
        _exit(0);
    }
    return waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGABRT;
}

#endif
