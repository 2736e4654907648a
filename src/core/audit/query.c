/* SPDX-License-Identifier: Apache-2.0 */
#include "core/audit/query.h"

#include "core/org/permission.h"
#include "core/rows.h"
#include "db/db.h"

static struct pn_audit_entry read_entry(struct pn_query *q, struct pn_arena *arena)
{
    return (struct pn_audit_entry){
        .id = pn_column_uuid(q, 0),
        .orgId = pn_column_uuid(q, 1),
        .projectId = pn_column_uuid(q, 2),
        .actorId = pn_column_uuid(q, 3),
        .type = pn_column_str(q, 4, arena),
        .metadata = pn_column_str(q, 5, arena),
        .actorType = pn_column_str(q, 6, arena),
        .actorName = pn_column_str(q, 7, arena),
        .ipAddress = pn_column_str(q, 8, arena),
        .userAgent = pn_column_str(q, 9, arena),
        .createdAt = pn_column_int(q, 10),
    };
}

/* ",a,b,": so that one type is found between commas. */
static struct pn_str fence(struct pn_arena *arena, struct pn_str list)
{
    return list.len > 0 ? pn_arena_printf(arena, ",%.*s,", PN_ARG(list)) : PN_NONE;
}

bool pn_audit_list(struct pn_call *call, const struct pn_audit_filter *filter, struct pn_list *out,
                   struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_audit_entry));
    struct pn_query *q;

    if (!(pn_uuid_is_zero(filter->project_id)
              ? pn_permit_org(call, "audit-logs", "read", err)
              : pn_permit_project(call, filter->project_id, "audit-logs", "read", err)))
        return false;
    pn_assert(filter->limit >= 0 && filter->limit <= PN_AUDIT_MAX_LISTED);
    q = pn_query(
        call->conn,
        "SELECT id, org_id, project_id, actor_id, event_type, metadata, actor_type, actor_name, ip,"
        " user_agent, created_ms FROM audit_log WHERE org_id = $org"
        " AND created_ms BETWEEN $start AND $end"
        " AND ($project IS NULL OR project_id = $project)"
        " AND ($actor IS NULL OR actor_id = $actor)"
        " AND ($actor_type IS NULL OR actor_type = $actor_type)"
        " AND ($types IS NULL OR $types LIKE '%,' || event_type || ',%')"
        " ORDER BY created_ms DESC, id DESC LIMIT $limit OFFSET $offset");
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_int(q, "$start", filter->start_ms);
    pn_bind_int(q, "$end", filter->end_ms);
    pn_bind_uuid(q, "$project", filter->project_id);
    pn_bind_uuid(q, "$actor", filter->actor_id);
    pn_bind_str(q, "$actor_type", filter->actor_type);
    pn_bind_str(q, "$types", fence(call->arena, filter->event_types));
    pn_bind_int(q, "$limit", filter->limit);
    pn_bind_int(q, "$offset", filter->offset);
    while (pn_query_next(q))
        *(struct pn_audit_entry *)pn_rows_add(&rows) = read_entry(q, call->arena);
    *out = rows.list;
    return pn_query_end(q, err);
}
