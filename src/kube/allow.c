/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/allow.h"

#include "base/buf.h"

#include <string.h>

/*
 * An item is compiled to a small program, and the program run over the value once, for all its ways
 * together. A negation !(x) asks about the text that follows, so where x matches is found out first, for
 * each place of the value: inner before outer.
 */
#define MAX_CODE 1024
#define MAX_NOTS 16
#define MAX_DEPTH 16
#define MAX_CLASSES 64
#define MAX_RANGE 256 /* values of {a..b} */

enum op { OP_CHAR, OP_ANY, OP_CLASS, OP_SPLIT, OP_JUMP, OP_NOT, OP_END };

struct instruction {
    uint8_t op, byte; /* of CHAR; number of CLASS or NOT */
    uint16_t a, b;    /* where SPLIT and JUMP go */
};

struct class
{
    uint8_t bits[32];
};

/* A program within the code: [start, end), with its OP_END. */
struct negation {
    uint16_t start, end;
    bool is_whole; /* the text must be x to its very end; else it must not begin with x */
};

struct glob {
    struct instruction code[MAX_CODE];
    struct class classes[MAX_CLASSES];
    struct negation nots[MAX_NOTS];
    uint16_t count, class_count, not_count, depth;
    struct pn_str rest; /* what is not compiled yet */
    bool is_bad;
};

/* ---- writing programs ---- */

static uint16_t emit(struct glob *g, struct instruction what)
{
    if (g->count == MAX_CODE) {
        g->is_bad = true;
        return 0;
    }
    g->code[g->count] = what;
    return g->count++;
}

/* Makes room for one instruction at `at`; jumps within what moves are moved along. */
static void insert(struct glob *g, uint16_t at, struct instruction what)
{
    if (g->count == MAX_CODE) {
        g->is_bad = true;
        return;
    }
    memmove(g->code + at + 1, g->code + at, (g->count - at) * sizeof(*g->code));
    g->count++;
    g->code[at] = what;
    for (uint16_t i = (uint16_t)(at + 1); i < g->count; i++) {
        struct instruction *in = &g->code[i];

        if (in->op == OP_SPLIT || in->op == OP_JUMP) {
            in->a = (uint16_t)(in->a + (in->a >= at));
            in->b = (uint16_t)(in->b + (in->b >= at));
        }
    }
    for (uint16_t i = 0; i < g->not_count; i++) {
        g->nots[i].start = (uint16_t)(g->nots[i].start + (g->nots[i].start >= at));
        g->nots[i].end = (uint16_t)(g->nots[i].end + (g->nots[i].end > at));
    }
}

static char peek(const struct glob *g, size_t ahead)
{
    return ahead < g->rest.len ? g->rest.ptr[ahead] : '\0';
}

static void skip(struct glob *g, size_t bytes)
{
    g->rest = pn_str_slice(g->rest, bytes, g->rest.len);
}

static void emit_text(struct glob *g, struct pn_str text)
{
    for (size_t i = 0; i < text.len; i++)
        emit(g, (struct instruction){ .op = OP_CHAR, .byte = (uint8_t)text.ptr[i] });
}

static void emit_star(struct glob *g)
{
    uint16_t at = emit(g, (struct instruction){ .op = OP_SPLIT });

    emit(g, (struct instruction){ .op = OP_ANY });
    emit(g, (struct instruction){ .op = OP_JUMP, .a = at });
    g->code[at].a = (uint16_t)(at + 1);
    g->code[at].b = g->count;
}

/* ---- classes ---- */

static const struct {
    const char *name, *ranges; /* pairs of first and last */
} named_classes[] = {
    { "alnum", "09AZaz" },   { "alpha", "AZaz" },     { "ascii", "\x01\x7f" },
    { "blank", "  \t\t" },   { "cntrl", "\x01\x1f" }, { "digit", "09" },
    { "graph", "!~" },       { "lower", "az" },       { "print", " ~" },
    { "punct", "!/:@[`{~" }, { "space", "  \t\r" },   { "upper", "AZ" },
    { "word", "09AZaz__" },  { "xdigit", "09AFaf" },
};

static void add_range(struct class *c, uint8_t first, uint8_t last)
{
    for (unsigned byte = first; byte <= last; byte++)
        c->bits[byte / 8] |= (uint8_t)(1U << (byte % 8));
}

/* "[:digit:]" at the front; false when it is none. */
static bool read_named(struct glob *g, struct class *c)
{
    for (size_t i = 0; i < PN_COUNT(named_classes); i++) {
        size_t len = strlen(named_classes[i].name);

        if (g->rest.len < len + 4 || !pn_str_starts(g->rest, PN_LIT("[:")) ||
            !pn_str_starts(pn_str_slice(g->rest, 2 + len, g->rest.len), PN_LIT(":]")) ||
            memcmp(g->rest.ptr + 2, named_classes[i].name, len) != 0)
            continue;
        for (const char *r = named_classes[i].ranges; *r != '\0'; r += 2)
            add_range(c, (uint8_t)r[0], (uint8_t)r[1]);
        skip(g, len + 4);
        return true;
    }
    return false;
}

static uint8_t read_class_byte(struct glob *g)
{
    if (peek(g, 0) == '\\' && g->rest.len > 1)
        skip(g, 1);

    uint8_t byte = (uint8_t)peek(g, 0);

    skip(g, 1);
    return byte;
}

/* Behind '['. A ']' that comes first stands for itself. */
static void compile_class(struct glob *g)
{
    struct class c = { { 0 } };
    bool is_negated = peek(g, 0) == '^', is_first = true;

    skip(g, is_negated);
    for (; g->rest.len > 0 && (peek(g, 0) != ']' || is_first); is_first = false) {
        if (read_named(g, &c))
            continue;

        uint8_t first = read_class_byte(g), last = first;

        if (peek(g, 0) == '-' && g->rest.len > 1 && peek(g, 1) != ']') {
            skip(g, 1);
            last = read_class_byte(g);
        }
        g->is_bad |= first > last;
        add_range(&c, first, last);
    }
    g->is_bad |= g->rest.len == 0 || g->class_count == MAX_CLASSES;
    if (g->is_bad)
        return;
    skip(g, 1);
    for (size_t i = 0; is_negated && i < sizeof(c.bits); i++)
        c.bits[i] = (uint8_t)~c.bits[i];
    c.bits['/' / 8] &= (uint8_t) ~(1U << ('/' % 8));
    g->classes[g->class_count] = c;
    emit(g, (struct instruction){ .op = OP_CLASS, .byte = (uint8_t)g->class_count++ });
}

/* ---- groups ---- */

static void compile_sequence(struct glob *g, const char *stops);

/* x|y up to `close`, which goes too: each alternative, and behind it a jump to the common end. */
static void compile_alternatives(struct glob *g, char separator, char close)
{
    const char stops[3] = { separator, close, '\0' };
    uint16_t jumps[MAX_CODE / 4], jump_count = 0;

    g->is_bad |= ++g->depth > MAX_DEPTH;
    while (!g->is_bad) {
        uint16_t at = g->count;

        compile_sequence(g, stops);
        if (g->rest.len == 0)
            g->is_bad = true;
        if (g->is_bad || peek(g, 0) == close)
            break;
        skip(g, 1);
        insert(g, at, (struct instruction){ .op = OP_SPLIT });
        if (jump_count == PN_COUNT(jumps))
            g->is_bad = true;
        else
            jumps[jump_count++] = emit(g, (struct instruction){ .op = OP_JUMP });
        if (!g->is_bad)
            g->code[at] =
                (struct instruction){ .op = OP_SPLIT, .a = (uint16_t)(at + 1), .b = g->count };
    }
    skip(g, 1);
    g->depth--;
    for (uint16_t i = 0; i < jump_count && !g->is_bad; i++)
        g->code[jumps[i]].a = g->count;
}

static void compile_repeated(struct glob *g, char kind)
{
    uint16_t at = g->count;

    compile_alternatives(g, '|', ')');
    if (g->is_bad)
        return;
    if (kind == '+' || kind == '*') { /* around again, or on */
        uint16_t end = emit(g, (struct instruction){ .op = OP_SPLIT, .a = at });

        if (!g->is_bad)
            g->code[end].b = g->count;
    }
    if (kind == '?' || kind == '*') {
        insert(g, at, (struct instruction){ .op = OP_SPLIT });
        if (!g->is_bad)
            g->code[at] =
                (struct instruction){ .op = OP_SPLIT, .a = (uint16_t)(at + 1), .b = g->count };
    }
}

/* Behind "!(". The program of x stands aside, jumped over; then any text follows, as in picomatch. */
static void compile_not(struct glob *g)
{
    uint16_t jump = emit(g, (struct instruction){ .op = OP_JUMP });
    uint16_t start = g->count;
    bool is_whole = true;

    compile_alternatives(g, '|', ')');
    emit(g, (struct instruction){ .op = OP_END });
    if (g->is_bad || g->not_count == MAX_NOTS) {
        g->is_bad = true;
        return;
    }
    for (size_t i = 0; i < g->rest.len; i++)
        is_whole = is_whole && g->rest.ptr[i] == ')';
    g->code[jump].a = g->count;
    g->nots[g->not_count] =
        (struct negation){ .start = start, .end = g->count, .is_whole = is_whole };
    emit(g, (struct instruction){ .op = OP_NOT, .byte = (uint8_t)g->not_count++ });
    emit_star(g);
}

/* "1..3" or "a..c" before the brace that closes; false when it is something else. */
static bool read_range(struct glob *g, int64_t *first, int64_t *last, bool *is_letter)
{
    ptrdiff_t close = pn_str_find(g->rest, '}');
    struct pn_str inner = pn_str_slice(g->rest, 0, close < 0 ? 0 : (size_t)close), from, to;
    ptrdiff_t dots = pn_str_search(inner, PN_LIT(".."));

    if (dots <= 0)
        return false;
    from = pn_str_slice(inner, 0, (size_t)dots);
    to = pn_str_slice(inner, (size_t)dots + 2, inner.len);
    *is_letter = from.len == 1 && to.len == 1 && (from.ptr[0] | 0x20) >= 'a' &&
                 (from.ptr[0] | 0x20) <= 'z' && (to.ptr[0] | 0x20) >= 'a' &&
                 (to.ptr[0] | 0x20) <= 'z';
    if (*is_letter) {
        *first = (unsigned char)from.ptr[0];
        *last = (unsigned char)to.ptr[0];
    } else if (from.len > 6 || to.len > 6 || !pn_str_i64(from, first) || !pn_str_i64(to, last)) {
        return false;
    }
    skip(g, inner.len + 1);
    if (*first > *last) {
        int64_t swapped = *first;

        *first = *last;
        *last = swapped;
    }
    return true;
}

static void emit_number(struct glob *g, int64_t number, bool is_letter)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(32);

    if (is_letter)
        pn_buf_add_byte(&text, (char)number);
    else
        pn_buf_add_i64(&text, number);
    emit_text(g, pn_buf_str(&text));
}

static void compile_range(struct glob *g, int64_t first, int64_t last, bool is_letter)
{
    uint16_t jumps[MAX_RANGE], jump_count = 0;

    if (last - first >= MAX_RANGE) {
        g->is_bad = true;
        return;
    }
    for (int64_t n = first; n < last; n++) {
        uint16_t at = emit(g, (struct instruction){ .op = OP_SPLIT });

        emit_number(g, n, is_letter);
        jumps[jump_count++] = emit(g, (struct instruction){ .op = OP_JUMP });
        g->code[at].a = (uint16_t)(at + 1);
        g->code[at].b = g->count;
    }
    emit_number(g, last, is_letter);
    for (uint16_t i = 0; i < jump_count && !g->is_bad; i++)
        g->code[jumps[i]].a = g->count;
}

static void compile_brace(struct glob *g)
{
    int64_t first, last;
    bool is_letter;

    if (read_range(g, &first, &last, &is_letter))
        compile_range(g, first, last, is_letter);
    else
        compile_alternatives(g, ',', '}');
}

static void compile_quoted(struct glob *g)
{
    ptrdiff_t close = pn_str_find(g->rest, '"');

    if (close < 0) {
        g->is_bad = true;
        return;
    }
    emit_text(g, pn_str_slice(g->rest, 0, (size_t)close));
    skip(g, (size_t)close + 1);
}

/* One element at the front, or several stars. */
static void compile_element(struct glob *g)
{
    char c = peek(g, 0);

    skip(g, 1);
    if (strchr("@+?*!", c) != NULL && peek(g, 0) == '(') {
        skip(g, 1);
        if (c == '!')
            compile_not(g);
        else
            compile_repeated(g, c);
        return;
    }
    switch (c) {
    case '*':
        while (peek(g, 0) == '*' && peek(g, 1) != '(')
            skip(g, 1);
        emit_star(g);
        return;
    case '?': emit(g, (struct instruction){ .op = OP_ANY }); return;
    case '[': compile_class(g); return;
    case '(': compile_repeated(g, '@'); return;
    case '{': compile_brace(g); return;
    case '"': compile_quoted(g); return;
    case ')':
    case ']':
    case '}': g->is_bad = true; return;
    case '\\':
        if (g->rest.len == 0) {
            g->is_bad = true;
            return;
        }
        c = peek(g, 0);
        skip(g, 1);
        break;
    }
    emit(g, (struct instruction){ .op = OP_CHAR, .byte = (uint8_t)c });
}

static void compile_sequence(struct glob *g, const char *stops)
{
    while (!g->is_bad && g->rest.len > 0 &&
           (peek(g, 0) == '\0' || strchr(stops, peek(g, 0)) == NULL)) {
        g->is_bad |= peek(g, 0) == '\0';
        compile_element(g);
    }
}

static bool compile(struct glob *g, struct pn_str text)
{
    *g = (struct glob){ .rest = text };
    if (pn_str_starts(g->rest, PN_LIT("./")))
        skip(g, 2);
    compile_sequence(g, "");
    emit(g, (struct instruction){ .op = OP_END });
    return !g->is_bad;
}

/* ---- running them ---- */

/*
 * From the value's end to its beginning: for each place, which instructions lead from there to the end
 * of their program. Place follows from the place behind it, so the time is code times value.
 */
struct run {
    const struct glob *glob;
    struct pn_str value;
    bool holds[MAX_NOTS][PN_ALLOW_MAX_VALUE + 1]; /* !(x), at this place of the value */
};

struct row {
    bool ok[MAX_CODE + 1];
};

static bool takes(const struct glob *g, const struct instruction *in, uint8_t byte)
{
    if (in->op == OP_CHAR)
        return in->byte == byte;
    if (in->op == OP_CLASS)
        return (g->classes[in->byte].bits[byte / 8] >> (byte % 8)) & 1;
    return in->op == OP_ANY && byte != '/';
}

/* What needs no character: again, until nothing changes, because repetitions lead back. */
static void follow(const struct run *r, struct row *now, uint16_t start, uint16_t end, size_t place)
{
    bool has_changed = true;

    while (has_changed) {
        has_changed = false;
        for (uint16_t at = end; at-- > start;) {
            const struct instruction *in = &r->glob->code[at];
            bool leads = false;

            if (in->op == OP_SPLIT)
                leads = now->ok[in->a] || now->ok[in->b];
            else if (in->op == OP_JUMP)
                leads = now->ok[in->a];
            else if (in->op == OP_NOT)
                leads = r->holds[in->byte][place] && now->ok[at + 1];
            has_changed |= leads && !now->ok[at];
            now->ok[at] |= leads;
        }
    }
}

/* At which places does the program in [start, end) begin a match? */
static void run_program(const struct run *r, uint16_t start, uint16_t end, bool is_whole,
                        bool matches[PN_ALLOW_MAX_VALUE + 1])
{
    struct row rows[2] = { 0 };

    for (size_t place = r->value.len + 1; place-- > 0;) {
        struct row *now = &rows[place % 2];
        const struct row *next = &rows[(place + 1) % 2];

        for (uint16_t at = start; at < end; at++) {
            const struct instruction *in = &r->glob->code[at];

            now->ok[at] = place < r->value.len &&
                          takes(r->glob, in, (uint8_t)r->value.ptr[place]) && next->ok[at + 1];
        }
        now->ok[end - 1] = !is_whole || place == r->value.len; /* its OP_END */
        follow(r, now, start, end, place);
        matches[place] = now->ok[start];
    }
}

static bool run_glob(const struct glob *g, struct pn_str value)
{
    struct run r = { .glob = g, .value = value };
    bool matches[PN_ALLOW_MAX_VALUE + 1];

    if (value.len > PN_ALLOW_MAX_VALUE)
        return false;
    for (uint8_t n = 0; n < g->not_count; n++) { /* inner ones were compiled first */
        run_program(&r, g->nots[n].start, g->nots[n].end, g->nots[n].is_whole, matches);
        for (size_t place = 0; place <= value.len; place++)
            r.holds[n][place] = !matches[place];
    }
    run_program(&r, 0, g->count, true, matches);
    return matches[0];
}

/* ---- lists ---- */

/* The next item, at a comma that no group or quotation holds; as `a,{b,c},d` is read. */
static bool cut_item(struct pn_str *rest, struct pn_str *item)
{
    size_t braces = 0, at;
    bool is_quoted = false;

    if (rest->ptr == NULL)
        return false;
    for (at = 0; at < rest->len; at++) {
        char c = rest->ptr[at];

        if (c == '\\')
            at++;
        else if (c == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && c == '{')
            braces++;
        else if (!is_quoted && c == '}' && braces > 0)
            braces--;
        else if (!is_quoted && c == ',' && braces == 0)
            break;
    }
    *item = pn_str_trim(pn_str_slice(*rest, 0, at));
    *rest = at < rest->len ? pn_str_slice(*rest, at + 1, rest->len) : PN_NONE;
    return true;
}

/* Takes leading '!' off; a '!' before a parenthesis is not one of them. */
static bool cut_negations(struct pn_str *item)
{
    bool is_negated = false;

    while (item->len > 0 && item->ptr[0] == '!' && !(item->len > 1 && item->ptr[1] == '(')) {
        is_negated = !is_negated;
        *item = pn_str_slice(*item, 1, item->len);
    }
    return is_negated;
}

static bool glob_matches(struct pn_str item, struct pn_str value)
{
    struct glob *g = pn_heap_new(sizeof(*g));
    bool is_negated = cut_negations(&item);
    bool matches =
        compile(g, item) && value.len <= PN_ALLOW_MAX_VALUE && run_glob(g, value) != is_negated;

    pn_heap_free(g);
    return matches;
}

bool pn_allow_matches(struct pn_str list, struct pn_str value)
{
    struct pn_str rest = list, item;
    bool is_allowed = list.len == 0;

    while (!is_allowed && cut_item(&rest, &item))
        is_allowed = item.len > 0 && (pn_str_eq(item, value) || glob_matches(item, value));
    return is_allowed;
}

bool pn_allow_check(struct pn_str list, struct pn_err *err)
{
    struct glob *g = pn_heap_new(sizeof(*g));
    struct pn_str rest = list, item = PN_NONE;
    bool is_fine = true, has_items = list.len == 0;

    if (list.len > PN_ALLOW_MAX_BYTES) {
        pn_heap_free(g);
        return pn_fail(err, PN_BAD_REQUEST, "The list is longer than %d bytes", PN_ALLOW_MAX_BYTES);
    }
    while (is_fine && cut_item(&rest, &item)) {
        struct pn_str glob = item;

        has_items |= item.len > 0;
        (void)cut_negations(&glob);
        is_fine = compile(g, glob);
    }
    pn_heap_free(g);
    if (!has_items)
        return pn_fail(err, PN_BAD_REQUEST, "The list has commas and spaces, but no items");
    return is_fine || pn_fail(err, PN_BAD_REQUEST,
                              "\"%.*s\" is no pattern: a bracket or quotation is not closed, or it"
                              " is too large",
                              PN_ARG(pn_str_slice(item, 0, 100)));
}

bool pn_allow_is_negative(struct pn_str list)
{
    struct pn_str rest = list, item;
    bool has_items = false;

    while (cut_item(&rest, &item)) {
        if (item.len > 0 && item.ptr[0] != '!')
            return false;
        has_items |= item.len > 0;
    }
    return has_items;
}
