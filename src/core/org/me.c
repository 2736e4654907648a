/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/me.h"

#include "core/auth/mfa.h"
#include "core/rows.h"
#include "core/trail.h"
#include "db/db.h"

bool pn_me_get(struct pn_call *call, struct pn_me *out, struct pn_err *err)
{
    static struct pn_str by_email[] = { PN_LIT_INIT("email") };
    static struct pn_str by_app[] = { PN_LIT_INIT("totp") };
    struct pn_query *q =
        pn_query(call->conn, "SELECT email, first_name, last_name, is_email_verified,"
                             " is_super_admin, u.created_ms, updated_ms, is_mfa_enabled,"
                             " t.is_verified FROM users u"
                             " LEFT JOIN user_totps t ON t.user_id = u.id WHERE u.id = $id");
    bool is_found;

    pn_bind_uuid(q, "$id", call->actor.id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = (struct pn_me){ .id = call->actor.id,
                               .email = pn_column_str(q, 0, call->arena),
                               .firstName = pn_column_str(q, 1, call->arena),
                               .lastName = pn_column_str(q, 2, call->arena),
                               .isEmailVerified = pn_column_int(q, 3) != 0,
                               .superAdmin = pn_column_int(q, 4) != 0,
                               .createdAt = pn_column_int(q, 5),
                               .updatedAt = pn_column_int(q, 6),
                               .authMethods = { .items = by_email, .count = 1 },
                               .isMfaEnabled = pn_column_int(q, 7) != 0,
                               .mfaMethods = { .items = by_app,
                                               .count = pn_column_int(q, 8) != 0 ? 1 : 0 },
                               .encryptionVersion = 2 };
    if (!pn_query_end(q, err))
        return false;
    out->username = out->email;
    out->selectedMfaMethod = out->isMfaEnabled ? by_app[0] : PN_NONE;
    return is_found || pn_fail(err, PN_NOT_FOUND, "This account does not exist any more");
}

struct renaming {
    const struct pn_call *call;
    const struct pn_me *me;
};

static bool write_name(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct renaming *r = context;
    struct pn_query *q;

    if (!pn_mfa_require(tx, r->call, err))
        return false;
    q = pn_query(tx, "UPDATE users SET first_name = $first, last_name = $last,"
                     " updated_ms = $now WHERE id = $id");
    pn_bind_str(q, "$first", r->me->firstName);
    pn_bind_str(q, "$last", r->me->lastName);
    pn_bind_int(q, "$now", r->me->updatedAt);
    pn_bind_uuid(q, "$id", r->me->id);
    return pn_query_run(q, NULL, err) &&
           pn_trail_write(tx, r->call,
                          &(struct pn_trail){ .type = "update-user",
                                              .fields = { { "firstName", r->me->firstName },
                                                          { "lastName", r->me->lastName } } },
                          err);
}

bool pn_me_rename(struct pn_call *call, struct pn_str first_name, struct pn_str last_name,
                  struct pn_me *out, struct pn_err *err)
{
    struct renaming r = { .call = call, .me = out };

    if (!pn_me_get(call, out, err))
        return false;
    out->firstName = first_name;
    out->lastName = last_name.ptr != NULL ? last_name : PN_LIT("");
    out->updatedAt = call->now_ms;
    return pn_db_write(call->db, write_name, &r, err);
}

bool pn_me_sessions(struct pn_call *call, struct pn_list *out, struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_me_session));
    struct pn_query *q =
        pn_query(call->conn, "SELECT id, ip, user_agent, version, created_ms, expires_ms"
                             " FROM login_sessions WHERE user_id = $user AND is_revoked = 0"
                             " AND expires_ms > $now ORDER BY created_ms DESC, id LIMIT $most");

    pn_bind_uuid(q, "$user", call->actor.id);
    pn_bind_int(q, "$now", call->now_ms);
    pn_bind_int(q, "$most", PN_ME_MAX_SESSIONS);
    while (pn_query_next(q)) {
        struct pn_me_session *s = pn_rows_add(&rows);

        *s = (struct pn_me_session){ .id = pn_column_uuid(q, 0),
                                     .userId = call->actor.id,
                                     .ip = pn_column_str(q, 1, call->arena),
                                     .userAgent = pn_column_str(q, 2, call->arena),
                                     .accessVersion = pn_column_int(q, 3),
                                     .createdAt = pn_column_int(q, 4),
                                     .expiresAt = pn_column_int(q, 5) };
        s->isCurrent = pn_uuid_eq(s->id, call->actor.token_id);
    }
    *out = rows.list;
    return pn_query_end(q, err);
}

struct ending {
    struct pn_call *call;
    struct pn_uuid id; /* zero: all */
};

static bool end_sessions(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct ending *e = context;
    bool is_one = !pn_uuid_is_zero(e->id);
    struct pn_query *q =
        pn_query(tx, "UPDATE login_sessions SET is_revoked = 1, version = version + 1"
                     " WHERE user_id = $user AND is_revoked = 0 AND ($id IS NULL OR id = $id)");
    int64_t changed;

    pn_bind_uuid(q, "$user", e->call->actor.id);
    pn_bind_uuid(q, "$id", e->id);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (is_one && changed == 0)
        return pn_fail(err, PN_NOT_FOUND, "No session of yours has the ID '%s'",
                       pn_uuid_format(e->id).text);
    return pn_trail_write(
        tx, e->call,
        &(struct pn_trail){
            .type = "revoke-user-sessions",
            .fields = { { "sessionId", is_one ? pn_uuid_str(e->call->arena, e->id) : PN_NONE } } },
        err);
}

bool pn_me_end_sessions(struct pn_call *call, struct pn_uuid id, struct pn_err *err)
{
    struct ending e = { .call = call, .id = id };

    return pn_db_write(call->db, end_sessions, &e, err);
}
