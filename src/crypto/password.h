/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_PASSWORD_H
#define PN_CRYPTO_PASSWORD_H

#include "base/arena.h"
#include "base/err.h"
#include "base/secret.h"

/*
 * argon2id (libsodium), 19 MiB and 2 passes (OWASP's first choice): about 27 ms of one core.
 * Threads: worker only; memory is taken and wiped inside.
 */
bool pn_password_hash(struct pn_arena *arena, const struct pn_secret *password, struct pn_str *out,
                      struct pn_err *err) PN_CHECKED;
/* True when it matches. `hash` PN_NONE costs the same time and says no: unknown users look alike. */
bool pn_password_verify(struct pn_arena *arena, const struct pn_secret *password,
                        struct pn_str hash);

#endif
