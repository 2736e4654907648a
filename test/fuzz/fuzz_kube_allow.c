/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of allowed names: "LIST\nVALUE". What may be written can be matched; an item matches itself. */
#include "kube/allow.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_str value = pn_str_of(data, size), list = PN_NONE;
    struct pn_err err = { 0 };
    bool is_match;

    if (!pn_str_cut(&value, '\n', &list))
        return 0;
    is_match = pn_allow_matches(list, value);
    if (list.len == 0 && !is_match)
        abort();
    if (!pn_allow_check(list, &err))
        return 0;
    /* A name between commas is allowed, whatever stands beside it. */
    if (value.len > 0 && pn_str_search(value, PN_LIT(",")) < 0 &&
        pn_str_eq(pn_str_trim(value), value) && pn_str_eq(list, value) && !is_match)
        abort();
    if (value.len > PN_ALLOW_MAX_VALUE && is_match && pn_str_search(list, value) < 0 &&
        list.len > 0)
        abort();
    (void)pn_allow_is_negative(list);
    return 0;
}
