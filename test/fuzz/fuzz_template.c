/* SPDX-License-Identifier: Apache-2.0 */
/* Username templates: first line the template, the rest an identity's name. What is let in gives a name. */
#include "core/lease/template.h"
#include "kube/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_arena *arena = pn_arena_new((size_t)1 << 20);
    struct pn_str rest = pn_str_of(data, size), text, name;
    struct pn_err err = { 0 }, again = { 0 };
    struct pn_template_values values = { .secret_name = PN_LIT("a"), .now_s = 1 };
    bool is_good;

    if (!pn_str_cut(&rest, '\n', &text))
        text = PN_NONE;
    values.identity_name = rest;
    is_good = pn_template_check(text, &err);
    pn_assert(is_good == pn_template_expand(arena, text, &values, &name, &again));
    if (is_good)
        pn_assert(pn_kube_is_label(name) && name.len >= 8 && name.len <= PN_TEMPLATE_MAX_NAME);
    else
        pn_assert(err.code == PN_VALIDATION && again.code == PN_VALIDATION);
    pn_arena_free(arena);
    return 0;
}
