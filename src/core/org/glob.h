/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_GLOB_H
#define PN_CORE_ORG_GLOB_H

#include "base/arena.h"
#include "json/shape.h"

/*
 * Patterns over paths, for the $glob of permission rules (platform.md §8.1). `*` is any run without
 * '/', `**` any run at all, `?` one character but '/', `[a-z]` and `[^a]` one of a set, `{a,b}` either;
 * `\` takes the next character as it is. As a whole segment `**` is any number of segments, none
 * too: "/a/ **" (without the space) holds "/a" and what is below, "/ ** /b" also "/b". Other signs of
 * shells ("!", "(", "|", "[[:x:]]", "{1..3}") are refused, not guessed at. A leading dot is nothing special.
 */
#define PN_GLOB_MAX_BYTES 512
#define PN_GLOB_MAX_EXPANDED 32

/* Patterns without braces, of which one must match: "/{a,b}/ *" gives two. False: not a pattern. */
bool pn_glob_expand(struct pn_arena *arena, struct pn_str pattern, struct pn_strs *out) PN_CHECKED;

/*
 * Whether the whole of `text` is what `pattern`, as pn_glob_expand gives them, stands for. Time is
 * at most their lengths' product, whatever both hold: no backtracking. What is not a pattern matches nothing.
 */
bool pn_glob_match(struct pn_str pattern, struct pn_str text);

/* How much of the pattern stands for itself alone: "/a/b*" gives 4. Escapes end it. */
size_t pn_glob_literal(struct pn_str pattern);

#endif
