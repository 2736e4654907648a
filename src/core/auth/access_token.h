/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_ACCESS_TOKEN_H
#define PN_CORE_AUTH_ACCESS_TOKEN_H

#include "base/call.h"
#include "core/auth/trusted_ip.h"
#include "db/db.h"
#include "json/shape.h"

/*
 * Access tokens of machine identities (identity-auth.md §11): what every auth method configures, issues,
 * renews and revokes alike. Each token is a row; it lives as long as what it came from (README.md).
 */

/* What each auth method of an identity has alike; stored with it (method.h). Wire names. */
struct pn_token_terms {
    int64_t accessTokenTTL, accessTokenMaxTTL, accessTokenPeriod; /* seconds; 0: none */
    int64_t accessTokenNumUsesLimit;                              /* 0: no limit */
    struct pn_str accessTokenTrustedIps;                          /* JSON as stored and shown */
};
#define PN_TOKEN_MAX_TTL_S INT64_C(315360000) /* what may be configured */
#define PN_TOKEN_MAX_AGE_S INT64_C(7776000)   /* what one issue lasts at most: 90 days */
#define PN_TOKEN_DEFAULT_TTL_S INT64_C(2592000)
#define PN_TOKEN_MAX_USES INT64_C(1000000000)
/* Wire value of accessTokenMaxTTL when there is no maximum: clients compute with it (D2). */
#define PN_TOKEN_NO_MAX_TTL INT64_C(1000000000)

/* Terms as a request names them; server/api/terms.h has the fields. */
struct pn_token_terms_in {
    int64_t accessTokenTTL, accessTokenMaxTTL, accessTokenPeriod, accessTokenNumUsesLimit;
    struct pn_list accessTokenTrustedIps; /* of struct pn_trusted_ip */
    bool has_ttl, has_max_ttl, has_period, has_uses, has_ips;
};
/* 30 days, 30 days, no period, no limit, from anywhere. */
struct pn_token_terms pn_token_terms_default(void);
/*
 * Lays what the request names over `terms` and checks the outcome (§5, §6.2). `is_new`: at an attach.
 *
 * Errors:  PN_VALIDATION   the request's own TTL is above its own maximum
 *          PN_BAD_REQUEST  the same with stored values; an address that is none
 */
bool pn_token_terms_apply(struct pn_arena *arena, const struct pn_token_terms_in *in, bool is_new,
                          struct pn_token_terms *terms, struct pn_err *err) PN_CHECKED;

/*
 * Seconds that a token issued or renewed now lasts, `elapsed_s` after its creation (§11.2): 0 or less
 * when nothing is left.
 */
int64_t pn_token_ttl(const struct pn_token_terms *terms, int64_t elapsed_s);

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
    struct pn_uuid auth_id;          /* of the method's row: pn_auth_method.id */
    struct pn_uuid client_secret_id; /* Universal Auth only */
    struct pn_str identity_auth;     /* JSON of the claim `identityAuth`; absent: {} */
    struct pn_str name;              /* Token Auth only: what its maker calls it */
};

/*
 * An issue in two steps, for methods that write more in the same write: prepare on the worker, write
 * on the writer. The audit event `event` ("login-identity-kubernetes-auth") carries identityId,
 * identityAccessTokenId and the members of the JSON object `metadata` (absent: none).
 *
 * Errors:  PN_UNAUTHENTICATED  the arithmetic of §11.2 leaves no time
 */
struct pn_token_issue {
    struct pn_call *call;
    struct pn_token_for who;
    struct pn_token_terms terms;
    const char *event;
    struct pn_str metadata;
    struct pn_grant grant;
    int64_t expires_ms;
};
bool pn_token_issue_prepare(struct pn_token_issue *issue, struct pn_err *err) PN_CHECKED;
bool pn_token_issue_write(struct pn_db_conn *tx, const struct pn_token_issue *issue,
                          struct pn_err *err) PN_CHECKED;
/* Both in one, with a write of its own. Threads: worker. */
bool pn_access_token_issue(struct pn_call *call, const struct pn_token_for *who,
                           const struct pn_token_terms *terms, const char *event,
                           struct pn_str metadata, struct pn_grant *out, struct pn_err *err)
    PN_CHECKED;

/* A row of identity_tokens, with what became of its origin. */
struct pn_access_token {
    struct pn_uuid id, identityId, org_id, auth_id, client_secret_id;
    struct pn_str name, authMethod, identity_name, org_role;
    bool is_instance_admin, isAccessTokenRevoked;
    struct pn_token_terms terms; /* as they were at the issue, with the trusted addresses of now */
    int64_t uses, createdAt, updatedAt, expires_ms;
    int64_t accessTokenLastUsedAt, accessTokenLastRenewedAt; /* 0: never */
};
/*
 * The row behind verified claims, when the token is alive: no use is counted, no address checked.
 * `verb` begins the message: "Failed to authorize", "Cannot renew". Errors: PN_UNAUTHENTICATED.
 */
bool pn_access_token_find(struct pn_call *call, struct pn_uuid identity, struct pn_uuid token,
                          const char *verb, struct pn_access_token *out, struct pn_err *err)
    PN_CHECKED;
struct pn_actor pn_access_token_actor(const struct pn_access_token *token);
/*
 * Counts one use of a limited token and waits for its commit: N uses are N, whoever asks at once
 * (§11.5). Errors: PN_UNAUTHENTICATED when they are used up.
 */
bool pn_access_token_use(struct pn_call *call, struct pn_uuid token, int64_t limit,
                         struct pn_err *err) PN_CHECKED;

/* POST /v1/auth/token/renew (§11.3): the same token again, with a later end. */
bool pn_access_token_renew(struct pn_call *call, struct pn_str jwt, struct pn_grant *out,
                           struct pn_err *err) PN_CHECKED;
/* POST /v1/auth/token/revoke (§11.4). A revoked token may be revoked again. */
bool pn_access_token_revoke(struct pn_call *call, struct pn_str jwt, struct pn_err *err) PN_CHECKED;
/* In a write: from its commit on the token is dead. `was_alive` false: nothing changed. */
bool pn_access_token_end(struct pn_db_conn *tx, struct pn_uuid identity, struct pn_uuid token,
                         int64_t now_ms, bool *was_alive, struct pn_err *err) PN_CHECKED;

#endif
