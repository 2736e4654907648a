/* SPDX-License-Identifier: Apache-2.0 */
#include "json/tree.h"

#include "base/encode.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In front of every block of jansson's, so that free knows how much to wipe. */
union header {
    size_t bytes;
    max_align_t align;
};

static void *allocate(size_t bytes)
{
    union header *block;
    size_t total;

    if (!pn_add(bytes, sizeof(*block), &total))
        return NULL;
    block = pn_heap_new(total);
    block->bytes = bytes;
    return block + 1;
}

static void wipe_and_free(void *memory)
{
    union header *block = memory;

    if (memory == NULL)
        return;
    block--;
    pn_wipe(memory, block->bytes);
    pn_heap_free(block);
}

static void prepare(void)
{
    json_set_alloc_funcs(allocate, wipe_and_free);
    json_object_seed(0); /* from the kernel's random numbers */
}

void pn_tree_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, prepare);
}

void pn_tree_print_real(double value, struct pn_buf *out)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    pn_buf_add_text(out, text);
    if (strpbrk(text, ".e") == NULL)
        pn_buf_add_text(out, ".0");
}

static void add_line(struct pn_buf *out, int indent)
{
    if (indent < 0)
        return;
    pn_buf_add_byte(out, '\n');
    for (int i = 0; i < indent; i++)
        pn_buf_add_text(out, "  ");
}

static void print_object(const json_t *object, int indent, struct pn_buf *out)
{
    int inner = indent < 0 ? -1 : indent + 1;
    bool is_first = true;

    pn_buf_add_byte(out, '{');
    for (void *at = json_object_iter((json_t *)object); at != NULL;
         at = json_object_iter_next((json_t *)object, at)) {
        if (!is_first)
            pn_buf_add_byte(out, ',');
        is_first = false;
        add_line(out, inner);
        pn_json_quote_add(out, pn_str_from(json_object_iter_key(at)));
        pn_buf_add_text(out, indent < 0 ? ":" : ": ");
        pn_tree_print(json_object_iter_value(at), inner, out);
    }
    if (!is_first)
        add_line(out, indent);
    pn_buf_add_byte(out, '}');
}

static void print_array(const json_t *array, int indent, struct pn_buf *out)
{
    int inner = indent < 0 ? -1 : indent + 1;

    pn_buf_add_byte(out, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            pn_buf_add_byte(out, ',');
        add_line(out, inner);
        pn_tree_print(json_array_get(array, i), inner, out);
    }
    if (json_array_size(array) > 0)
        add_line(out, indent);
    pn_buf_add_byte(out, ']');
}

void pn_tree_print(const json_t *tree, int indent, struct pn_buf *out)
{
    switch (json_typeof(tree)) {
    case JSON_OBJECT: print_object(tree, indent, out); break;
    case JSON_ARRAY: print_array(tree, indent, out); break;
    case JSON_STRING: pn_json_quote_add(out, pn_tree_str(tree)); break;
    case JSON_INTEGER: pn_buf_add_i64(out, json_integer_value(tree)); break;
    case JSON_REAL: pn_tree_print_real(json_real_value(tree), out); break;
    case JSON_TRUE: pn_buf_add_text(out, "true"); break;
    case JSON_FALSE: pn_buf_add_text(out, "false"); break;
    case JSON_NULL: pn_buf_add_text(out, "null"); break;
    }
}
