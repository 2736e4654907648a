/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/sweep.h"

#include "base/encode.h"
#include "core/lease/ask.h"
#include "core/lease/manifest.h"
#include "kube/object.h"

#define PAGE 250 /* objects: some 300 KiB, of the MiB that an answer may have */
#define MAX_PAGE_BYTES ((size_t)1 << 20)
#define MAX_QUERY_BYTES 8192

struct sweep {
    struct pn_call *call;
    const struct pn_lease_config *config;
    struct pn_uuid dynamic_secret_id;
    struct pn_lease_found *found;
    size_t count;
};

/* One page of one kind in one namespace; *next PN_NONE after the last. */
static bool ask_page(struct sweep *s, enum pn_lease_kind kind, struct pn_str namespace,
                     struct pn_str *next, struct pn_list *metas, int *status, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(MAX_QUERY_BYTES);
    struct pn_reach_request request = { .method = "GET", .max_body_bytes = MAX_PAGE_BYTES };
    enum pn_provider_fault fault;
    struct pn_lease_asked asked = { 0 };
    bool done;

    pn_buf_add(&path,
               pn_kube_path(s->call->arena, pn_provider_kube_kind(kind), namespace, PN_NONE, NULL));
    pn_buf_addf(&path, "?limit=%d&labelSelector=", PAGE);
    pn_percent_add(&path,
                   PN_LIT(PN_KUBE_MANAGED_BY "=" PN_KUBE_MANAGER "," PN_KUBE_SECRET_LABEL "="));
    pn_buf_add(&path, pn_uuid_str(s->call->arena, s->dynamic_secret_id));
    if (next->len > 0) {
        pn_buf_add_text(&path, "&continue=");
        pn_percent_add(&path, *next);
    }
    if (path.is_full)
        return pn_fail(err, PN_BAD_REQUEST, "The cluster's list has no usable second page");
    request.path = pn_buf_str(&path);
    done = pn_lease_ask(s->call, s->config, &request, &asked, &fault, err);
    *status = asked.status;
    return done && pn_kube_list_parse(s->call->arena, asked.body, metas, next, err);
}

static bool take_page(struct sweep *s, enum pn_lease_kind kind, const struct pn_list *metas,
                      struct pn_err *err)
{
    const struct pn_kube_meta *meta = metas->items;

    if (s->count + metas->count > PN_LEASE_SWEEP_MAX)
        return pn_fail(err, PN_BAD_REQUEST, "There are more than %d objects", PN_LEASE_SWEEP_MAX);
    for (size_t i = 0; i < metas->count; i++) {
        struct pn_lease_found *found = &s->found[s->count++];

        *found = (struct pn_lease_found){ .kind = (int)kind,
                                          .namespace = meta[i].namespace,
                                          .name = meta[i].name,
                                          .uid = meta[i].uid,
                                          .created_ms = meta[i].created_ms };
        if (!pn_uuid_parse(meta[i].lease_id, &found->lease_id))
            found->lease_id = (struct pn_uuid){ { 0 } };
    }
    return true;
}

static bool list_kind(struct sweep *s, enum pn_lease_kind kind, struct pn_str namespace,
                      int *status, struct pn_err *err)
{
    struct pn_str next = PN_NONE;
    struct pn_list metas = { 0 };

    do {
        if (!ask_page(s, kind, namespace, &next, &metas, status, err) ||
            !take_page(s, kind, &metas, err))
            return false;
    } while (next.len > 0 && metas.count > 0);
    return true;
}

/* Kinds that leases of today's configuration have; earlier versions may have had others. */
static bool is_of_today(const struct pn_lease_config *config, enum pn_lease_kind kind)
{
    bool is_wide = pn_provider_is_wide(config);

    switch (kind) {
    case PN_LEASE_SECRET: return config->credentialType == PN_LEASE_STATIC;
    case PN_LEASE_SERVICE_ACCOUNT: return config->credentialType == PN_LEASE_DYNAMIC;
    case PN_LEASE_ROLE_BINDING: return config->credentialType == PN_LEASE_DYNAMIC && !is_wide;
    case PN_LEASE_CLUSTER_ROLE_BINDING: return is_wide;
    }
    return true;
}

static bool list_or_leave(struct sweep *s, enum pn_lease_kind kind, struct pn_str namespace,
                          struct pn_err *err)
{
    int status = 0;

    if (list_kind(s, kind, namespace, &status, err))
        return true;
    if (status != 403)
        return false;
    if (!is_of_today(s->config, kind)) {
        pn_err_clear(err);
        return true;
    }
    return pn_lease_attach_manifest(
        s->call, pn_lease_manifest_sweep(s->call->arena, s->config, PN_NONE), err);
}

bool pn_lease_sweep_list(struct pn_call *call, const struct pn_lease_config *config,
                         struct pn_uuid dynamic_secret_id, struct pn_list *out, struct pn_err *err)
{
    struct sweep s = { call, config, dynamic_secret_id,
                       pn_new(call->arena, struct pn_lease_found, PN_LEASE_SWEEP_MAX), 0 };

    for (size_t i = 0; i < config->namespaces.count; i++)
        for (int kind = 0; kind < PN_LEASE_KINDS; kind++)
            if (kind != PN_LEASE_CLUSTER_ROLE_BINDING &&
                !list_or_leave(&s, (enum pn_lease_kind)kind, config->namespaces.items[i], err))
                return false;
    if (!list_or_leave(&s, PN_LEASE_CLUSTER_ROLE_BINDING, PN_NONE, err))
        return false;
    *out = (struct pn_list){ s.found, s.count };
    return true;
}

bool pn_lease_sweep_remove(struct pn_call *call, const struct pn_lease_config *config,
                           const struct pn_lease_found *found, struct pn_err *err)
{
    struct pn_lease_plan plan = { .lease_id = found->lease_id,
                                  .objects = { { .kind = found->kind,
                                                 .namespace = found->namespace,
                                                 .name = found->name,
                                                 .uid = found->uid } },
                                  .object_count = 1 };
    enum pn_provider_fault fault;

    return pn_provider_revoke(call, config, &plan, &fault, err);
}
