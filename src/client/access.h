/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_ACCESS_H
#define PN_CLIENT_ACCESS_H

#include "client/rest.h"
#include "json/shape.h"

/* An open session as the access call answered it (doc/protocol/gateway-rest.md, A1). */
struct pn_access {
    struct pn_arena *arena;
    struct pn_str session_id, account_id, account_path, gateway_id;
    struct pn_str server_name;     /* the gateway's name inside TLS */
    struct pn_str direct_address;  /* PN_NONE: only through a relay */
    struct pn_strs relays;         /* "host:port", best first */
    struct pn_str certificate_pem; /* leaf and its intermediate */
    struct pn_str trust_pem;       /* what the gateway's certificate chains to */
    struct pn_secret *key_pem;
    int64_t expires_ms;
};

struct pn_access_wish {
    struct pn_str path;             /* "resource/account" */
    struct pn_str project_id;       /* PN_NONE: wherever the path is found */
    struct pn_str duration, reason; /* PN_NONE: the account's default, none */
};

/* Opens a session. Errors: as pn_rest_call; PN_UPSTREAM when the answer lacks what we need. */
bool pn_access_open(struct pn_rest *rest, const struct pn_access_wish *wish, struct pn_access *out,
                    struct pn_err *err) PN_CHECKED;
/* The answer as JSON text, for the credential cache, and back. */
bool pn_access_read(const struct pn_value *answer, struct pn_access *out, struct pn_err *err)
    PN_CHECKED;
void pn_access_print(const struct pn_access *access, struct pn_buf *json);
void pn_access_drop(struct pn_access *access);

/* Ends it at the server; an ended one stays ended. */
bool pn_access_end(struct pn_rest *rest, struct pn_str session_id, struct pn_err *err) PN_CHECKED;

/* What the server says of a session: "starting", "active", "ended", "terminated". */
struct pn_session_state {
    char status[16], end_reason[96], ended_by[128];
};
bool pn_access_state(struct pn_rest *rest, struct pn_str session_id, struct pn_session_state *out,
                     struct pn_err *err) PN_CHECKED;

#endif
