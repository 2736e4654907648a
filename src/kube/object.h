/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_OBJECT_H
#define PN_KUBE_OBJECT_H

#include "base/buf.h"
#include "base/err.h"
#include "json/shape.h"

/*
 * The objects that are made in a cluster for somebody's access, as the API server has them: where they
 * are, how they are written, and of what it answers as much as we go by. Without I/O.
 */
enum pn_kube_kind {
    PN_KUBE_SERVICE_ACCOUNT,
    PN_KUBE_SECRET,
    PN_KUBE_ROLE_BINDING,
    PN_KUBE_CLUSTER_ROLE_BINDING,
    PN_KUBE_ROLE, /* read only */
    PN_KUBE_CLUSTER_ROLE,
};

struct pn_kube_resource {
    const char *kind, *group, *version,
        *resource; /* "RoleBinding", "rbac.…", "v1", "rolebindings" */
    bool is_namespaced;
};
const struct pn_kube_resource *pn_kube_resource(enum pn_kube_kind kind);

/*
 * "/api/v1/namespaces/NS/serviceaccounts/NAME/token": names are escaped. `name` PN_NONE: the collection;
 * `subresource` NULL: none. The namespace of what has none is not looked at.
 */
struct pn_str pn_kube_path(struct pn_arena *arena, enum pn_kube_kind kind, struct pn_str namespace,
                           struct pn_str name, const char *subresource);

/* What all objects of ours carry. Annotations say who asked and until when. */
#define PN_KUBE_MANAGED_BY "app.kubernetes.io/managed-by"
#define PN_KUBE_MANAGER "postern"
#define PN_KUBE_LEASE_LABEL "postern/lease-id"
#define PN_KUBE_SECRET_LABEL "postern/ds-id"
#define PN_KUBE_INSTANCE_LABEL "postern/instance" /* whose: several may share a cluster */
#define PN_KUBE_REQUESTER "postern/requester"
#define PN_KUBE_EXPIRES "postern/expires-at"

/* One of the first four kinds, to be made. */
struct pn_kube_object {
    enum pn_kube_kind kind;
    struct pn_str namespace, name;
    struct pn_str lease_id, secret_id, instance, requester, expires; /* labels and annotations */
    struct {
        enum pn_kube_kind kind;
        struct pn_str name, uid;
    } owner; /* goes with it: the garbage collector takes it when the owner goes; uid PN_NONE: none */
    struct {
        enum pn_kube_kind kind; /* Role or ClusterRole */
        struct pn_str name;
    } role; /* of bindings */
    struct {
        struct pn_str namespace, name;
    } account; /* of bindings: who gets it */
};
void pn_kube_object_print(const struct pn_kube_object *object, struct pn_buf *out);

/* DeleteOptions; with `uid` only of the object that has it (409 otherwise). */
void pn_kube_delete_print(struct pn_str uid, struct pn_buf *out);

/* What we go by of an object that exists. */
struct pn_kube_meta {
    struct pn_str namespace, name, uid;
    struct pn_str manager, instance, lease_id; /* of the labels; PN_NONE when it has none */
    int64_t created_ms;
    bool is_going; /* it has a deletionTimestamp */
};
/*
 * Strict: what is there must have the type that Kubernetes gives it; name and UID must be. Errors: PN_PROTOCOL
 * when it is no object.
 */
bool pn_kube_object_parse(struct pn_arena *arena, struct pn_str body, struct pn_kube_meta *out,
                          struct pn_err *err) PN_CHECKED;

/* One page of a list. Errors: as above. */
#define PN_KUBE_LIST_MAX 500
bool pn_kube_list_parse(struct pn_arena *arena, struct pn_str body, struct pn_list *out,
                        struct pn_str *next, struct pn_err *err) PN_CHECKED; /* of pn_kube_meta */

#endif
