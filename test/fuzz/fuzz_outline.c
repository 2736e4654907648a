/* SPDX-License-Identifier: Apache-2.0 */
#include "json/outline.h"

/* Whatever is said to be where lies within the text, in order, in whole lines; what is taken out leaves its neighbours. */

static const char *const names[] = { "clusters", "users", "current-context" };
enum { NAMES = 3 };

static void check_items(struct pn_str text, const struct pn_outline_member *member)
{
    size_t at = 0;

    for (size_t i = 0; i < member->count; i++) {
        const struct pn_outline_item *item = &member->items[i];

        pn_assert(at <= item->from && item->from < item->to && item->to <= text.len);
        pn_assert(item->from == 0 || text.ptr[item->from - 1] == '\n');
        pn_assert(item->to == text.len || text.ptr[item->to - 1] == '\n');
        at = item->to;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new((size_t)64 << 20);
    struct pn_outline_member members[NAMES];
    struct pn_str text = pn_str_of(data, size);
    struct pn_err err = { 0 };
    size_t end;

    if (!pn_outline_read(arena, text, names, NAMES, members, &end, &err)) {
        pn_assert(err.code == PN_BAD_REQUEST && err.message[0] != '\0');
        return 0;
    }
    pn_assert(end <= text.len && (end == text.len || end == 0 || text.ptr[end - 1] == '\n'));
    for (size_t i = 0; i < NAMES; i++) {
        bool has_value =
            members[i].kind == PN_OUTLINE_EMPTY || members[i].kind == PN_OUTLINE_SCALAR;

        pn_assert(!has_value || (members[i].from <= members[i].to && members[i].to <= text.len));
        pn_assert((members[i].kind == PN_OUTLINE_LIST) <= (members[i].count > 0));
        check_items(text, &members[i]);
    }
    return 0;
}
