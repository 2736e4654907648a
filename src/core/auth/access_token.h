/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_ACCESS_TOKEN_H
#define PN_CORE_AUTH_ACCESS_TOKEN_H

#include "base/call.h"
#include "json/shape.h"

/*
 * Access tokens of machine identities (identity-auth.md §11): what every auth method configures, issues,
 * renews and revokes alike.
 */

/* What each auth method of an identity stores beside its own fields; wire names where they go out. */
struct pn_token_terms {
    int64_t accessTokenTTL, accessTokenMaxTTL, accessTokenPeriod; /* seconds; 0: none */
    int64_t accessTokenNumUsesLimit;                              /* 0: no limit */
    struct pn_str accessTokenTrustedIps;                          /* JSON as stored and shown */
};

struct pn_grant {
    struct pn_str accessToken;
    struct pn_uuid token_id;
    int64_t expiresIn, accessTokenMaxTTL; /* seconds, as D2 says */
};

/* Who logs in, by what. */
struct pn_token_for {
    struct pn_uuid identity_id, org_id;
    struct pn_str identity_name;
    const char *method;              /* "kubernetes-auth", "universal-auth", "token-auth" */
    struct pn_uuid client_secret_id; /* Universal Auth only */
    struct pn_str identity_auth;     /* JSON of the claim `identityAuth`; absent: {} */
};

/*
 * A new token under `terms`, its row and its uses written in one write, the login's audit event (`event`
 * "login-identity-kubernetes-auth", metadata JSON) with it.
 *
 * Errors:  PN_UNAUTHENTICATED when the arithmetic of §11.2 leaves no time.
 * Threads: worker.
 */
bool pn_access_token_issue(struct pn_call *call, const struct pn_token_for *who,
                           const struct pn_token_terms *terms, const char *event,
                           struct pn_str metadata, struct pn_grant *out, struct pn_err *err)
    PN_CHECKED;

/*
 * Revokes what a method issued to an identity until now (§11.6): called in the write that detaches the
 * method, or deletes the identity (`method` NULL). Holds on the next request, in every process.
 */
struct pn_db_conn;
bool pn_access_token_revoke_method(struct pn_db_conn *tx, struct pn_uuid identity,
                                   const char *method, int64_t now_ms, struct pn_err *err)
    PN_CHECKED;

/* Checks and normalises a list of {ipAddress} as JSON; PN_BAD_REQUEST names the entry (§11.7 IP-06). */
bool pn_trusted_ips_normalize(struct pn_call *call, struct pn_list ips, struct pn_str *json,
                              struct pn_err *err) PN_CHECKED;

/* The checks every method makes of its terms when they are written (§5, §6.2), on effective values. */
bool pn_token_terms_check(const struct pn_token_terms *terms, struct pn_err *err) PN_CHECKED;

#endif
