/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/reference.h"

#include "base/map.h"
#include "core/secret/record.h"

/* ---- one reference ---- */

/* "env.a.b.KEY": the last part is the name, the first the environment, what is between them the path. */
static bool read_parts(struct pn_arena *arena, struct pn_str inner, struct pn_reference *out)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(inner.len + 2);
    struct pn_str rest = inner, part, environment = PN_NONE, key = PN_NONE;

    if (inner.len == 0 || inner.ptr[0] == '@')
        return false;
    for (size_t i = 0; pn_str_cut(&rest, '.', &part); i++) {
        if (part.len == 0)
            return false;
        if (i == 1)
            environment = key;
        if (i > 1) {
            pn_buf_add_byte(&path, '/');
            pn_buf_add(&path, key);
        }
        key = part;
    }
    *out = (struct pn_reference){ .environment = environment, .key = key };
    if (environment.ptr != NULL)
        out->path = path.len > 0 ? pn_arena_copy(arena, pn_buf_str(&path)) : PN_LIT("/");
    return true;
}

bool pn_reference_find(struct pn_arena *arena, struct pn_str text, size_t *from, size_t *to,
                       struct pn_reference *out)
{
    size_t at = 0;

    for (;;) {
        struct pn_str rest = pn_str_slice(text, at, text.len);
        ptrdiff_t open = pn_str_search(rest, PN_LIT("${"));
        ptrdiff_t close =
            open < 0 ? -1 : pn_str_find(pn_str_slice(rest, (size_t)open + 2, rest.len), '}');

        if (close < 0)
            return false;
        *from = at + (size_t)open;
        *to = *from + 2 + (size_t)close + 1;
        if (close == 0) { /* "${}" is nothing */
            at = *from + 2;
            continue;
        }
        *out = (struct pn_reference){ .key = PN_NONE };
        (void)read_parts(arena, pn_str_trim(pn_str_slice(text, *from + 2, *to - 1)), out);
        return true;
    }
}

/* ---- expansion ---- */

struct pn_expansion {
    struct pn_call *call;
    const struct pn_ability *ability;
    struct pn_uuid project_id;
    enum pn_secrets_whose whose;
    struct pn_map
        *known; /* env, path and key, apart by a byte none of them has; zero id: not there */
    size_t lookups;
    struct pn_rows opened;             /* the secrets whose values were read for others */
    const struct pn_secret_item *root; /* whose value is being expanded */
};

/* The secrets whose values are being expanded into one another, innermost first. */
struct chain {
    const struct chain *outer;
    const struct pn_secret_item *item;
    size_t depth;
    struct pn_reference_node *node; /* of a trace; NULL without one */
};

struct pn_expansion *pn_expansion_new(struct pn_call *call, const struct pn_ability *ability,
                                      struct pn_uuid project_id, enum pn_secrets_whose whose)
{
    struct pn_expansion *expansion = pn_heap_new(sizeof(*expansion));

    *expansion =
        (struct pn_expansion){ .call = call,
                               .ability = ability,
                               .project_id = project_id,
                               .whose = whose == PN_SECRETS_OF_ALL ? PN_SECRETS_OF_ALL
                                                                   : PN_SECRETS_OWN_INSTEAD,
                               .known = pn_map_new(),
                               .opened = pn_rows_of(call->arena, sizeof(struct pn_secret_item)) };
    return expansion;
}

void pn_expansion_free(struct pn_expansion *expansion)
{
    if (expansion == NULL)
        return;
    pn_map_free(expansion->known);
    pn_heap_free(expansion);
}

void pn_expansion_freep(struct pn_expansion **expansion)
{
    pn_expansion_free(*expansion);
    *expansion = NULL;
}

static bool load(struct pn_expansion *x, const struct pn_secret_item *from,
                 const struct pn_reference *reference, struct pn_secret_item *out,
                 struct pn_err *err)
{
    bool is_here = reference->environment.ptr == NULL;
    struct pn_str environment = is_here ? from->environment : reference->environment;
    struct pn_str path = is_here ? from->secretPath : reference->path;
    const struct pn_secret_item nothing = { .environment = environment,
                                            .secretPath = path,
                                            .secretKey = reference->key };
    struct pn_err missing = { 0 };
    struct pn_place place;

    *out = nothing;
    if (!pn_place_find(x->call, x->call->conn, x->project_id, environment, path, &place,
                       &missing)) {
        if (missing.code == PN_NOT_FOUND)
            return true;
        *err = missing;
        return false;
    }
    if (!pn_secrets_find(x->call, x->call->conn, &place, reference->key, x->whose, out, err))
        return false;
    if (pn_uuid_is_zero(out->id))
        *out = nothing;
    return true;
}

static bool look_up(struct pn_expansion *x, const struct pn_secret_item *from,
                    const struct pn_reference *reference, struct pn_secret_item **out,
                    struct pn_err *err)
{
    bool is_here = reference->environment.ptr == NULL;
    struct pn_str key = pn_arena_printf(
        x->call->arena, "%.*s\x01%.*s\x01%.*s",
        PN_ARG(is_here ? from->environment : reference->environment),
        PN_ARG(is_here ? from->secretPath : reference->path), PN_ARG(reference->key));

    if (++x->lookups > PN_REFERENCE_MAX_LOOKUPS || pn_arena_is_over(x->call->arena))
        return pn_fail(err, PN_TOO_LARGE, "The values have too many references to expand at once");
    *out = pn_map_get(x->known, key);
    if (*out != NULL)
        return true;
    *out = pn_new(x->call->arena, struct pn_secret_item, 1);
    if (!load(x, from, reference, *out, err))
        return false;
    (void)pn_map_put(x->known, key, *out);
    return true;
}

static bool refuse(const struct pn_expansion *x, const struct pn_secret_item *item,
                   struct pn_err *err)
{
    return pn_fail(err, PN_PERMISSION,
                   "You may not read the value of '%.*s' in %.*s:%.*s, to which '%.*s' refers",
                   PN_ARG(pn_str_slice(item->secretKey, 0, 60)), PN_ARG(item->environment),
                   PN_ARG(pn_str_slice(item->secretPath, 0, 60)),
                   PN_ARG(pn_str_slice(x->root->secretKey, 0, 60)));
}

/* The referred secret, its value open; its id is zero when it is not there. */
static bool open_referred(struct pn_expansion *x, const struct pn_secret_item *from,
                          const struct pn_reference *reference, struct pn_secret_item **out,
                          struct pn_err *err)
{
    if (!look_up(x, from, reference, out, err))
        return false;
    if (pn_uuid_is_zero((*out)->id) || (*out)->secretValue.ptr != NULL)
        return true;
    if (!pn_secrets_may(x->call, x->ability, *out, "readValue"))
        return refuse(x, *out, err);
    *(struct pn_secret_item *)pn_rows_add(&x->opened) = **out;
    return pn_secrets_open(x->call, *out, err);
}

static bool is_on_chain(const struct chain *chain, const struct pn_secret_item *item)
{
    for (; chain != NULL; chain = chain->outer)
        if (pn_str_eq(chain->item->secretKey, item->secretKey) &&
            pn_str_eq(chain->item->environment, item->environment) &&
            pn_str_eq(chain->item->secretPath, item->secretPath))
            return true;
    return false;
}

static bool expand(struct pn_expansion *x, const struct chain *chain, struct pn_str text,
                   struct pn_buf *out, struct pn_err *err);

static struct pn_reference_node node_of(struct pn_expansion *x, const struct pn_secret_item *item)
{
    return (struct pn_reference_node){
        .key = item->secretKey,
        .value = item->secretValue.ptr != NULL ? item->secretValue : PN_LIT(""),
        .environment = item->environment,
        .secretPath = item->secretPath,
        .children = pn_rows_of(x->call->arena, sizeof(struct pn_reference_node)),
    };
}

/* NULL without a trace. Good until its parent gets another child, which is after its own are done. */
static struct pn_reference_node *add_node(struct pn_expansion *x, const struct chain *chain,
                                          const struct pn_secret_item *referred)
{
    struct pn_reference_node *node;

    if (chain->node == NULL)
        return NULL;
    node = pn_rows_add(&chain->node->children);
    *node = node_of(x, referred);
    return node;
}

static bool replace(struct pn_expansion *x, const struct chain *chain, struct pn_str written,
                    const struct pn_reference *reference, struct pn_buf *out, struct pn_err *err)
{
    struct pn_reference_node *node;
    struct pn_secret_item *referred;
    struct chain inner;

    if (reference->key.ptr == NULL || chain->depth >= PN_REFERENCE_MAX_DEPTH) {
        pn_buf_add(out, written);
        return true;
    }
    if (!open_referred(x, chain->item, reference, &referred, err))
        return false;
    node = add_node(x, chain, referred);
    if (pn_uuid_is_zero(referred->id))
        return true;
    if (is_on_chain(chain, referred)) {
        pn_buf_add(out, written);
        return true;
    }
    inner =
        (struct chain){ .outer = chain, .item = referred, .depth = chain->depth + 1, .node = node };
    return expand(x, &inner, referred->secretValue, out, err);
}

static bool expand(struct pn_expansion *x, const struct chain *chain, struct pn_str text,
                   struct pn_buf *out, struct pn_err *err)
{
    struct pn_reference reference;
    size_t from, to;

    while (!out->is_full && pn_reference_find(x->call->arena, text, &from, &to, &reference)) {
        pn_buf_add(out, pn_str_slice(text, 0, from));
        if (!replace(x, chain, pn_str_slice(text, from, to), &reference, out, err))
            return false;
        text = pn_str_slice(text, to, text.len);
    }
    pn_buf_add(out, text);
    return !out->is_full ||
           pn_fail(err, PN_TOO_LARGE, "The value of '%.*s' is too large when it is expanded",
                   PN_ARG(pn_str_slice(x->root->secretKey, 0, 60)));
}

/* "a⏎b" as "\"a\\nb\"": what a client asked for who cannot take lines. */
static bool fold_lines(struct pn_str text, struct pn_buf *out)
{
    pn_buf_add_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n')
            pn_buf_add_text(out, "\\n");
        else
            pn_buf_add_byte(out, text.ptr[i]);
    }
    return pn_buf_add_byte(out, '"');
}

static bool run(struct pn_expansion *x, struct pn_secret_item *item, struct pn_reference_node *node,
                struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf value = pn_buf_init_wiped(PN_SECRETS_MAX_VALUE);
    pn_auto(pn_buf_drop) struct pn_buf folded = pn_buf_init_wiped(2 * PN_SECRETS_MAX_VALUE + 2);
    const struct chain chain = { .item = item, .node = node };
    bool folds = item->has_skipMultilineEncoding && item->skipMultilineEncoding;

    if (item->secretValueHidden || pn_str_search(item->secretValue, PN_LIT("${")) < 0)
        return true;
    x->root = item;
    if (!expand(x, &chain, item->secretValue, &value, err))
        return false;
    if (folds && pn_str_find(pn_buf_str(&value), '\n') >= 0 &&
        fold_lines(pn_buf_str(&value), &folded))
        item->secretValue = pn_arena_copy(x->call->arena, pn_buf_str(&folded));
    else
        item->secretValue = pn_arena_copy(x->call->arena, pn_buf_str(&value));
    return true;
}

bool pn_expansion_run(struct pn_expansion *x, struct pn_secret_item *item, struct pn_err *err)
{
    return run(x, item, NULL, err);
}

bool pn_expansion_trace(struct pn_expansion *x, struct pn_secret_item *item,
                        struct pn_reference_node *root, struct pn_err *err)
{
    *root = node_of(x, item);
    return run(x, item, root, err);
}

bool pn_expansion_record(struct pn_expansion *x, struct pn_err *err)
{
    return x == NULL || pn_secrets_record_referred(x->call, x->opened.list, err);
}
