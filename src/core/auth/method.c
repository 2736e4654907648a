/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/method.h"

#include "base/log.h"
#include "core/audit/reads.h"
#include "core/auth/trusted_ip.h"
#include "core/identity/boundary.h"
#include "core/org/permission.h"
#include "core/rows.h"
#include "json/writer.h"

#define MAX_METHODS 16
#define MAX_RECORD_BYTES 8192

static const char find_sql[] =
    "SELECT id, identity_id, ttl_s, max_ttl_s, period_s, uses_limit, trusted_ips, created_ms,"
    " updated_ms FROM identity_auths WHERE identity_id = $identity AND method = $method";

bool pn_auth_method_find(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid identity,
                         const char *method, struct pn_auth_method *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, find_sql);

    *out = (struct pn_auth_method){ 0 };
    pn_bind_uuid(q, "$identity", identity);
    pn_bind_str(q, "$method", pn_str_from(method));
    if (pn_query_next(q))
        *out = (struct pn_auth_method){
            .id = pn_column_uuid(q, 0),
            .identityId = pn_column_uuid(q, 1),
            .terms = { .accessTokenTTL = pn_column_int(q, 2),
                       .accessTokenMaxTTL = pn_column_int(q, 3),
                       .accessTokenPeriod = pn_column_int(q, 4),
                       .accessTokenNumUsesLimit = pn_column_int(q, 5),
                       .accessTokenTrustedIps = pn_column_str(q, 6, arena) },
            .createdAt = pn_column_int(q, 7),
            .updatedAt = pn_column_int(q, 8),
        };
    return pn_query_end(q, err);
}

bool pn_auth_method_list(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid identity,
                         struct pn_strs *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(arena, sizeof(struct pn_str));
    struct pn_query *q = pn_query(conn, "SELECT method FROM identity_auths WHERE identity_id ="
                                        " $identity ORDER BY created_ms, id LIMIT $most");

    pn_bind_uuid(q, "$identity", identity);
    pn_bind_int(q, "$most", MAX_METHODS);
    while (pn_query_next(q))
        *(struct pn_str *)pn_rows_add(&rows) = pn_column_str(q, 0, arena);
    *out = (struct pn_strs){ .items = rows.list.items, .count = rows.list.count };
    return pn_query_end(q, err);
}

static void bind_terms(struct pn_query *q, const struct pn_token_terms *terms)
{
    pn_bind_int(q, "$ttl", terms->accessTokenTTL);
    pn_bind_int(q, "$max_ttl", terms->accessTokenMaxTTL);
    pn_bind_int(q, "$period", terms->accessTokenPeriod);
    pn_bind_int(q, "$uses", terms->accessTokenNumUsesLimit);
    pn_bind_str(q, "$ips", terms->accessTokenTrustedIps);
}

bool pn_auth_method_insert(struct pn_db_conn *tx, const char *method,
                           const struct pn_auth_method *row, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "INSERT INTO identity_auths (id, identity_id, method, ttl_s, max_ttl_s, period_s,"
            " uses_limit, trusted_ips, created_ms, updated_ms) VALUES ($id, $identity, $method,"
            " $ttl, $max_ttl, $period, $uses, $ips, $now, $now)");

    pn_bind_uuid(q, "$id", row->id);
    pn_bind_uuid(q, "$identity", row->identityId);
    pn_bind_str(q, "$method", pn_str_from(method));
    bind_terms(q, &row->terms);
    pn_bind_int(q, "$now", row->createdAt);
    return pn_query_run(q, NULL, err);
}

bool pn_auth_method_update(struct pn_db_conn *tx, const struct pn_auth_method *row,
                           struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "UPDATE identity_auths SET ttl_s = $ttl, max_ttl_s = $max_ttl, period_s = $period,"
            " uses_limit = $uses, trusted_ips = $ips, updated_ms = $now WHERE id = $id");

    bind_terms(q, &row->terms);
    pn_bind_int(q, "$now", row->updatedAt);
    pn_bind_uuid(q, "$id", row->id);
    pn_db_touch(tx, row->identityId);
    return pn_query_run(q, NULL, err);
}

bool pn_auth_method_delete(struct pn_db_conn *tx, const struct pn_auth_method *row,
                           struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM identity_auths WHERE id = $id");

    pn_bind_uuid(q, "$id", row->id);
    pn_db_touch(tx, row->identityId);
    return pn_query_run(q, NULL, err);
}

bool pn_auth_method_subject(struct pn_call *call, struct pn_uuid identity, const char *action,
                            const char *boundary, struct pn_identity *out, struct pn_err *err)
{
    return pn_identity_permit(call, identity, action, out, err) &&
           (boundary == NULL || pn_identity_boundary(call, out, boundary, err));
}

bool pn_auth_method_check_slug(struct pn_call *call, struct pn_uuid org, struct pn_str slug,
                               struct pn_err *err)
{
    struct pn_query *q;
    bool is_own;

    if (slug.len == 0)
        return true;
    q = pn_query(call->conn, "SELECT 1 FROM orgs WHERE id = $org AND slug = $slug");
    pn_bind_uuid(q, "$org", org);
    pn_bind_str(q, "$slug", slug);
    is_own = pn_query_next(q);
    if (!pn_query_end(q, err))
        return false;
    return is_own || pn_fail(err, PN_NOT_FOUND, "Sub organization with slug %.*s not found",
                             PN_ARG(pn_str_slice(slug, 0, 64)));
}

struct pn_strs pn_auth_method_warnings(struct pn_arena *arena, const struct pn_token_terms *terms,
                                       struct pn_str others)
{
    struct pn_strs w = { .items = pn_new(arena, struct pn_str, 1) };

    if (pn_trusted_ips_forget_ipv6(terms->accessTokenTrustedIps) ||
        (others.ptr != NULL && pn_trusted_ips_forget_ipv6(others)))
        w.items[w.count++] = PN_LIT(PN_TRUSTED_IPS_FORGET_IPV6);
    return w;
}

/* ---- records ---- */

bool pn_auth_method_note_read(struct pn_call *call, const char *event, struct pn_uuid identity,
                              const char *what, struct pn_uuid id, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_RECORD_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_uuid(&w, "identityId", identity);
    if (what != NULL)
        pn_write_uuid(&w, what, id);
    pn_write_end(&w);
    return pn_audit_read(call,
                         &(struct pn_audit_event){ .type = event,
                                                   .org_id = call->actor.org_id,
                                                   .metadata = pn_buf_str(&json) },
                         err);
}

/* About who asks; the rest is about how much is asked, or about us. */
static bool is_refusal(enum pn_code code)
{
    return code == PN_UNAUTHENTICATED || code == PN_FORBIDDEN || code == PN_BAD_REQUEST ||
           code == PN_NOT_FOUND;
}

void pn_auth_method_note_refusal(struct pn_call *call, const char *event, struct pn_uuid org,
                                 struct pn_uuid identity, const struct pn_err *why)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_RECORD_BYTES);
    struct pn_writer w = pn_writer_of(&json);
    struct pn_err err = { 0 };

    if (!is_refusal(why->code))
        return;
    pn_write_object(&w, NULL);
    pn_write_uuid(&w, "identityId", identity);
    pn_write_text(&w, "error", why->name[0] != '\0' ? why->name : pn_code_name(why->code));
    pn_write_text(&w, "message", why->message);
    pn_write_end(&w);
    if (!pn_audit_read(
            call,
            &(struct pn_audit_event){ .type = event, .org_id = org, .metadata = pn_buf_str(&json) },
            &err))
        pn_log(PN_WARN, "refusal-not-recorded", PN_F_TEXT("event", event), PN_F_ERR(&err));
}
