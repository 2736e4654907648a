/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_SCRUB_H
#define PN_KUBE_SCRUB_H

#include "base/arena.h"
#include "base/secret.h"

/*
 * What a cluster says may repeat a credential, or speak to a terminal. Each occurrence of `secrets` (NULL
 * entries are fine) and all that looks like a JWT, "eyJ" and at least 8 characters of base64url with up to two
 * more parts, becomes [REDACTED] (identity-auth.md §8.1), each control character a space. Scrub first, then
 * cut. The result is in the arena.
 */
struct pn_str pn_kube_scrub(struct pn_arena *arena, struct pn_str text,
                            const struct pn_secret *const *secrets, size_t count);

/* The same text, at most max_bytes long and ended by "...[truncated]" when it was longer. */
struct pn_str pn_kube_cut(struct pn_arena *arena, struct pn_str text, size_t max_bytes);

#endif
