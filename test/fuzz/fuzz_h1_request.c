/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What parses prints, and what was printed parses to the same head. */
static void check_round_trip(const struct pn_http_head *head, struct pn_arena *arena)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4 * PN_HTTP_MAX_HEAD_BYTES);
    struct pn_http_head again;
    struct pn_err err = { 0 };
    size_t used, kept = 0;

    if (head->authority.len == 0)
        return; /* HTTP/1.0 without Host */
    pn_assert(pn_h1_print_request(head, &out));
    if (out.len > PN_HTTP_MAX_HEAD_BYTES || head->count + 3 > PN_HTTP_MAX_FIELDS)
        return;
    pn_assert(pn_h1_parse_request(pn_buf_str(&out), arena, &again, &used, &err) == PN_H1_DONE);
    pn_assert(used == out.len && pn_str_eq(head->target, again.target) &&
              pn_str_eq(head->method, again.method));
    pn_assert(head->is_last == again.is_last && head->is_chunked == again.is_chunked);
    pn_assert(pn_str_eq(head->authority, again.authority) &&
              pn_str_eq(head->upgrade, again.upgrade));
    for (size_t i = 0; i < head->count; i++) {
        if (pn_http_is_hop_by_hop(head->fields[i].name) ||
            pn_str_iis(head->fields[i].name, "expect"))
            continue;
        pn_assert(pn_str_eq(head->fields[i].name, again.fields[kept].name));
        pn_assert(pn_str_eq(head->fields[i].value, again.fields[kept].value));
        kept++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 20);
    struct pn_http_head head;
    struct pn_err err = { 0 };
    size_t used;

    if (pn_h1_parse_request(pn_str_of(data, size), arena, &head, &used, &err) != PN_H1_DONE)
        return 0;
    pn_assert(used <= size && head.count <= PN_HTTP_MAX_FIELDS && head.status == 0);
    pn_assert(!(head.is_chunked && head.content_length >= 0));
    check_round_trip(&head, arena);
    return 0;
}
