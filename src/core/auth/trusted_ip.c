/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/trusted_ip.h"

#include "json/writer.h"

#include <stdio.h>

#define MAX_JSON_BYTES ((size_t)PN_TRUSTED_IPS_MAX * 128)

static const struct pn_field pn_trusted_ip_fields[] = {
    PN_FIELD(pn_trusted_ip, ipAddress, STRING, .required = true, .min = 1, .max = 64, .trim = true),
};
const struct pn_shape pn_trusted_ip_shape = PN_SHAPE_OF(pn_trusted_ip);

/* The text is split, not rewritten: clients compare what they read with what they sent. */
static void write_one(struct pn_writer *w, struct pn_str text)
{
    struct pn_str prefix = text, address = PN_NONE;
    uint64_t bits;

    (void)pn_str_cut(&prefix, '/', &address);
    pn_write_object(w, NULL);
    pn_write_str(w, "ipAddress", address);
    pn_write_text(w, "type", pn_str_find(address, ':') >= 0 ? "ipv6" : "ipv4");
    if (prefix.ptr != NULL && pn_str_u64(prefix, &bits))
        pn_write_int(w, "prefix", (int64_t)bits);
    pn_write_end(w);
}

bool pn_trusted_ips_normalize(struct pn_arena *arena, struct pn_list ips, struct pn_str *json,
                              struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(MAX_JSON_BYTES);
    const struct pn_trusted_ip *items = ips.items;
    struct pn_writer w = pn_writer_of(&buf);
    struct pn_net net;

    pn_write_array(&w, NULL);
    for (size_t i = 0; i < ips.count; i++) {
        if (!pn_net_parse(items[i].ipAddress, &net))
            return pn_fail(err, PN_BAD_REQUEST, "The IP is not a valid IPv4, IPv6, or CIDR block");
        write_one(&w, items[i].ipAddress);
    }
    pn_write_end(&w);
    pn_assert(!buf.is_full); /* the shape has limited count and length */
    *json = pn_arena_copy(arena, pn_buf_str(&buf));
    return true;
}

struct stored {
    struct pn_str ipAddress;
    int64_t prefix; /* -1: one address */
};
static const struct pn_field stored_fields[] = {
    PN_FIELD(stored, ipAddress, STRING, .required = true),
    PN_FIELD(stored, prefix, INT, .has_fallback = true, .fallback = -1, .max = 128),
};
struct stored_list {
    struct pn_list ips;
};
static const struct pn_field stored_list_fields[] = {
    PN_FIELD(stored_list, ips, OBJECTS, .required = true, .shape = PN_SHAPE(stored)),
};

static bool read_one(const struct stored *from, struct pn_net *out, struct pn_err *err)
{
    char text[PN_IP_MAX_TEXT + 8];
    int len = snprintf(text, sizeof(text), "%.*s",
                       PN_ARG(pn_str_slice(from->ipAddress, 0, PN_IP_MAX_TEXT)));

    if (from->prefix >= 0)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "/%d", (int)from->prefix);
    return pn_net_parse(pn_str_of(text, (size_t)len), out) ||
           pn_fail(err, PN_INTERNAL, "a stored list of trusted addresses is damaged");
}

bool pn_trusted_ips_read(struct pn_arena *arena, struct pn_str json, struct pn_nets *out,
                         struct pn_err *err)
{
    struct pn_str object;
    struct stored_list list;
    const struct stored *items;

    *out = (struct pn_nets){ 0 };
    if (pn_str_is(json, PN_TRUSTED_IPS_ANY))
        return true;
    object = pn_arena_printf(arena, "{\"ips\":%.*s}", PN_ARG(json));
    if (!pn_shape_parse(PN_SHAPE(stored_list), arena, object, &list, err))
        return pn_recast(err, PN_INTERNAL, "a stored list of trusted addresses is damaged");
    items = list.ips.items;
    out->items = pn_new(arena, struct pn_net, list.ips.count);
    out->count = list.ips.count;
    for (size_t i = 0; i < out->count; i++) {
        if (!read_one(&items[i], &out->items[i], err))
            return false;
        if (out->items[i].bits == 0) { /* ::/0: IPv4 addresses are in it too (IP-03) */
            out->count = 0;
            return true;
        }
    }
    return true;
}

bool pn_trusted_ips_check(const struct pn_nets *nets, struct pn_str text, struct pn_err *err)
{
    struct pn_ip ip;

    if (nets->count == 0)
        return true;
    if (pn_ip_parse(text, &ip)) {
        for (size_t i = 0; i < nets->count; i++) {
            if (pn_net_has(&nets->items[i], &ip))
                return true;
        }
    }
    (void)pn_fail(err, PN_FORBIDDEN,
                  "You are not allowed to access this resource from the current IP address");
    return pn_err_named(err, "ForbiddenError");
}

bool pn_trusted_ips_forget_ipv6(struct pn_str json)
{
    return pn_str_search(json, PN_LIT("\"0.0.0.0\",\"type\":\"ipv4\",\"prefix\":0}")) >= 0 &&
           pn_str_search(json, PN_LIT("\"ipv6\"")) < 0;
}
