/* SPDX-License-Identifier: Apache-2.0 */
#include "server/input.h"

#include <string.h>

/* How much of the struct a member of each kind takes. */
static size_t kind_bytes(const struct pn_field *field)
{
    switch (field->kind) {
    case PN_KIND_STRING:
    case PN_KIND_RAW: return sizeof(struct pn_str);
    case PN_KIND_SECRET: return sizeof(struct pn_secret *);
    case PN_KIND_INT:
    case PN_KIND_TIME: return sizeof(int64_t);
    case PN_KIND_BOOL: return sizeof(bool);
    case PN_KIND_UUID: return sizeof(struct pn_uuid);
    case PN_KIND_ENUM: return sizeof(int);
    case PN_KIND_STRINGS:
    case PN_KIND_MAP: return sizeof(struct pn_strs);
    case PN_KIND_OBJECT: return field->shape->size;
    case PN_KIND_OBJECTS: return sizeof(struct pn_list);
    }
    return 0;
}

static bool is_given(const struct pn_match *match, const char *name)
{
    for (size_t i = 0; i < match->param_count; i++) {
        if (match->params[i].value.len > 0 && pn_str_is(match->params[i].name, name))
            return true;
    }
    return false;
}

/* The shape's fields that parameters give (or that they do not give), as a shape of its own. */
static struct pn_shape pick(const struct pn_shape *shape, const struct pn_match *match,
                            bool wants_given, struct pn_arena *arena)
{
    struct pn_field *fields = pn_new(arena, struct pn_field, shape->count);
    struct pn_shape picked = { shape->name, shape->size, fields, 0 };

    for (size_t i = 0; i < shape->count; i++) {
        if (is_given(match, shape->fields[i].name) == wants_given)
            fields[picked.count++] = shape->fields[i];
    }
    return picked;
}

static void take_over(const struct pn_shape *shape, const void *from, void *to)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct pn_field *f = &shape->fields[i];

        memcpy((char *)to + f->offset, (const char *)from + f->offset, kind_bytes(f));
        if (f->has_offset != 0)
            memcpy((char *)to + f->has_offset, (const char *)from + f->has_offset, sizeof(bool));
    }
}

/* "[a]" and "[b]" as "[a,b]". */
static struct pn_str join_issues(struct pn_arena *arena, struct pn_str a, struct pn_str b)
{
    if (a.len < 2 || b.len < 2)
        return a.len >= 2 ? a : b;
    return pn_arena_printf(arena, "%.*s,%.*s", PN_ARG(pn_str_slice(a, 0, a.len - 1)),
                           PN_ARG(pn_str_slice(b, 1, b.len)));
}

bool pn_input_parse(const struct pn_shape *shape, const struct pn_match *match, struct pn_str body,
                    struct pn_arena *arena, void *out, struct pn_err *err)
{
    const struct pn_shape given = pick(shape, match, true, arena),
                          rest = pick(shape, match, false, arena);
    void *params = pn_arena_alloc(arena, shape->size, _Alignof(max_align_t));
    struct pn_err second = { 0 };
    bool has_body, has_params;

    has_body = pn_shape_parse(&rest, arena, body, out, err);
    if (!has_body && err->code != PN_VALIDATION)
        return false;
    has_params =
        pn_shape_parse_params(&given, arena, match->params, match->param_count, params, &second);
    if (has_body && has_params) {
        take_over(&given, params, out);
        return true;
    }
    if (has_body)
        pn_shape_drop(&rest, out);
    if (has_params)
        pn_shape_drop(&given, params);
    if (has_body)
        *err = second;
    else if (!has_params)
        err->details = join_issues(arena, err->details, second.details);
    return false;
}
