/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_JSON_TREE_H
#define PN_JSON_TREE_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

/* Inside this folder: jansson's tree, loaded strictly, in memory that is wiped when freed. */

#define PN_TREE_ANY 1 /* any value at the top, not only an object or array */

/* NULL and PN_BAD_REQUEST for what the limits of shape.h refuse. Never quotes the text. */
json_t *pn_tree_load(struct pn_str text, unsigned flags, struct pn_err *err) PN_CHECKED;
/* Call before the first json_t is made by other means. Thread-safe. */
void pn_tree_prepare(void);

static inline void pn_tree_freep(json_t **tree)
{
    json_decref(*tree);
    *tree = NULL;
}

/* indent < 0: one line; else the depth at which the value begins, two spaces each. */
void pn_tree_print(const json_t *tree, int indent, struct pn_buf *out);
/* A number that reads back as the same one, and as a real. */
void pn_tree_print_real(double value, struct pn_buf *out);

/* The integer a number is: 1.0 and 1e3 are ones, as in JavaScript; beyond 2^53 no real is exact. */
static inline bool pn_tree_int(const json_t *number, int64_t *out)
{
    const double max = 9007199254740992.0;
    double real = json_number_value(number);

    if (json_is_integer(number))
        *out = json_integer_value(number);
    else if (json_is_real(number) && real >= -max && real <= max && (double)(int64_t)real == real)
        *out = (int64_t)real;
    else
        return false;
    return true;
}

static inline struct pn_str pn_tree_str(const json_t *text)
{
    return pn_str_of(json_string_value(text), json_string_length(text));
}

#endif
