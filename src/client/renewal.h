/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_RENEWAL_H
#define PN_CLIENT_RENEWAL_H

#include "client/rest.h"

/*
 * For commands that run longer than a machine's access token lasts: it is renewed when half of its life is over, as
 * often as the server does it. A person's token and one without an end are left alone. The new one is kept in memory.
 */
struct pn_renewal;

/* `token` NULL: there will be nothing to do. */
struct pn_renewal *pn_renewal_new(const struct pn_secret *token);
void pn_renewal_freep(struct pn_renewal **renewal);
/* To be called now and then; makes at most one call of `rest`, which goes on with the new token. */
void pn_renewal_tend(struct pn_renewal *renewal, struct pn_rest *rest);

#endif
