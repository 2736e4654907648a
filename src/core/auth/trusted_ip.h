/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_TRUSTED_IP_H
#define PN_CORE_AUTH_TRUSTED_IP_H

#include "base/arena.h"
#include "base/err.h"
#include "base/ip.h"
#include "json/shape.h"

/*
 * From where tokens and client secrets may be used (identity-auth.md §11.7). Asked for as
 * [{"ipAddress":"10.0.0.0/8"}], stored and shown as [{"ipAddress":"10.0.0.0","type":"ipv4","prefix":8}].
 */
#define PN_TRUSTED_IPS_MAX 100
#define PN_TRUSTED_IPS_ANY                                         \
    "[{\"ipAddress\":\"0.0.0.0\",\"type\":\"ipv4\",\"prefix\":0}," \
    "{\"ipAddress\":\"::\",\"type\":\"ipv6\",\"prefix\":0}]"

struct pn_trusted_ip {
    struct pn_str ipAddress;
};
extern const struct pn_shape pn_trusted_ip_shape; /* of one item of a request */

/* `ips` of struct pn_trusted_ip. Errors: PN_BAD_REQUEST (IP-06, IP-07). */
bool pn_trusted_ips_normalize(struct pn_arena *arena, struct pn_list ips, struct pn_str *json,
                              struct pn_err *err) PN_CHECKED;

/* Does it let in all of IPv4 and nothing of IPv6? Few mean that (D14): it stands, with a warning. */
bool pn_trusted_ips_forget_ipv6(struct pn_str json);
#define PN_TRUSTED_IPS_FORGET_IPV6                                      \
    "The trusted addresses let in all of IPv4 and nothing of IPv6; add" \
    " ::/0 if that is not meant."

/* What is stored, as networks; count 0 when every address is in it. */
struct pn_nets {
    struct pn_net *items;
    size_t count;
};
bool pn_trusted_ips_read(struct pn_arena *arena, struct pn_str json, struct pn_nets *out,
                         struct pn_err *err) PN_CHECKED;
/* Errors: PN_FORBIDDEN, named ForbiddenError: the address is in none of them, or is none. */
bool pn_trusted_ips_check(const struct pn_nets *nets, struct pn_str ip, struct pn_err *err)
    PN_CHECKED;

#endif
