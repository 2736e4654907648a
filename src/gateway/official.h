/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_OFFICIAL_H
#define PN_GATEWAY_OFFICIAL_H

#include "gateway/client.h"

/*
 * Protocols of Infisical's own clients whose names say it all: no request is read (contract pam-gateway.md §9.2,
 * doc/protocol/tunnel.md, O5). Its `infisical-pam-proxy` is HTTP/1.1, and served as such.
 */
#define PN_OFFICIAL_PROXY "infisical-pam-proxy"
#define PN_OFFICIAL_HEALTH "infisical-health"
#define PN_OFFICIAL_PING "infisical-ping"
#define PN_OFFICIAL_CAPABILITIES "infisical-pam-capabilities"
#define PN_OFFICIAL_CANCELLATION "infisical-pam-session-cancellation"

struct pn_official;

/* NULL: `alpn` is none of them (the proxy's is none). */
const struct pn_official *pn_official_find(const char *alpn);
/*
 * Does what the protocol's name asks for on behalf of the session that the claim names; `out` (room for
 * PN_WORD_BYTES) is what the client is told before the connection ends.
 */
void pn_official_do(const struct pn_official *official, struct pn_worker *worker,
                    const struct pn_claim *claim, struct pn_buf *out);

#endif
