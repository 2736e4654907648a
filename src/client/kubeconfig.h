/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_KUBECONFIG_H
#define PN_CLIENT_KUBECONFIG_H

#include "base/buf.h"
#include "base/secret.h"
#include "json/shape.h"

/*
 * A kubeconfig of one cluster, one user and one context, as YAML (kube-proxying.md §2). The user is
 * either a bearer token (the local proxy's) or an exec plugin (`postern kube credential`).
 */
struct pn_kubeconfig {
    struct pn_str name;            /* of the context: "postern/RESOURCE/ACCOUNT" */
    struct pn_str server;          /* "https://host:port/ACCOUNT_ID" */
    struct pn_str tls_server_name; /* PN_NONE: the host of `server` */
    struct pn_str ca_pem;
    const struct pn_secret *token; /* or: */
    struct pn_str command;         /* absolute path of the plugin, with `args` */
    struct pn_strs args;
};

void pn_kubeconfig_print(const struct pn_kubeconfig *config, struct pn_buf *yaml);

#endif
