/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_CALL_H
#define PN_BASE_CALL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/uuid.h"

struct pn_cache;
struct pn_clusters;
struct pn_db;
struct pn_db_conn;
struct pn_keyring;
struct pn_settings;
struct pn_reach_port;
struct pn_subscription;

enum pn_actor_kind {
    PN_ACTOR_NONE,
    PN_ACTOR_USER,
    PN_ACTOR_MFA, /* a person who has still to show a second factor: good for that and nothing else */
    PN_ACTOR_IDENTITY,
    PN_ACTOR_GATEWAY,
    PN_ACTOR_RELAY,
    PN_ACTOR_SERVICE, /* a project's service token */
    PN_ACTOR_PLATFORM
};

/* Who makes the call, as the token said and the database confirmed. */
struct pn_actor {
    enum pn_actor_kind kind;
    struct pn_uuid id;       /* user, identity, gateway, relay or token */
    struct pn_uuid org_id;   /* zero until an organisation is selected */
    struct pn_uuid token_id; /* login session or access token */
    struct pn_str name;      /* e-mail or name, for the audit row */
    struct pn_str org_role;  /* "admin", "member", "no-access" */
    bool is_super_admin;
    int64_t token_version, token_expires_ms; /* as its token says; 0: none, never */
};

/*
 * What is written when an answer does not reach its client, who then has not what was made for it: a
 * write function (db/db.h) and the id it is given. Left by the handler; harmless when it comes late or twice.
 */
struct pn_undo {
    bool (*write)(struct pn_db_conn *tx, void *id, struct pn_err *err); /* NULL: nothing */
    struct pn_uuid id;
};

/*
 * The context of one request or job: everything core/ may reach outside itself. Owned by the
 * dispatcher, alive until the reply is on its way back to the loop.
 */
struct pn_call {
    struct pn_arena *arena;
    int64_t deadline_ms; /* monotonic; every blocking primitive takes it */
    int64_t now_ms;      /* wall clock when the call began */
    struct pn_actor actor;
    struct pn_str request_id;     /* "req-…" */
    struct pn_str ip, user_agent; /* of the client */
    struct pn_str refresh_cookie; /* value of the client's cookie `jid`, or PN_NONE */
    struct pn_str set_cookie;     /* out: a Set-Cookie for the client, when the call succeeds */
    struct pn_undo if_lost;       /* out: when the call succeeds, and its answer is lost */
    struct pn_subscription *subscription; /* out: of a route that answers with a stream */
    struct pn_db *db;                     /* writes go through its writer */
    struct pn_db_conn *conn;              /* this worker's read connection */
    struct pn_keyring *keyring;
    struct pn_cache *cache; /* what rows said (db/cache.h); NULL: all is looked up */
    const struct pn_settings *settings;
    const struct pn_reach_port *reach; /* to clusters: kube/reach.h; NULL where nothing calls out */
    struct pn_clusters *clusters;      /* what is remembered of them; NULL: nothing */
};

/*
 * The call inside of a write: it asks the rows as the write has made them, and nothing that is remembered of those
 * before; nor is anything remembered that may yet be undone.
 */
static inline struct pn_call pn_call_within(const struct pn_call *call, struct pn_db_conn *tx)
{
    struct pn_call within = *call;

    within.conn = tx;
    within.cache = NULL;
    return within;
}

#endif
