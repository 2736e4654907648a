/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_COOKIE_H
#define PN_SERVER_COOKIE_H

#include "base/arena.h"

/* The one cookie there is: the refresh token of a browser's login (platform.md §4.1, §4.5). */
#define PN_COOKIE_REFRESH "jid"

/* Value of the first cookie of that name in a Cookie header (RFC 6265 §4.2), or PN_NONE. */
struct pn_str pn_cookie_get(struct pn_str header, const char *name);
/* A Set-Cookie that scripts and other sites cannot use; an empty value takes it away. */
struct pn_str pn_cookie_set(struct pn_arena *arena, struct pn_str value, int64_t max_age_s);

#endif
