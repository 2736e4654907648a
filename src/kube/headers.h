/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_HEADERS_H
#define PN_KUBE_HEADERS_H

#include "base/arena.h"
#include "base/err.h"
#include "http/head.h"

/*
 * Header hygiene between a client and an API server (kube-proxying.md §12.2). The upstream list is
 * built, never the client's list edited: what is not named here does not reach the cluster.
 */
struct pn_kube_upstream {
    struct pn_str scheme, authority; /* of the cluster, from the configuration alone */
    struct pn_str target;            /* origin-form, the account's prefix already gone */
    struct pn_str authorization;     /* "Bearer …"; borrowed, so that it stays in locked memory */
    /*
     * Whom the cluster shall take the caller for, by Impersonate-User alone: groups or extras beside it
     * would rule out constrained impersonation (KEP-5284). Unless must_impersonate, the caller itself.
     */
    struct pn_str impersonate; /* "system:serviceaccount:NS:NAME" */
    bool must_impersonate;
    struct pn_str audit_id;
    struct pn_str client_ip;
    bool is_opaque; /* pods, services, nodes proxy: a deny-list instead of the allow-list */
};

/*
 * The head to send upstream, in the arena. Upgrades pass for WebSocket and SPDY/3.1 only.
 *
 * Errors:  PN_FORBIDDEN    the client sent an Impersonate-* header, in any spelling
 *          PN_BAD_REQUEST  a name that is no token, or a value with CR, LF or NUL
 *          PN_INTERNAL     must_impersonate, and nobody is named
 */
bool pn_kube_upstream_head(struct pn_arena *arena, const struct pn_http_head *client,
                           const struct pn_kube_upstream *upstream, struct pn_http_head *out,
                           struct pn_err *err) PN_CHECKED;

/* Does the value of this field belong in no record (D-10)? Case folded, `_` as `-`. */
bool pn_kube_is_sensitive(struct pn_str name);
/*
 * Sec-WebSocket-Protocol without entries that carry a bearer token
 * (base64url.bearer.authorization.k8s.io.…); PN_NONE when none is left.
 */
struct pn_str pn_kube_subprotocols(struct pn_arena *arena, struct pn_str value);

#endif
