/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_HOST_H
#define PN_KUBE_HOST_H

#include "base/address.h"
#include "base/err.h"

/*
 * Where an API server is, as people write it (identity-auth.md §8.2 KH-01…06): "host", "host:port",
 * "https://host[:port][/prefix]", IPv6 in brackets. Without a scheme https is meant.
 */
struct pn_kube_host {
    struct pn_address address; /* host without brackets; the port is set */
    bool is_tls;
    struct pn_str prefix; /* "" or "/…", without trailing slashes; into the text */
};

#define PN_KUBE_HOST_MAX_BYTES 255

/* A query or fragment is not part of it. Errors: PN_BAD_REQUEST; the text is not repeated in the message. */
bool pn_kube_host_parse(struct pn_str text, struct pn_kube_host *out, struct pn_err *err)
    PN_CHECKED;

/* The alphabet that the contract allows when a host is written (§6.1), with ours for IPv6. */
bool pn_kube_host_is_clean(struct pn_str text);

#endif
