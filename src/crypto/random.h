/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_RANDOM_H
#define PN_CRYPTO_RANDOM_H

#include "base/arena.h"
#include "base/uuid.h"

/* Bytes of the kernel's generator; ends the process when it fails. */
void pn_random_bytes(void *out, size_t len);
uint32_t pn_random_below(uint32_t bound); /* uniform in [0, bound) */
/* Version 7, of the wall clock; those of one thread sort in the order they were made (2,000 per ms). */
struct pn_uuid pn_random_uuid(void);
/* `prefix` + base64url of `len` random bytes: enrolment and bearer tokens. */
struct pn_str pn_random_token(struct pn_arena *arena, const char *prefix, size_t len);

#endif
