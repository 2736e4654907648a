/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_ACCESS_H
#define PN_CLIENT_ACCESS_H

#include "client/rest.h"
#include "json/shape.h"

/* An open session as the access call answered it (doc/protocol/gateway-rest.md, A1). */
struct pn_access {
    struct pn_arena *arena;
    struct pn_str session_id, account_id; /* UUIDs: they become parts of paths and file names */
    struct pn_str account_path;           /* "resource/account", printable */
    struct pn_str server_name;            /* the gateway's name inside TLS */
    struct pn_str direct_address;         /* PN_NONE: only through a relay */
    struct pn_strs relays;                /* "host:port", best first */
    struct pn_str certificate_pem;        /* leaf and its intermediate */
    struct pn_str trust_pem;              /* what the gateway's certificate chains to */
    struct pn_secret *key_pem;
    int64_t expires_ms;
};

#define PN_ACCESS_RELAYS_MAX 16

struct pn_access_wish {
    struct pn_str path;             /* "resource/account" */
    struct pn_str project_id;       /* PN_NONE: wherever the path is found */
    struct pn_str duration, reason; /* PN_NONE: the account's default, none */
};

/*
 * Is there such an account? For who opens several sessions or none; where no project is named only the opening
 * knows. Errors: as pn_rest_call; PN_USAGE, PN_NOT_FOUND.
 */
bool pn_access_check(struct pn_rest *rest, const struct pn_access_wish *wish, struct pn_err *err)
    PN_CHECKED;
/* Opens a session. Errors: as pn_rest_call; PN_UPSTREAM when the answer lacks what we need. */
bool pn_access_open(struct pn_rest *rest, const struct pn_access_wish *wish, struct pn_access *out,
                    struct pn_err *err) PN_CHECKED;
/*
 * The answer as JSON, for the credential cache, and back. Errors: PN_UPSTREAM when something is
 * missing or is not what it should be; drop with pn_access_drop.
 */
bool pn_access_read(const struct pn_value *answer, struct pn_access *out, struct pn_err *err)
    PN_CHECKED;
void pn_access_print(const struct pn_access *access, struct pn_buf *json);
void pn_access_drop(struct pn_access *access);

/* Ends it at the server; an ended one stays ended. */
bool pn_access_end(struct pn_rest *rest, struct pn_str session_id, struct pn_err *err) PN_CHECKED;

/* What the server says of a session. */
struct pn_session_state {
    bool is_over;        /* ended or terminated */
    bool has_run_out;    /* … by its time alone, not by anybody */
    char status[16];     /* "starting", "active", "ended", "terminated" */
    char end_reason[96]; /* "" when there is none */
    char ended_by[128];
};
bool pn_access_state(struct pn_rest *rest, struct pn_str session_id, struct pn_session_state *out,
                     struct pn_err *err) PN_CHECKED;
/* "the session was terminated by ada@example.com: <reason>" */
struct pn_str pn_access_state_text(struct pn_arena *arena, const struct pn_session_state *state);

#endif
