/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/glob.h"

#include <string.h>

/*
 * "pattern\ntext": the automaton agrees with the plainest matcher there is, which takes exponential time
 * and so sees short ASCII only. What braces expand to is a pattern and has no braces.
 */

static bool plain(const char *start, const char *p, const char *t)
{
    size_t stars = strspn(p, "*");
    bool is_segment = stars > 1 && (p == start || p[-1] == '/');

    if (*p == '\0')
        return *t == '\0';
    if (*p == '/' && strspn(p + 1, "*") > 1 && p[1 + strspn(p + 1, "*")] == '\0')
        return *t == '\0' || *t == '/';
    if (is_segment && p[stars] == '/') {
        bool matches = plain(start, p + stars + 1, t);

        for (; !matches && *t != '\0'; t++)
            matches = *t == '/' && plain(start, p + stars + 1, t + 1);
        return matches;
    }
    if (stars > 0) {
        for (;; t++) {
            if (plain(start, p + stars, t))
                return true;
            if (*t == '\0' || (stars == 1 && *t == '/'))
                return false;
        }
    }
    if (*t == '\0' || (*p == '?' && *t == '/'))
        return false;
    return (*p == '?' || *p == *t) && plain(start, p + 1, t + 1);
}

static bool is_plain(struct pn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= 0 || strchr("[]{}()|!\\", s.ptr[i]) != NULL)
            return false;
    }
    return s.len <= 16;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new((size_t)4 << 20);
    struct pn_str text = pn_str_of(data, size), pattern;
    struct pn_strs all;

    if (size > 8192 || !pn_str_cut(&text, '\n', &pattern))
        return 0;
    text = text.ptr != NULL ? text : PN_LIT("");
    if (!pn_glob_expand(arena, pattern, &all))
        return 0;
    pn_assert(all.count > 0 && all.count <= PN_GLOB_MAX_EXPANDED);
    for (size_t i = 0; i < all.count; i++) {
        const char *p = pn_cstr(arena, all.items[i]), *t = pn_cstr(arena, text);
        bool matches = pn_glob_match(all.items[i], text);

        pn_assert(pn_glob_literal(all.items[i]) != all.items[i].len ||
                  matches == pn_str_eq(all.items[i], text));
        if (p != NULL && t != NULL && is_plain(all.items[i]) && is_plain(text))
            pn_assert(matches == plain(p, p, t));
    }
    return 0;
}
