/* SPDX-License-Identifier: Apache-2.0 */
#include "core/audit/prune.h"

#include "base/encode.h"
#include "core/audit/audit.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "json/shape.h"
#include "json/writer.h"

#define AT_ONCE 500
#define BATCHES_PER_RUN 50
#define DAY_MS (INT64_C(24) * 3600 * 1000)

struct batch {
    const struct pn_call *call;
    struct pn_uuid id, project_id, org_id;
    int64_t before_ms, last_sequence;
    size_t rows;
    uint8_t digest[PN_SHA256_BYTES];
};

/* A project that keeps rows no longer than this and has older ones. */
static bool find_due(struct pn_call *call, struct batch *b, bool *is_due, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn,
                 "SELECT p.id, p.org_id, p.audit_retention_days FROM projects p"
                 " WHERE p.audit_retention_days IS NOT NULL AND EXISTS (SELECT 1 FROM audit_log a"
                 " WHERE a.project_id = p.id AND a.created_ms < $now - p.audit_retention_days * "
                 "$day) LIMIT 1");

    pn_bind_int(q, "$now", call->now_ms);
    pn_bind_int(q, "$day", DAY_MS);
    *is_due = pn_query_next(q);
    if (*is_due)
        *b = (struct batch){ .call = call,
                             .id = pn_random_uuid(),
                             .project_id = pn_column_uuid(q, 0),
                             .org_id = pn_column_uuid(q, 1),
                             .before_ms = call->now_ms - pn_column_int(q, 2) * DAY_MS };
    return pn_query_end(q, err);
}

static bool digest_rows(struct pn_query *q, struct pn_arena *arena, size_t *rows,
                        int64_t *last_sequence, uint8_t digest[PN_SHA256_BYTES], struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf hashes = pn_buf_init(AT_ONCE * PN_SHA256_BYTES);

    *rows = 0;
    while (pn_query_next(q)) {
        pn_buf_add(&hashes, pn_column_bytes(q, 0, arena));
        *last_sequence = pn_column_int(q, 1);
        (*rows)++;
    }
    if (!pn_query_end(q, err))
        return false;
    if (hashes.is_full)
        return pn_fail(err, PN_INTERNAL, "More audit rows carry one mark than are emptied at once");
    pn_hash_sha256(pn_buf_str(&hashes), digest);
    return true;
}

static bool record(struct pn_db_conn *tx, const struct batch *b, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(1024);
    pn_auto(pn_buf_drop) struct pn_buf hex = pn_buf_init(2 * PN_SHA256_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_hex_add(&hex, pn_str_of(b->digest, sizeof(b->digest)));
    pn_write_object(&w, NULL);
    pn_write_uuid(&w, "batch", b->id);
    pn_write_uuid(&w, "projectId", b->project_id);
    pn_write_time(&w, "before", b->before_ms);
    pn_write_int(&w, "rows", (int64_t)b->rows);
    pn_write_str(&w, "digest", pn_buf_str(&hex));
    pn_write_end(&w);
    return pn_audit_write(tx, b->call,
                          &(struct pn_audit_event){ .type = PN_AUDIT_PRUNED,
                                                    .org_id = b->org_id,
                                                    .metadata = pn_buf_str(&json) },
                          err);
}

static bool empty_rows(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct batch *b = context;
    struct pn_query *q =
        pn_query(tx, "SELECT hash, sequence FROM audit_log WHERE project_id = $project"
                     " AND created_ms < $before ORDER BY sequence LIMIT $most");

    pn_bind_uuid(q, "$project", b->project_id);
    pn_bind_int(q, "$before", b->before_ms);
    pn_bind_int(q, "$most", AT_ONCE);
    if (!digest_rows(q, b->call->arena, &b->rows, &b->last_sequence, b->digest, err))
        return false;
    if (b->rows == 0)
        return true;
    q = pn_query(tx, "UPDATE audit_log SET org_id = NULL, project_id = NULL, event_type = '',"
                     " metadata = '', actor_type = '', actor_id = NULL, actor_name = NULL,"
                     " ip = NULL, user_agent = NULL, request_id = NULL, pruned_by = $batch"
                     " WHERE project_id = $project AND sequence <= $last AND created_ms < $before");
    pn_bind_uuid(q, "$batch", b->id);
    pn_bind_uuid(q, "$project", b->project_id);
    pn_bind_int(q, "$last", b->last_sequence);
    pn_bind_int(q, "$before", b->before_ms);
    return pn_query_run(q, NULL, err) && record(tx, b, err);
}

bool pn_audit_prune(struct pn_call *call, struct pn_err *err)
{
    struct batch b;
    bool is_due;

    for (size_t i = 0; i < BATCHES_PER_RUN; i++) {
        if (!find_due(call, &b, &is_due, err))
            return pn_within(err, "looking for audit rows past their retention");
        if (!is_due)
            break;
        if (!pn_db_write(call->db, empty_rows, &b, err))
            return pn_within(err, "emptying audit rows past their retention");
    }
    return true;
}

struct claim {
    struct pn_uuid batch;
    int64_t rows;
    struct pn_str digest;
};
static const struct pn_field claim_fields[] = {
    PN_FIELD(claim, batch, UUID, .required = true),
    PN_FIELD(claim, rows, INT, .required = true),
    PN_FIELD(claim, digest, STRING, .required = true, .max = 2 * PN_SHA256_BYTES),
};

bool pn_audit_check_pruned(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_str metadata,
                           int64_t *rows, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf hex = pn_buf_init(2 * PN_SHA256_BYTES);
    uint8_t digest[PN_SHA256_BYTES];
    struct pn_query *q;
    struct claim claim;
    int64_t last;
    size_t found;

    if (!pn_shape_parse(PN_SHAPE(claim), arena, metadata, &claim, err))
        return pn_recast(err, PN_INTERNAL, "A record of emptied audit rows cannot be read");
    q = pn_query(conn, "SELECT hash, sequence FROM audit_log WHERE pruned_by = $batch ORDER BY "
                       "sequence");
    pn_bind_uuid(q, "$batch", claim.batch);
    if (!digest_rows(q, arena, &found, &last, digest, err))
        return false;
    pn_hex_add(&hex, pn_str_of(digest, sizeof(digest)));
    if ((int64_t)found != claim.rows || !pn_str_eq(pn_buf_str(&hex), claim.digest))
        return pn_fail(err, PN_INTERNAL,
                       "The audit rows emptied as %s are not those that the record names",
                       pn_uuid_format(claim.batch).text);
    *rows += claim.rows;
    return true;
}
