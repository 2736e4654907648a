/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_TOKEN_H
#define PN_CORE_AUTH_TOKEN_H

#include "base/call.h"
#include "base/secret.h"
#include "db/db.h"

/*
 * Access tokens of every kind of actor: HS256 tokens over the instance key whose claims name a row
 * (login session, identity token, gateway or relay with its version), so that revocation holds on the
 * next request (platform.md §2.1, pam-gateway.md §3.3).
 */

/* Who presents this bearer. Errors: PN_UNAUTHENTICATED (missing, revoked), PN_TOKEN (not a token of
 * ours, expired). Threads: worker with call->conn. */
bool pn_token_authenticate(struct pn_call *call, struct pn_str bearer, struct pn_actor *out,
                           struct pn_err *err) PN_CHECKED;

/* Signs tokens; rows are the caller's. Zero org: none selected. Lifetime in the claims (`exp`). */
bool pn_token_for_user(struct pn_call *call, struct pn_uuid user, struct pn_uuid session,
                       int64_t version, struct pn_uuid org, int64_t expires_ms, struct pn_str *out,
                       struct pn_err *err) PN_CHECKED;
bool pn_token_for_identity(struct pn_call *call, struct pn_uuid identity,
                           struct pn_str identity_name, struct pn_uuid org,
                           struct pn_uuid access_token, int64_t expires_ms, struct pn_str *out,
                           struct pn_err *err) PN_CHECKED;
bool pn_token_for_gateway(struct pn_call *call, struct pn_uuid gateway, struct pn_uuid org,
                          int64_t version, struct pn_str *out, struct pn_err *err) PN_CHECKED;
bool pn_token_for_relay(struct pn_call *call, struct pn_uuid relay, struct pn_uuid org,
                        int64_t version, struct pn_str *out, struct pn_err *err) PN_CHECKED;

#endif
