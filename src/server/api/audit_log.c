/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the record. Contract: platform.md §12.1. */
#include "core/audit/query.h"
#include "json/writer.h"
#include "server/route.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

struct list_in {
    struct pn_uuid projectId, actor;
    struct pn_str eventType, actorType, userAgentType, eventMetadata;
    struct pn_str environment, secretPath, secretKey;
    int64_t startDate, endDate, offset, limit;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, projectId, UUID),
    PN_FIELD(list_in, actor, UUID),
    PN_FIELD(list_in, eventType, STRING, .max = 2048),
    PN_FIELD(list_in, actorType, STRING, .max = 64),
    PN_FIELD(list_in, userAgentType, STRING, .max = 64),
    PN_FIELD(list_in, eventMetadata, STRING, .max = 1024, .doc = "key=value,key=value"),
    PN_FIELD(list_in, environment, STRING, .max = 64, .doc = "Of secrets; needs projectId"),
    PN_FIELD(list_in, secretPath, STRING, .max = 1024, .doc = "Of secrets; needs projectId"),
    PN_FIELD(list_in, secretKey, STRING, .max = 512, .doc = "Of secrets; needs projectId"),
    PN_FIELD(list_in, startDate, TIME, .doc = "Default: the last midnight"),
    PN_FIELD(list_in, endDate, TIME, .doc = "Default: now"),
    PN_FIELD(list_in, offset, INT, .min = 0, .max = 10000000),
    PN_FIELD(list_in, limit, INT, .min = 1, .max = PN_AUDIT_MAX_LISTED, .has_fallback = true,
             .fallback = 20),
};

struct tagged {
    struct pn_str type, metadata;
};
static const struct pn_field tagged_fields[] = {
    PN_FIELD(tagged, type, STRING),
    PN_FIELD(tagged, metadata, RAW),
};
static const struct pn_shape tagged_view = PN_SHAPE_OF(tagged);
struct entry {
    struct pn_uuid id, orgId, projectId;
    struct pn_str ipAddress, userAgent, userAgentType;
    int64_t createdAt, updatedAt, expiresAt;
    struct tagged event, actor;
};
static const struct pn_field entry_fields[] = {
    PN_FIELD(entry, id, UUID),
    PN_FIELD(entry, ipAddress, STRING),
    PN_FIELD(entry, userAgent, STRING),
    PN_FIELD(entry, userAgentType, STRING),
    PN_FIELD(entry, expiresAt, TIME),
    PN_FIELD(entry, createdAt, TIME),
    PN_FIELD(entry, updatedAt, TIME),
    PN_FIELD(entry, orgId, UUID),
    PN_FIELD(entry, projectId, UUID),
    PN_FIELD(entry, event, OBJECT, .shape = &tagged_view),
    PN_FIELD(entry, actor, OBJECT, .shape = &tagged_view),
};
struct list_out {
    struct pn_list auditLogs;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, auditLogs, OBJECTS, .shape = PN_SHAPE(entry)),
};

/* {"userId","email","username"}, {"identityId","name"}, and so on. */
static struct pn_str actor_metadata(struct pn_arena *arena, const struct pn_audit_entry *e)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(16384);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    if (pn_str_is(e->actorType, "user")) {
        pn_write_uuid(&w, "userId", e->actorId);
        pn_write_str(&w, "email", e->actorName);
        pn_write_str(&w, "username", e->actorName);
    } else if (!pn_uuid_is_zero(e->actorId)) {
        pn_write_uuid(&w,
                      pn_str_is(e->actorType, "identity")  ? "identityId"
                      : pn_str_is(e->actorType, "service") ? "serviceId"
                                                           : "id",
                      e->actorId);
        pn_write_str(&w, "name", e->actorName);
    }
    pn_write_end(&w);
    return pn_arena_copy(arena, pn_buf_str(&json));
}

static struct entry show(struct pn_arena *arena, const struct pn_audit_entry *e)
{
    return (struct entry){ .id = e->id,
                           .orgId = e->orgId,
                           .projectId = e->projectId,
                           .ipAddress = e->ipAddress,
                           .userAgent = e->userAgent,
                           .userAgentType = e->userAgentType,
                           .createdAt = e->createdAt,
                           .updatedAt = e->createdAt,
                           .event = { e->type, e->metadata },
                           .actor = { e->actorType, actor_metadata(arena, e) } };
}

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;
    const struct pn_audit_filter filter = { .project_id = in->projectId,
                                            .actor_id = in->actor,
                                            .event_types = in->eventType,
                                            .actor_type = in->actorType,
                                            .user_agent_type = in->userAgentType,
                                            .environment = in->environment,
                                            .secretPath = in->secretPath,
                                            .secretKey = in->secretKey,
                                            .event_metadata = in->eventMetadata,
                                            .start_ms = in->startDate != 0
                                                            ? in->startDate
                                                            : call->now_ms - call->now_ms % DAY_MS,
                                            .end_ms = in->endDate != 0 ? in->endDate : call->now_ms,
                                            .offset = in->offset,
                                            .limit = in->limit };
    struct pn_list found;
    struct entry *items;

    if (filter.end_ms - filter.start_ms > PN_AUDIT_MAX_WINDOW_MS)
        return pn_fail(err, PN_VALIDATION,
                       "The time between startDate and endDate must not exceed 3 months");
    if (!pn_audit_list(call, &filter, &found, err))
        return false;
    items = pn_new(call->arena, struct entry, found.count);
    for (size_t i = 0; i < found.count; i++)
        items[i] = show(call->arena, (const struct pn_audit_entry *)found.items + i);
    out->auditLogs = (struct pn_list){ .items = items, .count = found.count };
    return true;
}

const struct pn_route pn_audit_log_routes[] = {
    { PN_GET, "/api/v1/organization/audit-logs", .access = PN_BY_PEOPLE,
      .permission = "org or project audit-logs:read", .rate = PN_RATE_READ, .in = PN_SHAPE(list_in),
      .out = PN_SHAPE(list_out), .handle = list, .doc = "The record of changes, newest first" },
    { 0 },
};
