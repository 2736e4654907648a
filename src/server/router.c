/* SPDX-License-Identifier: Apache-2.0 */
#include "server/router.h"

#include "base/encode.h"

#include <string.h>

static const char *const method_names[PN_METHODS] = {
    [PN_GET] = "GET", [PN_POST] = "POST",     [PN_PATCH] = "PATCH",
    [PN_PUT] = "PUT", [PN_DELETE] = "DELETE",
};

/* One segment of a path: its literal children, one child for any other text, and what ends here. */
struct node {
    struct pn_str literal;
    struct node *child, *next; /* first literal child; next sibling */
    struct node *any;
    const struct pn_route *routes[PN_METHODS];
};

struct pn_router {
    struct node root;
    struct pn_arena *arena;
};

bool pn_method_parse(struct pn_str text, enum pn_method *out)
{
    for (int i = 0; i < PN_METHODS; i++) {
        if (pn_str_is(text, method_names[i])) {
            *out = (enum pn_method)i;
            return true;
        }
    }
    return false;
}

const char *pn_method_name(enum pn_method method)
{
    return method_names[method];
}

/* The next non-empty segment; false at the end. */
static bool cut_segment(struct pn_str *rest, struct pn_str *segment)
{
    while (pn_str_cut(rest, '/', segment)) {
        if (segment->len > 0)
            return true;
    }
    return false;
}

static struct node *child_of(struct pn_arena *arena, struct node *parent, struct pn_str segment)
{
    struct node *node;

    if (segment.ptr[0] == ':') {
        if (parent->any == NULL)
            parent->any = pn_new(arena, struct node, 1);
        return parent->any;
    }
    for (node = parent->child; node != NULL; node = node->next) {
        if (pn_str_eq(node->literal, segment))
            return node;
    }
    node = pn_new(arena, struct node, 1);
    *node = (struct node){ .literal = segment, .next = parent->child };
    parent->child = node;
    return node;
}

static bool check_row(const struct pn_route *route, struct pn_err *err)
{
    const char *problem = NULL;

    if (route->access == 0)
        problem = "does not say who may call it (.access)";
    else if (route->handle == NULL)
        problem = "has no handler";
    else if (route->path[0] != '/')
        problem = "is not a path";
    else if (route->lane == PN_LANE_INLINE && route->access != PN_ANYONE)
        problem = "cannot authenticate on a loop";
    return problem == NULL || pn_fail(err, PN_INTERNAL, "route %s %s %s",
                                      method_names[route->method], route->path, problem);
}

static bool add_route(struct pn_router *router, const struct pn_route *route, struct pn_err *err)
{
    struct pn_str rest = pn_str_from(route->path), segment;
    struct node *node = &router->root;
    size_t segments = 0, params = 0;

    if (!check_row(route, err))
        return false;
    while (cut_segment(&rest, &segment)) {
        segments++;
        params += segment.ptr[0] == ':';
        node = child_of(router->arena, node, segment);
    }
    if (segments > PN_ROUTER_MAX_SEGMENTS || params > PN_ROUTER_MAX_PARAMS)
        return pn_fail(err, PN_INTERNAL, "route %s has too many segments", route->path);
    if (node->routes[route->method] != NULL)
        return pn_fail(err, PN_INTERNAL, "route %s %s is declared twice",
                       method_names[route->method], route->path);
    node->routes[route->method] = route;
    return true;
}

bool pn_router_new(const struct pn_route *const *tables, struct pn_router **out, struct pn_err *err)
{
    pn_auto(pn_router_freep) struct pn_router *router = pn_heap_new(sizeof(*router));

    router->arena = pn_arena_new((size_t)1 << 20);
    for (; *tables != NULL; tables++) {
        for (const struct pn_route *route = *tables; route->path != NULL; route++) {
            if (!add_route(router, route, err))
                return false;
        }
    }
    *out = pn_take(&router);
    return true;
}

void pn_router_free(struct pn_router *router)
{
    if (router != NULL)
        pn_arena_free(router->arena);
    pn_heap_free(router);
}

void pn_router_freep(struct pn_router **router)
{
    pn_router_free(*router);
}

/* ---- matching ---- */

static bool has_route(const struct node *node)
{
    for (int i = 0; i < PN_METHODS; i++) {
        if (node->routes[i] != NULL)
            return true;
    }
    return false;
}

/* Depth is bounded by the tree, which has at most one literal and one other way from each node. */
static const struct node *walk(const struct node *node, const struct pn_str *segments, size_t count)
{
    const struct node *found = NULL;

    if (count == 0)
        return has_route(node) ? node : NULL;
    for (const struct node *child = node->child; child != NULL && found == NULL;
         child = child->next) {
        if (pn_str_eq(child->literal, segments[0]))
            found = walk(child, segments + 1, count - 1);
    }
    return found == NULL && node->any != NULL ? walk(node->any, segments + 1, count - 1) : found;
}

static bool decode(struct pn_arena *arena, struct pn_str text, struct pn_str *out,
                   struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf decoded = pn_buf_init(text.len + 1);

    if (!pn_percent_decode(text, &decoded))
        return pn_fail(err, PN_BAD_REQUEST, "The path or query holds a broken %%-escape");
    *out = pn_arena_copy(arena, pn_buf_str(&decoded));
    if (!pn_str_is_utf8(*out) || pn_str_find(*out, '\0') >= 0)
        return pn_fail(err, PN_BAD_REQUEST, "The path or query is not valid text");
    return true;
}

/* The route's names for the segments that it takes as parameters. */
static bool add_path_params(struct pn_match *m, struct pn_arena *arena,
                            const struct pn_str *segments, size_t count, struct pn_err *err)
{
    struct pn_str rest = pn_str_from(m->route->path), name;

    for (size_t i = 0; i < count && cut_segment(&rest, &name); i++) {
        struct pn_param *param;

        if (name.ptr[0] != ':')
            continue;
        param = &m->params[m->param_count++];
        param->name = pn_str_slice(name, 1, name.len);
        if (!decode(arena, segments[i], &param->value, err))
            return false;
    }
    m->path_count = m->param_count;
    return true;
}

/* In a query '+' is a space; in a path it is itself. */
static struct pn_str plus_to_space(struct pn_arena *arena, struct pn_str text)
{
    char *copy;

    if (pn_str_find(text, '+') < 0)
        return text;
    copy = pn_arena_alloc(arena, text.len, 1);
    for (size_t i = 0; i < text.len; i++)
        copy[i] = (char)(text.ptr[i] == '+' ? ' ' : text.ptr[i]);
    return pn_str_of(copy, text.len);
}

static bool has_param(const struct pn_match *m, struct pn_str name)
{
    for (size_t i = 0; i < m->param_count; i++) {
        if (pn_str_eq(m->params[i].name, name))
            return true;
    }
    return false;
}

/* A path parameter wins over the query, the first of several over the later ones. */
static bool add_query_params(struct pn_match *m, struct pn_arena *arena, struct pn_str query,
                             struct pn_err *err)
{
    struct pn_str pair;
    size_t seen = 0;

    while (query.len > 0 && pn_str_cut(&query, '&', &pair)) {
        struct pn_str value = pair, key, name;

        if (pair.len == 0)
            continue;
        if (++seen > PN_ROUTER_MAX_QUERY)
            return pn_fail(err, PN_BAD_REQUEST, "More than %d query parameters",
                           PN_ROUTER_MAX_QUERY);
        (void)pn_str_cut(&value, '=', &key);
        if (!decode(arena, plus_to_space(arena, key), &name, err))
            return false;
        if (has_param(m, name))
            continue;
        m->params[m->param_count].name = name;
        if (!decode(arena, plus_to_space(arena, value), &m->params[m->param_count].value, err))
            return false;
        m->param_count++;
    }
    return true;
}

static bool split_path(struct pn_str path, struct pn_str segments[PN_ROUTER_MAX_SEGMENTS],
                       size_t *count)
{
    struct pn_str segment;

    *count = 0;
    if (path.len == 0 || path.ptr[0] != '/')
        return false;
    path = pn_str_slice(path, 1, path.len);
    if (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--; /* one trailing slash is ignored; empty segments elsewhere name nothing */
    if (path.len == 0)
        return true;
    while (pn_str_cut(&path, '/', &segment)) {
        if (segment.len == 0 || *count == PN_ROUTER_MAX_SEGMENTS)
            return false;
        segments[(*count)++] = segment;
    }
    return true;
}

static bool not_found(struct pn_str method, struct pn_str path, struct pn_err *err)
{
    return pn_fail(err, PN_NOT_FOUND, "Route %.*s:%.*s not found",
                   PN_ARG(pn_str_slice(method, 0, 16)), PN_ARG(pn_str_slice(path, 0, 160)));
}

bool pn_router_match(const struct pn_router *router, struct pn_str method_name,
                     struct pn_str target, struct pn_arena *arena, struct pn_match *out,
                     struct pn_err *err)
{
    struct pn_str segments[PN_ROUTER_MAX_SEGMENTS], query = target, path = PN_NONE;
    const struct node *node;
    enum pn_method method;
    size_t count;

    *out = (struct pn_match){ 0 };
    (void)pn_str_cut(&query, '?', &path);
    node = split_path(path, segments, &count) ? walk(&router->root, segments, count) : NULL;
    if (node == NULL)
        return not_found(method_name, path, err);
    if (!pn_method_parse(method_name, &method) || node->routes[method] == NULL) {
        for (unsigned i = 0; i < PN_METHODS; i++)
            out->allowed |= node->routes[i] != NULL ? 1U << i : 0;
        return pn_fail(err, PN_METHOD, "Method %.*s is not allowed here",
                       PN_ARG(pn_str_slice(method_name, 0, 16)));
    }
    out->route = node->routes[method];
    return add_path_params(out, arena, segments, count, err) &&
           add_query_params(out, arena, query, err);
}
