/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_TOKEN_H
#define PN_CORE_AUTH_TOKEN_H

#include "base/call.h"
#include "base/secret.h"
#include "db/db.h"

/*
 * Access tokens of every kind of actor but service tokens (project_token.h): HS256 tokens over the instance key whose claims name a row
 * (login session, identity token, gateway or relay with its version), so that revocation holds on the
 * next request (platform.md §2.1, pam-gateway.md §3.3).
 */

/*
 * Who presents this bearer, of every kind; a use of a limited token is counted, the address it comes from is checked.
 *
 * Errors:  PN_UNAUTHENTICATED  missing, revoked, used up; named TokenError when a machine identity's
 *                              token is expired or broken (identity-auth.md §15 D4)
 *          PN_TOKEN            any other token that is none of ours, or expired
 *          PN_FORBIDDEN        not from this address; no longer a member
 * Threads: worker with call->conn.
 */
bool pn_token_authenticate(struct pn_call *call, struct pn_str bearer, struct pn_actor *out,
                           struct pn_err *err) PN_CHECKED;

/*
 * Whether who was authenticated before may still: their token, by the rows of now, and from call->ip. Counts no use, and
 * `as` need not have its texts. Errors: as above.
 */
bool pn_token_recheck(struct pn_call *call, const struct pn_actor *as, struct pn_actor *out,
                      struct pn_err *err) PN_CHECKED;

/* What a token says of itself, once its signature and end have been checked; no row was read. */
struct pn_token_claims {
    enum pn_actor_kind kind;
    struct pn_uuid id, org_id;
    struct pn_uuid token_id; /* login session or access token */
    int64_t version, expires_ms;
    struct pn_str identity_name, identity_auth;
};
/* Errors: PN_UNAUTHENTICATED and PN_TOKEN as above. */
bool pn_token_read(struct pn_call *call, struct pn_str bearer, struct pn_token_claims *out,
                   struct pn_err *err) PN_CHECKED;

/* Signs tokens; rows are the caller's. Zero org: none selected. Lifetime in the claims (`exp`). */
bool pn_token_for_user(struct pn_call *call, struct pn_uuid user, struct pn_uuid session,
                       int64_t version, struct pn_uuid org, int64_t expires_ms, struct pn_str *out,
                       struct pn_err *err) PN_CHECKED;
/*
 * The token of a browser's cookie: of the same login session, good for nothing but a new access token.
 * Read gives the session's person, as pn_token_authenticate would.
 */
bool pn_token_for_refresh(struct pn_call *call, struct pn_uuid user, struct pn_uuid session,
                          int64_t version, struct pn_uuid org, int64_t expires_ms,
                          struct pn_str *out, struct pn_err *err) PN_CHECKED;
bool pn_token_read_refresh(struct pn_call *call, struct pn_str token, struct pn_token_claims *out,
                           struct pn_actor *actor, struct pn_err *err) PN_CHECKED;
/* Of a person whose second factor is asked for: authenticates as PN_ACTOR_MFA, good for showing it only. */
bool pn_token_for_mfa(struct pn_call *call, struct pn_uuid user, struct pn_uuid session,
                      int64_t version, struct pn_uuid org, int64_t expires_ms, struct pn_str *out,
                      struct pn_err *err) PN_CHECKED;
/* identity-auth.md §11.1. */
struct pn_identity_claims {
    struct pn_uuid identity, org, token, client_secret;
    struct pn_str identity_name, method;
    struct pn_str identity_auth; /* JSON; absent: {} */
    int64_t ttl_s, max_ttl_s, period_s, uses_limit;
    bool has_ip_restriction;
    int64_t created_ms; /* of the token: stays when it is renewed */
    int64_t expires_ms; /* 0: never */
};
bool pn_token_for_identity(struct pn_call *call, const struct pn_identity_claims *claims,
                           struct pn_str *out, struct pn_err *err) PN_CHECKED;
bool pn_token_for_gateway(struct pn_call *call, struct pn_uuid gateway, struct pn_uuid org,
                          int64_t version, struct pn_str *out, struct pn_err *err) PN_CHECKED;
bool pn_token_for_relay(struct pn_call *call, struct pn_uuid relay, struct pn_uuid org,
                        int64_t version, struct pn_str *out, struct pn_err *err) PN_CHECKED;

#endif
