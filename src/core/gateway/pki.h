/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_GATEWAY_PKI_H
#define PN_CORE_GATEWAY_PKI_H

#include "base/call.h"
#include "crypto/x509.h"

/*
 * The certificates of an organisation (design §3): one root, four intermediates. Made when first
 * needed (one that a later version added, when that is). Their keys lie sealed in `authorities`; the keyring keeps those
 * that sign often (crypto/keyring.h).
 */
enum pn_authority {
    PN_AUTHORITY_ROOT,
    PN_AUTHORITY_RELAY,        /* signs what relays show to gateways and clients */
    PN_AUTHORITY_GATEWAY,      /* signs what gateways show to relays and clients */
    PN_AUTHORITY_CLIENT,       /* signs what a session's client shows to its gateway */
    PN_AUTHORITY_RELAY_CLIENT, /* signs what Infisical's own client shows to a relay */
};

#define PN_PKI_LEAF_MS \
    (INT64_C(24) * 3600 * 1000)             /* of gateways and relays; renewed at two thirds */
#define PN_PKI_SKEW_MS (INT64_C(60) * 1000) /* a leaf begins this long ago: clocks differ */

/* All PEM, from call->arena. */
struct pn_pki_leaf {
    struct pn_str certificate, key; /* the leaf alone; PKCS#8 */
    struct pn_str issuer;           /* its intermediate */
    int64_t not_after_ms;
};

/*
 * A fresh key and its certificate for the actor's organisation `org`. `request->organization` and
 * `not_before_ms` are filled in here; `not_after_ms` 0 means PN_PKI_LEAF_MS from now.
 * Threads: worker.
 */
bool pn_pki_issue(struct pn_call *call, struct pn_uuid org, enum pn_authority authority,
                  struct pn_cert_request request, struct pn_pki_leaf *out, struct pn_err *err)
    PN_CHECKED;

/*
 * What a peer trusts: this one authority, signed by itself, because many clients begin at a root only.
 * Not the root above it, under which a relay's certificate, sent with its intermediate, would pass for
 * a gateway's. Threads: worker.
 */
bool pn_pki_chain(struct pn_call *call, struct pn_uuid org, enum pn_authority authority,
                  struct pn_str *out, struct pn_err *err) PN_CHECKED;

#endif
