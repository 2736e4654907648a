/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_STR_H
#define PN_BASE_STR_H

#include "base/base.h"

struct pn_arena;

/* A borrowed slice of bytes: by value, not terminated, prints with "%.*s" and PN_ARG. */
struct pn_str {
    const char *ptr;
    size_t len;
};

/* `literal` as a slice; works in static initialisers. */
#define PN_LIT(literal) ((struct pn_str){ "" literal, sizeof(literal) - 1 })
/* clang-format off */
#define PN_LIT_INIT(literal) { "" literal, sizeof(literal) - 1 }
/* clang-format on */
#define PN_NONE ((struct pn_str){ NULL, 0 })
#define PN_ARG(s) ((int)(s).len), ((s).ptr != NULL ? (s).ptr : "")

struct pn_str pn_str_of(const void *bytes, size_t len);
struct pn_str pn_str_from(const char *text); /* NULL gives PN_NONE */

bool pn_str_eq(struct pn_str a, struct pn_str b);
bool pn_str_is(struct pn_str a, const char *text);
bool pn_str_ieq(struct pn_str a, struct pn_str b); /* ASCII case folded */
bool pn_str_iis(struct pn_str a, const char *text);
int pn_str_cmp(struct pn_str a, struct pn_str b); /* bytewise, shorter first */
bool pn_str_starts(struct pn_str s, struct pn_str prefix);
bool pn_str_istarts(struct pn_str s, struct pn_str prefix);
bool pn_str_ends(struct pn_str s, struct pn_str suffix);

/* Position of the byte or of the needle, or -1. */
ptrdiff_t pn_str_find(struct pn_str s, char byte);
ptrdiff_t pn_str_search(struct pn_str s, struct pn_str needle);

/* s[from, to) with both ends clamped to s. */
struct pn_str pn_str_slice(struct pn_str s, size_t from, size_t to);
struct pn_str pn_str_trim(struct pn_str s); /* space, tab, CR, LF */

/*
 * Takes what stands before `separator` off the front of *rest; the separator goes too. Without a
 * separator takes everything. False when *rest was exhausted (ptr NULL): so "a,,b" yields a, "", b
 * and "" yields one empty piece.
 */
bool pn_str_cut(struct pn_str *rest, char separator, struct pn_str *piece);

/* Decimal without sign, spaces or overflow; false otherwise. */
bool pn_str_u64(struct pn_str s, uint64_t *out) PN_CHECKED;
bool pn_str_i64(struct pn_str s, int64_t *out) PN_CHECKED; /* one leading '-' allowed */

/* Valid UTF-8 (no surrogates, no overlong forms). */
bool pn_str_is_utf8(struct pn_str s);
/* Length (1..4) of the well-formed sequence that `s` begins with, or 0. */
size_t pn_str_utf8_step(struct pn_str s);
/* Every byte printable ASCII (0x20..0x7e). */
bool pn_str_is_printable(struct pn_str s);

#endif
