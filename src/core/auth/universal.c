/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/universal.h"

#include "core/trail.h"
#include "crypto/random.h"

#define ATTACHED "Failed to add universal auth to already configured identity"

struct change {
    const struct pn_call *call;
    const struct pn_universal_auth *auth;
    int64_t deleted;
};

static bool record(struct pn_db_conn *tx, const struct change *c, const char *event,
                   struct pn_err *err)
{
    const struct pn_uuid_text identity = pn_uuid_format(c->auth->common.identityId),
                              client = pn_uuid_format(c->auth->clientId);

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){
            .type = event,
            .fields = { { "identityId", pn_str_from(identity.text) },
                        { "clientId", pn_str_from(client.text) },
                        { "clientSecretTrustedIps", c->auth->clientSecretTrustedIps },
                        { "accessTokenTrustedIps",
                          c->auth->common.terms.accessTokenTrustedIps } } },
        err);
}

/* ---- what a request says ---- */

static struct pn_universal_auth fresh(const struct pn_call *call, struct pn_uuid identity)
{
    return (struct pn_universal_auth){
        .common = { .id = pn_random_uuid(),
                    .identityId = identity,
                    .terms = pn_token_terms_default(),
                    .createdAt = call->now_ms },
        .clientId = pn_random_uuid(),
        .clientSecretTrustedIps = PN_LIT(PN_TRUSTED_IPS_ANY),
        .lockoutEnabled = true,
        .lockoutThreshold = 3,
        .lockoutDurationSeconds = 300,
        .lockoutCounterResetSeconds = 30,
    };
}

static bool apply(struct pn_call *call, const struct pn_universal_auth_in *in, bool is_new,
                  struct pn_universal_auth *auth, struct pn_err *err)
{
    if (in->has_lockout)
        auth->lockoutEnabled = in->lockoutEnabled;
    if (in->has_threshold)
        auth->lockoutThreshold = in->lockoutThreshold;
    if (in->has_duration)
        auth->lockoutDurationSeconds = in->lockoutDurationSeconds;
    if (in->has_reset)
        auth->lockoutCounterResetSeconds = in->lockoutCounterResetSeconds;
    auth->common.updatedAt = call->now_ms;
    if (in->has_secret_ips && !pn_trusted_ips_normalize(call->arena, in->clientSecretTrustedIps,
                                                        &auth->clientSecretTrustedIps, err))
        return false;
    return pn_token_terms_apply(call->arena, &in->terms, is_new, &auth->common.terms, err);
}

/* ---- the row ---- */

/* `out->common.id` is zero when the identity does not have it. */
static bool find(struct pn_call *call, struct pn_uuid identity, struct pn_universal_auth *out,
                 struct pn_err *err)
{
    struct pn_query *q;

    *out = (struct pn_universal_auth){ 0 };
    if (!pn_auth_method_find(call->conn, call->arena, identity, PN_UNIVERSAL_AUTH, &out->common,
                             err))
        return false;
    q = pn_query(call->conn,
                 "SELECT client_id, secret_trusted_ips, lockout_enabled, lockout_threshold,"
                 " lockout_duration_s, lockout_reset_s FROM universal_auths WHERE auth_id = $auth");
    pn_bind_uuid(q, "$auth", out->common.id);
    if (pn_query_next(q)) {
        out->clientId = pn_column_uuid(q, 0);
        out->clientSecretTrustedIps = pn_column_str(q, 1, call->arena);
        out->lockoutEnabled = pn_column_int(q, 2) != 0;
        out->lockoutThreshold = pn_column_int(q, 3);
        out->lockoutDurationSeconds = pn_column_int(q, 4);
        out->lockoutCounterResetSeconds = pn_column_int(q, 5);
    }
    return pn_query_end(q, err);
}

static void bind_own(struct pn_query *q, const struct pn_universal_auth *auth)
{
    pn_bind_uuid(q, "$auth", auth->common.id);
    pn_bind_str(q, "$ips", auth->clientSecretTrustedIps);
    pn_bind_int(q, "$enabled", auth->lockoutEnabled);
    pn_bind_int(q, "$threshold", auth->lockoutThreshold);
    pn_bind_int(q, "$duration", auth->lockoutDurationSeconds);
    pn_bind_int(q, "$reset", auth->lockoutCounterResetSeconds);
}

static bool insert(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q;

    if (!pn_auth_method_insert(tx, PN_UNIVERSAL_AUTH, &c->auth->common, err))
        return pn_db_is_duplicate(err) ? pn_recast(err, PN_BAD_REQUEST, ATTACHED) : false;
    q = pn_query(tx, "INSERT INTO universal_auths (auth_id, client_id, secret_trusted_ips,"
                     " lockout_enabled, lockout_threshold, lockout_duration_s, lockout_reset_s)"
                     " VALUES ($auth, $client, $ips, $enabled, $threshold, $duration, $reset)");
    bind_own(q, c->auth);
    pn_bind_uuid(q, "$client", c->auth->clientId);
    return pn_query_run(q, NULL, err) && record(tx, c, "add-identity-universal-auth", err);
}

bool pn_universal_auth_attach(struct pn_call *call, struct pn_uuid identity,
                              const struct pn_universal_auth_in *in, struct pn_universal_auth *out,
                              struct pn_err *err)
{
    struct change c = { .call = call, .auth = out };
    struct pn_identity of;

    if (!pn_auth_method_subject(call, identity, "edit", "edit-auth", &of, err) ||
        !find(call, identity, out, err))
        return false;
    if (!pn_uuid_is_zero(out->common.id))
        return pn_fail(err, PN_BAD_REQUEST, ATTACHED);
    *out = fresh(call, identity);
    return apply(call, in, true, out, err) && pn_db_write(call->db, insert, &c, err);
}

static bool update(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q;

    if (!pn_auth_method_update(tx, &c->auth->common, err))
        return false;
    q = pn_query(tx, "UPDATE universal_auths SET secret_trusted_ips = $ips, lockout_enabled ="
                     " $enabled, lockout_threshold = $threshold, lockout_duration_s = $duration,"
                     " lockout_reset_s = $reset WHERE auth_id = $auth");
    bind_own(q, c->auth);
    return pn_query_run(q, NULL, err) && record(tx, c, "update-identity-universal-auth", err);
}

bool pn_universal_auth_change(struct pn_call *call, struct pn_uuid identity,
                              const struct pn_universal_auth_in *in, struct pn_universal_auth *out,
                              struct pn_err *err)
{
    struct change c = { .call = call, .auth = out };
    struct pn_identity of;

    if (!pn_auth_method_subject(call, identity, "edit", "edit-auth", &of, err) ||
        !find(call, identity, out, err))
        return false;
    if (pn_uuid_is_zero(out->common.id))
        return pn_fail(err, PN_NOT_FOUND, "Failed to find universal auth for identity with ID %s",
                       pn_uuid_format(identity).text);
    return apply(call, in, false, out, err) && pn_db_write(call->db, update, &c, err);
}

/* For what needs the method to be there. */
static bool find_attached(struct pn_call *call, struct pn_uuid identity, const char *action,
                          const char *boundary, struct pn_universal_auth *out, struct pn_err *err)
{
    struct pn_identity of;

    if (!pn_auth_method_subject(call, identity, action, boundary, &of, err) ||
        !find(call, identity, out, err))
        return false;
    return !pn_uuid_is_zero(out->common.id) ||
           pn_fail(err, PN_BAD_REQUEST, "The identity does not have universal auth");
}

bool pn_universal_auth_get(struct pn_call *call, struct pn_uuid identity,
                           struct pn_universal_auth *out, struct pn_err *err)
{
    return find_attached(call, identity, "read", NULL, out, err) &&
           pn_auth_method_note_read(call, "get-identity-universal-auth", identity, NULL,
                                    (struct pn_uuid){ { 0 } }, err);
}

static bool delete_auth(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;

    return pn_auth_method_delete(tx, &c->auth->common, err) &&
           record(tx, c, "revoke-identity-universal-auth", err);
}

bool pn_universal_auth_detach(struct pn_call *call, struct pn_uuid identity,
                              struct pn_universal_auth *out, struct pn_err *err)
{
    struct change c = { .call = call, .auth = out };

    return find_attached(call, identity, "edit", "revoke-auth", out, err) &&
           pn_db_write(call->db, delete_auth, &c, err);
}

static bool clear_lockouts(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct change *c = context;
    struct pn_query *q = pn_query(tx, "SELECT count(*) FROM auth_lockouts WHERE auth_id = $auth"
                                      " AND locked_until_ms > $now");

    pn_bind_uuid(q, "$auth", c->auth->common.id);
    pn_bind_int(q, "$now", c->call->now_ms);
    if (pn_query_next(q))
        c->deleted = pn_column_int(q, 0);
    if (!pn_query_end(q, err))
        return false;
    q = pn_query(tx, "DELETE FROM auth_lockouts WHERE auth_id = $auth");
    pn_bind_uuid(q, "$auth", c->auth->common.id);
    return pn_query_run(q, NULL, err) &&
           record(tx, c, "clear-identity-universal-auth-lockouts", err);
}

bool pn_universal_auth_clear_lockouts(struct pn_call *call, struct pn_uuid identity,
                                      int64_t *deleted, struct pn_err *err)
{
    struct pn_universal_auth auth;
    struct change c = { .call = call, .auth = &auth };

    if (!find_attached(call, identity, "edit", "edit-auth", &auth, err) ||
        !pn_db_write(call->db, clear_lockouts, &c, err))
        return false;
    *deleted = c.deleted;
    return true;
}
