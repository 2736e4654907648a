/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/org.h"

#include "core/audit/audit.h"
#include "core/auth/login.h"
#include "core/org/permission.h"
#include "core/org/project_member.h"
#include "core/org/user.h"
#include "crypto/hash.h"
#include "crypto/password.h"
#include "crypto/random.h"
#include "json/writer.h"

#define CODE_BYTES 24

static const char refused[] = "This invitation is not valid: check the link, or ask for a new one";

static struct pn_str hash_code(struct pn_arena *arena, struct pn_str code)
{
    uint8_t *hash = pn_new(arena, uint8_t, PN_SHA256_BYTES);

    pn_hash_sha256(code, hash);
    return pn_str_of(hash, PN_SHA256_BYTES);
}

struct invitation {
    const struct pn_call *call;
    struct pn_uuid org_id;
    struct pn_str role;
    struct pn_org_invite *invites;
    struct pn_str *hashes;
    size_t count;
    bool has_accounts;
};

/* The user of that address, and whether it is a member already. */
static bool find_invitee(struct pn_db_conn *tx, const struct invitation *in,
                         struct pn_org_invite *invite, struct pn_uuid *user, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx,
        "SELECT u.id, m.status FROM users u"
        " LEFT JOIN org_members m ON m.user_id = u.id AND m.org_id = $org WHERE u.email = $email");

    *user = (struct pn_uuid){ 0 };
    invite->is_member = false;
    pn_bind_uuid(q, "$org", in->org_id);
    pn_bind_str(q, "$email", invite->email);
    if (pn_query_next(q)) {
        *user = pn_column_uuid(q, 0);
        invite->is_member = pn_str_is(pn_column_str(q, 1, in->call->arena), "accepted");
    }
    return pn_query_end(q, err);
}

/* Nobody can log in to it until the invitation's code gives it a password. */
static bool make_account(struct pn_db_conn *tx, const struct invitation *in, struct pn_str email,
                         struct pn_uuid *out, struct pn_err *err)
{
    const struct pn_user fresh = { .id = pn_random_uuid(), .email = email };

    *out = fresh.id;
    return pn_user_insert(tx, in->call, &fresh, PN_NONE, err);
}

/* A new invitation replaces an open one. */
static bool forget_invitation(struct pn_db_conn *tx, const struct invitation *in,
                              struct pn_str email, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, "DELETE FROM org_members WHERE org_id = $org AND "
                                      "invite_email = $email AND status = 'invited'");

    pn_bind_uuid(q, "$org", in->org_id);
    pn_bind_str(q, "$email", email);
    return pn_query_run(q, NULL, err);
}

static bool record(struct pn_db_conn *tx, const struct pn_call *call, const char *event,
                   struct pn_uuid org_id, struct pn_str email, struct pn_str role,
                   struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_str(&w, "email", email);
    pn_write_str(&w, "role", role);
    pn_write_end(&w);
    return pn_audit_write(
        tx, call,
        &(struct pn_audit_event){ .type = event, .org_id = org_id, .metadata = pn_buf_str(&json) },
        err);
}

static bool insert_invitations(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct invitation *in = context;

    for (size_t i = 0; i < in->count; i++) {
        struct pn_org_invite *invite = &in->invites[i];
        struct pn_org_join join = { .id = pn_random_uuid(),
                                    .org_id = in->org_id,
                                    .role = in->role,
                                    .invite_email = invite->email,
                                    .invite_hash = in->hashes[i],
                                    .invite_expires_ms = in->call->now_ms + PN_ORG_INVITE_MS };

        if (!find_invitee(tx, in, invite, &join.user_id, err))
            return false;
        if (invite->is_member)
            continue;
        if (in->has_accounts && pn_uuid_is_zero(join.user_id) &&
            !make_account(tx, in, invite->email, &join.user_id, err))
            return false;
        if (!forget_invitation(tx, in, invite->email, err) ||
            !pn_org_join(tx, in->call, &join, err) ||
            !record(tx, in->call, "invite-org-member", in->org_id, invite->email, in->role, err))
            return false;
    }
    return true;
}

static bool has_email(const struct invitation *in, struct pn_str email)
{
    for (size_t i = 0; i < in->count; i++) {
        if (pn_str_eq(in->invites[i].email, email))
            return true;
    }
    return false;
}

bool pn_org_invite(struct pn_call *call, struct pn_uuid org_id, struct pn_strs emails,
                   struct pn_str role, bool has_accounts, struct pn_list *out, struct pn_err *err)
{
    struct invitation in = {
        .call = call, .org_id = org_id, .role = role, .has_accounts = has_accounts
    };

    if (!pn_uuid_eq(org_id, call->actor.org_id))
        return pn_fail(err, PN_FORBIDDEN, "You are not logged in to this organization");
    if (!pn_permit_org(call, "member", "create", err) || !pn_permit_grant_org(call, role, err))
        return false;
    pn_assert(emails.count <= PN_ORG_MAX_INVITES);
    in.invites = pn_new(call->arena, struct pn_org_invite, emails.count);
    in.hashes = pn_new(call->arena, struct pn_str, emails.count);
    for (size_t i = 0; i < emails.count; i++) {
        if (has_email(&in, emails.items[i]))
            continue;
        if (!pn_project_member_permit_claim(call, emails.items[i], err))
            return false;
        in.invites[in.count].email = emails.items[i];
        in.invites[in.count].code = pn_random_token(call->arena, "", CODE_BYTES);
        in.hashes[in.count] = hash_code(call->arena, in.invites[in.count].code);
        in.count++;
    }
    *out = (struct pn_list){ .items = in.invites, .count = in.count };
    return pn_db_write(call->db, insert_invitations, &in, err);
}

struct renewal {
    const struct pn_call *call;
    const struct pn_org_member *member;
    struct pn_str hash;
};

static bool renew_invitation(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct renewal *r = context;
    const struct pn_org_member *m = r->member;
    struct pn_query *q =
        pn_query(tx, "UPDATE org_members SET invite_hash = $hash, invite_expires_ms = $expires,"
                     " updated_ms = $now WHERE id = $id AND org_id = $org AND status = 'invited'");
    int64_t changed;

    pn_bind_bytes(q, "$hash", r->hash);
    pn_bind_int(q, "$expires", r->call->now_ms + PN_ORG_INVITE_MS);
    pn_bind_int(q, "$now", r->call->now_ms);
    pn_bind_uuid(q, "$id", m->id);
    pn_bind_uuid(q, "$org", m->orgId);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_BAD_REQUEST, "This invitation is not open any more");
    return record(tx, r->call, "resend-org-member-invitation", m->orgId, m->inviteEmail, m->role,
                  err);
}

bool pn_org_invite_again(struct pn_call *call, struct pn_uuid membership, struct pn_org_invite *out,
                         struct pn_err *err)
{
    struct pn_org_member member;
    struct renewal r = { .call = call, .member = &member };

    if (!pn_permit_org(call, "member", "create", err) ||
        !pn_org_member_get(call, call->actor.org_id, membership, &member, err) ||
        !pn_permit_grant_org(call, member.role, err) ||
        !pn_project_member_permit_claim(call, member.inviteEmail, err))
        return false;
    *out = (struct pn_org_invite){ .email = member.inviteEmail,
                                   .code = pn_random_token(call->arena, "", CODE_BYTES) };
    r.hash = hash_code(call->arena, out->code);
    return pn_db_write(call->db, renew_invitation, &r, err);
}

struct acceptance {
    const struct pn_call *call;
    struct pn_uuid org_id, member_id, user_id;
    struct pn_uuid unclaimed; /* user_id, where the invitation made it; else zero */
    struct pn_str email, role, password_hash;
    struct pn_str code_hash;
    bool has_password;          /* of the account that is there */
    const struct pn_user *user; /* NULL: there is one already, with a password */
};

static bool find_invitation(struct pn_call *call, struct acceptance *a, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT m.id, m.role, u.id, CASE WHEN u.password_hash IS NULL"
                             " THEN 0 ELSE 1 END FROM org_members m LEFT "
                             "JOIN users u ON u.email = m.invite_email"
                             " WHERE m.org_id = $org AND m.invite_email = $email AND m.invite_hash "
                             "= $hash AND m.status = 'invited'"
                             " AND m.invite_expires_ms > $now");
    bool is_found;

    pn_bind_uuid(q, "$org", a->org_id);
    pn_bind_str(q, "$email", a->email);
    pn_bind_bytes(q, "$hash", a->code_hash);
    pn_bind_int(q, "$now", call->now_ms);
    is_found = pn_query_next(q);
    if (is_found) {
        a->member_id = pn_column_uuid(q, 0);
        a->role = pn_column_str(q, 1, call->arena);
        a->user_id = pn_column_uuid(q, 2);
        a->has_password = pn_column_int(q, 3) != 0;
    }
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_BAD_REQUEST, "%s", refused);
}

static bool take_account(struct pn_db_conn *tx, const struct acceptance *a, struct pn_err *err)
{
    if (a->user == NULL)
        return true;
    return pn_uuid_is_zero(a->unclaimed)
               ? pn_user_insert(tx, a->call, a->user, a->password_hash, err)
               : pn_user_claim(tx, a->call, a->user, a->password_hash, err);
}

/* By the code again: while a password was hashed, it may have been replaced, or have run out. */
static bool accept_invitation(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct acceptance *a = context;
    struct pn_query *q;
    int64_t changed;

    if (!take_account(tx, a, err))
        return false;
    q = pn_query(
        tx, "UPDATE org_members SET user_id = $user, status = 'accepted', invite_hash = NULL,"
            " invite_expires_ms = NULL, updated_ms = $now WHERE id = $id AND status = 'invited'"
            " AND invite_hash = $hash AND invite_expires_ms > $now");
    pn_bind_uuid(q, "$user", a->user_id);
    pn_bind_int(q, "$now", a->call->now_ms);
    pn_bind_uuid(q, "$id", a->member_id);
    pn_bind_bytes(q, "$hash", a->code_hash);
    if (!pn_query_run(q, &changed, err))
        return false;
    if (changed == 0)
        return pn_fail(err, PN_BAD_REQUEST, "%s", refused);
    return record(tx, a->call, "accept-org-invitation", a->org_id, a->email, a->role, err);
}

bool pn_org_accept(struct pn_call *call, struct pn_uuid org_id, struct pn_str email,
                   struct pn_str code, const struct pn_secret *password, struct pn_str first_name,
                   struct pn_str last_name, struct pn_err *err)
{
    struct acceptance a = {
        .call = call, .org_id = org_id, .email = email, .code_hash = hash_code(call->arena, code)
    };
    struct pn_user fresh;

    if (!find_invitation(call, &a, err))
        return false;
    if (password == NULL)
        return pn_fail(err, PN_BAD_REQUEST, "Choose a password, or give the one of your account");
    if (!pn_uuid_is_zero(a.user_id) && a.has_password) {
        if (!pn_login_check(call, email, password, err))
            return false;
    } else {
        a.unclaimed = a.user_id;
        fresh = (struct pn_user){ .id = pn_uuid_is_zero(a.user_id) ? pn_random_uuid() : a.user_id,
                                  .email = email,
                                  .username = email,
                                  .firstName = first_name,
                                  .lastName = last_name,
                                  .createdAt = call->now_ms };
        a.user = &fresh;
        a.user_id = fresh.id;
        if (!pn_password_hash(call->arena, password, &a.password_hash, err))
            return false;
    }
    call->actor = (struct pn_actor){
        .kind = PN_ACTOR_USER, .id = a.user_id, .org_id = org_id, .name = email
    };
    return pn_db_write(call->db, accept_invitation, &a, err);
}
