/* SPDX-License-Identifier: Apache-2.0 */
#include "core/audit/query.h"

#include "core/org/permission.h"
#include "core/rows.h"
#include "db/db.h"
#include "json/writer.h"

/* User agents that have a name of their own; what looks like a browser is "web". */
#define AGENT_TYPE                                                                            \
    "CASE WHEN user_agent IN ('cli', 'k8-operator', 'terraform') THEN user_agent"             \
    " WHEN replace(user_agent, 'InfisicalPythonSDK', '') <> user_agent"                       \
    " THEN 'InfisicalPythonSDK'"                                                              \
    " WHEN replace(user_agent, 'InfisicalNodeSDK', '') <> user_agent THEN 'InfisicalNodeSDK'" \
    " WHEN lower(user_agent) LIKE 'mozilla%' THEN 'web' ELSE 'other' END"
#define SECRET_EVENTS                                                                   \
    "('get-secrets', 'get-secret', 'create-secret', 'create-secrets', 'update-secret'," \
    " 'update-secrets', 'delete-secret', 'delete-secrets', 'move-secrets', 'reveal-secret')"
/*
 * Members are sought in the text that the writer made: a quote inside of a value is escaped there, so that
 * "name":"value" stands only where a member is. (LIKE would fold case in one database, not in the other.)
 */
#define HOLDS(needle_) \
    " AND (" needle_ " IS NULL OR replace(metadata, " needle_ ", '') <> metadata)"
/* Numbers and truth values have no quotes, and end with a comma or the object. */
#define HOLDS_PAIR(n_)                                                            \
    " AND ($text" n_ " IS NULL OR replace(metadata, $text" n_ ", '') <> metadata" \
    " OR replace(replace(metadata, '}', ',}'), $plain" n_ ", '') <> replace(metadata, '}', ',}'))"

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
        .userAgentType = pn_column_str(q, 11, arena),
    };
}

/* "name":"value" as the writer spells it; nothing for no value. */
static struct pn_str member(struct pn_arena *arena, struct pn_str name, struct pn_str value)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(16384);
    struct pn_writer w = pn_writer_of(&json);
    struct pn_str text;

    if (value.ptr == NULL)
        return PN_NONE;
    pn_write_object(&w, NULL);
    pn_write_str_at(&w, name, value);
    pn_write_end(&w);
    text = pn_buf_str(&json);
    return pn_arena_copy(arena, pn_str_slice(text, 1, text.len - 1));
}

struct pairs {
    struct pn_str text[PN_AUDIT_MAX_PAIRS], plain[PN_AUDIT_MAX_PAIRS]; /* PN_NONE: any */
};

static bool is_plain(struct pn_str value)
{
    int64_t number;

    return pn_str_is(value, "true") || pn_str_is(value, "false") || pn_str_i64(value, &number);
}

static bool read_pairs(struct pn_arena *arena, struct pn_str list, struct pairs *out,
                       struct pn_err *err)
{
    struct pn_str pair, name;
    size_t count = 0;

    *out = (struct pairs){ 0 };
    while (pn_str_cut(&list, ',', &pair)) {
        bool has_value = pn_str_find(pair, '=') > 0 && pn_str_cut(&pair, '=', &name);

        if (!has_value || count == PN_AUDIT_MAX_PAIRS)
            return pn_fail(err, PN_VALIDATION,
                           "eventMetadata must be at most %d pairs: key=value,key=value",
                           PN_AUDIT_MAX_PAIRS);
        pair = pair.ptr != NULL ? pair : PN_LIT("");
        out->text[count] = member(arena, name, pair);
        out->plain[count] =
            is_plain(pair) ? pn_arena_printf(arena, "\"%.*s\":%.*s,", PN_ARG(name), PN_ARG(pair))
                           : PN_NONE;
        count++;
    }
    return true;
}

static void bind_pairs(struct pn_query *q, const struct pairs *pairs)
{
    static const char *const names[][2] = {
        { "$text0", "$plain0" },
        { "$text1", "$plain1" },
        { "$text2", "$plain2" },
        { "$text3", "$plain3" },
    };

    for (size_t i = 0; i < PN_COUNT(names); i++) {
        pn_bind_str(q, names[i][0], pairs->text[i]);
        pn_bind_str(q, names[i][1], pairs->plain[i]);
    }
}

static void bind_secret(struct pn_query *q, struct pn_arena *arena,
                        const struct pn_audit_filter *filter)
{
    pn_bind_str(q, "$environment", member(arena, PN_LIT("environment"), filter->environment));
    pn_bind_str(q, "$path", member(arena, PN_LIT("secretPath"), filter->secretPath));
    pn_bind_str(q, "$key", member(arena, PN_LIT("secretKey"), filter->secretKey));
}

static bool is_of_secrets(const struct pn_audit_filter *filter)
{
    return filter->environment.ptr != NULL || filter->secretPath.ptr != NULL ||
           filter->secretKey.ptr != NULL;
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
    struct pairs pairs;
    struct pn_query *q;

    if (!(pn_uuid_is_zero(filter->project_id)
              ? pn_permit_org(call, "audit-logs", "read", err)
              : pn_permit_project(call, filter->project_id, "audit-logs", "read", err)))
        return false;
    if (is_of_secrets(filter) && pn_uuid_is_zero(filter->project_id))
        return pn_fail(err, PN_VALIDATION,
                       "environment, secretPath and secretKey need a projectId");
    if (!read_pairs(call->arena, filter->event_metadata, &pairs, err))
        return false;
    pn_assert(filter->limit >= 0 && filter->limit <= PN_AUDIT_MAX_LISTED);
    q = pn_query(
        call->conn,
        "SELECT id, org_id, project_id, actor_id, event_type, metadata, actor_type, actor_name, ip,"
        " user_agent, created_ms, " AGENT_TYPE " FROM audit_log WHERE org_id = $org"
        " AND created_ms BETWEEN $start AND $end"
        " AND ($project IS NULL OR project_id = $project)"
        " AND ($actor IS NULL OR actor_id = $actor)"
        " AND ($actor_type IS NULL OR actor_type = $actor_type)"
        " AND ($types IS NULL OR $types LIKE '%,' || event_type || ',%')"
        " AND ($agent IS NULL OR $agent = " AGENT_TYPE ")"
        " AND ($secrets = 0 OR event_type IN " SECRET_EVENTS ")" HOLDS("$environment")
            HOLDS("$path") HOLDS("$key") HOLDS_PAIR("0") HOLDS_PAIR("1") HOLDS_PAIR("2")
                HOLDS_PAIR("3") " ORDER BY created_ms DESC, id DESC LIMIT $limit OFFSET $offset");
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_int(q, "$start", filter->start_ms);
    pn_bind_int(q, "$end", filter->end_ms);
    pn_bind_uuid(q, "$project", filter->project_id);
    pn_bind_uuid(q, "$actor", filter->actor_id);
    pn_bind_str(q, "$actor_type", filter->actor_type);
    pn_bind_str(q, "$types", fence(call->arena, filter->event_types));
    pn_bind_str(q, "$agent", filter->user_agent_type);
    pn_bind_int(q, "$secrets", is_of_secrets(filter));
    bind_secret(q, call->arena, filter);
    bind_pairs(q, &pairs);
    pn_bind_int(q, "$limit", filter->limit);
    pn_bind_int(q, "$offset", filter->offset);
    while (pn_query_next(q))
        *(struct pn_audit_entry *)pn_rows_add(&rows) = read_entry(q, call->arena);
    *out = rows.list;
    return pn_query_end(q, err);
}
