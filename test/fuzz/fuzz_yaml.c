/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "json/value.h"

/* A document that parses means the same after it was printed as YAML, and after it was printed as JSON. */

#define MAX_BYTES ((size_t)1 << 20)

typedef bool parse_fn(struct pn_str text, struct pn_value **out, struct pn_err *err);

static void check_same(parse_fn *parse, struct pn_str printed, struct pn_str wanted)
{
    pn_auto(pn_value_freep) struct pn_value *again = NULL;
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_BYTES);
    struct pn_err err = { 0 };

    if (!parse(printed, &again, &err))
        pn_die(err.message);
    pn_value_print(again, false, &json);
    pn_assert(pn_str_eq(pn_buf_str(&json), wanted));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_auto(pn_value_freep) struct pn_value *value = NULL;
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf yaml = pn_buf_init(MAX_BYTES);
    struct pn_err err = { 0 };

    if (size > MAX_BYTES / 64)
        return 0;
    if (!pn_value_parse_yaml(pn_str_of(data, size), &value, &err)) {
        pn_assert(value == NULL && err.code == PN_BAD_REQUEST && err.message[0] != '\0');
        return 0;
    }
    pn_value_print(value, false, &json);
    pn_value_print_yaml(value, &yaml);
    check_same(pn_value_parse, pn_buf_str(&json), pn_buf_str(&json));
    check_same(pn_value_parse_yaml, pn_buf_str(&yaml), pn_buf_str(&json));
    return 0;
}
