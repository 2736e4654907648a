/* SPDX-License-Identifier: Apache-2.0 */
/* Bearers of service tokens: what is let in names its row, and looks exactly as we write them. */
#include "core/auth/project_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_str bearer = pn_str_of(data, size);
    struct pn_uuid id = { { 0 } }, again;
    struct pn_err err = { 0 };

    if (!pn_project_token_read(bearer, &id, &err)) {
        pn_assert(err.code == PN_UNAUTHENTICATED);
        return 0;
    }
    pn_assert(pn_project_token_is(bearer) && bearer.len == 104);
    pn_assert(pn_uuid_parse(pn_str_slice(bearer, 3, 39), &again) && pn_uuid_eq(id, again));
    return 0;
}
