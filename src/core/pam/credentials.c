/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pam/credentials.h"

#include "core/pam/account.h"
#include "core/pam/cluster.h"
#include "core/trail.h"
#include "json/writer.h"
#include "kube/names.h"

#define MAX_DETAILS_BYTES ((size_t)8192)

struct fetch {
    struct pn_call *call;
    struct pn_uuid id;
    struct pn_pam_credentials found;
    struct pn_str sealed_token;
};

static bool refuse_over(const struct fetch *f, struct pn_err *err)
{
    const struct pn_pam_session *session = &f->found.session;
    const bool is_expired = session->endedAt == 0;
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_DETAILS_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_str(&w, "status",
                 is_expired ? pn_str_from(pn_pam_state_name(PN_PAM_ENDED)) : session->status);
    pn_write_str(&w, "reason", is_expired ? PN_LIT(PN_PAM_EXPIRED) : session->endReason);
    pn_write_end(&w);
    pn_fail(err, PN_BAD_REQUEST, "Session is not active");
    err->details = pn_arena_copy(f->call->arena, pn_buf_str(&json));
    return false;
}

static bool read_target(struct pn_db_conn *tx, struct fetch *f, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx, "SELECT a.auth_method, a.sealed_token, a.namespace, a.service_account_name,"
            " a.idle_timeout_s, " PN_PAM_CLUSTER_COLUMNS PN_PAM_CLUSTER_FROM "WHERE a.id = $id");
    bool is_there;

    pn_bind_uuid(q, "$id", f->found.session.accountId);
    is_there = pn_query_next(q);
    if (is_there) {
        const struct pn_pam_clusters clusters = pn_pam_cluster_read(q, 5, f->call->arena);
        const struct pn_pam_connection to = pn_pam_cluster_choose(&clusters).connection;

        f->found.url = to.url;
        f->found.is_verified = to.sslRejectUnauthorized;
        f->found.ca_certificate = to.sslCertificate;
        f->found.auth_method = pn_column_str(q, 0, f->call->arena);
        f->sealed_token = pn_column_bytes(q, 1, f->call->arena);
        f->found.namespace = pn_column_str(q, 2, f->call->arena);
        f->found.service_account_name = pn_column_str(q, 3, f->call->arena);
        f->found.idle_timeout_s = pn_column_int(q, 4);
    }
    if (!pn_query_end(q, err))
        return false;
    return is_there || refuse_over(f, err);
}

/* Refused when it was saved; should it be empty all the same, nobody may act as nobody. */
static bool check_account(struct fetch *f, struct pn_err *err)
{
    struct pn_str user;

    return !pn_str_is(f->found.auth_method, PN_PAM_BY_GATEWAY) ||
           pn_kube_service_account(f->call->arena, f->found.namespace,
                                   f->found.service_account_name, &user, err) ||
           pn_recast(err, PN_BAD_REQUEST, "The account names no service account to act as");
}

static bool note(struct pn_db_conn *tx, const struct fetch *f, struct pn_err *err)
{
    struct pn_arena *arena = f->call->arena;

    return pn_trail_write(
        tx, f->call,
        &(struct pn_trail){ .type = "pam-session-credentials-get",
                            .project_id = f->found.session.projectId,
                            .fields = { { "sessionId", pn_uuid_str(arena, f->id) },
                                        { "resourceName", f->found.session.resourceName },
                                        { "accountName", f->found.session.accountName } } },
        err);
}

/* One write, so that no credentials leave without their record and none after the end. */
static bool write_fetch(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct fetch *f = context;
    struct pn_pam_session *session = &f->found.session;
    bool is_there;

    if (!pn_pam_session_find(tx, f->call->arena, f->id, f->call->actor.org_id, session, &is_there,
                             err))
        return false;
    if (!is_there || !pn_uuid_eq(session->gatewayId, f->call->actor.id))
        return pn_fail(err, PN_NOT_FOUND, "Session %s not found", pn_uuid_format(f->id).text);
    if (session->state == PN_PAM_ENDED || session->state == PN_PAM_TERMINATED ||
        session->expiresAt <= f->call->now_ms)
        return refuse_over(f, err);
    if (!read_target(tx, f, err) || !check_account(f, err))
        return false;
    if (session->state == PN_PAM_STARTING &&
        !pn_pam_session_set_state(tx, f->call, session, PN_PAM_ACTIVE, PN_NONE, err))
        return false;
    return note(tx, f, err);
}

bool pn_pam_credentials_get(struct pn_call *call, struct pn_uuid session,
                            struct pn_pam_credentials *out, struct pn_err *err)
{
    struct fetch f = { .call = call, .id = session };
    pn_auto(pn_secret_freep) struct pn_secret *token = NULL;

    if (!pn_db_write(call->db, write_fetch, &f, err))
        return false;
    *out = f.found;
    if (pn_str_is(f.found.auth_method, PN_PAM_BY_GATEWAY))
        return true;
    if (!pn_pam_account_open_token(call, f.found.session.projectId, f.found.session.accountId,
                                   f.sealed_token, &token, err))
        return false;
    out->token = pn_arena_copy(call->arena, pn_secret_reveal(token));
    return true;
}
