/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct pn_http_head *head, struct pn_str method,
                             struct pn_arena *arena)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4 * PN_HTTP_MAX_HEAD_BYTES);
    struct pn_http_head again;
    struct pn_err err = { 0 };
    size_t used;

    pn_assert(pn_h1_print_response(head, &out));
    if (out.len > PN_HTTP_MAX_HEAD_BYTES || head->count + 3 > PN_HTTP_MAX_FIELDS)
        return;
    pn_assert(pn_h1_parse_response(pn_buf_str(&out), arena, method, &again, &used, &err) ==
              PN_H1_DONE);
    pn_assert(used == out.len && head->status == again.status && head->is_last == again.is_last);
    pn_assert(pn_h1_body_of(head).framing == pn_h1_body_of(&again).framing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pn_str methods[] = { PN_LIT_INIT("GET"), PN_LIT_INIT("HEAD"),
                                             PN_LIT_INIT("CONNECT") };
    struct pn_err err;

    for (size_t i = 0; i < PN_COUNT(methods); i++) {
        pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1 << 20);
        struct pn_http_head head;
        size_t used;

        err = (struct pn_err){ 0 };
        if (pn_h1_parse_response(pn_str_of(data, size), arena, methods[i], &head, &used, &err) !=
            PN_H1_DONE)
            continue;
        pn_assert(used <= size && head.status >= 100 && head.status <= 599);
        check_round_trip(&head, methods[i], arena);
    }
    return 0;
}
