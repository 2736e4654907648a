/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "cli/command.h"

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    return pn_command_main(argc, argv);
}
