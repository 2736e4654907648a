/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_KUBECONFIG_H
#define PN_CLIENT_KUBECONFIG_H

#include "base/buf.h"
#include "base/err.h"
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
    struct pn_str namespace;       /* of the context; PN_NONE: none */
    const struct pn_secret *token; /* or: */
    struct pn_str command;         /* absolute path of the plugin, with `args` … */
    struct pn_strs args;
    struct pn_strs environment; /* … and alternating names and values */
};

/* Its three parts, each as one flow mapping in one line, for lists of another kubeconfig. */
enum pn_kubeconfig_part {
    PN_KUBECONFIG_CLUSTER,
    PN_KUBECONFIG_USER,
    PN_KUBECONFIG_CONTEXT,
    PN_KUBECONFIG_PARTS
};
void pn_kubeconfig_print_part(const struct pn_kubeconfig *config, enum pn_kubeconfig_part part,
                              struct pn_buf *yaml);
/* Text as a double-quoted scalar of ASCII. */
void pn_kubeconfig_scalar(struct pn_buf *yaml, struct pn_str text);

void pn_kubeconfig_print(const struct pn_kubeconfig *config, struct pn_buf *yaml);

/*
 * Writes it with mode 0600, over an earlier one of ours but over nothing else: the person's own
 * kubeconfig is never touched. *absolute (may be NULL) is where it is now, in the arena. Errors:
 * PN_USAGE (somebody else's file, no such directory), PN_IO.
 */
bool pn_kubeconfig_write(const struct pn_kubeconfig *config, const char *path,
                         struct pn_arena *arena, const char **absolute, struct pn_err *err)
    PN_CHECKED;

#endif
