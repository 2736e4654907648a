/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/road.h"

/*
 * A request of the platform's road, or an answer: what is read prints to the same again, and nobody acts
 * in two ways at once.
 */
static void check_request(struct pn_arena *arena, struct pn_str text)
{
    pn_auto(pn_buf_drop) struct pn_buf once = pn_buf_init(4 * PN_ROAD_MAX_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf twice = pn_buf_init(4 * PN_ROAD_MAX_BYTES);
    struct pn_road_request first, second;
    struct pn_err err = { 0 };

    if (!pn_road_parse_request(arena, text, &first, &err))
        return;
    pn_assert(first.to.as != PN_REACH_AS_GATEWAY || (first.to.host.len == 0 && !first.bearer));
    pn_assert(first.to.as == PN_REACH_AS_GATEWAY || first.request.impersonate.len == 0);
    pn_assert(first.request.path.ptr[0] == '/');
    pn_road_print_request(&first.to, &first.request, &once);
    if (!pn_road_parse_request(arena, pn_buf_str(&once), &second, &err))
        pn_die(err.message);
    pn_road_print_request(&second.to, &second.request, &twice);
    pn_assert(pn_str_eq(pn_buf_str(&once), pn_buf_str(&twice)));
    pn_road_drop_request(&first);
    pn_road_drop_request(&second);
}

static void check_answer(struct pn_arena *arena, struct pn_str text)
{
    pn_auto(pn_buf_drop) struct pn_buf again = pn_buf_init(4 * PN_ROAD_MAX_BYTES);
    struct pn_reach_answer first, second;
    enum pn_reach_fault fault;
    struct pn_err err = { 0 };

    if (!pn_road_parse_answer(arena, text, &first, &fault, &err)) {
        pn_assert(fault != PN_REACH_NO_FAULT);
        return;
    }
    pn_road_print_answer(&first, &again);
    if (!pn_road_parse_answer(arena, pn_buf_str(&again), &second, &fault, &err))
        pn_die(err.message);
    pn_assert(first.status == second.status && pn_str_eq(first.body, second.body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new((size_t)64 << 20);

    if (size > PN_ROAD_MAX_BYTES)
        return 0;
    check_request(arena, pn_str_of(data, size));
    check_answer(arena, pn_str_of(data, size));
    return 0;
}
