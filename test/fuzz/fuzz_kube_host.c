/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts of clusters: what parses can be printed and parsed again to the same thing. */
#include "kube/host.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_arena *arena = pn_arena_new(65536);
    struct pn_kube_host host, again;
    struct pn_err err = { 0 };

    if (pn_kube_host_parse(pn_str_of(data, size), &host, &err)) {
        struct pn_str text =
            pn_arena_printf(arena, "%s://%.*s%.*s", host.is_tls ? "https" : "http",
                            PN_ARG(pn_address_text(arena, &host.address)), PN_ARG(host.prefix));

        if (text.len <= PN_KUBE_HOST_MAX_BYTES &&
            (!pn_kube_host_parse(text, &again, &err) ||
             !pn_str_eq(host.address.host, again.address.host) ||
             host.address.port != again.address.port || host.is_tls != again.is_tls ||
             !pn_str_eq(host.prefix, again.prefix)))
            abort();
        for (size_t i = 0; i < host.address.host.len; i++)
            if (strchr("@/?#\\ []", host.address.host.ptr[i]) != NULL)
                abort();
    }
    pn_arena_free(arena);
    return 0;
}
