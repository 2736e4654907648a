/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "net/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The verdict on some bytes never changes by adding more, except from MORE; names are clean. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_hello whole, part;
    enum pn_hello_result result = pn_tls_peek(pn_str_of(data, size), "postern-tunnel/1", &whole);

    for (size_t len = 0; len < size; len += 1 + len / 4) {
        enum pn_hello_result early = pn_tls_peek(pn_str_of(data, len), "postern-tunnel/1", &part);

        if (early != PN_HELLO_MORE && early != result)
            abort();
        if (early == PN_HELLO_DONE &&
            (strcmp(whole.server_name, part.server_name) != 0 || whole.has_alpn != part.has_alpn))
            abort();
    }
    for (const char *c = whole.server_name; result == PN_HELLO_DONE && *c != '\0'; c++)
        if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-._", *c) == NULL)
            abort();
    return 0;
}
