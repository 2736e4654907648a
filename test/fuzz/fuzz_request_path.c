/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "kube/requestinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(struct pn_str part)
{
    pn_assert(pn_str_find(part, '/') < 0 && pn_str_find(part, '\\') < 0 &&
              pn_str_find(part, '\0') < 0);
    pn_assert(!pn_str_is(part, ".") && !pn_str_is(part, ".."));
}

/* A method, a space, a target. What is accepted has no part that another parser could read otherwise. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_str target = pn_str_of(data, size), method;
    struct pn_arena *arena = pn_arena_new(1 << 20);
    struct pn_request_info info, again;
    struct pn_err err = { 0 };

    (void)pn_str_cut(&target, ' ', &method);
    if (size < 4096 && pn_request_info_parse(arena, method, target, &info, &err)) {
        check_part(info.api_group);
        check_part(info.api_version);
        check_part(info.namespace);
        check_part(info.resource);
        if (!info.is_resource || info.subresource.len > 0)
            check_part(info.name);
        check_part(info.subresource);
        pn_assert(info.is_resource || info.resource.len == 0);
        pn_assert(pn_request_info_parse(arena, method, target, &again, &err));
        pn_assert(pn_str_eq(info.verb, again.verb) && pn_str_eq(info.name, again.name));
    }
    pn_arena_free(arena);
    return 0;
}
