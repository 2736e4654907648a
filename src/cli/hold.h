/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_HOLD_H
#define PN_CLI_HOLD_H

#include <stdint.h>

/*
 * What ends a command (SIGINT, SIGTERM, SIGHUP) is held back from the moment on that there is something to take away
 * again: it counts when we ask, and ends nothing half-way. Threads: before any other exists.
 */
void pn_hold_signals(void);
/* The signal that came meanwhile, which counts for the exit code as a shell has it (128 + N); 0: none. */
int pn_hold_pending(void);
/* Takes one, waiting for it at most so long; 0: none came. */
int pn_hold_wait(int64_t wait_ms);
/*
 * pn_process_run while signals are held: they reach the command, and are held again after it; none is lost in
 * between.
 */
int pn_hold_run(char *const argv[], char *const environment[]);

#endif
