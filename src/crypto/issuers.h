/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_ISSUERS_H
#define PN_CRYPTO_ISSUERS_H

#include "base/uuid.h"
#include "crypto/x509.h"

/*
 * The CAs that signed last, kept ready to sign: decoding one costs more than all the rest of a certificate. Each under
 * the very bytes that it was opened from, so that only who shows those again gets it. Bounded: the longest unused
 * goes. Threads: any.
 */
struct pn_issuers;
#define PN_ISSUERS_MAX 64 /* about 8 KiB each */

struct pn_issuers *pn_issuers_new(void);
void pn_issuers_free(struct pn_issuers *issuers);
/* Held for the caller, or NULL. */
struct pn_issuer *pn_issuers_get(struct pn_issuers *issuers, struct pn_str source);
void pn_issuers_put(struct pn_issuers *issuers, struct pn_uuid scope, struct pn_str source,
                    struct pn_issuer *issuer);
/* The scope has another key now: what was opened with the old one is opened anew. */
void pn_issuers_forget(struct pn_issuers *issuers, struct pn_uuid scope);

#endif
