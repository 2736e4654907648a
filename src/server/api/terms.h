/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_API_TERMS_H
#define PN_SERVER_API_TERMS_H

#include "core/auth/access_token.h"

/*
 * What the configuration of every auth method has alike, as rows of its tables: `member` is a struct
 * pn_token_terms_in of a request, or a struct pn_token_terms of an answer.
 */
/* clang-format off */
#define PN_TERMS_AT(type, member, what, kind_, ...)                                                \
    { PN_FIELD_NAME(what), .kind = PN_KIND_##kind_, .offset = offsetof(struct type, member.what), __VA_ARGS__ }
#define PN_TERMS_INT(type, member, what, has, most)                                                \
    PN_TERMS_AT(type, member, what, INT, .min = 0, .max = most,                                    \
                .has_offset = offsetof(struct type, member.has))
#define PN_TERMS_IN_FIELDS(type, member)                                                           \
    PN_TERMS_INT(type, member, accessTokenTTL, has_ttl, PN_TOKEN_MAX_TTL_S),                       \
    PN_TERMS_INT(type, member, accessTokenMaxTTL, has_max_ttl, PN_TOKEN_MAX_TTL_S),                \
    PN_TERMS_INT(type, member, accessTokenPeriod, has_period, PN_TOKEN_MAX_TTL_S),                 \
    PN_TERMS_INT(type, member, accessTokenNumUsesLimit, has_uses, PN_TOKEN_MAX_USES),              \
    PN_TERMS_AT(type, member, accessTokenTrustedIps, OBJECTS, .min = 1, .max = PN_TRUSTED_IPS_MAX, \
                .shape = &pn_trusted_ip_shape, .has_offset = offsetof(struct type, member.has_ips))
#define PN_TERMS_OUT_FIELDS(type, member)                                                          \
    PN_TERMS_AT(type, member, accessTokenTTL, INT),                                                \
    PN_TERMS_AT(type, member, accessTokenMaxTTL, INT),                                             \
    PN_TERMS_AT(type, member, accessTokenPeriod, INT),                                             \
    PN_TERMS_AT(type, member, accessTokenNumUsesLimit, INT),                                       \
    PN_TERMS_AT(type, member, accessTokenTrustedIps, RAW)
/* clang-format on */

/* What every login answers. */
struct pn_grant_out {
    struct pn_str accessToken, tokenType;
    int64_t expiresIn, accessTokenMaxTTL;
};
extern const struct pn_shape pn_grant_view;
struct pn_grant_out pn_grant_show(const struct pn_grant *grant);

#endif
