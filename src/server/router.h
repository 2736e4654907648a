/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_ROUTER_H
#define PN_SERVER_ROUTER_H

#include "server/route.h"

/*
 * The tables of routes, compiled into a tree of path segments. A literal segment wins over a
 * parameter; a trailing slash is ignored; parameters are percent-decoded once, each by itself, so an
 * escaped slash stays inside its segment. Immutable once made: any thread may match.
 */
struct pn_router;

#define PN_ROUTER_MAX_SEGMENTS 24
#define PN_ROUTER_MAX_PARAMS 8
#define PN_ROUTER_MAX_QUERY 64 /* query parameters */
#define PN_METHODS 5

/*
 * `tables` is NULL-terminated, each table ends with { 0 }. Fails (PN_INTERNAL, naming the row) when a
 * row lacks .access or a handler, or is there twice: the server must not start with it.
 */
bool pn_router_new(const struct pn_route *const *tables, struct pn_router **out, struct pn_err *err)
    PN_CHECKED;
void pn_router_free(struct pn_router *router);
void pn_router_freep(struct pn_router **router);

bool pn_method_parse(struct pn_str text, enum pn_method *out) PN_CHECKED;
const char *pn_method_name(enum pn_method method);

struct pn_match {
    const struct pn_route *route;
    struct pn_param params[PN_ROUTER_MAX_PARAMS + PN_ROUTER_MAX_QUERY]; /* path first, then query */
    size_t param_count;
    size_t path_count; /* how many of them are of the path */
    unsigned allowed;  /* 405: methods the path has, a bit each */
};
/*
 * Finds the route of an origin-form target ("/path?query"); decoded values go to the arena.
 *
 * Errors:  PN_NOT_FOUND    no such path
 *          PN_METHOD       the path has other methods: out->allowed
 *          PN_BAD_REQUEST  a broken escape, not UTF-8, a NUL, or too many parts
 */
bool pn_router_match(const struct pn_router *router, struct pn_str method, struct pn_str target,
                     struct pn_arena *arena, struct pn_match *out, struct pn_err *err) PN_CHECKED;

#endif
