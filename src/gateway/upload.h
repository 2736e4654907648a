/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_UPLOAD_H
#define PN_GATEWAY_UPLOAD_H

#include "gateway/home.h"
#include "gateway/outbox.h"

/* The thread that brings events home: a round a second while there are any, back-off when the server is away. */
struct pn_upload;

/* Takes `home` and `outbox`. */
bool pn_upload_start(struct pn_home *home, struct pn_outbox *outbox, struct pn_upload **out,
                     struct pn_err *err) PN_CHECKED;
/* A last round, for at most `linger_ms`; what is not home then stays in the spool. */
void pn_upload_stop(struct pn_upload *upload, int64_t linger_ms);
uint64_t pn_upload_waiting(const struct pn_upload *upload);
/* A round now, not in a second: a session has ended. Any thread. */
void pn_upload_poke(struct pn_upload *upload);

#endif
