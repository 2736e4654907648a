/* SPDX-License-Identifier: Apache-2.0 */
/* Is it there, is it well? Contract: platform.md §3.1. */
#include "db/db.h"
#include "server/dispatch.h"
#include "server/route.h"

struct status_out {
    int64_t date;
    struct pn_str message;
    bool emailConfigured, inviteOnlySignup, redisConfigured, secretScanningConfigured;
};
static const struct pn_field status_out_fields[] = {
    PN_FIELD(status_out, date, TIME),
    PN_FIELD(status_out, message, STRING),
    PN_FIELD(status_out, emailConfigured, BOOL),
    PN_FIELD(status_out, inviteOnlySignup, BOOL),
    PN_FIELD(status_out, redisConfigured, BOOL),
    PN_FIELD(status_out, secretScanningConfigured, BOOL),
};

static bool status(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct status_out *out = out_;

    (void)in;
    (void)err;
    *out = (struct status_out){ .date = call->now_ms,
                                .message = PN_LIT("Ok"),
                                .inviteOnlySignup = true };
    return true;
}

static bool live(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct pn_raw *out = out_;

    (void)call;
    (void)in;
    (void)err;
    out->content_type = PN_LIT("text/plain; charset=utf-8");
    out->body = PN_LIT("ok\n");
    return true;
}

/* Ready means: a worker is free and the database answers. */
static bool ready(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, "SELECT 1 FROM instance WHERE id = 1");

    (void)pn_query_next(q);
    return pn_query_end(q, err) && live(call, in, out, err);
}

static bool metrics(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct pn_raw *out = out_;
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init((size_t)64 * 1024);

    (void)in;
    (void)err;
    pn_dispatch_metrics(call, &text);
    out->content_type = PN_LIT("text/plain; version=0.0.4; charset=utf-8");
    out->body = pn_arena_copy(call->arena, pn_buf_str(&text));
    return true;
}

const struct pn_route pn_status_routes[] = {
    { PN_GET, "/api/status", .access = PN_ANYONE, .lane = PN_LANE_INLINE,
      .out = PN_SHAPE(status_out), .handle = status, .doc = "Whether the server answers" },
    { PN_GET, "/livez", .access = PN_ANYONE, .lane = PN_LANE_INLINE, .is_raw = true, .handle = live,
      .doc = "Whether the process runs" },
    { PN_GET, "/readyz", .access = PN_ANYONE, .is_raw = true, .handle = ready,
      .doc = "Whether requests can be answered" },
    { PN_GET, "/metrics", .access = PN_ANYONE, .is_raw = true, .handle = metrics,
      .doc = "Counters for Prometheus" },
    { 0 },
};
