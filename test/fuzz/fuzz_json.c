/* SPDX-License-Identifier: Apache-2.0 */
#include "json/shape.h"
#include "json/value.h"

#include <string.h>

/*
 * What parses prints, and what was printed parses to the same again: for shapes and for values.
 * What does not parse leaves a sentence and, for a shape, a list of issues that is JSON itself.
 */

#define MAX_BYTES ((size_t)1 << 20)

struct inner {
    int64_t number;
    struct pn_str label;
    struct pn_secret *pin;
};
static const struct pn_field inner_fields[] = {
    PN_FIELD(inner, number, INT, .required = true, .min = INT64_MIN),
    PN_FIELD(inner, label, STRING, .max = 100, .trim = true, .lower = true, .omit_empty = true),
    PN_FIELD(inner, pin, SECRET, .max = 100),
};
static const struct pn_shape inner_shape = PN_SHAPE_OF(inner);

static const char *const names[] = { "red", "green", NULL };

struct outer {
    struct pn_str s, raw;
    bool has_s, has_one, b;
    struct pn_secret *secret;
    int64_t i, at;
    struct pn_uuid id;
    int kind;
    struct pn_strs list, map;
    struct inner one;
    struct pn_list many;
};
static const struct pn_field outer_fields[] = {
    PN_FIELD(outer, s, STRING, .is_nullable = true, .has_offset = offsetof(struct outer, has_s),
             .omit_empty = true),
    PN_FIELD(outer, raw, RAW, .omit_empty = true),
    PN_FIELD(outer, b, BOOL),
    PN_FIELD(outer, secret, SECRET, .max = 1000),
    PN_FIELD(outer, i, INT, .min = -5, .max = 1000, .fallback = 7, .has_fallback = true),
    PN_FIELD(outer, at, TIME),
    PN_FIELD(outer, id, UUID),
    PN_FIELD(outer, kind, ENUM, .names = names, .is_nullable = true),
    PN_FIELD(outer, list, STRINGS, .max = 10, .item_max = 20),
    PN_FIELD(outer, map, MAP, .max = 10),
    PN_FIELD(outer, one, OBJECT, .shape = &inner_shape,
             .has_offset = offsetof(struct outer, has_one), .omit_empty = true),
    PN_FIELD(outer, many, OBJECTS, .shape = &inner_shape, .max = 10),
};
static const struct pn_shape outer_shape = PN_SHAPE_OF(outer);

static void check_issues(const struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *issues = NULL;
    struct pn_err unused = { 0 };

    pn_assert(err->message[0] != '\0');
    if (err->code != PN_VALIDATION) {
        pn_assert(err->code == PN_BAD_REQUEST);
        return;
    }
    pn_assert(pn_value_parse(err->details, &issues, &unused));
    pn_assert(pn_value_count(issues) > 0 && pn_value_count(issues) <= PN_SHAPE_MAX_ISSUES);
    pn_assert(pn_value_is_string(pn_value_at(issues, "0.message")));
}

static void check_shape(struct pn_arena *arena, struct pn_str text)
{
    struct outer first, second;
    struct pn_err err = { 0 };
    pn_auto(pn_buf_drop) struct pn_buf once = pn_buf_init(MAX_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf twice = pn_buf_init(MAX_BYTES);

    if (!pn_shape_parse(&outer_shape, arena, text, &first, &err)) {
        check_issues(&err);
        pn_assert(pn_secret_pool_used() == 0);
        return;
    }
    pn_shape_print(&outer_shape, &first, &once);
    pn_shape_drop(&outer_shape, &first);
    pn_assert(pn_secret_pool_used() == 0);
    if (!pn_shape_parse(&outer_shape, arena, pn_buf_str(&once), &second, &err))
        pn_die(err.message);
    pn_shape_print(&outer_shape, &second, &twice);
    pn_assert(pn_str_eq(pn_buf_str(&once), pn_buf_str(&twice)));
    pn_shape_drop(&outer_shape, &second);
}

static void check_value(struct pn_str text)
{
    pn_auto(pn_value_freep) struct pn_value *first = NULL;
    pn_auto(pn_value_freep) struct pn_value *second = NULL;
    pn_auto(pn_value_freep) struct pn_value *from_yaml = NULL;
    pn_auto(pn_buf_drop) struct pn_buf once = pn_buf_init(MAX_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf twice = pn_buf_init(MAX_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf yaml = pn_buf_init(MAX_BYTES);
    struct pn_err err = { 0 };

    if (!pn_value_parse(text, &first, &err)) {
        pn_assert(first == NULL && err.code == PN_BAD_REQUEST);
        return;
    }
    pn_value_print(first, true, &once);
    pn_assert(pn_value_parse(pn_buf_str(&once), &second, &err));
    pn_value_print(second, true, &twice);
    pn_assert(pn_str_eq(pn_buf_str(&once), pn_buf_str(&twice)));

    pn_value_print_yaml(first, &yaml);
    if (!pn_value_parse_yaml(pn_buf_str(&yaml), &from_yaml, &err))
        pn_die(err.message);
    pn_buf_clear(&twice);
    pn_value_print(from_yaml, true, &twice);
    pn_assert(pn_str_eq(pn_buf_str(&once), pn_buf_str(&twice)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_BYTES * 8);

    if (size > MAX_BYTES / 64)
        return 0;
    check_shape(arena, pn_str_of(data, size));
    check_value(pn_str_of(data, size));
    return 0;
}
