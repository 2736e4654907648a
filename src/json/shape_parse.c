/* SPDX-License-Identifier: Apache-2.0 */
#include "json/shape.h"

#include "base/clock.h"
#include "json/tree.h"
#include "json/writer.h"

#include <string.h>

#define ISSUES_BYTES ((size_t)512 * 1024) /* far more than PN_SHAPE_MAX_ISSUES fill */

/* Where in the document we are: a list on the stack, innermost first. */
struct place {
    const struct place *outer; /* NULL: the whole document */
    struct pn_str name;        /* ptr NULL: an item, at `index` */
    size_t index;
};

struct parsing {
    struct pn_arena *arena;
    struct pn_err *err;
    struct pn_buf issues_buf;
    struct pn_writer issues;
    size_t issue_count;
    struct pn_str first; /* the first issue's sentence */
};

static void write_path(struct pn_writer *w, const struct place *at)
{
    if (at == NULL)
        return;
    write_path(w, at->outer);
    if (at->name.ptr != NULL)
        pn_write_str(w, NULL, at->name);
    else
        pn_write_int(w, NULL, (int64_t)at->index);
}

static struct pn_str join_path(struct pn_arena *arena, const struct place *at)
{
    struct pn_str outer;

    if (at == NULL)
        return PN_LIT("");
    outer = join_path(arena, at->outer);
    if (at->name.ptr == NULL)
        return pn_arena_printf(arena, "%.*s[%zu]", PN_ARG(outer), at->index);
    return pn_arena_printf(arena, "%.*s%s%.*s", PN_ARG(outer), outer.len > 0 ? "." : "",
                           PN_ARG(at->name));
}

/* Notes one failure. Returns false, so that refusing is one statement. */
static bool issue(struct parsing *p, const struct place *at, const char *code,
                  struct pn_str message)
{
    struct pn_writer *w = &p->issues;

    if (p->issue_count++ >= PN_SHAPE_MAX_ISSUES)
        return false;
    if (p->issue_count == 1)
        p->first = pn_arena_printf(p->arena, "%.*s: %.*s", PN_ARG(join_path(p->arena, at)),
                                   PN_ARG(message));
    pn_write_object(w, NULL);
    pn_write_text(w, "code", code);
    pn_write_array(w, "path");
    write_path(w, at);
    pn_write_end(w);
    pn_write_str(w, "message", message);
    pn_write_end(w);
    return false;
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "object";
    case JSON_ARRAY: return "array";
    case JSON_STRING: return "string";
    case JSON_INTEGER:
    case JSON_REAL: return "number";
    case JSON_TRUE:
    case JSON_FALSE: return "boolean";
    case JSON_NULL: return "null";
    }
    return "unknown";
}

static bool ill_typed(struct parsing *p, const struct place *at, const char *wanted,
                      const json_t *value)
{
    return issue(p, at, "invalid_type",
                 pn_arena_printf(p->arena, "Expected %s, received %s", wanted, type_name(value)));
}

/* Is `count` of `what` within [min, max]? */
static bool check_size(struct parsing *p, const struct place *at, const char *thing,
                       const char *what, size_t count, int64_t min, int64_t max)
{
    if (min > 0 && count < (size_t)min)
        return issue(p, at, "too_small",
                     pn_arena_printf(p->arena, "%s must contain at least %lld %s(s)", thing,
                                     (long long)min, what));
    if (count > (size_t)max)
        return issue(p, at, "too_big",
                     pn_arena_printf(p->arena, "%s must contain at most %lld %s(s)", thing,
                                     (long long)max, what));
    return true;
}

/* Code points: what people count, and what a rule of the contract means by characters. */
static size_t count_characters(struct pn_str text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += ((uint8_t)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

/* `max` as the field says it, or the kind's default. */
static int64_t limit(int64_t max, int64_t fallback)
{
    return max != 0 ? max : fallback;
}

static void *member(const struct pn_field *field, void *out)
{
    return (char *)out + field->offset;
}

static bool parse_string(struct parsing *p, const struct pn_field *field, const struct place *at,
                         const json_t *value, void *out)
{
    struct pn_str *to = out;
    struct pn_str text = pn_tree_str(value);
    char *copy;

    if (!json_is_string(value))
        return ill_typed(p, at, "string", value);
    if (field->trim)
        text = pn_str_trim(text);
    if (!check_size(p, at, "String", "character", count_characters(text), field->min,
                    limit(field->max, PN_SHAPE_STRING_BYTES)))
        return false;
    if (pn_str_find(text, '\0') >= 0)
        return issue(p, at, "invalid_string", PN_LIT("String must not contain a NUL character"));
    copy = pn_arena_alloc(p->arena, text.len + 1, 1);
    for (size_t i = 0; i < text.len; i++) {
        bool is_upper = text.ptr[i] >= 'A' && text.ptr[i] <= 'Z';

        copy[i] = (char)(field->lower && is_upper ? text.ptr[i] + 32 : text.ptr[i]);
    }
    copy[text.len] = '\0';
    *to = pn_str_of(copy, text.len);
    if (field->check != NULL && !field->check(*to))
        return issue(p, at, "custom",
                     field->rule != NULL ? pn_str_from(field->rule)
                                         : pn_arena_printf(p->arena, "Invalid %s", field->name));
    return true;
}

static bool parse_secret(struct parsing *p, const struct pn_field *field, const struct place *at,
                         const json_t *value, void *out)
{
    struct pn_secret **to = out;
    struct pn_str text = pn_tree_str(value);

    if (p->err->code != PN_OK) /* the pool was full before */
        return false;
    if (!json_is_string(value))
        return ill_typed(p, at, "string", value);
    if (field->trim)
        text = pn_str_trim(text);
    if (!check_size(p, at, "String", "character", text.len, field->min,
                    limit(field->max, PN_SHAPE_SECRET_BYTES)))
        return false;
    *to = pn_secret_new(text, p->err);
    return *to != NULL;
}

static bool parse_int(struct parsing *p, const struct pn_field *field, const struct place *at,
                      const json_t *value, void *out)
{
    int64_t *to = out;
    int64_t max = limit(field->max, INT64_MAX);

    if (!json_is_number(value))
        return ill_typed(p, at, "number", value);
    if (!pn_tree_int(value, to))
        return issue(p, at, "invalid_type", PN_LIT("Expected integer, received float"));
    if (*to < field->min)
        return issue(p, at, "too_small",
                     pn_arena_printf(p->arena, "Number must be greater than or equal to %lld",
                                     (long long)field->min));
    if (*to > max)
        return issue(
            p, at, "too_big",
            pn_arena_printf(p->arena, "Number must be less than or equal to %lld", (long long)max));
    return true;
}

static bool parse_bool(struct parsing *p, const struct pn_field *field PN_UNUSED,
                       const struct place *at, const json_t *value, void *out)
{
    if (!json_is_boolean(value))
        return ill_typed(p, at, "boolean", value);
    *(bool *)out = json_is_true(value);
    return true;
}

static bool parse_uuid(struct parsing *p, const struct pn_field *field PN_UNUSED,
                       const struct place *at, const json_t *value, void *out)
{
    if (!json_is_string(value))
        return ill_typed(p, at, "string", value);
    return pn_uuid_parse(pn_tree_str(value), out) ||
           issue(p, at, "invalid_string", PN_LIT("Invalid uuid"));
}

static bool parse_time(struct parsing *p, const struct pn_field *field PN_UNUSED,
                       const struct place *at, const json_t *value, void *out)
{
    if (!json_is_string(value))
        return ill_typed(p, at, "string", value);
    return pn_clock_parse_iso(pn_tree_str(value), out) ||
           issue(p, at, "invalid_string", PN_LIT("Invalid datetime"));
}

static bool parse_enum(struct parsing *p, const struct pn_field *field, const struct place *at,
                       const json_t *value, void *out)
{
    struct pn_str list = PN_LIT("");

    if (!json_is_string(value))
        return ill_typed(p, at, "string", value);
    for (int i = 0; field->names[i] != NULL; i++) {
        if (pn_str_is(pn_tree_str(value), field->names[i])) {
            *(int *)out = i;
            return true;
        }
        list = pn_arena_printf(p->arena, "%.*s%s'%s'", PN_ARG(list), i > 0 ? " | " : "",
                               field->names[i]);
    }
    return issue(p, at, "invalid_enum_value",
                 pn_arena_printf(p->arena, "Invalid enum value. Expected %.*s", PN_ARG(list)));
}

static bool parse_strings(struct parsing *p, const struct pn_field *field, const struct place *at,
                          const json_t *value, void *out)
{
    const struct pn_field each = { .name = field->name,
                                   .min = 0,
                                   .max = field->item_max,
                                   .trim = field->trim,
                                   .lower = field->lower,
                                   .check = field->check,
                                   .rule = field->rule };
    struct pn_strs *to = out;
    size_t count = json_array_size(value);
    bool is_good = true;

    if (!json_is_array(value))
        return ill_typed(p, at, "array", value);
    if (!check_size(p, at, "Array", "element", count, field->min,
                    limit(field->max, PN_SHAPE_ITEMS)))
        return false;
    *to = (struct pn_strs){ pn_new(p->arena, struct pn_str, count), count };
    for (size_t i = 0; i < count; i++) {
        const struct place here = { .outer = at, .index = i };

        is_good &= parse_string(p, &each, &here, json_array_get(value, i), &to->items[i]);
    }
    return is_good;
}

static bool parse_map(struct parsing *p, const struct pn_field *field, const struct place *at,
                      const json_t *value, void *out)
{
    const struct pn_field each = { .name = field->name, .max = field->item_max };
    struct pn_strs *to = out;
    size_t count = json_object_size(value);
    bool is_good = true;

    if (!json_is_object(value))
        return ill_typed(p, at, "object", value);
    if (!check_size(p, at, "Object", "member", count, field->min,
                    limit(field->max, PN_SHAPE_ITEMS)))
        return false;
    *to = (struct pn_strs){ pn_new(p->arena, struct pn_str, 2 * count), 2 * count };
    count = 0;
    for (void *it = json_object_iter((json_t *)value); it != NULL;
         it = json_object_iter_next((json_t *)value, it)) {
        const struct place here = { .outer = at, .name = pn_str_from(json_object_iter_key(it)) };

        if (!check_size(p, at, "Name", "character", here.name.len, 0, PN_SHAPE_NAME_BYTES))
            return false;
        to->items[count] = pn_arena_copy(p->arena, here.name);
        is_good &= parse_string(p, &each, &here, json_object_iter_value(it), &to->items[count + 1]);
        count += 2;
    }
    return is_good;
}

static bool parse_raw(struct parsing *p, const struct pn_field *field, const struct place *at,
                      const json_t *value, void *out)
{
    int64_t max = limit(field->max, PN_SHAPE_RAW_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped((size_t)max);

    pn_tree_print(value, -1, &text);
    if (text.is_full)
        return issue(
            p, at, "too_big",
            pn_arena_printf(p->arena, "Value must be at most %lld bytes of JSON", (long long)max));
    *(struct pn_str *)out = pn_arena_copy(p->arena, pn_buf_str(&text));
    return true;
}

static bool parse_members(struct parsing *p, const struct pn_shape *shape, const struct place *at,
                          const json_t *object, void *out);

static bool parse_object(struct parsing *p, const struct pn_field *field, const struct place *at,
                         const json_t *value, void *out)
{
    if (!json_is_object(value))
        return ill_typed(p, at, "object", value);
    return parse_members(p, field->shape, at, value, out);
}

static void set_defaults(const struct pn_shape *shape, void *out);

static bool parse_objects(struct parsing *p, const struct pn_field *field, const struct place *at,
                          const json_t *value, void *out)
{
    struct pn_list *to = out;
    size_t count = json_array_size(value);
    bool is_good = true;

    if (!json_is_array(value))
        return ill_typed(p, at, "array", value);
    if (!check_size(p, at, "Array", "element", count, field->min,
                    limit(field->max, PN_SHAPE_ITEMS)))
        return false;
    to->items = pn_arena_array(p->arena, field->shape->size, count, _Alignof(max_align_t));
    to->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct place here = { .outer = at, .index = i };
        void *item = (char *)to->items + i * field->shape->size;

        set_defaults(field->shape, item);
        is_good &= parse_object(p, field, &here, json_array_get(value, i), item);
    }
    return is_good;
}

typedef bool parse_fn(struct parsing *p, const struct pn_field *field, const struct place *at,
                      const json_t *value, void *out);

static parse_fn *const parsers[] = {
    [PN_KIND_STRING] = parse_string, [PN_KIND_SECRET] = parse_secret,
    [PN_KIND_INT] = parse_int,       [PN_KIND_BOOL] = parse_bool,
    [PN_KIND_UUID] = parse_uuid,     [PN_KIND_TIME] = parse_time,
    [PN_KIND_ENUM] = parse_enum,     [PN_KIND_STRINGS] = parse_strings,
    [PN_KIND_OBJECT] = parse_object, [PN_KIND_OBJECTS] = parse_objects,
    [PN_KIND_RAW] = parse_raw,       [PN_KIND_MAP] = parse_map,
};

/* Values of members that do not come; everything else is zero. */
static void set_defaults(const struct pn_shape *shape, void *out)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct pn_field *field = &shape->fields[i];

        if (field->kind == PN_KIND_ENUM)
            *(int *)member(field, out) = field->has_fallback ? (int)field->fallback : -1;
        else if (field->kind == PN_KIND_INT && field->has_fallback)
            *(int64_t *)member(field, out) = field->fallback;
        else if (field->kind == PN_KIND_BOOL && field->has_fallback)
            *(bool *)member(field, out) = field->fallback != 0;
        else if (field->kind == PN_KIND_OBJECT)
            set_defaults(field->shape, member(field, out));
    }
}

/* Ids and times are absent when null, unless they must be there. */
static bool may_be_null(const struct pn_field *field)
{
    return field->is_nullable ||
           (!field->required && (field->kind == PN_KIND_UUID || field->kind == PN_KIND_TIME));
}

static bool parse_members(struct parsing *p, const struct pn_shape *shape, const struct place *at,
                          const json_t *object, void *out)
{
    bool is_good = true;

    for (size_t i = 0; i < shape->count; i++) {
        const struct pn_field *field = &shape->fields[i];
        const struct place here = { .outer = at, .name = pn_str_from(field->name) };
        const json_t *value = json_object_get(object, field->name);

        if (value == NULL && field->required)
            is_good = issue(p, &here, "invalid_type", PN_LIT("Required"));
        if (value == NULL)
            continue;
        if (field->has_offset != 0)
            *(bool *)((char *)out + field->has_offset) = true;
        if (json_is_null(value) && may_be_null(field))
            continue;
        is_good &= parsers[field->kind](p, field, &here, value, member(field, out));
    }
    return is_good;
}

static void drop_parsing(struct parsing *p)
{
    pn_buf_drop(&p->issues_buf);
}

/* Turns what was noted into the one error. */
static bool answer(struct parsing *p)
{
    if (p->err->code != PN_OK) /* the pool of secrets is full */
        return false;
    pn_write_end(&p->issues);
    pn_fail(p->err, PN_VALIDATION, "%.*s", PN_ARG(p->first));
    p->err->details =
        p->issues_buf.is_full ? PN_LIT("[]") : pn_arena_copy(p->arena, pn_buf_str(&p->issues_buf));
    return false;
}

static bool parse_tree(const struct pn_shape *shape, struct pn_arena *arena, const json_t *object,
                       void *out, struct pn_err *err)
{
    pn_auto(drop_parsing) struct parsing p = { .arena = arena, .err = err };

    p.issues_buf = pn_buf_init(ISSUES_BYTES);
    p.issues = pn_writer_of(&p.issues_buf);
    pn_write_array(&p.issues, NULL);
    set_defaults(shape, out);
    if (parse_members(&p, shape, NULL, object, out))
        return true;
    pn_shape_drop(shape, out);
    return answer(&p);
}

bool pn_shape_parse(const struct pn_shape *shape, struct pn_arena *arena, struct pn_str text,
                    void *out, struct pn_err *err)
{
    pn_auto(pn_tree_freep) json_t *tree = NULL;

    memset(out, 0, shape->size);
    tree = pn_tree_load(text.len > 0 ? text : PN_LIT("{}"), 0, err);
    if (tree == NULL)
        return false;
    if (!json_is_object(tree))
        return pn_fail(err, PN_BAD_REQUEST, "Expected a JSON object, received %s", type_name(tree));
    return parse_tree(shape, arena, tree, out, err);
}

/* The text as the JSON value its field wants; as text when it is not that, which the field refuses. */
static json_t *value_of_text(const struct pn_field *field, struct pn_str text)
{
    int64_t number;

    if (field->kind == PN_KIND_INT && pn_str_i64(text, &number))
        return json_integer(number);
    if (field->kind == PN_KIND_BOOL && (pn_str_is(text, "true") || pn_str_is(text, "false")))
        return json_boolean(text.len == 4);
    return json_stringn(text.ptr, text.len);
}

/* One field's values: of several the first, unless it is a list. */
static void set_param(json_t *object, const struct pn_field *field, json_t *value)
{
    json_t *list = json_object_get(object, field->name);

    if (field->kind == PN_KIND_STRINGS && list == NULL) {
        list = json_array();
        json_object_set_new(object, field->name, list);
    }
    if (field->kind == PN_KIND_STRINGS)
        json_array_append_new(list, value);
    else if (list == NULL)
        json_object_set_new(object, field->name, value);
    else
        json_decref(value);
}

static const struct pn_field *find_field(const struct pn_shape *shape, struct pn_str name)
{
    for (size_t i = 0; i < shape->count; i++) {
        if (pn_str_is(name, shape->fields[i].name))
            return &shape->fields[i];
    }
    return NULL;
}

bool pn_shape_parse_params(const struct pn_shape *shape, struct pn_arena *arena,
                           const struct pn_param *params, size_t count, void *out,
                           struct pn_err *err)
{
    pn_auto(pn_tree_freep) json_t *object = NULL;

    memset(out, 0, shape->size);
    pn_tree_prepare();
    object = json_object();
    for (size_t i = 0; i < count; i++) {
        const struct pn_field *field = find_field(shape, params[i].name);

        if (field == NULL || params[i].value.len == 0)
            continue;
        if (!pn_str_is_utf8(params[i].value))
            return pn_fail(err, PN_BAD_REQUEST, "The parameter %s is not valid UTF-8", field->name);
        set_param(object, field, value_of_text(field, params[i].value));
    }
    return parse_tree(shape, arena, object, out, err);
}
