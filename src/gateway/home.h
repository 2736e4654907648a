/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_HOME_H
#define PN_GATEWAY_HOME_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/uuid.h"

/*
 * The server as the gateway sees it: one function per call of doc/protocol/gateway-rest.md. A home is
 * one connection, used by one thread (not a loop's); every call has a deadline.
 *
 * Errors of all: what the server said, by its status (PN_UNAUTHENTICATED, PN_NOT_FOUND, …);
 * PN_UNREACHABLE or PN_TIMEOUT when it did not answer; PN_PROTOCOL when it is not our server.
 */
struct pn_home;

bool pn_home_new(struct pn_str url, struct pn_str ca_pem, struct pn_home **out, struct pn_err *err)
    PN_CHECKED;
void pn_home_free(struct pn_home *home);
/* The gateway's access token for all calls from here on; copied. */
bool pn_home_set_token(struct pn_home *home, const struct pn_secret *token, struct pn_err *err)
    PN_CHECKED;
/* Is the failure one that trying again may cure? */
bool pn_home_is_away(const struct pn_err *err);

/* G1. The caller frees the token. */
bool pn_home_enrol(struct pn_home *home, const struct pn_secret *one_time, struct pn_secret **token,
                   struct pn_uuid *gateway_id, struct pn_err *err) PN_CHECKED;

/* What a gateway is for a day: certificates, keys, relays. Immutable, counted, shared by the loops. */
struct pn_identity {
    _Atomic unsigned refs;
    struct pn_arena *arena; /* of all strings */
    struct pn_uuid gateway_id;
    struct pn_str name, organization;
    struct pn_str chain; /* leaf, intermediate */
    struct pn_secret *key;
    struct pn_str client_trust, relay_trust;
    struct pn_secret *spool_key; /* 32 bytes */
    struct pn_identity_relay {
        struct pn_str name, host;
    } * relays;
    size_t relay_count;
    int64_t not_before_ms, not_after_ms;
};
struct pn_identity *pn_identity_ref(struct pn_identity *identity);
void pn_identity_unref(struct pn_identity *identity);

/* G2 */
bool pn_home_connect(struct pn_home *home, struct pn_str relay_name, struct pn_str direct_address,
                     struct pn_identity **out, struct pn_err *err) PN_CHECKED;
/* G3. *has_news: the relays are other ones than those of `known`. */
bool pn_home_heartbeat(struct pn_home *home, struct pn_str relay_name, struct pn_str direct_address,
                       const struct pn_identity *known, bool *has_news, struct pn_err *err)
    PN_CHECKED;

/* G4. Why a session is not live any more stands in err->message. Immutable, counted, shared by the loops. */
struct pn_grant {
    _Atomic unsigned refs;
    struct pn_arena *arena; /* of all strings */
    struct pn_uuid session, account;
    struct pn_str url, ca_pem;
    bool is_insecure;
    struct pn_secret *authorization; /* "Bearer …"; NULL: as `impersonate` */
    struct pn_str impersonate;       /* whom the gateway's own pod acts as, at its own cluster */
    int64_t expires_ms, idle_ms;     /* idle: how long nothing may happen; 0: no limit */
};
bool pn_home_credentials(struct pn_home *home, struct pn_uuid session, struct pn_grant **out,
                         struct pn_err *err) PN_CHECKED;
struct pn_grant *pn_grant_ref(struct pn_grant *grant);
void pn_grant_unref(struct pn_grant *grant); /* NULL is fine */

/* G5. Fills `ended` (room for `count`) with those of `sessions` that are no longer live. */
struct pn_ended {
    struct pn_uuid session;
    char reason[200];
};
bool pn_home_sync(struct pn_home *home, const struct pn_uuid *sessions, size_t count,
                  struct pn_ended *ended, size_t *ended_count, struct pn_err *err) PN_CHECKED;
/* G7: it has ended here. */
bool pn_home_end(struct pn_home *home, struct pn_uuid session, struct pn_str reason,
                 struct pn_err *err) PN_CHECKED;
/* G6 */
bool pn_home_upload(struct pn_home *home, struct pn_uuid session, uint64_t first,
                    struct pn_str events, struct pn_err *err) PN_CHECKED;

#endif
