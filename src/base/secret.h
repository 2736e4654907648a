/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_SECRET_H
#define PN_BASE_SECRET_H

#include "base/err.h"

/*
 * Bytes that must not leak: held in a locked pool that core dumps leave out (mmap, mlock,
 * MADV_DONTDUMP; 4 MiB by default), wiped on free, compared in constant time. Not a string, so it
 * cannot be logged by accident; pn_secret_reveal is the one way to the bytes. Thread-safe.
 */
struct pn_secret;

#define PN_SECRET_POOL_BYTES ((size_t)4 << 20)

/* Makes the pool; once, in main. Without it the first secret makes a pool of the default size. */
bool pn_secret_pool_init(size_t bytes, struct pn_err *err) PN_CHECKED;

/* NULL (and err: PN_BUSY) when the pool is full: there is no fallback to ordinary memory. */
struct pn_secret *pn_secret_new(struct pn_str bytes, struct pn_err *err) PN_CHECKED;
struct pn_secret *pn_secret_copy(const struct pn_secret *secret, struct pn_err *err) PN_CHECKED;
void pn_secret_free(struct pn_secret *secret);
void pn_secret_freep(struct pn_secret **secret);

struct pn_str pn_secret_reveal(const struct pn_secret *secret); /* NULL gives PN_NONE */
size_t pn_secret_len(const struct pn_secret *secret);
bool pn_secret_eq(const struct pn_secret *a, struct pn_str b); /* constant time in the contents */
/* Bytes in use, for metrics and leak tests. */
size_t pn_secret_pool_used(void);

#endif
