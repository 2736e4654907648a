/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/object.h"

#include "base/encode.h"
#include "json/writer.h"

#define RBAC "rbac.authorization.k8s.io"
#define MAX_PATH_BYTES 4096
#define MAX_NAME 253
#define MAX_UID 128
#define MAX_LABEL 63
#define MAX_CONTINUE 4096

static const struct pn_kube_resource resources[] = {
    [PN_KUBE_SERVICE_ACCOUNT] = { "ServiceAccount", "", "v1", "serviceaccounts", true },
    [PN_KUBE_SECRET] = { "Secret", "", "v1", "secrets", true },
    [PN_KUBE_ROLE_BINDING] = { "RoleBinding", RBAC, "v1", "rolebindings", true },
    [PN_KUBE_CLUSTER_ROLE_BINDING] = { "ClusterRoleBinding", RBAC, "v1", "clusterrolebindings",
                                       false },
    [PN_KUBE_ROLE] = { "Role", RBAC, "v1", "roles", true },
    [PN_KUBE_CLUSTER_ROLE] = { "ClusterRole", RBAC, "v1", "clusterroles", false },
};

const struct pn_kube_resource *pn_kube_resource(enum pn_kube_kind kind)
{
    pn_assert((size_t)kind < PN_COUNT(resources));
    return &resources[kind];
}

struct pn_str pn_kube_path(struct pn_arena *arena, enum pn_kube_kind kind, struct pn_str namespace,
                           struct pn_str name, const char *subresource)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(MAX_PATH_BYTES);
    const struct pn_kube_resource *r = pn_kube_resource(kind);

    if (r->group[0] == '\0')
        pn_buf_addf(&path, "/api/%s", r->version);
    else
        pn_buf_addf(&path, "/apis/%s/%s", r->group, r->version);
    if (r->is_namespaced && namespace.len > 0) {
        pn_buf_add_text(&path, "/namespaces/");
        pn_percent_add(&path, namespace);
    }
    pn_buf_addf(&path, "/%s", r->resource);
    if (name.len > 0) {
        pn_buf_add_byte(&path, '/');
        pn_percent_add(&path, name);
    }
    if (subresource != NULL)
        pn_buf_addf(&path, "/%s", subresource);
    pn_assert(!path.is_full); /* three names of at most 253 characters, each of three bytes */
    return pn_arena_copy(arena, pn_buf_str(&path));
}

/* ---- writing ---- */

static void write_api_version(struct pn_writer *w, const char *name,
                              const struct pn_kube_resource *r)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(128);

    if (r->group[0] != '\0')
        pn_buf_addf(&text, "%s/", r->group);
    pn_buf_add_text(&text, r->version);
    pn_write_str(w, name, pn_buf_str(&text));
}

static void write_owner(struct pn_writer *w, const struct pn_kube_object *object)
{
    const struct pn_kube_resource *r = pn_kube_resource(object->owner.kind);

    pn_write_array(w, "ownerReferences");
    pn_write_object(w, NULL);
    write_api_version(w, "apiVersion", r);
    pn_write_text(w, "kind", r->kind);
    pn_write_str(w, "name", object->owner.name);
    pn_write_str(w, "uid", object->owner.uid);
    pn_write_end(w);
    pn_write_end(w);
}

static void write_metadata(struct pn_writer *w, const struct pn_kube_object *object)
{
    pn_write_object(w, "metadata");
    pn_write_str(w, "name", object->name);
    if (pn_kube_resource(object->kind)->is_namespaced)
        pn_write_str(w, "namespace", object->namespace);
    pn_write_object(w, "labels");
    pn_write_text(w, PN_KUBE_MANAGED_BY, PN_KUBE_MANAGER);
    pn_write_str(w, PN_KUBE_LEASE_LABEL, object->lease_id);
    pn_write_str(w, PN_KUBE_SECRET_LABEL, object->secret_id);
    if (object->instance.len > 0) /* a plan of an older program names none */
        pn_write_str(w, PN_KUBE_INSTANCE_LABEL, object->instance);
    pn_write_end(w);
    pn_write_object(w, "annotations");
    pn_write_str(w, PN_KUBE_REQUESTER, object->requester);
    pn_write_str(w, PN_KUBE_EXPIRES, object->expires);
    pn_write_end(w);
    if (object->owner.uid.len > 0)
        write_owner(w, object);
    pn_write_end(w);
}

static void write_binding(struct pn_writer *w, const struct pn_kube_object *object)
{
    pn_write_object(w, "roleRef");
    pn_write_text(w, "apiGroup", RBAC);
    pn_write_text(w, "kind", pn_kube_resource(object->role.kind)->kind);
    pn_write_str(w, "name", object->role.name);
    pn_write_end(w);
    pn_write_array(w, "subjects");
    pn_write_object(w, NULL);
    pn_write_text(w, "kind", "ServiceAccount");
    pn_write_str(w, "name", object->account.name);
    pn_write_str(w, "namespace", object->account.namespace);
    pn_write_end(w);
    pn_write_end(w);
}

void pn_kube_object_print(const struct pn_kube_object *object, struct pn_buf *out)
{
    struct pn_writer w = pn_writer_of(out);
    const struct pn_kube_resource *r = pn_kube_resource(object->kind);

    pn_write_object(&w, NULL);
    write_api_version(&w, "apiVersion", r);
    pn_write_text(&w, "kind", r->kind);
    write_metadata(&w, object);
    switch (object->kind) {
    case PN_KUBE_SERVICE_ACCOUNT: break;
    case PN_KUBE_SECRET: pn_write_text(&w, "type", "Opaque"); break;
    case PN_KUBE_ROLE_BINDING:
    case PN_KUBE_CLUSTER_ROLE_BINDING: write_binding(&w, object); break;
    case PN_KUBE_ROLE:
    case PN_KUBE_CLUSTER_ROLE: pn_assert(false); /* roles are not made */
    }
    pn_write_end(&w);
}

void pn_kube_delete_print(struct pn_str uid, struct pn_buf *out)
{
    struct pn_writer w = pn_writer_of(out);

    pn_write_object(&w, NULL);
    pn_write_text(&w, "apiVersion", "v1");
    pn_write_text(&w, "kind", "DeleteOptions");
    if (uid.len > 0) {
        pn_write_object(&w, "preconditions");
        pn_write_str(&w, "uid", uid);
        pn_write_end(&w);
    }
    pn_write_end(&w);
}

/* ---- reading ---- */

struct labels {
    struct pn_str manager, instance, lease_id;
};
static const struct pn_field labels_fields[] = {
    { .name = PN_KUBE_MANAGED_BY,
      .kind = PN_KIND_STRING,
      .offset = offsetof(struct labels, manager),
      .max = MAX_LABEL },
    { .name = PN_KUBE_INSTANCE_LABEL,
      .kind = PN_KIND_STRING,
      .offset = offsetof(struct labels, instance),
      .max = MAX_LABEL },
    { .name = PN_KUBE_LEASE_LABEL,
      .kind = PN_KIND_STRING,
      .offset = offsetof(struct labels, lease_id),
      .max = MAX_LABEL },
};
struct metadata {
    struct pn_str namespace, name, uid;
    int64_t creationTimestamp, deletionTimestamp;
    struct labels labels;
};
static const struct pn_field metadata_fields[] = {
    PN_FIELD(metadata, namespace, STRING, .max = MAX_NAME),
    PN_FIELD(metadata, name, STRING, .required = true, .min = 1, .max = MAX_NAME),
    PN_FIELD(metadata, uid, STRING, .required = true, .min = 1, .max = MAX_UID),
    PN_FIELD(metadata, creationTimestamp, TIME),
    PN_FIELD(metadata, deletionTimestamp, TIME),
    PN_FIELD(metadata, labels, OBJECT, .shape = PN_SHAPE(labels), .is_nullable = true),
};
struct object {
    struct metadata metadata;
};
static const struct pn_field object_fields[] = {
    PN_FIELD(object, metadata, OBJECT, .shape = PN_SHAPE(metadata), .required = true),
};

static struct pn_kube_meta meta_of(const struct metadata *in)
{
    return (struct pn_kube_meta){ .namespace = in->namespace,
                                  .name = in->name,
                                  .uid = in->uid,
                                  .manager = in->labels.manager,
                                  .instance = in->labels.instance,
                                  .lease_id = in->labels.lease_id,
                                  .created_ms = in->creationTimestamp,
                                  .is_going = in->deletionTimestamp != 0 };
}

bool pn_kube_object_parse(struct pn_arena *arena, struct pn_str body, struct pn_kube_meta *out,
                          struct pn_err *err)
{
    struct object object;

    if (!pn_shape_parse(PN_SHAPE(object), arena, body, &object, err))
        return pn_recast(err, PN_PROTOCOL, "Unexpected answer of the Kubernetes API server");
    *out = meta_of(&object.metadata);
    return true;
}

struct page {
    struct pn_str next;
};
static const struct pn_field page_fields[] = {
    { .name = "continue",
      .kind = PN_KIND_STRING,
      .offset = offsetof(struct page, next),
      .max = MAX_CONTINUE },
};
struct objects {
    struct page metadata;
    struct pn_list items;
};
static const struct pn_field objects_fields[] = {
    PN_FIELD(objects, metadata, OBJECT, .shape = PN_SHAPE(page), .required = true),
    PN_FIELD(objects, items, OBJECTS, .shape = PN_SHAPE(object), .max = PN_KUBE_LIST_MAX,
             .required = true, .is_nullable = true), /* Go prints an empty list as null */
};

bool pn_kube_list_parse(struct pn_arena *arena, struct pn_str body, struct pn_list *out,
                        struct pn_str *next, struct pn_err *err)
{
    struct objects in;
    struct pn_kube_meta *metas;
    const struct object *items;

    if (!pn_shape_parse(PN_SHAPE(objects), arena, body, &in, err))
        return pn_recast(err, PN_PROTOCOL, "Unexpected answer of the Kubernetes API server");
    metas = pn_new(arena, struct pn_kube_meta, in.items.count);
    items = in.items.items;
    for (size_t i = 0; i < in.items.count; i++)
        metas[i] = meta_of(&items[i].metadata);
    *out = (struct pn_list){ metas, in.items.count };
    *next = in.metadata.next.len > 0 ? in.metadata.next : PN_NONE;
    return true;
}
