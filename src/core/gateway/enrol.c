/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gateway/enrol.h"

#include "core/trail.h"
#include "crypto/random.h"

#define TOKEN_BYTES 32

struct pn_enrol pn_enrol_mint(struct pn_call *call, const char *prefix)
{
    struct pn_enrol enrol = { .token = pn_random_token(call->arena, prefix, TOKEN_BYTES),
                              .expires_ms = call->now_ms + INT64_C(1000) * PN_ENROL_TTL_S };

    pn_hash_sha256(enrol.token, enrol.hash);
    return enrol;
}

/* ---- use ---- */

struct enrolment {
    struct pn_call *call;
    const struct pn_enrol_kind *kind;
    uint8_t hash[PN_SHA256_BYTES];
    bool is_granted;
    struct pn_enrol_grant grant;
    int64_t version;
};

static bool note(struct pn_db_conn *tx, const struct enrolment *e, const struct pn_call *as,
                 const struct pn_enrol_grant *of, const char *type, struct pn_err *err)
{
    const struct pn_trail trail = {
        .type = type,
        .org_id = of->org_id,
        .fields = { { e->kind->id_name, pn_uuid_str(e->call->arena, of->id) },
                    { "name", of->name } },
    };

    return pn_trail_write(tx, as, &trail, err);
}

/* A refusal is written down too, when it can be told whose token it was. */
static bool note_refusal(struct pn_db_conn *tx, const struct enrolment *e, struct pn_err *err)
{
    struct pn_query *q = pn_query(tx, e->kind->owner_sql);
    struct pn_enrol_grant owner = { 0 };
    bool is_known;

    pn_bind_bytes(q, "$hash", pn_str_of(e->hash, sizeof(e->hash)));
    is_known = pn_query_next(q);
    if (is_known)
        owner = (struct pn_enrol_grant){ .id = pn_column_uuid(q, 0),
                                         .org_id = pn_column_uuid(q, 1),
                                         .name = pn_column_str(q, 2, e->call->arena) };
    return pn_query_end(q, err) &&
           (!is_known || note(tx, e, e->call, &owner, e->kind->refused, err));
}

static bool note_grant(struct pn_db_conn *tx, const struct enrolment *e, struct pn_err *err)
{
    struct pn_call as = *e->call;

    as.actor = (struct pn_actor){
        .kind = e->kind->actor, .id = e->grant.id, .org_id = e->grant.org_id, .name = e->grant.name
    };
    return note(tx, e, &as, &e->grant, e->kind->granted, err);
}

static bool write_use(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct enrolment *e = context;
    struct pn_query *q = pn_query(tx, e->kind->take_sql);

    pn_bind_int(q, "$now", e->call->now_ms);
    pn_bind_bytes(q, "$hash", pn_str_of(e->hash, sizeof(e->hash)));
    e->is_granted = pn_query_next(q);
    if (e->is_granted) {
        e->grant = (struct pn_enrol_grant){ .id = pn_column_uuid(q, 0),
                                            .org_id = pn_column_uuid(q, 1),
                                            .name = pn_column_str(q, 2, e->call->arena) };
        e->version = pn_column_int(q, 3);
    }
    if (!pn_query_end(q, err))
        return false;
    return e->is_granted ? note_grant(tx, e, err) : note_refusal(tx, e, err);
}

static bool refuse(struct pn_err *err)
{
    return pn_fail(err, PN_UNAUTHENTICATED,
                   "Invalid, used or expired enrollment token: create a new one");
}

bool pn_enrol_use(struct pn_call *call, const struct pn_enrol_kind *kind, struct pn_str token,
                  struct pn_enrol_grant *out, struct pn_err *err)
{
    struct enrolment e = { .call = call, .kind = kind };

    if (!pn_str_starts(token, pn_str_from(kind->prefix)))
        return refuse(err);
    pn_hash_sha256(token, e.hash);
    if (!pn_db_write(call->db, write_use, &e, err))
        return false;
    if (!e.is_granted)
        return refuse(err);
    if (!kind->sign(call, e.grant.id, e.grant.org_id, e.version, &e.grant.access_token, err))
        return false;
    *out = e.grant;
    return true;
}
