/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_forbidden(struct pn_str name)
{
    return pn_str_istarts(name, PN_LIT("impersonate-")) ||
           pn_str_istarts(name, PN_LIT("x-remote-")) || pn_str_iis(name, "connection") ||
           pn_str_iis(name, "cookie") || pn_http_is_hop_by_hop(name);
}

/* Once each, and no client's: what the gateway adds. */
static void check_head(const struct pn_http_head *out)
{
    pn_assert(pn_http_field_count(out, "authorization") == 1 &&
              pn_http_field_count(out, "audit-id") == 1);
    pn_assert(pn_http_field_count(out, "x-forwarded-for") == 1);
    pn_assert(pn_str_is(pn_http_field_get(out, "authorization"), "Bearer ours"));
    pn_assert(pn_str_is(pn_http_field_get(out, "audit-id"), "id"));
    for (size_t i = 0; i < out->count; i++) {
        pn_assert(!is_forbidden(out->fields[i].name));
        pn_assert(pn_http_is_token(out->fields[i].name) && pn_http_is_value(out->fields[i].value));
    }
}

/* The first byte chooses the list; then lines "name:value". */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_str rest = pn_str_of(data, size), line;
    struct pn_http_field fields[PN_HTTP_MAX_FIELDS];
    struct pn_http_head client = { .fields = fields,
                                   .content_length = -1,
                                   .method = PN_LIT("GET") },
                        out;
    struct pn_kube_upstream upstream = { .authority = PN_LIT("kube"),
                                         .target = PN_LIT("/"),
                                         .audit_id = PN_LIT("id"),
                                         .authorization = PN_LIT("Bearer ours"),
                                         .client_ip = PN_LIT("192.0.2.1") };
    struct pn_arena *arena;
    struct pn_err err = { 0 };

    if (size == 0 || size > 4096)
        return 0;
    arena = pn_arena_new(1 << 20);
    upstream.is_opaque = data[0] & 1;
    rest = pn_str_slice(rest, 1, rest.len);
    while (client.count < PN_COUNT(fields) && pn_str_cut(&rest, '\n', &line)) {
        struct pn_str value = line, name;

        (void)pn_str_cut(&value, ':', &name);
        if (pn_str_iis(name, "upgrade"))
            client.upgrade = value.ptr != NULL ? value : PN_LIT("");
        fields[client.count++] =
            (struct pn_http_field){ name, value.ptr != NULL ? value : PN_LIT("") };
    }
    if (pn_kube_upstream_head(arena, &client, &upstream, &out, &err))
        check_head(&out);
    pn_arena_free(arena);
    return 0;
}
