/* SPDX-License-Identifier: Apache-2.0 */
#include "json/value.h"

#include "json/tree.h"

/* A pn_value is jansson's json_t under a name of our own. */

static json_t *tree_of(const struct pn_value *v)
{
    return (json_t *)(uintptr_t)v;
}

static const struct pn_value *value_of(const json_t *tree)
{
    return (const struct pn_value *)tree;
}

bool pn_value_parse(struct pn_str json, struct pn_value **out, struct pn_err *err)
{
    json_t *tree = pn_tree_load(json, PN_TREE_ANY, err);

    if (tree == NULL)
        return false;
    *out = (struct pn_value *)tree;
    return true;
}

void pn_value_free(struct pn_value *value)
{
    json_decref((json_t *)value);
}

struct pn_value *pn_value_keep(const struct pn_value *part)
{
    return (struct pn_value *)json_incref(tree_of(part));
}

void pn_value_freep(struct pn_value **value)
{
    pn_value_free(*value);
    *value = NULL;
}

const struct pn_value *pn_value_get(const struct pn_value *v, const char *name)
{
    return value_of(json_object_get(tree_of(v), name));
}

const struct pn_value *pn_value_item(const struct pn_value *v, size_t index)
{
    return value_of(json_array_get(tree_of(v), index));
}

static const struct pn_value *step(const struct pn_value *v, struct pn_str name)
{
    uint64_t index;

    if (!pn_value_is_array(v))
        return value_of(json_object_getn(tree_of(v), name.ptr, name.len));
    return pn_str_u64(name, &index) ? pn_value_item(v, index) : NULL;
}

const struct pn_value *pn_value_at(const struct pn_value *v, const char *path)
{
    struct pn_str rest = pn_str_from(path);
    struct pn_str name;

    while (v != NULL && pn_str_cut(&rest, '.', &name))
        v = step(v, name);
    return v;
}

size_t pn_value_count(const struct pn_value *v)
{
    return pn_value_is_array(v) ? json_array_size(tree_of(v)) : json_object_size(tree_of(v));
}

struct pn_str pn_value_str(const struct pn_value *v)
{
    return pn_value_is_string(v) ? pn_tree_str(tree_of(v)) : PN_NONE;
}

int64_t pn_value_int(const struct pn_value *v, int64_t fallback)
{
    int64_t number;

    return v != NULL && pn_tree_int(tree_of(v), &number) ? number : fallback;
}

bool pn_value_bool(const struct pn_value *v, bool fallback)
{
    return v != NULL && json_is_boolean(tree_of(v)) ? json_is_true(tree_of(v)) : fallback;
}

bool pn_value_is_object(const struct pn_value *v)
{
    return v != NULL && json_is_object(tree_of(v));
}

bool pn_value_is_array(const struct pn_value *v)
{
    return v != NULL && json_is_array(tree_of(v));
}

bool pn_value_is_string(const struct pn_value *v)
{
    return v != NULL && json_is_string(tree_of(v));
}

bool pn_value_is_null(const struct pn_value *v)
{
    return v != NULL && json_is_null(tree_of(v));
}

bool pn_value_member(const struct pn_value *v, size_t index, struct pn_str *name,
                     const struct pn_value **value)
{
    void *at = json_object_iter(tree_of(v));

    for (; at != NULL && index > 0; index--)
        at = json_object_iter_next(tree_of(v), at);
    if (at == NULL)
        return false;
    *name = pn_str_from(json_object_iter_key(at));
    *value = value_of(json_object_iter_value(at));
    return true;
}

void pn_value_print(const struct pn_value *v, bool is_pretty, struct pn_buf *out)
{
    if (v == NULL)
        pn_buf_add_text(out, "null");
    else
        pn_tree_print(tree_of(v), is_pretty ? 0 : -1, out);
}
