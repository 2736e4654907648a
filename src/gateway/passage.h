/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_PASSAGE_H
#define PN_GATEWAY_PASSAGE_H

#include "gateway/client.h"
#include "gateway/session.h"

/*
 * A passage is one request on its way through the gateway: understood, authorised, recorded, forwarded,
 * recorded. The order of the pipeline (design §4) is the order of the functions in passage.c.
 */

/* A request has come, on a client's connection. The HTTP server's handler. */
void pn_passage_begin(void *worker, struct pn_exchange *exchange);
/* The credentials are there, or will not come. */
void pn_passage_run_waiting(struct pn_session *session);
void pn_passage_refuse_waiting(struct pn_session *session, const struct pn_err *why);
/* The session is over: requests without an answer get one, all others are reset. */
/* Bytes that passed in what is open now. */
uint64_t pn_passage_bytes(const struct pn_session *session);
void pn_passage_end_all(struct pn_session *session, const struct pn_err *why);
/* Strict: goes on with requests whose records have reached the disk. */
void pn_passage_run_synced(struct pn_worker *worker);
/* … or refuses them: the gateway stops. */
void pn_passage_refuse_strict(struct pn_worker *worker);
void pn_passage_free_spares(struct pn_worker *worker);

/*
 * "/ACCOUNT/api/v1" is an account and "/api/v1"; false when the first segment is no UUID. Needs the
 * arena only for "/ACCOUNT?query".
 */
bool pn_passage_split_account(struct pn_arena *arena, struct pn_str target, struct pn_uuid *account,
                              struct pn_str *rest);
/*
 * What a client shall see of a cluster's Location: never the cluster's own address, and with the
 * client's prefix. `origin` is "https://host:port" of the cluster, `base` the prefix of its URL.
 */
struct pn_str pn_passage_location(struct pn_arena *arena, struct pn_str location,
                                  struct pn_str origin, struct pn_str base,
                                  struct pn_str client_prefix);

#endif
