/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_JWS_H
#define PN_CRYPTO_JWS_H

#include "base/err.h"

/*
 * Public keys of other issuers, from the numbers of a JWK, and signatures under them (RFC 7515, 7518):
 * RS256, RS384, RS512, ES256, ES384, ES512. A key's kind fixes what it may verify, so a token cannot
 * choose. Thread-safe once made.
 */
struct pn_jws_key;

/* Errors: PN_BAD_REQUEST for numbers that are no key, and RSA outside 2048…8192 bits. */
bool pn_jws_key_rsa(struct pn_str n, struct pn_str e, struct pn_jws_key **out, struct pn_err *err)
    PN_CHECKED;
/* `curve` is "P-256", "P-384" or "P-521". */
bool pn_jws_key_ec(struct pn_str curve, struct pn_str x, struct pn_str y, struct pn_jws_key **out,
                   struct pn_err *err) PN_CHECKED;
void pn_jws_key_free(struct pn_jws_key *key);

/* About 20 µs (RSA) or 80 µs (ECDSA) of CPU. */
bool pn_jws_verify(const struct pn_jws_key *key, struct pn_str alg, struct pn_str signed_text,
                   struct pn_str signature) PN_CHECKED;

#endif
