/* SPDX-License-Identifier: Apache-2.0 */
#include "server/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * The first line is the method, the rest the target. Whatever comes: no crash; and a match keeps its
 * promises: decoded values are text, and each path parameter of the route has exactly one.
 */
static size_t count_params(const char *path)
{
    size_t count = 0;

    for (; *path != '\0'; path++)
        count += path[0] == '/' && path[1] == ':';
    return count;
}

static void check_match(const struct pn_match *match)
{
    pn_assert(match->route != NULL && match->path_count == count_params(match->route->path));
    pn_assert(match->param_count >= match->path_count);
    for (size_t i = 0; i < match->param_count; i++) {
        pn_assert(pn_str_is_utf8(match->params[i].value) &&
                  pn_str_find(match->params[i].value, '\0') < 0);
        for (size_t j = 0; j < i; j++)
            pn_assert(!pn_str_eq(match->params[i].name, match->params[j].name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pn_router *router;
    struct pn_str target = pn_str_of(data, size), method;
    struct pn_arena *arena = pn_arena_new((size_t)1 << 20);
    struct pn_match match;
    struct pn_err err = { 0 };

    if (router == NULL && !pn_router_new(pn_route_tables, &router, &err))
        pn_assert_failed(err.message, __FILE__, __LINE__);
    if (pn_str_cut(&target, '\n', &method) &&
        pn_router_match(router, method, target, arena, &match, &err))
        check_match(&match);
    else
        pn_assert(err.code == PN_OK || err.code == PN_NOT_FOUND || err.code == PN_METHOD ||
                  err.code == PN_BAD_REQUEST);
    pn_arena_free(arena);
    return 0;
}
