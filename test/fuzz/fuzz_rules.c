/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/rules.h"

#include <string.h>

/*
 * "rules\nrules", of a project: what parses packs, unpacks and packs to the same bytes; and where the
 * first list is said to cover the second, nothing that the second allows is refused by the first.
 */

#define MAX_VALUES 24

static void check_packing(struct pn_arena *arena, const struct pn_rules *rules)
{
    pn_auto(pn_buf_drop) struct pn_buf once = pn_buf_init(PN_RULES_MAX_PACKED * 4);
    pn_auto(pn_buf_drop) struct pn_buf twice = pn_buf_init(PN_RULES_MAX_PACKED * 4);
    struct pn_rules again;
    struct pn_err err = { 0 };

    pn_rules_pack(rules, &once);
    pn_assert(!once.is_full);
    if (!pn_rules_unpack(arena, pn_buf_str(&once), &again, &err))
        pn_die(err.trace);
    pn_rules_pack(&again, &twice);
    pn_assert(pn_str_eq(pn_buf_str(&once), pn_buf_str(&twice)));
}

/* Texts that the rules speak of, and one that none does. */
static size_t gather(const struct pn_rules *rules, struct pn_str *out, size_t count)
{
    for (size_t i = 0; i < rules->count; i++) {
        for (size_t t = 0; t < rules->items[i].test_count; t++) {
            const struct pn_strs *values = &rules->items[i].tests[t].values;

            for (size_t v = 0; v < values->count && count < MAX_VALUES; v++)
                out[count++] = values->items[v];
        }
    }
    return count;
}

/* The object at hand, for every action that the second list names. */
static void check_object(const struct pn_rules *own, const struct pn_rules *other,
                         struct pn_permit_object *object, struct pn_arena *arena)
{
    for (size_t i = 0; i < other->count; i++) {
        struct pn_str rest = other->items[i].actions, action;

        object->subject = pn_cstr(arena, other->items[i].subject);
        while (pn_str_cut(&rest, ' ', &action))
            pn_assert(!pn_rules_may(&other, 1, object, action, PN_RULES_OF_OBJECT) ||
                      pn_rules_may(&own, 1, object, action, PN_RULES_OF_OBJECT));
    }
}

static void check_covered(struct pn_arena *arena, const struct pn_rules *own,
                          const struct pn_rules *other)
{
    struct pn_str values[MAX_VALUES] = { PN_LIT_INIT("another"), PN_LIT_INIT("/another"), PN_NONE };
    size_t count = gather(other, values, gather(own, values, 3));

    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b < count; b++) {
            struct pn_str tags[] = { values[a], values[b] };
            struct pn_permit_pair pairs[] = { { values[a], values[b] }, { values[b], values[b] } };
            struct pn_permit_object object = { .environment = values[a],
                                               .secretPath = values[b],
                                               .secretName = values[a],
                                               .secretTags = { tags, a % 3 },
                                               .metadata = { pairs, b % 3 },
                                               .identityId = values[a],
                                               .name = values[a],
                                               .resourceName = values[a],
                                               .accountName = values[b],
                                               .accountPath = values[a] };

            check_object(own, other, &object, arena);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new((size_t)64 << 20);
    struct pn_str rest = pn_str_of(data, size), first;
    struct pn_rules own, other, packed;
    struct pn_err err = { 0 };
    const struct pn_rules *roles = &own;
    const struct pn_rule *missing;

    if (pn_rules_unpack(arena, rest, &packed, &err))
        check_packing(arena, &packed);
    pn_err_clear(&err);
    if (size > 16384 || !pn_str_cut(&rest, '\n', &first) ||
        !pn_rules_parse(arena, "project", first, &own, &err))
        return 0;
    check_packing(arena, &own);
    if (rest.ptr == NULL || !pn_rules_parse(arena, "project", rest, &other, &err))
        return 0;
    if (pn_rules_cover(&roles, 1, &other, &missing))
        check_covered(arena, &own, &other);
    return 0;
}
