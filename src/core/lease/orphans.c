/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/orphans.h"

#include "base/encode.h"
#include "core/lease/ask.h"
#include "core/lease/manifest.h"
#include "kube/names.h"

#define MAX_PAGE_BYTES ((size_t)512 << 10)
#define MAX_QUERY_BYTES 16384

/* Of each namespace, in this order; bindings of the whole cluster come once, after all. */
static const enum pn_lease_kind kinds[] = { PN_LEASE_SERVICE_ACCOUNT, PN_LEASE_SECRET,
                                            PN_LEASE_ROLE_BINDING };

static int64_t last_step(const struct pn_orphans_in *in)
{
    return (int64_t)(in->config->namespaces.count * PN_COUNT(kinds));
}

bool pn_orphans_is_end(const struct pn_orphans_in *in, const struct pn_orphans_at *at)
{
    return at->step < 0 || at->step > last_step(in);
}

static enum pn_lease_kind kind_at(const struct pn_orphans_in *in, int64_t step)
{
    return step == last_step(in) ? PN_LEASE_CLUSTER_ROLE_BINDING
                                 : kinds[(size_t)step % PN_COUNT(kinds)];
}

static struct pn_str namespace_at(const struct pn_orphans_in *in, int64_t step)
{
    return step == last_step(in) ? PN_LIT("")
                                 : in->config->namespaces.items[(size_t)step / PN_COUNT(kinds)];
}

/* Kinds that leases of today's configuration have; earlier versions may have had others. */
static bool is_of_today(const struct pn_lease_config *config, enum pn_lease_kind kind)
{
    const bool is_wide = pn_provider_is_wide(config),
               is_dynamic = config->credentialType == PN_LEASE_DYNAMIC;

    switch (kind) {
    case PN_LEASE_SECRET: return !is_dynamic;
    case PN_LEASE_SERVICE_ACCOUNT: return is_dynamic;
    case PN_LEASE_ROLE_BINDING: return is_dynamic && !is_wide;
    case PN_LEASE_CLUSTER_ROLE_BINDING: return is_wide;
    }
    return true;
}

/* ---- the cluster ---- */

static void write_path(struct pn_call *call, const struct pn_orphans_in *in,
                       const struct pn_orphans_at *at, struct pn_buf *path)
{
    pn_buf_add(path, pn_kube_path(call->arena, pn_provider_kube_kind(kind_at(in, at->step)),
                                  namespace_at(in, at->step), PN_NONE, NULL));
    pn_buf_addf(path, "?limit=%d&labelSelector=", PN_ORPHANS_PAGE);
    pn_percent_add(path,
                   PN_LIT(PN_KUBE_MANAGED_BY "=" PN_KUBE_MANAGER "," PN_KUBE_INSTANCE_LABEL "="));
    pn_buf_add(path, pn_uuid_str(call->arena, in->instance_id));
    if (at->next.len > 0) {
        pn_buf_add_text(path, "&continue=");
        pn_percent_add(path, at->next);
    }
}

static bool ask_page(struct pn_call *call, const struct pn_orphans_in *in,
                     const struct pn_orphans_at *at, struct pn_lease_asked *asked,
                     enum pn_provider_fault *fault, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(MAX_QUERY_BYTES);
    struct pn_reach_request request = { .method = "GET", .max_body_bytes = MAX_PAGE_BYTES };

    write_path(call, in, at, &path);
    *fault = PN_PROVIDER_REFUSED;
    if (path.is_full)
        return pn_fail(err, PN_BAD_REQUEST, "The cluster's list has no usable next page");
    request.path = pn_buf_str(&path);
    return pn_lease_ask(call, in->config, &request, asked, fault, err);
}

/* ---- whose it is ---- */

/* The cluster was asked for these labels; what it gives is looked at all the same. */
static bool is_ours(struct pn_call *call, const struct pn_orphans_in *in,
                    const struct pn_kube_meta *meta, struct pn_uuid *lease)
{
    return !meta->is_going && pn_str_is(meta->manager, PN_KUBE_MANAGER) &&
           pn_str_eq(meta->instance, pn_uuid_str(call->arena, in->instance_id)) &&
           pn_uuid_parse(meta->lease_id, lease) && pn_kube_is_subdomain(meta->name) &&
           pn_str_is_printable(meta->uid);
}

static bool has_row(struct pn_db_conn *conn, struct pn_uuid lease, bool *has, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, "SELECT 1 FROM leases WHERE id = $id");

    pn_bind_uuid(q, "$id", lease);
    *has = pn_query_next(q);
    return pn_query_end(q, err);
}

static bool take_orphans(struct pn_call *call, const struct pn_orphans_in *in, int64_t step,
                         const struct pn_list *metas, struct pn_list *out, struct pn_err *err)
{
    struct pn_orphan *orphans = pn_new(call->arena, struct pn_orphan, metas->count);
    const struct pn_kube_meta *meta = metas->items;
    size_t count = 0;

    for (size_t i = 0; i < metas->count; i++) {
        struct pn_uuid lease;
        bool is_owned;

        if (!is_ours(call, in, &meta[i], &lease))
            continue;
        if (!has_row(call->conn, lease, &is_owned, err))
            return false;
        if (is_owned)
            continue;
        orphans[count++] = (struct pn_orphan){
            .lease_id = lease,
            .object = { .kind = (int)kind_at(in, step),
                        .namespace = namespace_at(in, step), /* where it was asked for */
                        .name = meta[i].name,
                        .uid = meta[i].uid },
        };
    }
    *out = (struct pn_list){ .items = orphans, .count = count };
    return true;
}

/* ---- a page ---- */

static void go_on(struct pn_orphans_at *at, struct pn_str next)
{
    at->step += next.len == 0;
    at->next = next.len > 0 ? next : PN_NONE;
}

/* Not a failure: a page that is begun again, a kind that need not be listed. */
static bool is_passed(const struct pn_orphans_in *in, struct pn_orphans_at *at, int status)
{
    if (status == 410 && at->next.len > 0) {
        at->next = PN_NONE;
        return true;
    }
    if (status != 403 || is_of_today(in->config, kind_at(in, at->step)))
        return false;
    go_on(at, PN_NONE);
    return true;
}

static bool refuse(struct pn_call *call, const struct pn_orphans_in *in, int status,
                   struct pn_err *err)
{
    const struct pn_lease_config *config = in->config;

    return status == 403 &&
           pn_lease_attach_manifest(
               call, pn_lease_manifest_sweep(call->arena, config, pn_lease_ask_who(call, config)),
               err);
}

bool pn_orphans_page(struct pn_call *call, const struct pn_orphans_in *in, struct pn_orphans_at *at,
                     struct pn_list *out, enum pn_provider_fault *fault, struct pn_err *err)
{
    struct pn_lease_asked asked = { 0 };
    struct pn_list metas;
    struct pn_str next;

    *out = (struct pn_list){ 0 };
    if (!ask_page(call, in, at, &asked, fault, err)) {
        if (!is_passed(in, at, asked.status))
            return refuse(call, in, asked.status, err);
        pn_err_clear(err);
        return true;
    }
    if (!pn_kube_list_parse(call->arena, asked.body, &metas, &next, err)) {
        *fault = PN_PROVIDER_REFUSED;
        return pn_recast(err, PN_BAD_REQUEST, "Unexpected answer of the Kubernetes API server");
    }
    if (!take_orphans(call, in, at->step, &metas, out, err))
        return false;
    go_on(at, next);
    return true;
}

bool pn_orphan_remove(struct pn_call *call, const struct pn_lease_config *config,
                      const struct pn_orphan *orphan, enum pn_provider_fault *fault,
                      struct pn_err *err)
{
    struct pn_lease_plan plan = { .lease_id = orphan->lease_id,
                                  .objects = { orphan->object },
                                  .object_count = 1 };

    pn_assert(orphan->object.uid.len > 0); /* never by name alone */
    return pn_provider_revoke(call, config, &plan, fault, err);
}
