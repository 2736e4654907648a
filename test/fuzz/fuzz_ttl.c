/* SPDX-License-Identifier: Apache-2.0 */
/* TTLs of leases: what is let in is within the limits, and its milliseconds are let in as themselves. */
#include "core/lease/ttl.h"

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_auto(pn_buf_drop) struct pn_buf plain = pn_buf_init(64);
    struct pn_str text = pn_str_of(data, size);
    int64_t ms = -1, again = -1;

    if (pn_ttl_fault(text, &ms) != NULL) {
        pn_assert(ms == -1);
        return 0;
    }
    pn_assert(ms >= PN_TTL_MIN_MS && ms <= PN_TTL_MAX_MS);
    pn_buf_add_i64(&plain, ms);
    pn_assert(pn_ttl_fault(pn_buf_str(&plain), &again) == NULL && again == ms);
    return 0;
}
