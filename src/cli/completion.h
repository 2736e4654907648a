/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_COMPLETION_H
#define PN_CLI_COMPLETION_H

#include "cli/command.h"

/*
 * What kubectl (1.26 and newer) runs for `kubectl postern …<TAB>`: a program of this name in PATH, with the words
 * so far, the last of which is being typed. It prints what may stand there, a line each, "word\tsummary", and
 * last a line for cobra that says what to do besides: no files.
 */
#define PN_COMPLETION_NAME "kubectl_complete-postern"

int pn_completion_print(const struct pn_program *program, int argc, char **argv);

#endif
