/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/hold.h"

#include <signal.h>
#include <time.h>

#include "base/base.h"
#include "sys/sys.h"

static const int ending[] = { SIGINT, SIGTERM, SIGHUP };

static sigset_t ending_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    for (size_t i = 0; i < PN_COUNT(ending); i++)
        sigaddset(&signals, ending[i]);
    return signals;
}

void pn_hold_signals(void)
{
    sigset_t signals = ending_signals();

    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

int pn_hold_pending(void)
{
    sigset_t pending;

    sigpending(&pending);
    for (size_t i = 0; i < PN_COUNT(ending); i++)
        if (sigismember(&pending, ending[i]) == 1)
            return ending[i];
    return 0;
}

int pn_hold_wait(int64_t wait_ms)
{
    const sigset_t signals = ending_signals();
    const struct timespec wait = { .tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000 };
    int number = sigtimedwait(&signals, NULL, &wait);

    return number > 0 ? number : 0;
}

int pn_hold_run(char *const argv[], char *const environment[])
{
    sigset_t signals = ending_signals();

    return pn_process_run_held(argv, environment, &signals);
}
