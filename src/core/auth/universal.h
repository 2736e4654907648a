/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_UNIVERSAL_H
#define PN_CORE_AUTH_UNIVERSAL_H

#include "base/secret.h"
#include "core/auth/method.h"

/* Universal Auth: a client id and secrets that an administrator hands out (identity-auth.md §5). */
#define PN_UNIVERSAL_AUTH "universal-auth"

struct pn_universal_auth {
    struct pn_auth_method common; /* id, identityId, terms, times */
    struct pn_uuid clientId;
    struct pn_str clientSecretTrustedIps; /* JSON as stored and shown */
    bool lockoutEnabled;
    int64_t lockoutThreshold, lockoutDurationSeconds, lockoutCounterResetSeconds;
};

/* What a request names of it; the rest keeps its value, or its default at the attach. */
struct pn_universal_auth_in {
    struct pn_token_terms_in terms;
    struct pn_list clientSecretTrustedIps; /* of struct pn_trusted_ip */
    bool lockoutEnabled;
    int64_t lockoutThreshold, lockoutDurationSeconds, lockoutCounterResetSeconds;
    bool has_secret_ips, has_lockout, has_threshold, has_duration, has_reset;
};

/* Errors: as pn_auth_method_subject and pn_token_terms_apply; the contract's sentences (§5). */
bool pn_universal_auth_attach(struct pn_call *call, struct pn_uuid identity,
                              const struct pn_universal_auth_in *in, struct pn_universal_auth *out,
                              struct pn_err *err) PN_CHECKED;
bool pn_universal_auth_change(struct pn_call *call, struct pn_uuid identity,
                              const struct pn_universal_auth_in *in, struct pn_universal_auth *out,
                              struct pn_err *err) PN_CHECKED;
bool pn_universal_auth_get(struct pn_call *call, struct pn_uuid identity,
                           struct pn_universal_auth *out, struct pn_err *err) PN_CHECKED;
/* From its commit on, no token and no secret of it is good. */
bool pn_universal_auth_detach(struct pn_call *call, struct pn_uuid identity,
                              struct pn_universal_auth *out, struct pn_err *err) PN_CHECKED;
/* Forgets failed logins, and with them locks; `deleted` counts the locks. */
bool pn_universal_auth_clear_lockouts(struct pn_call *call, struct pn_uuid identity,
                                      int64_t *deleted, struct pn_err *err) PN_CHECKED;

/* Client secrets (client_secret.c). */
struct pn_client_secret {
    struct pn_uuid id, identityUAId, identity_id;
    struct pn_str description, clientSecretPrefix;
    int64_t clientSecretNumUses, clientSecretNumUsesLimit, clientSecretTTL;
    bool isClientSecretRevoked;
    int64_t createdAt, updatedAt;
};
struct pn_client_secret_new {
    struct pn_str description;
    int64_t ttl_s, uses_limit; /* 0: none */
};
/* `plain`: 64 hex digits, shown once. */
bool pn_client_secret_create(struct pn_call *call, struct pn_uuid identity,
                             const struct pn_client_secret_new *in, struct pn_client_secret *out,
                             struct pn_str *plain, struct pn_err *err) PN_CHECKED;
bool pn_client_secret_list(struct pn_call *call, struct pn_uuid identity, struct pn_list *out,
                           struct pn_err *err) PN_CHECKED; /* those not revoked */
bool pn_client_secret_get(struct pn_call *call, struct pn_uuid identity, struct pn_uuid id,
                          struct pn_client_secret *out, struct pn_err *err) PN_CHECKED;
/* With it end the tokens that it got. */
bool pn_client_secret_revoke(struct pn_call *call, struct pn_uuid identity, struct pn_uuid id,
                             struct pn_client_secret *out, struct pn_err *err) PN_CHECKED;
/* What is stored of a secret and looked for. */
#define PN_CLIENT_SECRET_MAC_BYTES 32
void pn_client_secret_mac(struct pn_keyring *keyring, struct pn_str plain,
                          uint8_t out[PN_CLIENT_SECRET_MAC_BYTES]);

/*
 * The login (§5, universal_login.c): address, lock, secret, its end and uses, in this order. The use
 * is counted in the write that issues the token. Failures are counted per source (an IPv4 address, an
 * IPv6 /64), and all together with a bound PN_LOCKOUT_GLOBAL times as high: who knows a client id
 * locks out himself, not its owner (§15 D16).
 *
 * Errors:  PN_UNAUTHENTICATED  unknown, wrong, locked, expired, used up
 *          PN_FORBIDDEN        not from this address
 *          PN_NOT_FOUND        the organisation's slug
 * Threads: worker.
 */
#define PN_LOCKOUT_GLOBAL 20
bool pn_universal_auth_login(struct pn_call *call, struct pn_str client_id,
                             const struct pn_secret *client_secret, struct pn_str slug,
                             struct pn_grant *out, struct pn_err *err) PN_CHECKED;

#endif
