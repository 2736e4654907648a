/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/template.h"

#include "base/buf.h"
#include "crypto/random.h"

#define DEFAULT_PREFIX "dynamic-secret-sa-"
#define DEFAULT_RANDOM 10
#define SUFFIX_RANDOM 8 /* 41 bits: with the 10,000 leases there may be, two alike in 1 of 50,000 */
#define MAX_RANDOM 100  /* as in the contract's function */
#define MAX_VALUE_BYTES 256 /* of one value, longer ones are cut: a name has 52 */
#define MAX_WORDS 4         /* of an expression: replace x 'a' 'b' */

/* One expansion: the text that is left, what came out, and whether anything in it is random. */
struct expansion {
    struct pn_str rest;
    const struct pn_template_values *values;
    struct pn_str random_name; /* the same wherever the template has it */
    struct pn_buf *out;
    bool is_random;
};

static bool refuse(struct pn_err *err, const char *what, struct pn_str where)
{
    where = pn_str_slice(where, 0, 64);
    return pn_fail(err, PN_VALIDATION, "Invalid username template: %s '%.*s'", what, PN_ARG(where));
}

/* ---- characters ---- */

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_allowed(char c)
{
    return c != '\0' && (is_alnum(c) || pn_str_find(PN_LIT("_-{}[].'| "), c) >= 0);
}

static void add_random(struct pn_buf *out, size_t count)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    while (count-- > 0)
        pn_buf_add_byte(out, alphabet[pn_random_below(sizeof(alphabet) - 1)]);
}

static void add_folded(struct pn_buf *out, struct pn_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (is_alnum(c))
            pn_buf_add_byte(out, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
        else if (out->len > 0 && out->ptr[out->len - 1] != '-')
            pn_buf_add_byte(out, '-');
    }
}

static struct pn_str cut_name(struct pn_str name, size_t max_bytes)
{
    name = pn_str_slice(name, 0, max_bytes);
    while (pn_str_ends(name, PN_LIT("-")))
        name.len--;
    return name;
}

/* ---- the words of an expression ---- */

enum word_kind { WORD_NAME, WORD_NUMBER, WORD_TEXT };
struct word {
    enum word_kind kind;
    struct pn_str text; /* without quotes */
    uint64_t number;
};

static bool take_word(struct pn_str *rest, struct word *out, struct pn_err *err)
{
    struct pn_str quoted;
    size_t len = 0;

    if (pn_str_starts(*rest, PN_LIT("'"))) {
        *rest = pn_str_slice(*rest, 1, rest->len);
        if (pn_str_find(*rest, '\'') < 0)
            return refuse(err, "a text without an end:", *rest);
        (void)pn_str_cut(rest, '\'', &quoted);
        *out = (struct word){ WORD_TEXT, quoted, 0 };
        return rest->len == 0 || rest->ptr[0] == ' ' || refuse(err, "no space before", *rest);
    }
    while (len < rest->len && rest->ptr[len] != ' ')
        len++;
    *out = (struct word){ WORD_NAME, pn_str_slice(*rest, 0, len), 0 };
    *rest = pn_str_slice(*rest, len, rest->len);
    if (pn_str_u64(out->text, &out->number))
        out->kind = WORD_NUMBER;
    return true;
}

static bool take_words(struct pn_str text, struct word words[MAX_WORDS], size_t *count,
                       struct pn_err *err)
{
    struct pn_str rest = text;

    for (*count = 0; (rest = pn_str_trim(rest)).len > 0; ++*count)
        if (*count == MAX_WORDS)
            return refuse(err, "too many words in", text);
        else if (!take_word(&rest, &words[*count], err))
            return false;
    return *count > 0 || refuse(err, "nothing between the braces before", text);
}

/* ---- variables ---- */

static bool add_variable(struct expansion *e, struct pn_str name, struct pn_buf *out)
{
    const struct {
        const char *name;
        struct pn_str value;
    } variables[] = {
        { "randomUsername", e->random_name },
        { "identity.name", e->values->identity_name },
        { "dynamicSecret.name", e->values->secret_name },
        { "dynamicSecret.type", e->values->secret_type },
    };

    if (pn_str_is(name, "unixTimestamp"))
        return pn_buf_add_i64(out, e->values->now_s);
    for (size_t i = 0; i < PN_COUNT(variables); i++)
        if (pn_str_is(name, variables[i].name))
            return pn_buf_add(out, pn_str_slice(variables[i].value, 0, MAX_VALUE_BYTES));
    return false;
}

static bool add_value(struct expansion *e, const struct word *word, struct pn_buf *out,
                      struct pn_err *err)
{
    if (word->kind == WORD_TEXT)
        return pn_buf_add(out, word->text) || refuse(err, "too long a text", word->text);
    return add_variable(e, word->text, out) || refuse(err, "unknown variable", word->text);
}

/* ---- functions ---- */

/* Each appends to `out`, which takes MAX_VALUE_BYTES: what is more is left out. */
static void run_random(const struct word *args, struct pn_str value, struct pn_buf *out)
{
    (void)value;
    add_random(out, (size_t)args[0].number);
}

static void run_truncate(const struct word *args, struct pn_str value, struct pn_buf *out)
{
    pn_buf_add(out, pn_str_slice(value, 0, (size_t)args[1].number));
}

static void run_replace(const struct word *args, struct pn_str value, struct pn_buf *out)
{
    struct pn_str old = args[1].text, new = args[2].text;

    while (value.len > 0) {
        bool is_there = old.len > 0 && pn_str_starts(value, old);
        size_t taken = is_there ? old.len : 1;

        if (!pn_buf_add(out, is_there ? new : pn_str_slice(value, 0, 1)))
            return;
        value = pn_str_slice(value, taken, value.len);
    }
}

/* Names have one case in the end: both functions are there so that templates of elsewhere are taken. */
static void run_case(const struct word *args, struct pn_str value, struct pn_buf *out)
{
    (void)args;
    pn_buf_add(out, value);
}

#define NO_WORD (-1)
static const struct function {
    const char *name;
    int args[MAX_WORDS]; /* kinds; a WORD_NAME is the value: a variable or a text */
    void (*run)(const struct word *args, struct pn_str value, struct pn_buf *out);
} functions[] = {
    { "random", { WORD_NUMBER, NO_WORD }, run_random },
    { "truncate", { WORD_NAME, WORD_NUMBER, NO_WORD }, run_truncate },
    { "replace", { WORD_NAME, WORD_TEXT, WORD_TEXT, NO_WORD }, run_replace },
    { "uppercase", { WORD_NAME, NO_WORD }, run_case },
    { "lowercase", { WORD_NAME, NO_WORD }, run_case },
};

static const struct function *find_function(const struct word *word)
{
    for (size_t i = 0; i < PN_COUNT(functions); i++)
        if (word->kind == WORD_NAME && pn_str_is(word->text, functions[i].name))
            return &functions[i];
    return NULL;
}

static bool check_args(const struct function *function, const struct word *args, size_t count,
                       struct pn_err *err)
{
    size_t i;

    for (i = 0; function->args[i] != NO_WORD; i++) {
        if (i == count)
            break;
        if (args[i].kind != (enum word_kind)function->args[i] &&
            !(function->args[i] == WORD_NAME && args[i].kind == WORD_TEXT))
            return refuse(err, "wrong kind of argument", args[i].text);
        if (args[i].kind == WORD_NUMBER && (args[i].number < 1 || args[i].number > MAX_RANDOM))
            return refuse(err, "a number from 1 to 100 is expected, not", args[i].text);
    }
    if (i != count || function->args[i] != NO_WORD)
        return refuse(err, "wrong number of arguments of", pn_str_from(function->name));
    return true;
}

static bool call_function(struct expansion *e, const struct function *function,
                          const struct word *args, size_t count, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf value = pn_buf_init(MAX_VALUE_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf result = pn_buf_init(MAX_VALUE_BYTES);

    if (!check_args(function, args, count, err) ||
        (function->args[0] == WORD_NAME && !add_value(e, &args[0], &value, err)))
        return false;
    function->run(args, pn_buf_str(&value), &result);
    pn_buf_add(e->out, pn_buf_str(&result));
    if (function->run == run_random && args[0].number >= SUFFIX_RANDOM)
        e->is_random = true;
    return true;
}

static bool expand_expression(struct expansion *e, struct pn_str text, struct pn_err *err)
{
    struct word words[MAX_WORDS] = { 0 };
    const struct function *function;
    size_t count;

    if (!take_words(text, words, &count, err))
        return false;
    function = find_function(&words[0]);
    if (function != NULL)
        return call_function(e, function, words + 1, count - 1, err);
    if (count > 1)
        return refuse(err, "unknown function", words[0].text);
    if (words[0].kind != WORD_NAME)
        return refuse(err, "not a variable:", words[0].text);
    if (pn_str_is(words[0].text, "randomUsername"))
        e->is_random = true;
    return add_value(e, &words[0], e->out, err);
}

/* ---- the whole ---- */

/* Takes literal text up to the next expression, or all of it. */
static bool take_literal(struct expansion *e)
{
    ptrdiff_t at = pn_str_search(e->rest, PN_LIT("{{"));
    size_t len = at < 0 ? e->rest.len : (size_t)at;

    pn_buf_add(e->out, pn_str_slice(e->rest, 0, len));
    e->rest = pn_str_slice(e->rest, len, e->rest.len);
    return at >= 0;
}

static bool take_expression(struct expansion *e, struct pn_err *err)
{
    bool is_triple = pn_str_starts(e->rest, PN_LIT("{{{"));
    struct pn_str close = is_triple ? PN_LIT("}}}") : PN_LIT("}}"), inner;
    ptrdiff_t at;

    e->rest = pn_str_slice(e->rest, close.len, e->rest.len);
    at = pn_str_search(e->rest, close);
    if (at < 0)
        return refuse(err, "an expression without an end:", e->rest);
    inner = pn_str_slice(e->rest, 0, (size_t)at);
    e->rest = pn_str_slice(e->rest, (size_t)at + close.len, e->rest.len);
    return expand_expression(e, inner, err);
}

static bool check_text(struct pn_str text, struct pn_err *err)
{
    if (text.len > PN_TEMPLATE_MAX_CHARS) /* only ASCII is allowed anyway */
        return pn_fail(err, PN_VALIDATION, "Username template must be at most 255 characters");
    for (size_t i = 0; i < text.len; i++)
        if (!is_allowed(text.ptr[i]))
            return pn_fail(err, PN_VALIDATION,
                           "Invalid username template: only letters, digits, spaces and _-{}[].'| "
                           "are allowed");
    return true;
}

/* Of at most 255 bytes, 50 can be expressions, none of which yields more than MAX_VALUE_BYTES. */
#define MAX_RAW_BYTES ((size_t)64 * MAX_VALUE_BYTES)

static bool expand(struct expansion *e, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf name = pn_buf_init(64);

    pn_buf_add_text(&name, DEFAULT_PREFIX);
    add_random(&name, DEFAULT_RANDOM);
    e->random_name = pn_buf_str(&name);
    if (!check_text(e->rest, err))
        return false;
    while (take_literal(e))
        if (!take_expression(e, err))
            return false;
    return true;
}

/* A random part that is cut off makes nothing unique: then, too, there is one at the end. */
static void finish(const struct expansion *e, struct pn_buf *name)
{
    struct pn_str stem;

    add_folded(name, pn_buf_str(e->out));
    stem = cut_name(pn_buf_str(name), name->len);
    if (e->is_random && stem.len > 0 && stem.len <= PN_TEMPLATE_MAX_NAME) {
        name->len = stem.len;
        return;
    }
    name->len = cut_name(stem, PN_TEMPLATE_MAX_NAME - SUFFIX_RANDOM - 1).len;
    if (name->len == 0)
        pn_buf_add_text(name, "dynamic-secret-sa");
    pn_buf_add_byte(name, '-');
    add_random(name, SUFFIX_RANDOM);
}

bool pn_template_expand(struct pn_arena *arena, struct pn_str text,
                        const struct pn_template_values *values, struct pn_str *name,
                        struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(MAX_RAW_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf folded = pn_buf_init(MAX_RAW_BYTES);
    struct expansion e = { .rest = pn_str_trim(text), .values = values, .out = &out };

    if (e.rest.len == 0)
        e.rest = PN_LIT("{{randomUsername}}");
    if (!expand(&e, err))
        return false;
    finish(&e, &folded);
    *name = pn_arena_copy(arena, pn_buf_str(&folded));
    return true;
}

bool pn_template_check(struct pn_str text, struct pn_err *err)
{
    static const struct pn_template_values nobody;
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(MAX_RAW_BYTES);
    struct expansion e = { .rest = pn_str_trim(text), .values = &nobody, .out = &out };

    return expand(&e, err);
}
