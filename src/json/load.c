/* SPDX-License-Identifier: Apache-2.0 */
#include "json/tree.h"

#include "base/encode.h"
#include "json/shape.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/*
 * JSON to jansson's tree (RFC 8259). jansson's own reader takes each byte through several calls and copies;
 * here plain text is looked at in words and copied once, into the tree. Stricter than the standard: no member
 * twice, no NUL in texts, no surrogate alone, no number that does not fit, a bounded depth.
 */

static const char syntax[] = "Invalid JSON", twice[] = "Invalid JSON: a member occurs twice",
                  deep[] = "JSON is nested more than 32 deep";

struct loading {
    struct pn_str text;
    size_t at, depth;
    struct pn_buf scratch; /* the last string, if it had escapes */
    const char *why;
};

static json_t *load_value(struct loading *l);

static char peek(const struct loading *l)
{
    return l->at < l->text.len ? l->text.ptr[l->at] : '\0';
}

static struct pn_str rest_of(const struct loading *l)
{
    return pn_str_slice(l->text, l->at, l->text.len);
}

static void skip_space(struct loading *l)
{
    while (peek(l) == ' ' || peek(l) == '\n' || peek(l) == '\r' || peek(l) == '\t')
        l->at++;
}

static bool take(struct loading *l, char byte)
{
    skip_space(l);
    if (peek(l) != byte)
        return false;
    l->at++;
    return true;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* ---- strings ---- */

static bool take_hex(struct loading *l, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        int digit = pn_hex_digit(peek(l));

        if (digit < 0)
            return false;
        *out = *out << 4 | (uint32_t)digit;
        l->at++;
    }
    return true;
}

static bool add_code_point(struct pn_buf *out, uint32_t point)
{
    const char bytes[] = { (char)(0xf0 | point >> 18), (char)(0x80 | (point >> 12 & 0x3f)),
                           (char)(0x80 | (point >> 6 & 0x3f)), (char)(0x80 | (point & 0x3f)) };

    if (point < 0x80)
        return pn_buf_add_byte(out, (char)point);
    if (point < 0x800)
        return pn_buf_add_bytes(out, (char[]){ (char)(0xc0 | point >> 6), bytes[3] }, 2);
    if (point < 0x10000)
        return pn_buf_add_bytes(out, (char[]){ (char)(0xe0 | point >> 12), bytes[2], bytes[3] }, 3);
    return pn_buf_add_bytes(out, bytes, 4);
}

/* Behind "\u": one code point, which may take a pair of them. */
static bool load_code_point(struct loading *l)
{
    uint32_t point, low;

    if (!take_hex(l, &point) || point == 0 || (point >= 0xdc00 && point <= 0xdfff))
        return false;
    if (point < 0xd800 || point > 0xdbff)
        return add_code_point(&l->scratch, point);
    if (!pn_str_starts(rest_of(l), PN_LIT("\\u")))
        return false;
    l->at += 2;
    if (!take_hex(l, &low) || low < 0xdc00 || low > 0xdfff)
        return false;
    return add_code_point(&l->scratch, 0x10000 + ((point - 0xd800) << 10 | (low - 0xdc00)));
}

static bool load_escape(struct loading *l)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    ptrdiff_t which = pn_str_find(pn_str_from(names), peek(l));

    if (peek(l) == 'u') {
        l->at++;
        return load_code_point(l);
    }
    if (which < 0)
        return false;
    l->at++;
    return pn_buf_add_byte(&l->scratch, bytes[which]);
}

/* Moves over what stands for itself. */
static bool skip_plain(struct loading *l)
{
    for (;;) {
        size_t step;

        l->at += pn_json_plain_len(rest_of(l));
        if (l->at == l->text.len || (uint8_t)peek(l) < 0x20)
            return false;
        if (peek(l) == '"' || peek(l) == '\\')
            return true;
        step = pn_str_utf8_step(rest_of(l));
        if (step == 0)
            return false;
        l->at += step;
    }
}

/* Behind its first quote. Good until the next one is read. */
static bool load_string(struct loading *l, struct pn_str *out)
{
    size_t from = l->at;

    if (!skip_plain(l))
        return false;
    if (peek(l) == '"') {
        *out = pn_str_slice(l->text, from, l->at++);
        return true;
    }
    pn_buf_clear(&l->scratch);
    for (;;) {
        pn_buf_add(&l->scratch, pn_str_slice(l->text, from, l->at));
        if (l->text.ptr[l->at++] == '"')
            break;
        if (!load_escape(l))
            return false;
        from = l->at;
        if (!skip_plain(l))
            return false;
    }
    *out = pn_buf_str(&l->scratch);
    return true;
}

/* ---- numbers ---- */

static bool skip_digits(struct loading *l)
{
    size_t from = l->at;

    while (is_digit(peek(l)))
        l->at++;
    return l->at > from;
}

static json_t *make_integer(struct pn_str digits)
{
    int64_t number;

    return pn_str_i64(digits, &number) ? json_integer(number) : NULL;
}

static json_t *make_real(struct pn_str text)
{
    pn_auto(pn_buf_drop) struct pn_buf terminated = pn_buf_init_wiped(text.len + 1);
    double number;

    pn_buf_add(&terminated, text);
    errno = 0;
    number = strtod(pn_buf_cstr(&terminated), NULL);
    return errno == ERANGE && fabs(number) == HUGE_VAL ? NULL : json_real(number);
}

static json_t *load_number(struct loading *l)
{
    size_t from = l->at;
    bool is_real = false;

    l->at += peek(l) == '-';
    if (peek(l) == '0')
        l->at++;
    else if (!skip_digits(l))
        return NULL;
    if (peek(l) == '.') {
        is_real = true;
        l->at++;
        if (!skip_digits(l))
            return NULL;
    }
    if (peek(l) == 'e' || peek(l) == 'E') {
        is_real = true;
        l->at++;
        l->at += peek(l) == '-' || peek(l) == '+';
        if (!skip_digits(l))
            return NULL;
    }
    return is_real ? make_real(pn_str_slice(l->text, from, l->at))
                   : make_integer(pn_str_slice(l->text, from, l->at));
}

/* ---- objects and arrays ---- */

/* A member from its name on. What the name's escapes made of it moves out of the way of the value. */
static bool load_member(struct loading *l, json_t *object)
{
    pn_auto(pn_buf_drop) struct pn_buf kept = pn_buf_init_wiped(l->text.len + 1);
    struct pn_str name;
    json_t *value;

    if (!take(l, '"') || !load_string(l, &name))
        return false;
    if (json_object_getn(object, name.ptr, name.len) != NULL) {
        l->why = twice;
        return false;
    }
    if (name.ptr == l->scratch.ptr) {
        pn_buf_add(&kept, name);
        name = pn_buf_str(&kept);
    }
    if (!take(l, ':'))
        return false;
    value = load_value(l);
    return value != NULL && json_object_setn_new_nocheck(object, name.ptr, name.len, value) == 0;
}

static bool load_item(struct loading *l, json_t *array)
{
    json_t *value = load_value(l);

    return value != NULL && json_array_append_new(array, value) == 0;
}

static json_t *load_all(struct loading *l, json_t *empty, char end,
                        bool (*load_one)(struct loading *l, json_t *into))
{
    pn_auto(pn_tree_freep) json_t *into = empty;

    if (take(l, end))
        return pn_take(&into);
    do {
        if (!load_one(l, into))
            return NULL;
    } while (take(l, ','));
    return take(l, end) ? pn_take(&into) : NULL;
}

static json_t *load_inside(struct loading *l)
{
    bool is_object = l->text.ptr[l->at++] == '{';
    json_t *inside;

    if (++l->depth > PN_JSON_MAX_DEPTH) {
        l->why = deep;
        return NULL;
    }
    inside = is_object ? load_all(l, json_object(), '}', load_member)
                       : load_all(l, json_array(), ']', load_item);
    l->depth--;
    return inside;
}

static json_t *load_text(struct loading *l)
{
    struct pn_str text;

    l->at++;
    return load_string(l, &text) ? json_stringn_nocheck(text.ptr, text.len) : NULL;
}

static json_t *load_word(struct loading *l, struct pn_str word, json_t *means)
{
    if (!pn_str_starts(rest_of(l), word))
        return NULL;
    l->at += word.len;
    return means;
}

static json_t *load_value(struct loading *l)
{
    skip_space(l);
    switch (peek(l)) {
    case '{':
    case '[': return load_inside(l);
    case '"': return load_text(l);
    case 't': return load_word(l, PN_LIT("true"), json_true());
    case 'f': return load_word(l, PN_LIT("false"), json_false());
    case 'n': return load_word(l, PN_LIT("null"), json_null());
    default: return load_number(l);
    }
}

/* ---- the document ---- */

static json_t *load_document(struct loading *l, bool may_be_any)
{
    pn_auto(pn_tree_freep) json_t *tree = NULL;

    skip_space(l);
    if (!may_be_any && peek(l) != '{' && peek(l) != '[')
        return NULL;
    tree = load_value(l);
    skip_space(l);
    return l->at == l->text.len ? pn_take(&tree) : NULL;
}

/* Where it was refused, in characters; never what stands there. */
static bool refuse_at(const struct loading *l, struct pn_err *err)
{
    int line = 1, column = 1;

    for (size_t i = 0; i < l->at && i < l->text.len; i++) {
        bool is_end = l->text.ptr[i] == '\n';

        line += is_end;
        column = is_end ? 1 : column + (((uint8_t)l->text.ptr[i] & 0xc0) != 0x80);
    }
    if (l->why == deep)
        return pn_fail(err, PN_BAD_REQUEST, "JSON is nested more than %d deep", PN_JSON_MAX_DEPTH);
    return pn_fail(err, PN_BAD_REQUEST, "%s (line %d, column %d)", l->why, line, column);
}

json_t *pn_tree_load(struct pn_str text, unsigned flags, struct pn_err *err)
{
    struct loading l = { .text = text, .scratch = pn_buf_init_wiped(text.len + 1), .why = syntax };
    json_t *tree;

    pn_tree_prepare();
    tree = load_document(&l, (flags & PN_TREE_ANY) != 0);
    pn_buf_drop(&l.scratch);
    if (tree != NULL)
        return tree;
    (void)refuse_at(&l, err);
    return NULL;
}
