/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/glob.h"

#include <string.h>

/*
 * A pattern is a row of tokens, and matching walks the text once with the set of all tokens that may
 * come next: an automaton whose state is an array of flags.
 */
enum token_kind {
    TOKEN_LITERAL,
    TOKEN_ONE,   /* `?` */
    TOKEN_CLASS, /* `[…]`: symbol is what stands between the brackets */
    TOKEN_STAR,  /* any run without '/' */
    TOKEN_ANY,   /* any run */
    /* Of `**` as a segment of its own: nothing, or any run that ends with '/' */
    TOKEN_SEGMENTS,
    TOKEN_IN_SEGMENTS,
    TOKEN_BELOW, /* "/ **" at the end: nothing, or '/' and (the TOKEN_ANY that follows) any run */
};
struct token {
    enum token_kind kind;
    struct pn_str symbol;
};
#define MAX_TOKENS (PN_GLOB_MAX_BYTES + 2)
#define MAX_GROUPS 8 /* of braces */

/* One character: the bytes of a code point, or one byte of what is not UTF-8. */
static struct pn_str first_symbol(struct pn_str rest)
{
    size_t step = pn_str_utf8_step(rest);

    return pn_str_slice(rest, 0, step > 0 ? step : 1);
}

static struct pn_str skip(struct pn_str s, size_t bytes)
{
    return pn_str_slice(s, bytes, s.len);
}

static bool is_slash(struct pn_str symbol)
{
    return pn_str_is(symbol, "/");
}

/* "[^a-z]": the part between the brackets; false when it has no end or says what is not understood. */
static bool read_class(struct pn_str *rest, struct pn_str *inside)
{
    size_t end = rest->len > 1 && rest->ptr[1] == '^' ? 2 : 1;

    for (end++; end < rest->len && rest->ptr[end] != ']'; end++)
        ;
    if (end >= rest->len)
        return false;
    *inside = pn_str_slice(*rest, 1, end);
    *rest = skip(*rest, end + 1);
    return pn_str_find(*inside, '[') < 0 && pn_str_find(*inside, '\\') < 0 &&
           pn_str_find(*inside, '/') < 0 && inside->ptr[0] != '!' && inside->ptr[0] != ']';
}

static bool class_has(struct pn_str inside, struct pn_str symbol)
{
    bool is_negated = inside.ptr[0] == '^', has = false;

    for (inside = skip(inside, is_negated); inside.len > 0;) {
        struct pn_str low = first_symbol(inside), high = low;

        inside = skip(inside, low.len);
        if (inside.len > 1 && inside.ptr[0] == '-') {
            high = first_symbol(skip(inside, 1));
            inside = skip(inside, 1 + high.len);
        }
        has = has || (pn_str_cmp(low, symbol) <= 0 && pn_str_cmp(symbol, high) <= 0);
    }
    return has != is_negated && !is_slash(symbol);
}

static bool is_at_segment(struct pn_str pattern, struct pn_str rest)
{
    return rest.len == pattern.len || rest.ptr[-1] == '/';
}

/* `**` and what it stands for where it is; the '/' before or after a segment of its own is part of it. */
static size_t read_stars(struct pn_str pattern, struct pn_str *rest, struct token *tokens, size_t n)
{
    bool is_at_start = is_at_segment(pattern, *rest);
    size_t stars = 0;

    while (stars < rest->len && rest->ptr[stars] == '*')
        stars++;
    *rest = skip(*rest, stars);
    if (stars == 1) {
        tokens[n++] = (struct token){ .kind = TOKEN_STAR };
    } else if (is_at_start && rest->len > 0 && rest->ptr[0] == '/') {
        *rest = skip(*rest, 1);
        tokens[n++] = (struct token){ .kind = TOKEN_SEGMENTS };
        tokens[n++] = (struct token){ .kind = TOKEN_IN_SEGMENTS };
    } else if (is_at_start && rest->len == 0 && n > 0 && tokens[n - 1].kind == TOKEN_LITERAL) {
        tokens[n - 1].kind = TOKEN_BELOW; /* instead of the '/' */
        tokens[n++] = (struct token){ .kind = TOKEN_ANY };
    } else {
        tokens[n++] = (struct token){ .kind = TOKEN_ANY };
    }
    return n;
}

/* False for what is no pattern. Each token takes a byte of the pattern at least, `**` two for two. */
static bool read_tokens(struct pn_str pattern, struct token *tokens, size_t *count)
{
    size_t n = 0;

    if (pattern.len == 0 || pattern.len > PN_GLOB_MAX_BYTES || pattern.ptr[0] == '!')
        return false;
    for (struct pn_str rest = pattern; rest.len > 0;) {
        struct token t = { .symbol = first_symbol(rest) };

        switch (rest.ptr[0]) {
        case '*': n = read_stars(pattern, &rest, tokens, n); continue;
        case '[':
            t.kind = TOKEN_CLASS;
            if (!read_class(&rest, &t.symbol))
                return false;
            break;
        case '?':
            t.kind = TOKEN_ONE;
            rest = skip(rest, 1);
            break;
        case '\\':
            if (rest.len == 1)
                return false;
            t.symbol = first_symbol(skip(rest, 1));
            rest = skip(rest, 1 + t.symbol.len);
            break;
        case '(':
        case ')':
        case '|':
        case '{':
        case '}':
        case ']':
        case '\0': return false;
        default: rest = skip(rest, t.symbol.len); break;
        }
        tokens[n++] = t;
    }
    *count = n;
    return true;
}

/* What may come next without reading anything. All such ways lead forward, so one pass finds them. */
static void close_over(const struct token *tokens, size_t count, bool *live)
{
    for (size_t i = 0; i < count; i++) {
        if (!live[i])
            continue;
        switch (tokens[i].kind) {
        case TOKEN_STAR:
        case TOKEN_ANY: live[i + 1] = true; break;
        case TOKEN_SEGMENTS: live[i + 1] = live[i + 2] = true; break;
        case TOKEN_BELOW: live[count] = true; break;
        case TOKEN_LITERAL:
        case TOKEN_ONE:
        case TOKEN_CLASS:
        case TOKEN_IN_SEGMENTS: break;
        }
    }
}

/* Reads one character: *stays and *moves say whether the token may go on, and whether the next may come. */
static void read_symbol(const struct token *t, struct pn_str symbol, bool *stays, bool *moves)
{
    *stays = *moves = false;
    switch (t->kind) {
    case TOKEN_LITERAL: *moves = pn_str_eq(t->symbol, symbol); break;
    case TOKEN_ONE: *moves = !is_slash(symbol); break;
    case TOKEN_CLASS: *moves = class_has(t->symbol, symbol); break;
    case TOKEN_STAR: *stays = !is_slash(symbol); break;
    case TOKEN_ANY: *stays = true; break;
    case TOKEN_SEGMENTS: break;
    case TOKEN_IN_SEGMENTS:
        *stays = true;
        *moves = is_slash(symbol);
        break;
    case TOKEN_BELOW: *moves = is_slash(symbol); break;
    }
}

bool pn_glob_match(struct pn_str pattern, struct pn_str text)
{
    struct token tokens[MAX_TOKENS];
    bool live[MAX_TOKENS + 2], next[MAX_TOKENS + 2];
    size_t count;

    if (!read_tokens(pattern, tokens, &count))
        return false;
    memset(live, 0, count + 2);
    live[0] = true;
    close_over(tokens, count, live);
    while (text.len > 0) {
        struct pn_str symbol = first_symbol(text);
        bool is_any = false;

        memset(next, 0, count + 2);
        for (size_t i = 0; i < count; i++) {
            bool stays, moves;

            if (!live[i])
                continue;
            read_symbol(&tokens[i], symbol, &stays, &moves);
            next[i] = next[i] || stays;
            next[i + 1] = next[i + 1] || moves;
            is_any = is_any || stays || moves;
        }
        if (!is_any)
            return false;
        close_over(tokens, count, next);
        memcpy(live, next, count + 2);
        text = skip(text, symbol.len);
    }
    return live[count];
}

size_t pn_glob_literal(struct pn_str pattern)
{
    size_t len = 0;

    while (len < pattern.len && strchr("*?[\\", pattern.ptr[len]) == NULL)
        len++;
    return len;
}

/* ---- braces ---- */

/* Where the group `{a,b}` begins and ends; false when there is none, or it is not one. */
static bool find_group(struct pn_str pattern, size_t *open, size_t *close, bool *is_wrong)
{
    bool has_comma = false, is_open = false;

    *is_wrong = false;
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];

        if (c == '\\') {
            i++;
        } else if (c == '{' && !is_open) {
            is_open = true;
            *open = i;
        } else if (c == '}' && is_open && has_comma) {
            *close = i;
            return true;
        } else if (c == '{' || c == '}') {
            *is_wrong = true;
            return false;
        }
        has_comma = has_comma || (is_open && c == ',');
    }
    *is_wrong = is_open;
    return false;
}

/* Where the alternative ends: at a comma that no `\` stands before. */
static size_t alternative_len(struct pn_str list)
{
    size_t i = 0;

    while (i < list.len && list.ptr[i] != ',')
        i += list.ptr[i] == '\\' ? 2 : 1;
    return i < list.len ? i : list.len;
}

static bool is_pattern(struct pn_str pattern)
{
    struct token tokens[MAX_TOKENS];
    size_t count;

    return read_tokens(pattern, tokens, &count);
}

/* Replaces the first group of `pattern` in all ways; those with more groups come back here. */
static bool expand_group(struct pn_arena *arena, struct pn_str pattern, struct pn_strs *out)
{
    size_t open = 0, close = 0;
    bool is_wrong;

    if (!find_group(pattern, &open, &close, &is_wrong)) {
        if (is_wrong || out->count == PN_GLOB_MAX_EXPANDED)
            return false;
        out->items[out->count++] = pattern;
        return true;
    }
    for (struct pn_str list = pn_str_slice(pattern, open + 1, close);;) {
        size_t len = alternative_len(list);

        if (!expand_group(arena,
                          pn_arena_printf(
                              arena, "%.*s%.*s%.*s", PN_ARG(pn_str_slice(pattern, 0, open)),
                              PN_ARG(pn_str_slice(list, 0, len)), PN_ARG(skip(pattern, close + 1))),
                          out))
            return false;
        if (len == list.len)
            return true;
        list = skip(list, len + 1);
    }
}

bool pn_glob_expand(struct pn_arena *arena, struct pn_str pattern, struct pn_strs *out)
{
    size_t groups = 0;

    for (size_t i = 0; i < pattern.len; i++)
        groups += pattern.ptr[i] == '{';
    if (pattern.len > PN_GLOB_MAX_BYTES || groups > MAX_GROUPS)
        return false;
    *out = (struct pn_strs){ .items = pn_new(arena, struct pn_str, PN_GLOB_MAX_EXPANDED) };
    if (!expand_group(arena, pattern, out))
        return false;
    for (size_t i = 0; i < out->count; i++) {
        if (!is_pattern(out->items[i]))
            return false;
    }
    return true;
}
