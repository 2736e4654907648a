/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_MANUAL_H
#define PN_CLI_MANUAL_H

struct pn_buf;

/* The manual page (doc/man/postern.1), from the tables of commands: `postern help --man`. */
void pn_manual_print(struct pn_buf *page);

#endif
