/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/requestinfo.h"

#include "base/encode.h"

#include <string.h>

/* apis, group, version, watch, namespaces, NAMESPACE, resource, name, subresource. */
#define MAX_PARTS 9

struct path {
    struct pn_str parts[MAX_PARTS]; /* decoded; the first ones */
    size_t count;                   /* of all */
    size_t at;                      /* parts before it have been understood */
    size_t bad_at; /* the first part that may not stand in a path; SIZE_MAX: none */
    const char *bad_why;
};

static const char *const verbs[][2] = {
    { "GET", "get" },    { "HEAD", "get" },    { "POST", "create" },
    { "PUT", "update" }, { "PATCH", "patch" }, { "DELETE", "delete" },
};

static bool is_one_of(struct pn_str s, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pn_str_is(s, names[i]))
            return true;
    return false;
}
#define IS_ONE_OF(s, ...)                                \
    is_one_of((s), (const char *const[]){ __VA_ARGS__ }, \
              PN_COUNT(((const char *const[]){ __VA_ARGS__ })))

/* RFC 3986 §3.3 and §3.4, and what clients send beside it; not a space, control, '#' or 8-bit byte. */
static bool check_bytes(struct pn_str target, struct pn_err *err)
{
    if (target.len == 0 || target.ptr[0] != '/')
        return pn_fail(err, PN_BAD_REQUEST,
                       "the request target must be a path that begins with \"/\"");
    for (size_t i = 0; i < target.len; i++)
        if (target.ptr[i] <= ' ' || target.ptr[i] >= 0x7f || target.ptr[i] == '#')
            return pn_fail(err, PN_BAD_REQUEST,
                           "the path holds a byte that must be percent-encoded");
    return true;
}

/* One decoded byte of `s` at *at, which moves on; -1 for a broken escape. */
static int next_byte(struct pn_str s, size_t *at)
{
    int high, low;

    if (s.ptr[*at] != '%')
        return (unsigned char)s.ptr[(*at)++];
    if (s.len - *at < 3)
        return -1;
    high = pn_hex_digit(s.ptr[*at + 1]);
    low = pn_hex_digit(s.ptr[*at + 2]);
    *at += 3;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Decodes a part of the path; *why tells what may not stand there, NULL when all is well. */
static bool decode_part(struct pn_arena *arena, struct pn_str raw, struct pn_str *out,
                        const char **why, struct pn_err *err)
{
    bool is_coded = raw.len > 0 && memchr(raw.ptr, '%', raw.len) != NULL;
    char *decoded = is_coded ? pn_arena_alloc(arena, raw.len, 1) : NULL;
    size_t len = 0;

    *why = NULL;
    for (size_t at = 0; at < raw.len; len++) {
        int byte = next_byte(raw, &at);

        if (byte < 0)
            return pn_fail(err, PN_BAD_REQUEST, "the path holds a broken percent escape");
        if (byte == '/')
            *why = "an encoded slash";
        else if (byte == '\0')
            *why = "a NUL byte";
        else if (byte == '\\')
            *why = "a backslash";
        if (is_coded)
            decoded[len] = (char)byte;
    }
    *out = is_coded ? pn_str_of(decoded, len) : raw;
    if (out->len == 0)
        *why = "an empty segment";
    else if (IS_ONE_OF(*out, ".", ".."))
        *why = "a dot segment";
    return true;
}

static struct pn_str trim_slashes(struct pn_str path)
{
    while (path.len > 0 && path.ptr[0] == '/')
        path = pn_str_slice(path, 1, path.len);
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    return path;
}

static bool split(struct pn_arena *arena, struct pn_str text, struct path *out, struct pn_err *err)
{
    struct pn_str rest = trim_slashes(text), raw, part;
    const char *why;

    *out = (struct path){ .bad_at = SIZE_MAX };
    while (rest.len > 0 && pn_str_cut(&rest, '/', &raw)) {
        if (!decode_part(arena, raw, &part, &why, err))
            return false;
        if (why != NULL && out->bad_at == SIZE_MAX) {
            out->bad_at = out->count;
            out->bad_why = why;
        }
        if (out->count < MAX_PARTS)
            out->parts[out->count] = part;
        out->count++;
    }
    return true;
}

static size_t left(const struct path *path)
{
    return path->count - path->at;
}

/* The i-th part that is not yet understood; PN_NONE past the end. */
static struct pn_str part(const struct path *path, size_t i)
{
    return i < left(path) && path->at + i < MAX_PARTS ? path->parts[path->at + i] : PN_NONE;
}

/* ---- list options, as apimachinery decodes them from a query ---- */

struct list_options {
    bool is_watch, is_broken;
    struct pn_str label_selector, field_selector;
};

static bool unescape(struct pn_arena *arena, struct pn_str *text)
{
    char *out;
    size_t len = 0;

    if (text->len == 0 ||
        (memchr(text->ptr, '%', text->len) == NULL && memchr(text->ptr, '+', text->len) == NULL))
        return true;
    out = pn_arena_alloc(arena, text->len, 1);
    for (size_t at = 0; at < text->len; len++) {
        int byte = text->ptr[at] == '+' ? (at++, ' ') : next_byte(*text, &at);

        if (byte < 0)
            return false;
        out[len] = (char)byte;
    }
    *text = pn_str_of(out, len);
    return true;
}

/* The next pair that Go's url.ParseQuery would keep: no semicolon, no broken escape. */
static bool next_pair(struct pn_arena *arena, struct pn_str *query, struct pn_str *key,
                      struct pn_str *value)
{
    struct pn_str pair;

    while (query->len > 0 && pn_str_cut(query, '&', &pair)) {
        if (pair.len == 0 || pn_str_find(pair, ';') >= 0)
            continue;
        *value = pair;
        if (!pn_str_cut(value, '=', key))
            continue;
        if (value->ptr == NULL)
            *value = PN_LIT("");
        if (unescape(arena, key) && unescape(arena, value))
            return true;
    }
    return false;
}

static bool is_true(struct pn_str value)
{
    return !pn_str_is(value, "0") && !pn_str_iis(value, "false");
}

static bool is_int64(struct pn_str value)
{
    int64_t number;

    if (value.len > 1 && value.ptr[0] == '+')
        value = pn_str_slice(value, 1, value.len);
    return pn_str_i64(value, &number);
}

/* Only the first value of a name counts; a later one is ignored. */
static struct list_options read_list_options(struct pn_arena *arena, struct pn_str query)
{
    struct list_options options = { 0 };
    bool has_watch = false, has_limit = false, has_timeout = false;
    struct pn_str key, value;

    while (next_pair(arena, &query, &key, &value)) {
        if (pn_str_is(key, "watch") && !has_watch) {
            has_watch = true;
            options.is_watch = is_true(value);
        } else if (pn_str_is(key, "limit") && !has_limit) {
            has_limit = true;
            options.is_broken |= !is_int64(value);
        } else if (pn_str_is(key, "timeoutSeconds") && !has_timeout) {
            has_timeout = true;
            options.is_broken |= !is_int64(value);
        } else if (pn_str_is(key, "labelSelector") && options.label_selector.ptr == NULL) {
            options.label_selector = value;
        } else if (pn_str_is(key, "fieldSelector") && options.field_selector.ptr == NULL) {
            options.field_selector = value;
        }
    }
    return options;
}

/* Takes a term off the front: up to a comma that no backslash hides. */
static bool next_term(struct pn_str *selector, struct pn_str *term)
{
    size_t end = 0;

    if (selector->ptr == NULL)
        return false;
    while (end < selector->len && selector->ptr[end] != ',')
        end += selector->ptr[end] == '\\' ? 2 : 1;
    *term = pn_str_slice(*selector, 0, end);
    *selector = end < selector->len ? pn_str_slice(*selector, end + 1, selector->len) : PN_NONE;
    return true;
}

/* "lhs=rhs", "lhs==rhs", "lhs!=rhs"; false without an operator. */
static bool split_term(struct pn_str term, struct pn_str *lhs, struct pn_str *rhs, bool *is_equal)
{
    for (size_t i = 0; i < term.len; i++) {
        bool has_two = i + 1 < term.len && term.ptr[i + 1] == '=';

        if (term.ptr[i] != '=' && !(term.ptr[i] == '!' && has_two))
            continue;
        *lhs = pn_str_slice(term, 0, i);
        *rhs = pn_str_slice(term, i + (has_two ? 2 : 1), term.len);
        *is_equal = term.ptr[i] == '=';
        return true;
    }
    return false;
}

static bool unescape_value(struct pn_arena *arena, struct pn_str raw, struct pn_str *out)
{
    char *value = pn_arena_alloc(arena, raw.len + 1, 1);
    size_t len = 0;

    for (size_t i = 0; i < raw.len; i++) {
        bool is_hidden = raw.ptr[i] == '\\';

        if (is_hidden && ++i == raw.len)
            return false;
        if (is_hidden != (strchr("\\,=", raw.ptr[i]) != NULL && raw.ptr[i] != '\0'))
            return false;
        value[len++] = raw.ptr[i];
    }
    *out = pn_str_of(value, len);
    return true;
}

/*
 * The name a field selector asks for exactly; the server sorts the terms and takes the first. A
 * selector the server cannot parse gives none.
 */
static struct pn_str name_of_selector(struct pn_arena *arena, struct pn_str selector)
{
    struct pn_str term, lhs, rhs, value, first = PN_NONE, name = PN_NONE;
    bool is_equal;

    while (next_term(&selector, &term)) {
        if (term.len == 0)
            continue;
        if (!split_term(term, &lhs, &rhs, &is_equal) || !unescape_value(arena, rhs, &value))
            return PN_NONE;
        if (!is_equal || !pn_str_is(lhs, "metadata.name"))
            continue;
        if (first.ptr != NULL && pn_str_cmp(first, term) <= 0)
            continue;
        first = term;
        name = value;
    }
    if (IS_ONE_OF(name, ".", "..") || pn_str_find(name, '/') >= 0 || pn_str_find(name, '%') >= 0)
        return PN_NONE;
    return name;
}

/* ---- the request ---- */

static struct pn_str lower_case(struct pn_arena *arena, struct pn_str text)
{
    char *out = pn_arena_alloc(arena, text.len + 1, 1);

    for (size_t i = 0; i < text.len; i++)
        out[i] = (char)(text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? text.ptr[i] + 32 : text.ptr[i]);
    return pn_str_of(out, text.len);
}

static struct pn_str verb_of(struct pn_str method)
{
    for (size_t i = 0; i < PN_COUNT(verbs); i++)
        if (pn_str_is(method, verbs[i][0]))
            return pn_str_from(verbs[i][1]);
    return PN_LIT("");
}

/* Takes prefix, group and version; false when the path names no resource. */
static bool take_group(struct path *path, struct pn_request_info *out)
{
    bool has_group = pn_str_is(part(path, 0), "apis");

    if (left(path) < 3 || !(has_group || pn_str_is(part(path, 0), "api")))
        return false;
    path->at++;
    if (has_group) {
        if (left(path) < 3)
            return false;
        out->api_group = part(path, 0);
        path->at++;
    }
    out->api_version = part(path, 0);
    path->at++;
    return true;
}

static void take_namespace(struct path *path, struct pn_request_info *out)
{
    if (!pn_str_is(part(path, 0), "namespaces") || left(path) < 2)
        return;
    out->namespace = part(path, 1);
    if (left(path) > 2 && !IS_ONE_OF(part(path, 2), "status", "finalize"))
        path->at += 2;
}

static void take_list_options(struct pn_arena *arena, struct pn_str query,
                              struct pn_request_info *out)
{
    struct list_options options = read_list_options(arena, query);

    if (pn_str_is(out->verb, "get")) {
        out->verb = options.is_watch ? PN_LIT("watch") : PN_LIT("list");
        if (!options.is_broken)
            out->name = name_of_selector(arena, options.field_selector);
    } else {
        out->verb = PN_LIT("deletecollection");
    }
    out->label_selector = options.label_selector;
    out->field_selector = options.field_selector;
}

/* What stands behind `proxy` belongs to somebody else and is not ours to judge. */
static bool screen(const struct path *path, size_t judged, struct pn_err *err)
{
    if (path->bad_at < judged)
        return pn_fail(err, PN_BAD_REQUEST,
                       "the path holds %s, which proxies and servers may read differently",
                       path->bad_why);
    return true;
}

static bool read_resource(struct pn_arena *arena, struct path *path, struct pn_str query,
                          struct pn_request_info *out, struct pn_err *err)
{
    bool is_prefixed = IS_ONE_OF(part(path, 0), "proxy", "watch");
    bool is_proxied;

    if (is_prefixed) {
        if (left(path) < 2)
            return pn_fail(err, PN_INTERNAL,
                           "unable to determine kind and namespace from the path");
        out->verb = part(path, 0);
        path->at++;
    }
    take_namespace(path, out);
    out->resource = part(path, 0);
    out->name = part(path, 1);
    is_proxied = is_prefixed && pn_str_is(out->verb, "proxy");
    if (!is_proxied)
        out->subresource = part(path, 2);
    if (is_proxied || pn_str_is(out->subresource, "proxy")) {
        if (!screen(path, path->at + (is_proxied ? 2 : 3), err))
            return false;
    } else if (!screen(path, SIZE_MAX, err)) {
        return false;
    }
    out->is_opaque =
        is_proxied || (pn_str_is(out->subresource, "proxy") && out->api_group.len == 0 &&
                       IS_ONE_OF(out->resource, "pods", "services", "nodes"));
    if (out->name.len == 0 && IS_ONE_OF(out->verb, "get", "delete"))
        take_list_options(arena, query, out);
    return true;
}

static bool is_long_running(const struct pn_request_info *info, struct pn_str path)
{
    if (!info->is_resource)
        return pn_str_starts(path, PN_LIT("/debug/pprof/"));
    return IS_ONE_OF(info->verb, "watch", "proxy") ||
           IS_ONE_OF(info->subresource, "attach", "exec", "proxy", "log", "portforward");
}

bool pn_request_info_parse(struct pn_arena *arena, struct pn_str method, struct pn_str target,
                           struct pn_request_info *out, struct pn_err *err)
{
    struct pn_str query = target, text;
    struct path path;

    *out = (struct pn_request_info){ 0 };
    if (!check_bytes(target, err))
        return false;
    (void)pn_str_cut(&query, '?', &text);
    if (!split(arena, text, &path, err))
        return false;
    out->is_resource = take_group(&path, out);
    if (out->is_resource) {
        out->verb = verb_of(method);
        if (!read_resource(arena, &path, query, out, err))
            return false;
    } else {
        out->api_group = out->api_version = PN_NONE;
        out->verb = lower_case(arena, method);
        if (!screen(&path, SIZE_MAX, err))
            return false;
    }
    out->is_long_running = is_long_running(out, text);
    return true;
}
