/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/dial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What parses can be printed and parsed again to the same thing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_url url, again;
    struct pn_endpoint endpoint;
    struct pn_err err = { 0 };
    char text[400];

    if (pn_endpoint_parse(pn_str_of(data, size), 1, &endpoint, &err) &&
        (strlen(endpoint.host) == 0 || strpbrk(endpoint.host, "@/?#\\ []") != NULL))
        abort();
    pn_err_clear(&err);
    if (!pn_url_parse(pn_str_of(data, size), &url, &err))
        return 0;
    snprintf(text, sizeof(text),
             strchr(url.endpoint.host, ':') != NULL ? "http%s://[%s]:%u" : "http%s://%s:%u",
             url.is_tls ? "s" : "", url.endpoint.host, url.endpoint.port);
    if (!pn_url_parse(pn_str_from(text), &again, &err) || again.is_tls != url.is_tls ||
        again.endpoint.port != url.endpoint.port ||
        strcmp(again.endpoint.host, url.endpoint.host) != 0)
        abort();
    return 0;
}
