/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/user.h"

#include "core/audit/audit.h"
#include "core/org/org.h"
#include "core/org/permission.h"
#include "core/org/project_member.h"
#include "core/rows.h"
#include "crypto/password.h"
#include "crypto/random.h"
#include "json/writer.h"

#define COLUMNS "id, email, first_name, last_name, is_super_admin, created_ms"

static struct pn_user read_user(struct pn_query *q, struct pn_arena *arena)
{
    struct pn_user user = {
        .id = pn_column_uuid(q, 0),
        .email = pn_column_str(q, 1, arena),
        .firstName = pn_column_str(q, 2, arena),
        .lastName = pn_column_str(q, 3, arena),
        .superAdmin = pn_column_int(q, 4) != 0,
        .createdAt = pn_column_int(q, 5),
    };

    user.username = user.email;
    return user;
}

bool pn_user_insert(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_user *user,
                    struct pn_str password_hash, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "INSERT INTO users (id, email, first_name, last_name, password_hash, is_super_admin,"
            " is_email_verified, created_ms, updated_ms)"
            " VALUES ($id, $email, $first, $last, $hash, $super, 1, $now, $now)");

    pn_bind_uuid(q, "$id", user->id);
    pn_bind_str(q, "$email", user->email);
    pn_bind_str(q, "$first", user->firstName.ptr != NULL ? user->firstName : PN_LIT(""));
    pn_bind_str(q, "$last", user->lastName.ptr != NULL ? user->lastName : PN_LIT(""));
    pn_bind_str(q, "$hash", password_hash);
    pn_bind_int(q, "$super", user->superAdmin);
    pn_bind_int(q, "$now", call->now_ms);
    if (pn_query_run(q, NULL, err))
        return true;
    if (pn_db_is_duplicate(err))
        return pn_recast(err, PN_BAD_REQUEST, "A user with this email already exists");
    return false;
}

bool pn_user_claim(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_user *user,
                   struct pn_str password_hash, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "UPDATE users SET first_name = $first, last_name = $last,"
                                      " password_hash = $hash, updated_ms = $now"
                                      " WHERE id = $id AND password_hash IS NULL");
    int64_t changed;

    pn_db_touch(tx, user->id);
    pn_bind_str(q, "$first", user->firstName.ptr != NULL ? user->firstName : PN_LIT(""));
    pn_bind_str(q, "$last", user->lastName.ptr != NULL ? user->lastName : PN_LIT(""));
    pn_bind_str(q, "$hash", password_hash);
    pn_bind_int(q, "$now", call->now_ms);
    pn_bind_uuid(q, "$id", user->id);
    if (!pn_query_run(q, &changed, err))
        return false;
    return changed == 1 || pn_fail(err, PN_BAD_REQUEST, "A user with this email already exists");
}

bool pn_user_find_unclaimed(struct pn_db_conn *conn, struct pn_str email, struct pn_uuid *out,
                            struct pn_err *err)
{
    struct pn_query *q =
        pn_query(conn, "SELECT id FROM users WHERE email = $email AND password_hash IS NULL");

    pn_bind_str(q, "$email", email);
    *out = pn_query_next(q) ? pn_column_uuid(q, 0) : (struct pn_uuid){ 0 };
    return pn_query_end(q, err);
}

bool pn_user_require_super(const struct pn_call *call, struct pn_err *err)
{
    return call->actor.is_super_admin || call->actor.kind == PN_ACTOR_PLATFORM ||
           pn_fail(err, PN_FORBIDDEN, "Only an administrator of this instance may do this");
}

struct creation {
    const struct pn_call *call;
    const struct pn_user_new *in;
    const struct pn_user *user;
    struct pn_str password_hash;
    struct pn_uuid member_id, project_member_id;
    bool
        is_unclaimed; /* an invitation has made the account; it gets its password, and the invitation goes */
};

static bool record_creation(struct pn_db_conn *tx, const struct creation *c, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_uuid(&w, "userId", c->user->id);
    pn_write_str(&w, "email", c->user->email);
    pn_write_str(&w, "role", c->in->org_role);
    pn_write_end(&w);
    return pn_audit_write(tx, c->call,
                          &(struct pn_audit_event){ .type = "create-user",
                                                    .org_id = c->call->actor.org_id,
                                                    .project_id = c->in->project_id,
                                                    .metadata = pn_buf_str(&json) },
                          err);
}

static bool make_account(struct pn_db_conn *tx, const struct creation *c, struct pn_err *err)
{
    struct pn_query *q;

    if (!c->is_unclaimed)
        return pn_user_insert(tx, c->call, c->user, c->password_hash, err);
    q = pn_query(tx, "DELETE FROM org_members WHERE org_id = $org AND user_id = $user"
                     " AND status = 'invited'");
    pn_bind_uuid(q, "$org", c->call->actor.org_id);
    pn_bind_uuid(q, "$user", c->user->id);
    return pn_query_run(q, NULL, err) && pn_user_claim(tx, c->call, c->user, c->password_hash, err);
}

static bool insert_all(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct creation *c = context;
    const struct pn_org_join join = { .id = c->member_id,
                                      .org_id = c->call->actor.org_id,
                                      .user_id = c->user->id,
                                      .role = c->in->org_role };

    if (!make_account(tx, c, err) || !pn_org_join(tx, c->call, &join, err))
        return false;
    if (!pn_uuid_is_zero(c->in->project_id) &&
        !pn_project_member_insert(tx, c->call,
                                  &(struct pn_project_join){ .id = c->project_member_id,
                                                             .project_id = c->in->project_id,
                                                             .user_id = c->user->id,
                                                             .roles = &c->in->project_role,
                                                             .role_count = 1 },
                                  err))
        return false;
    return record_creation(tx, c, err);
}

bool pn_user_create(struct pn_call *call, const struct pn_user_new *in, struct pn_user *out,
                    struct pn_err *err)
{
    struct creation c = { .call = call,
                          .in = in,
                          .user = out,
                          .member_id = pn_random_uuid(),
                          .project_member_id = pn_random_uuid() };
    struct pn_uuid unclaimed;

    if (!pn_user_require_super(call, err))
        return false;
    if (!pn_permit_grant_org(call, in->org_role, err) ||
        !pn_project_member_permit_claim(call, in->email, err))
        return false;
    if (!pn_uuid_is_zero(in->project_id) &&
        (!pn_permit_project(call, in->project_id, "member", "create", err) ||
         !pn_permit_grant(call, in->project_id, in->project_role, err)))
        return false;
    if (!pn_password_hash(call->arena, in->password, &c.password_hash, err) ||
        !pn_user_find_unclaimed(call->conn, in->email, &unclaimed, err))
        return false;
    c.is_unclaimed = !pn_uuid_is_zero(unclaimed);
    *out = (struct pn_user){ .id = c.is_unclaimed ? unclaimed : pn_random_uuid(),
                             .email = in->email,
                             .username = in->email,
                             .firstName = in->first_name,
                             .lastName = in->last_name,
                             .createdAt = call->now_ms };
    return pn_db_write(call->db, insert_all, &c, err);
}

#define FILTER "email LIKE $search ESCAPE '\\' AND is_super_admin >= $admins"

static bool count_users(struct pn_call *call, struct pn_str search, bool admins_only,
                        int64_t *total, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, "SELECT count(*) FROM users WHERE " FILTER);

    pn_bind_str(q, "$search", search);
    pn_bind_int(q, "$admins", admins_only);
    *total = pn_query_next(q) ? pn_column_int(q, 0) : 0;
    return pn_query_end(q, err);
}

bool pn_user_list(struct pn_call *call, struct pn_str search, bool admins_only, int64_t offset,
                  int64_t limit, struct pn_list *out, int64_t *total, struct pn_err *err)
{
    struct pn_str like = pn_rows_like(call->arena, search);
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_user));
    struct pn_query *q;

    if (!pn_user_require_super(call, err) || !count_users(call, like, admins_only, total, err))
        return false;
    q = pn_query(call->conn, "SELECT " COLUMNS " FROM users WHERE " FILTER
                             " ORDER BY email LIMIT $limit OFFSET $offset");
    pn_bind_str(q, "$search", like);
    pn_bind_int(q, "$admins", admins_only);
    pn_bind_int(q, "$limit", limit);
    pn_bind_int(q, "$offset", offset);
    while (pn_query_next(q))
        *(struct pn_user *)pn_rows_add(&rows) = read_user(q, call->arena);
    *out = rows.list;
    return pn_query_end(q, err);
}

bool pn_user_find(struct pn_call *call, struct pn_uuid id, struct pn_user *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, "SELECT " COLUMNS " FROM users WHERE id = $id");
    bool is_found;

    pn_bind_uuid(q, "$id", id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_user(q, call->arena);
    if (!pn_query_end(q, err))
        return false;
    return is_found ||
           pn_fail(err, PN_NOT_FOUND, "User with ID '%s' not found", pn_uuid_format(id).text);
}
