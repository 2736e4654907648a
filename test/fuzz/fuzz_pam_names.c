/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/address.h"
#include "core/pam/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_safe(struct pn_str host)
{
    static const struct pn_str bad = PN_LIT_INIT("@/?#\\ []%\r\n");

    for (size_t i = 0; i < host.len; i++)
        if (pn_str_find(bad, host.ptr[i]) >= 0 || host.ptr[i] == '\0')
            return false;
    return host.len > 0;
}

/* An address prints and parses again to the same; a URL's parts cannot smuggle in another target. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_arena *arena = pn_arena_new((size_t)4 << 20);
    struct pn_str text = pn_str_of(data, size), resource, account;
    struct pn_address address, again;
    struct pn_pam_url url;
    struct pn_err err = { 0 };

    if (pn_address_parse(text, 8443, &address)) {
        if (!is_safe(address.host) ||
            !pn_address_parse(pn_address_text(arena, &address), 0, &again) ||
            again.port != address.port || again.is_ip != address.is_ip ||
            !pn_str_eq(again.host, address.host))
            abort();
    }
    if (pn_pam_url_parse(text, &url) &&
        (!is_safe(url.host) || url.port == 0 || pn_str_ends(url.path, PN_LIT("/")) ||
         pn_str_search(url.path, PN_LIT("//")) >= 0 ||
         (url.path.len > 0 && url.path.ptr[0] != '/')))
        abort();
    if (pn_pam_path_split(text, &resource, &account, &err) &&
        (resource.len == 0 || account.len == 0 || pn_str_find(resource, '/') >= 0))
        abort();
    if (size > 0 && size < 65536 && pn_pam_like(arena, text).len < size + 2)
        abort();
    pn_arena_free(arena);
    return 0;
}
