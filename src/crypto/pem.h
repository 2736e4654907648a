/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_PEM_H
#define PN_CRYPTO_PEM_H

#include "base/buf.h"
#include "base/err.h"

/*
 * PEM (RFC 7468), strictly: blocks with whitespace between them and nothing else. OpenSSL's reader
 * skips what it does not know, so that half of a pasted file would pass unseen. Only crypto/
 * includes this.
 */
#define PN_PEM_CERTIFICATE "CERTIFICATE"
#define PN_PEM_PRIVATE_KEY "PRIVATE KEY"
#define PN_PEM_MAX_BYTES ((size_t)64 << 10) /* of one block, decoded */

/* True when `text` looks like PEM rather than DER. */
bool pn_pem_is(struct pn_str text);
/*
 * Takes the block at the front of `*rest`, which must be a `label`, and the whitespace behind it;
 * appends its bytes to `der`. Errors: PN_BAD_REQUEST.
 */
bool pn_pem_next(struct pn_str *rest, const char *label, struct pn_buf *der, struct pn_err *err)
    PN_CHECKED;
/* Appends `der` as a block with lines of 64 characters. */
bool pn_pem_add(struct pn_buf *out, const char *label, struct pn_str der);

#endif
