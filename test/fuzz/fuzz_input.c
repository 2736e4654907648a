/* SPDX-License-Identifier: Apache-2.0 */
#include "json/value.h"
#include "server/cookie.h"
#include "server/input.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * A request to any declared route: the first line is method and target, the rest the body; the body
 * also stands for a Cookie header. Whatever comes: no crash, and what a route's shape lets in keeps the
 * limits that the shape states, at every depth. What it refuses is refused as the contract says, and no
 * secret stays behind either way.
 */
static void check_count(size_t count, const struct pn_field *f, int64_t fallback)
{
    pn_assert(count <= (size_t)(f->max != 0 ? f->max : fallback));
}

static void check_text(struct pn_str text, int64_t max)
{
    int64_t characters = 0;

    pn_assert(pn_str_is_utf8(text) && pn_str_find(text, '\0') < 0);
    for (size_t i = 0; i < text.len; i++)
        characters += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    pn_assert(characters <= (max != 0 ? max : PN_SHAPE_STRING_BYTES));
}

static void check_struct(const struct pn_shape *shape, const void *in);

static void check_list(const struct pn_field *f, const struct pn_list *list)
{
    check_count(list->count, f, PN_SHAPE_ITEMS);
    for (size_t i = 0; i < list->count; i++)
        check_struct(f->shape, (const char *)list->items + i * f->shape->size);
}

static void check_field(const struct pn_field *f, const void *value)
{
    const struct pn_strs *texts = value;
    int64_t number;

    switch (f->kind) {
    case PN_KIND_STRING: check_text(*(const struct pn_str *)value, f->max); break;
    case PN_KIND_INT:
        number = *(const int64_t *)value;
        pn_assert(number == 0 || number >= f->min);
        pn_assert(f->max == 0 || number <= f->max);
        break;
    case PN_KIND_STRINGS:
        check_count(texts->count, f, PN_SHAPE_ITEMS);
        for (size_t i = 0; i < texts->count; i++)
            check_text(texts->items[i], f->item_max);
        break;
    case PN_KIND_OBJECTS: check_list(f, value); break;
    case PN_KIND_OBJECT: check_struct(f->shape, value); break;
    case PN_KIND_ENUM: pn_assert(*(const int *)value >= -1); break;
    case PN_KIND_MAP: pn_assert(texts->count % 2 == 0); break;
    case PN_KIND_SECRET:
    case PN_KIND_BOOL:
    case PN_KIND_UUID:
    case PN_KIND_TIME:
    case PN_KIND_RAW: break;
    }
}

static void check_struct(const struct pn_shape *shape, const void *in)
{
    for (size_t i = 0; i < shape->count; i++)
        check_field(&shape->fields[i], (const char *)in + shape->fields[i].offset);
}

static void check_refusal(const struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *details = NULL;
    struct pn_err ignored = { 0 };

    pn_assert(err->code == PN_BAD_REQUEST || err->code == PN_VALIDATION);
    if (err->code != PN_VALIDATION)
        return;
    pn_assert(pn_value_parse(err->details, &details, &ignored));
    pn_assert(pn_value_is_array(details) && pn_value_count(details) > 0);
}

static void check_input(const struct pn_match *match, struct pn_str body, struct pn_arena *arena)
{
    const struct pn_shape *shape = match->route->in;
    void *in = pn_arena_alloc(arena, shape->size, _Alignof(max_align_t));
    struct pn_err err = { 0 };

    memset(in, 0, shape->size);
    if (!pn_input_parse(shape, match, body, arena, in, &err)) {
        check_refusal(&err);
        return;
    }
    check_struct(shape, in);
    pn_shape_drop(shape, in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pn_router *router;
    struct pn_str body = pn_str_of(data, size), line = PN_NONE, method;
    struct pn_arena *arena = pn_arena_new((size_t)8 << 20);
    size_t secrets = pn_secret_pool_used();
    struct pn_match match;
    struct pn_err err = { 0 };

    if (router == NULL && !pn_router_new(pn_route_tables, &router, &err))
        pn_assert_failed(err.message, __FILE__, __LINE__);
    if (pn_str_cut(&body, '\n', &line) && pn_str_cut(&line, ' ', &method) &&
        pn_router_match(router, method, line, arena, &match, &err) && match.route->in != NULL &&
        !match.route->is_raw)
        check_input(&match, body, arena);
    pn_assert(pn_cookie_get(body, PN_COOKIE_REFRESH).len <= body.len);
    pn_assert(pn_secret_pool_used() == secrets);
    pn_arena_free(arena);
    return 0;
}
