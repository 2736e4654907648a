/* SPDX-License-Identifier: Apache-2.0 */
#include "server/etag.h"

#include <string.h>

#include "base/encode.h"

#define TAG_BYTES 16

void pn_etag_make(struct pn_keyring *keyring, struct pn_str body, char out[PN_ETAG_BYTES])
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(PN_ETAG_BYTES);
    uint8_t mac[32];

    pn_keyring_mac(keyring, "etag", body, mac);
    pn_buf_add_byte(&text, '"');
    pn_base64url_add(&text, pn_str_of(mac, TAG_BYTES));
    pn_buf_add_byte(&text, '"');
    pn_assert(text.len == PN_ETAG_BYTES - 1);
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

bool pn_etag_matches(struct pn_str if_none_match, const char *etag)
{
    struct pn_str tag;

    while (pn_str_cut(&if_none_match, ',', &tag)) {
        tag = pn_str_trim(tag);
        if (pn_str_starts(tag, PN_LIT("W/")))
            tag = pn_str_slice(tag, 2, tag.len);
        if (pn_str_is(tag, "*") || pn_str_is(tag, etag))
            return true;
    }
    return false;
}
