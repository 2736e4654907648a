/* SPDX-License-Identifier: Apache-2.0 */
#include "json/value.h"

#include "json/shape.h"
#include "json/tree.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* libyaml's events become the tree that JSON becomes; and a tree becomes YAML again. */

#define MAX_SIMPLE_NAME_BYTES 128 /* a reader looks at most 1024 characters ahead for the colon */

struct level {
    json_t *container; /* owned by its parent, or by `root` */
    json_t *key;       /* in an object: the name read, whose value comes next */
};

struct building {
    yaml_parser_t parser;
    json_t *root;
    struct level levels[PN_JSON_MAX_DEPTH];
    size_t depth;
    struct pn_err *err;
};

static void drop_building(struct building *b)
{
    for (size_t i = 0; i < b->depth; i++)
        json_decref(b->levels[i].key);
    json_decref(b->root);
    yaml_parser_delete(&b->parser);
}

static bool refuse(struct building *b, const yaml_mark_t *at, const char *why)
{
    return pn_fail(b->err, PN_BAD_REQUEST, "Invalid YAML: %s (line %zu, column %zu)", why,
                   at->line + 1, at->column + 1);
}

/* Puts a value where it belongs; takes it over in any case. */
static bool place(struct building *b, json_t *value, const yaml_mark_t *at)
{
    struct level *top = b->depth > 0 ? &b->levels[b->depth - 1] : NULL;
    json_t *key;
    bool is_new;

    if (value == NULL)
        return refuse(b, at, "a value that JSON does not have");
    if (top == NULL) {
        b->root = value;
        return true;
    }
    if (json_is_array(top->container)) {
        json_array_append_new(top->container, value);
        return true;
    }
    if (top->key == NULL) {
        top->key = value;
        return json_is_string(value) || refuse(b, at, "a name that is not text");
    }
    key = pn_take(&top->key);
    is_new = json_object_get(top->container, json_string_value(key)) == NULL;
    json_object_set_new(top->container, json_string_value(key), value);
    json_decref(key);
    return is_new || refuse(b, at, "a member that occurs twice");
}

static size_t count_digits(struct pn_str *text)
{
    size_t count = 0;

    while (count < text->len && text->ptr[count] >= '0' && text->ptr[count] <= '9')
        count++;
    *text = pn_str_slice(*text, count, text->len);
    return count;
}

static bool take_byte(struct pn_str *text, const char *bytes)
{
    if (text->len == 0 || pn_str_find(pn_str_from(bytes), text->ptr[0]) < 0)
        return false;
    *text = pn_str_slice(*text, 1, text->len);
    return true;
}

/* -? ( 0 | [1-9][0-9]* ) ( \. [0-9]* )? ( [eE] [-+]? [0-9]+ )?  (YAML 1.2.2 §10.2.1.4) */
static bool is_number(struct pn_str text, bool *is_real)
{
    *is_real = false;
    take_byte(&text, "-");
    if (!take_byte(&text, "0") && count_digits(&text) == 0)
        return false;
    if (take_byte(&text, ".")) {
        count_digits(&text);
        *is_real = true;
    }
    if (take_byte(&text, "eE")) {
        take_byte(&text, "-+");
        *is_real = true;
        if (count_digits(&text) == 0)
            return false;
    }
    return text.len == 0;
}

/* An unquoted scalar by the JSON schema of YAML 1.2, with "~" and nothing at all as null too. */
static json_t *resolve(struct pn_str text)
{
    bool is_real;
    int64_t number;
    double real;

    if (text.len == 0 || pn_str_is(text, "null") || pn_str_is(text, "~"))
        return json_null();
    if (pn_str_is(text, "true") || pn_str_is(text, "false"))
        return json_boolean(text.len == 4);
    if (!is_number(text, &is_real))
        return json_stringn(text.ptr, text.len);
    if (!is_real)
        return pn_str_i64(text, &number) ? json_integer(number) : NULL;
    real = strtod(text.ptr, NULL); /* libyaml terminates it */
    return isfinite(real) ? json_real(real) : NULL;
}

static bool on_scalar(struct building *b, const yaml_event_t *event)
{
    struct pn_str text = pn_str_of(event->data.scalar.value, event->data.scalar.length);
    const char *tag = (const char *)event->data.scalar.tag;
    bool is_text = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    bool is_name = b->depth > 0 && json_is_object(b->levels[b->depth - 1].container) &&
                   b->levels[b->depth - 1].key == NULL;

    if (event->data.scalar.anchor != NULL)
        return refuse(b, &event->start_mark, "anchors are not supported");
    if (tag != NULL && strcmp(tag, "!") != 0 && strcmp(tag, YAML_STR_TAG) != 0)
        return refuse(b, &event->start_mark, "tags are not supported");
    if (!pn_str_is_utf8(text) || pn_str_find(text, '\0') >= 0)
        return refuse(b, &event->start_mark, "a character that JSON text does not have");
    if (is_text || is_name || tag != NULL)
        return place(b, json_stringn(text.ptr, text.len), &event->start_mark);
    return place(b, resolve(text), &event->start_mark);
}

static bool on_start(struct building *b, json_t *container, const yaml_char_t *anchor,
                     const yaml_char_t *tag, const yaml_mark_t *at)
{
    if (!place(b, container, at))
        return false;
    if (anchor != NULL)
        return refuse(b, at, "anchors are not supported");
    if (tag != NULL)
        return refuse(b, at, "tags are not supported");
    if (b->depth == PN_JSON_MAX_DEPTH)
        return refuse(b, at, "nested too deep");
    b->levels[b->depth++] = (struct level){ .container = container };
    return true;
}

static bool on_event(struct building *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return b->root == NULL || refuse(b, &event->start_mark, "more than one document");
    case YAML_ALIAS_EVENT: return refuse(b, &event->start_mark, "aliases are not supported");
    case YAML_SCALAR_EVENT: return on_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(b, json_array(), event->data.sequence_start.anchor,
                        event->data.sequence_start.tag, &event->start_mark);
    case YAML_MAPPING_START_EVENT:
        return on_start(b, json_object(), event->data.mapping_start.anchor,
                        event->data.mapping_start.tag, &event->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: b->depth--; return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: return true;
    }
    return refuse(b, &event->start_mark, "an unknown construct");
}

static bool read_events(struct building *b)
{
    bool is_end = false;

    while (!is_end) {
        pn_auto(yaml_event_delete) yaml_event_t event;

        if (!yaml_parser_parse(&b->parser, &event)) /* which zeroes the event first */
            return refuse(b, &b->parser.problem_mark, "it does not parse");
        is_end = event.type == YAML_STREAM_END_EVENT;
        if (!on_event(b, &event))
            return false;
    }
    return true;
}

bool pn_value_parse_yaml(struct pn_str yaml, struct pn_value **out, struct pn_err *err)
{
    pn_auto(drop_building) struct building b = { .err = err };

    pn_tree_prepare();
    if (!yaml_parser_initialize(&b.parser))
        pn_die("out of memory");
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const yaml_char_t *)(yaml.ptr != NULL ? yaml.ptr : ""),
                                 yaml.len);
    if (!read_events(&b))
        return false;
    *out = (struct pn_value *)(b.root != NULL ? pn_take(&b.root) : json_null());
    return true;
}

/* Text that stays a string without quotes: letters first, nothing that means something else. */
static bool is_plain(struct pn_str text)
{
    static const char *const words[] = {
        "null", "true", "false", "yes", "no", "on", "off", "y", "n"
    };

    if (text.len == 0 || text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == ':')
        return false;
    for (size_t i = 0; i < PN_COUNT(words); i++) {
        if (pn_str_iis(text, words[i]))
            return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        bool is_letter =
            (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '/';
        bool may_follow = (byte >= '0' && byte <= '9') ||
                          pn_str_find(PN_LIT("-_.@ +=,()"), byte) >= 0 ||
                          (byte == ':' && text.ptr[i + 1] != ' ');

        if (!is_letter && (i == 0 || !may_follow))
            return false;
    }
    return true;
}

static uint32_t code_point(struct pn_str sequence)
{
    static const uint8_t masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t point = (uint8_t)sequence.ptr[0] & masks[sequence.len];

    for (size_t i = 1; i < sequence.len; i++)
        point = point << 6 | ((uint8_t)sequence.ptr[i] & 0x3f);
    return point;
}

/* Printable and no line break (YAML 1.2.2 §5.1, §5.4; 85, 2028 and 2029 break lines in 1.1). */
static bool is_printable(uint32_t point)
{
    return (point >= 0x20 && point <= 0x7e) || (point >= 0xa0 && point <= 0x2027) ||
           (point >= 0x202a && point <= 0xd7ff) ||
           (point >= 0xe000 && point <= 0xfffd && point != 0xfeff) || point >= 0x10000;
}

static void add_double_quoted(struct pn_buf *out, struct pn_str text)
{
    pn_buf_add_byte(out, '"');
    for (size_t at = 0; at < text.len;) {
        size_t step = pn_str_utf8_step(pn_str_slice(text, at, text.len));
        struct pn_str sequence = pn_str_slice(text, at, at + step);
        uint32_t point = code_point(sequence);

        pn_assert(step > 0); /* trees hold valid UTF-8 only */
        at += step;
        if (point == '"' || point == '\\')
            pn_buf_addf(out, "\\%c", (int)point);
        else if (point == '\n')
            pn_buf_add_text(out, "\\n");
        else if (is_printable(point))
            pn_buf_add(out, sequence);
        else
            pn_buf_addf(out, "\\u%04x", point);
    }
    pn_buf_add_byte(out, '"');
}

static void add_text(struct pn_buf *out, struct pn_str text)
{
    if (is_plain(text))
        pn_buf_add(out, text);
    else
        add_double_quoted(out, text);
}

static void print_block(const json_t *tree, size_t indent, bool is_inline, struct pn_buf *out);

static bool is_block(const json_t *tree)
{
    return json_object_size(tree) > 0 || json_array_size(tree) > 0;
}

/* A scalar or an empty container, in one line. */
static void print_flat(const json_t *tree, struct pn_buf *out)
{
    if (json_is_string(tree))
        add_text(out, pn_tree_str(tree));
    else
        pn_tree_print(tree, -1, out);
    pn_buf_add_byte(out, '\n');
}

static void add_indent(struct pn_buf *out, size_t indent)
{
    for (size_t i = 0; i < indent; i++)
        pn_buf_add_text(out, "  ");
}

/* The name and what follows it up to its value. Long names need the explicit form. */
static void add_name(struct pn_buf *out, struct pn_str name, size_t indent)
{
    if (name.len > MAX_SIMPLE_NAME_BYTES)
        pn_buf_add_text(out, "? ");
    add_text(out, name);
    if (name.len > MAX_SIMPLE_NAME_BYTES) {
        pn_buf_add_byte(out, '\n');
        add_indent(out, indent);
    }
    pn_buf_add_byte(out, ':');
}

static void print_members(const json_t *object, size_t indent, bool is_inline, struct pn_buf *out)
{
    for (void *at = json_object_iter((json_t *)object); at != NULL;
         at = json_object_iter_next((json_t *)object, at)) {
        const json_t *value = json_object_iter_value(at);

        add_indent(out, is_inline ? 0 : indent);
        is_inline = false;
        add_name(out, pn_str_from(json_object_iter_key(at)), indent);
        pn_buf_add_byte(out, is_block(value) ? '\n' : ' ');
        if (is_block(value))
            print_block(value, indent + 1, false, out);
        else
            print_flat(value, out);
    }
}

/* `is_inline`: the first line's indent is already there, after a "- ". */
static void print_block(const json_t *tree, size_t indent, bool is_inline, struct pn_buf *out)
{
    if (json_is_object(tree)) {
        print_members(tree, indent, is_inline, out);
        return;
    }
    for (size_t i = 0; i < json_array_size(tree); i++) {
        const json_t *item = json_array_get(tree, i);

        add_indent(out, is_inline && i == 0 ? 0 : indent);
        pn_buf_add_text(out, "- ");
        if (is_block(item))
            print_block(item, indent + 1, true, out);
        else
            print_flat(item, out);
    }
}

void pn_value_print_yaml(const struct pn_value *v, struct pn_buf *out)
{
    const json_t *tree = (const json_t *)v;

    if (tree == NULL)
        pn_buf_add_text(out, "null\n");
    else if (is_block(tree))
        print_block(tree, 0, false, out);
    else
        print_flat(tree, out);
}
