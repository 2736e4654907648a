/* SPDX-License-Identifier: Apache-2.0 */
#include "core/audit/audit.h"

#include <string.h>

#include "base/buf.h"
#include "core/audit/prune.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#define MAX_ROW_BYTES ((size_t)1 << 20)

/* One row as the chain sees it. Everything but `hash` goes into the hash. */
struct row {
    struct pn_uuid id;
    struct pn_str node;
    int64_t sequence;
    struct pn_str previous_hash, hash;
    struct pn_uuid org_id, project_id, actor_id;
    struct pn_str event_type, metadata, actor_type, actor_name, ip, user_agent, request_id;
    int64_t created_ms;
    bool is_pruned; /* emptied: its hash cannot be made again */
};

#define ROW_COLUMNS                                                                       \
    "id, node, sequence, previous_hash, hash, org_id, project_id, actor_id, event_type, " \
    "metadata, "                                                                          \
    "actor_type, actor_name, ip, user_agent, request_id, created_ms, pruned_by"

static struct row read_row(struct pn_query *q, struct pn_arena *arena)
{
    return (struct row){
        .id = pn_column_uuid(q, 0),
        .node = pn_column_str(q, 1, arena),
        .sequence = pn_column_int(q, 2),
        .previous_hash = pn_column_bytes(q, 3, arena),
        .hash = pn_column_bytes(q, 4, arena),
        .org_id = pn_column_uuid(q, 5),
        .project_id = pn_column_uuid(q, 6),
        .actor_id = pn_column_uuid(q, 7),
        .event_type = pn_column_str(q, 8, arena),
        .metadata = pn_column_str(q, 9, arena),
        .actor_type = pn_column_str(q, 10, arena),
        .actor_name = pn_column_str(q, 11, arena),
        .ip = pn_column_str(q, 12, arena),
        .user_agent = pn_column_str(q, 13, arena),
        .request_id = pn_column_str(q, 14, arena),
        .created_ms = pn_column_int(q, 15),
        .is_pruned = !pn_column_is_null(q, 16),
    };
}

/* Length first, so that no two rows give the same bytes; absent differs from empty. */
static void add_field(struct pn_buf *out, struct pn_str bytes)
{
    pn_buf_add_be(out, bytes.ptr == NULL ? UINT32_MAX : bytes.len, 4);
    pn_buf_add(out, bytes);
}

static void hash_row(const struct row *row, uint8_t out[PN_SHA256_BYTES])
{
    const struct pn_str texts[] = { row->node,     row->previous_hash, row->event_type,
                                    row->metadata, row->actor_type,    row->actor_name,
                                    row->ip,       row->user_agent,    row->request_id };
    const struct pn_uuid ids[] = { row->id, row->org_id, row->project_id, row->actor_id };
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init(MAX_ROW_BYTES);

    pn_buf_add_text(&bytes, "postern audit 1");
    pn_buf_add_be(&bytes, (uint64_t)row->sequence, 8);
    pn_buf_add_be(&bytes, (uint64_t)row->created_ms, 8);
    for (size_t i = 0; i < PN_COUNT(ids); i++)
        pn_buf_add_bytes(&bytes, ids[i].bytes, sizeof(ids[i].bytes));
    for (size_t i = 0; i < PN_COUNT(texts); i++)
        add_field(&bytes, texts[i]);
    pn_assert(!bytes.is_full);
    pn_hash_sha256(pn_buf_str(&bytes), out);
}

static const char *actor_type(enum pn_actor_kind kind)
{
    switch (kind) {
    case PN_ACTOR_NONE: return "unknownUser";
    case PN_ACTOR_USER:
    case PN_ACTOR_MFA: return "user";
    case PN_ACTOR_IDENTITY: return "identity";
    case PN_ACTOR_GATEWAY: return "gateway";
    case PN_ACTOR_RELAY: return "relay";
    case PN_ACTOR_SERVICE: return "service";
    case PN_ACTOR_PLATFORM: return "platform";
    }
    return "unknownUser";
}

/* What strangers send is cut to a size, so that a row always fits the hash's buffer. */
static struct pn_str at_most(struct pn_str text, size_t len)
{
    return text.len <= len ? text : pn_str_slice(text, 0, len);
}

static struct row make_row(const struct pn_call *call, const struct pn_audit_event *event)
{
    pn_assert(event->metadata.len < MAX_ROW_BYTES / 2);
    return (struct row){
        .id = pn_random_uuid(),
        .node = PN_LIT(PN_AUDIT_NODE),
        .org_id = event->org_id,
        .project_id = event->project_id,
        .event_type = pn_str_from(event->type),
        .metadata = event->metadata.ptr != NULL ? event->metadata : PN_LIT("{}"),
        .actor_type = pn_str_from(actor_type(call->actor.kind)),
        .actor_id = call->actor.id,
        .actor_name = at_most(call->actor.name, 1024),
        .ip = at_most(call->ip, 64),
        .user_agent = at_most(call->user_agent, 512),
        .request_id = at_most(call->request_id, 64),
        .created_ms = call->now_ms,
    };
}

static bool insert_row(struct pn_db_conn *tx, const struct row *row, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx,
        "INSERT INTO audit_log (id, node, sequence, previous_hash, hash, org_id, project_id,"
        " event_type, metadata, actor_type, actor_id, actor_name, ip, user_agent, request_id,"
        " created_ms) VALUES ($id, $node, $sequence, $previous, $hash, $org, $project, $type,"
        " $metadata, $actor_type, $actor_id, $actor_name, $ip, $user_agent, $request_id, $now)");

    pn_bind_uuid(q, "$id", row->id);
    pn_bind_str(q, "$node", row->node);
    pn_bind_int(q, "$sequence", row->sequence);
    pn_bind_bytes(q, "$previous", row->previous_hash);
    pn_bind_bytes(q, "$hash", row->hash);
    pn_bind_uuid(q, "$org", row->org_id);
    pn_bind_uuid(q, "$project", row->project_id);
    pn_bind_str(q, "$type", row->event_type);
    pn_bind_str(q, "$metadata", row->metadata);
    pn_bind_str(q, "$actor_type", row->actor_type);
    pn_bind_uuid(q, "$actor_id", row->actor_id);
    pn_bind_str(q, "$actor_name", row->actor_name);
    pn_bind_str(q, "$ip", row->ip);
    pn_bind_str(q, "$user_agent", row->user_agent);
    pn_bind_str(q, "$request_id", row->request_id);
    pn_bind_int(q, "$now", row->created_ms);
    return pn_query_run(q, NULL, err) ||
           pn_within(err, "writing the audit row of %.*s", PN_ARG(row->event_type));
}

bool pn_audit_chain_end(struct pn_db_conn *tx, struct pn_audit_chain *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "SELECT sequence, hash FROM audit_log WHERE node = $node"
                                      " ORDER BY sequence DESC LIMIT 1");
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(1024);

    *out = (struct pn_audit_chain){ .tx = tx };
    pn_bind_str(q, "$node", PN_LIT(PN_AUDIT_NODE));
    if (pn_query_next(q)) {
        struct pn_str hash = pn_column_bytes(q, 1, arena);

        out->sequence = pn_column_int(q, 0);
        if (hash.len == sizeof(out->hash))
            memcpy(out->hash, hash.ptr, sizeof(out->hash));
    }
    return pn_query_end(q, err);
}

bool pn_audit_chain_add(struct pn_audit_chain *chain, const struct pn_call *call,
                        const struct pn_audit_event *event, struct pn_err *err)
{
    struct row row = make_row(call, event);
    uint8_t hash[PN_SHA256_BYTES];

    row.sequence = chain->sequence + 1;
    if (chain->sequence > 0)
        row.previous_hash = pn_str_of(chain->hash, sizeof(chain->hash));
    hash_row(&row, hash);
    row.hash = pn_str_of(hash, sizeof(hash));
    if (!insert_row(chain->tx, &row, err))
        return false;
    chain->sequence = row.sequence;
    memcpy(chain->hash, hash, sizeof(chain->hash));
    return true;
}

bool pn_audit_write(struct pn_db_conn *tx, const struct pn_call *call,
                    const struct pn_audit_event *event, struct pn_err *err)
{
    struct pn_audit_chain chain;

    return pn_audit_chain_end(tx, &chain, err) && pn_audit_chain_add(&chain, call, event, err);
}

/* Does `row` follow (sequence, previous)? Moves both on to it. */
static bool check_row(const struct row *row, int64_t *sequence, uint8_t previous[PN_SHA256_BYTES],
                      struct pn_err *err)
{
    struct pn_str expected = *sequence == 0 ? PN_NONE : pn_str_of(previous, PN_SHA256_BYTES);
    uint8_t hash[PN_SHA256_BYTES];

    if (row->is_pruned && row->hash.len == sizeof(hash))
        memcpy(hash, row->hash.ptr, sizeof(hash));
    else
        hash_row(row, hash);
    if (row->sequence != *sequence + 1 || !pn_str_eq(row->previous_hash, expected) ||
        !pn_str_eq(row->hash, pn_str_of(hash, sizeof(hash))))
        return pn_fail(err, PN_INTERNAL, "The audit chain breaks at row %s, sequence %lld: %s",
                       pn_uuid_format(row->id).text, (long long)row->sequence,
                       row->sequence != *sequence + 1 ? "rows are missing before it"
                                                      : "it does not fit its hash");
    *sequence = row->sequence;
    memcpy(previous, hash, sizeof(hash));
    return true;
}

static bool count_pruned(struct pn_db_conn *conn, int64_t *count, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        conn, "SELECT count(*) FROM audit_log WHERE pruned_by IS NOT NULL AND node = $node");

    pn_bind_str(q, "$node", PN_LIT(PN_AUDIT_NODE));
    *count = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    return pn_query_end(q, err);
}

/* Walks the chain; counts the emptied rows that its records account for. */
static bool walk(struct pn_db_conn *conn, int64_t *sequence, int64_t *accounted, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(2 * MAX_ROW_BYTES);
    uint8_t previous[PN_SHA256_BYTES] = { 0 };
    struct pn_err found = { 0 };
    struct pn_query *q;

    q = pn_query(conn,
                 "SELECT " ROW_COLUMNS " FROM audit_log WHERE node = $node ORDER BY sequence");
    pn_bind_str(q, "$node", PN_LIT(PN_AUDIT_NODE));
    while (found.code == PN_OK && pn_query_next(q)) {
        const struct row row = read_row(q, arena);

        if (check_row(&row, sequence, previous, &found) &&
            (!pn_str_is(row.event_type, PN_AUDIT_PRUNED) ||
             pn_audit_check_pruned(conn, arena, row.metadata, accounted, &found)))
            pn_arena_reset(arena);
    }
    if (!pn_query_end(q, err))
        return false;
    if (found.code != PN_OK)
        *err = found;
    return found.code == PN_OK;
}

bool pn_audit_verify(struct pn_db_conn *conn, int64_t *rows, struct pn_err *err)
{
    int64_t sequence = 0, accounted = 0, pruned;
    bool fits = walk(conn, &sequence, &accounted, err);

    *rows = sequence;
    if (!fits || !count_pruned(conn, &pruned, err))
        return false;
    return pruned == accounted ||
           pn_fail(err, PN_INTERNAL, "%lld audit rows are emptied, but %lld are on record as such",
                   (long long)pruned, (long long)accounted);
}
