/* SPDX-License-Identifier: Apache-2.0 */
/* What leases that nobody knows left in a cluster: seen, and taken away. Ours alone: Infisical labels nothing. */
#include "core/lease/orphans.h"
#include "core/lease/sweep.h"
#include "server/api/dynamic_secrets.h"

struct in {
    struct pn_str projectSlug, environmentSlug, path, secretPath, name;
};
static const struct pn_field in_fields[] = {
    PN_DYNAMIC_PLACE(in),
    PN_FIELD(in, name, STRING, .required = true, .max = 255, .trim = true, .lower = true),
};

static struct pn_lease_at at(const struct in *in)
{
    return (struct pn_lease_at){ in->projectSlug, in->environmentSlug,
                                 pn_dynamic_secret_path(in->path, in->secretPath) };
}

/* ---- looking ---- */

struct shown {
    struct pn_str kind, namespace, name, uid;
    struct pn_uuid leaseId;
};
static const struct pn_field shown_fields[] = {
    PN_FIELD(shown, kind, STRING),  PN_FIELD(shown, namespace, STRING),
    PN_FIELD(shown, name, STRING),  PN_FIELD(shown, uid, STRING),
    PN_FIELD(shown, leaseId, UUID),
};
static const struct pn_shape shown_shape = PN_SHAPE_OF(shown);

struct look_out {
    struct pn_list orphans;
    bool isComplete;
};
static const struct pn_field look_out_fields[] = {
    PN_FIELD(look_out, orphans, OBJECTS, .shape = &shown_shape),
    PN_FIELD(look_out, isComplete, BOOL, .doc = "false: there may be more"),
};

static struct shown show(const struct pn_orphan *orphan)
{
    return (struct shown){ .kind = pn_str_from(pn_lease_kinds[orphan->object.kind]),
                           .namespace = orphan->object.namespace,
                           .name = orphan->object.name,
                           .uid = orphan->object.uid,
                           .leaseId = orphan->lease_id };
}

static bool look(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct in *in = in_;
    const struct pn_lease_at where = at(in);
    const struct pn_orphan *orphans;
    struct look_out *out = out_;
    struct pn_list found;
    struct shown *views;

    if (!pn_sweep_look(call, &where, in->name, &found, &out->isComplete, err))
        return false;
    orphans = found.items;
    views = pn_new(call->arena, struct shown, found.count);
    for (size_t i = 0; i < found.count; i++)
        views[i] = show(&orphans[i]);
    out->orphans = (struct pn_list){ .items = views, .count = found.count };
    return true;
}

/* ---- sweeping ---- */

static const struct pn_field sweep_fields[] = {
    PN_FIELD(pn_sweep, dynamicSecretId, UUID),
    PN_FIELD(pn_sweep, state, STRING, .doc = "running, done or failed"),
    PN_FIELD(pn_sweep, removed, INT, .doc = "Objects that it took away so far"),
    PN_FIELD(pn_sweep, error, STRING),
    PN_FIELD(pn_sweep, startedAt, TIME),
    PN_FIELD(pn_sweep, endedAt, TIME),
};
static const struct pn_shape sweep_shape = { "sweep", sizeof(struct pn_sweep), sweep_fields,
                                             PN_COUNT(sweep_fields) };
struct sweep_out {
    struct pn_sweep sweep;
};
static const struct pn_field sweep_out_fields[] = {
    PN_FIELD(sweep_out, sweep, OBJECT, .shape = &sweep_shape),
};

static bool start(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct in *in = in_;
    const struct pn_lease_at where = at(in);
    struct sweep_out *out = out_;

    return pn_sweep_start(call, &where, in->name, &out->sweep, err);
}

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct in *in = in_;
    const struct pn_lease_at where = at(in);
    struct sweep_out *out = out_;

    return pn_sweep_get(call, &where, in->name, &out->sweep, err);
}

#define BASE "/api/v1/dynamic-secrets/:name"
#define RIGHT "project dynamic-secrets:delete-root-credential"

const struct pn_route pn_dynamic_secret_sweeps_routes[] = {
    { PN_GET, BASE "/orphans", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ, .lane = PN_LANE_SLOW,
      .permission = RIGHT, .audit = "list-dynamic-secret-orphans", .in = PN_SHAPE(in),
      .out = PN_SHAPE(look_out), .handle = look,
      .doc = "What its cluster holds of leases that are nobody's: what a sweep would take away" },
    { PN_POST, BASE "/sweep", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE, .lane = PN_LANE_SLOW,
      .permission = RIGHT, .audit = "start-dynamic-secret-sweep", .in = PN_SHAPE(in),
      .out = PN_SHAPE(sweep_out), .handle = start,
      .doc = "Starts a job that takes away what leases that are nobody's left in its cluster" },
    { PN_GET, BASE "/sweep", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ, .permission = RIGHT,
      .in = PN_SHAPE(in), .out = PN_SHAPE(sweep_out), .handle = get,
      .doc = "The last sweep, and what came of it" },
    { 0 },
};
