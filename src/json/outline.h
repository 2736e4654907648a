/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_JSON_OUTLINE_H
#define PN_JSON_OUTLINE_H

#include "base/arena.h"
#include "base/err.h"

/*
 * Where things are in the text of a YAML file, for who changes a few lines of somebody's file and leaves
 * every other byte as it is: comments, order, quotes, anchors. Values are not read: only names are.
 */
enum pn_outline_kind {
    PN_OUTLINE_ABSENT,
    PN_OUTLINE_EMPTY,  /* null or [] */
    PN_OUTLINE_SCALAR, /* text in one piece: plain or quoted, no anchor, no tag */
    PN_OUTLINE_LIST,   /* a block sequence with an item or more */
    PN_OUTLINE_OTHER   /* cannot be changed by lines */
};

struct pn_outline_item {
    struct pn_str name; /* the scalar member "name" of a mapping; PN_NONE: there is none */
    size_t from, to;    /* whole lines */
};

/* One of the top level's members. */
struct pn_outline_member {
    enum pn_outline_kind kind;
    size_t from, to;    /* EMPTY and SCALAR: the value's bytes */
    struct pn_str text; /* SCALAR */
    size_t indent;      /* LIST: spaces before each dash */
    struct pn_outline_item *items;
    size_t count;
};

#define PN_OUTLINE_MAX_BYTES ((size_t)1 << 20)
#define PN_OUTLINE_MAX_ITEMS 512 /* of all lists together */
#define PN_OUTLINE_MAX_MEMBERS 8

/*
 * The members `names` of the block mapping that `yaml` is, into `out`; *end is where another member may be
 * appended. Nothing at all is a mapping without members. Results live in the arena, offsets count bytes.
 * Errors: PN_BAD_REQUEST: it does not parse, is no block mapping at column 0, is several documents, names a
 * member twice, has line breaks other than LF and CR LF, or is beyond a limit.
 */
bool pn_outline_read(struct pn_arena *arena, struct pn_str yaml, const char *const *names,
                     size_t count, struct pn_outline_member *out, size_t *end, struct pn_err *err)
    PN_CHECKED;

#endif
