/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"
#include "core/auth/universal.h"
#include "core/rows.h"
#include "core/trail.h"
#include "crypto/keyring.h"
#include "crypto/random.h"

#define SECRET_BYTES 32
#define PREFIX_CHARS 4
#define MAX_LISTED 1000

/*
 * Keyed, so that a copy of the database is no oracle, and not stretched: 256 random bits need it no more
 * than they need a prefix, and a slow hash would let strangers make us work.
 */
void pn_client_secret_mac(struct pn_keyring *keyring, struct pn_str plain,
                          uint8_t out[PN_CLIENT_SECRET_MAC_BYTES])
{
    pn_keyring_mac(keyring, "client-secret", plain, out);
}

struct change {
    const struct pn_call *call;
    const struct pn_client_secret *secret;
    uint8_t mac[PN_CLIENT_SECRET_MAC_BYTES];
};

static bool record(struct pn_db_conn *tx, const struct change *c, const char *event,
                   struct pn_err *err)
{
    const struct pn_uuid_text identity = pn_uuid_format(c->secret->identity_id),
                              secret = pn_uuid_format(c->secret->id);

    return pn_trail_write(
        tx, c->call,
        &(struct pn_trail){ .type = event,
                            .fields = { { "identityId", pn_str_from(identity.text) },
                                        { "clientSecretId", pn_str_from(secret.text) },
                                        { "description", c->secret->description } } },
        err);
}

/* The method's row of an identity that the actor may ask about, or the contract's 404. */
static bool find_method(struct pn_call *call, struct pn_uuid identity, const char *action,
                        const char *boundary, struct pn_uuid *auth, struct pn_err *err)
{
    struct pn_auth_method method;
    struct pn_identity of;

    if (!pn_auth_method_subject(call, identity, action, boundary, &of, err) ||
        !pn_auth_method_find(call->conn, call->arena, identity, PN_UNIVERSAL_AUTH, &method, err))
        return false;
    *auth = method.id;
    return !pn_uuid_is_zero(method.id) ||
           pn_fail(err, PN_BAD_REQUEST, "The identity does not have universal auth");
}

/* ---- making ---- */

static bool insert(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q = pn_query(
        tx, "INSERT INTO client_secrets (id, auth_id, description, prefix, hash, uses_limit, ttl_s,"
            " created_ms, updated_ms) VALUES ($id, $auth, $description, $prefix, $hash, $limit,"
            " $ttl, $now, $now)");

    pn_bind_uuid(q, "$id", c->secret->id);
    pn_bind_uuid(q, "$auth", c->secret->identityUAId);
    pn_bind_str(q, "$description", c->secret->description);
    pn_bind_str(q, "$prefix", c->secret->clientSecretPrefix);
    pn_bind_bytes(q, "$hash", pn_str_of(c->mac, sizeof(c->mac)));
    pn_bind_int(q, "$limit", c->secret->clientSecretNumUsesLimit);
    pn_bind_int(q, "$ttl", c->secret->clientSecretTTL);
    pn_bind_int(q, "$now", c->secret->createdAt);
    if (!pn_query_run(q, NULL, err))
        return false;
    q = pn_query(tx, "INSERT INTO client_secret_uses (secret_id, uses) VALUES ($id, 0)");
    pn_bind_uuid(q, "$id", c->secret->id);
    return pn_query_run(q, NULL, err) &&
           record(tx, c, "create-identity-universal-auth-client-secret", err);
}

static struct pn_str make_plain(struct pn_arena *arena)
{
    pn_auto(pn_buf_drop) struct pn_buf hex = pn_buf_init_wiped(2 * (size_t)SECRET_BYTES + 1);
    uint8_t random[SECRET_BYTES];

    pn_random_bytes(random, sizeof(random));
    pn_hex_add(&hex, pn_str_of(random, sizeof(random)));
    pn_wipe(random, sizeof(random));
    return pn_arena_copy(arena, pn_buf_str(&hex));
}

bool pn_client_secret_create(struct pn_call *call, struct pn_uuid identity,
                             const struct pn_client_secret_new *in, struct pn_client_secret *out,
                             struct pn_str *plain, struct pn_err *err)
{
    struct change c = { .call = call, .secret = out };
    struct pn_uuid auth;

    if (!find_method(call, identity, "create", "create-token", &auth, err))
        return false;
    *plain = make_plain(call->arena);
    pn_client_secret_mac(call->keyring, *plain, c.mac);
    *out = (struct pn_client_secret){
        .id = pn_random_uuid(),
        .identityUAId = auth,
        .identity_id = identity,
        .description = in->description.ptr != NULL ? in->description : PN_LIT(""),
        .clientSecretPrefix = pn_str_slice(*plain, 0, PREFIX_CHARS),
        .clientSecretNumUsesLimit = in->uses_limit,
        .clientSecretTTL = in->ttl_s,
        .createdAt = call->now_ms,
        .updatedAt = call->now_ms,
    };
    return pn_db_write(call->db, insert, &c, err);
}

/* ---- reading ---- */

#define COLUMNS                                                                       \
    "SELECT s.id, s.auth_id, s.description, s.prefix, u.uses, s.uses_limit, s.ttl_s," \
    " s.is_revoked, s.created_ms, s.updated_ms FROM client_secrets s"                 \
    " JOIN client_secret_uses u ON u.secret_id = s.id WHERE s.auth_id = $auth"

static struct pn_client_secret read_secret(struct pn_query *q, struct pn_uuid identity,
                                           struct pn_arena *arena)
{
    return (struct pn_client_secret){
        .id = pn_column_uuid(q, 0),
        .identityUAId = pn_column_uuid(q, 1),
        .identity_id = identity,
        .description = pn_column_str(q, 2, arena),
        .clientSecretPrefix = pn_column_str(q, 3, arena),
        .clientSecretNumUses = pn_column_int(q, 4),
        .clientSecretNumUsesLimit = pn_column_int(q, 5),
        .clientSecretTTL = pn_column_int(q, 6),
        .isClientSecretRevoked = pn_column_int(q, 7) != 0,
        .createdAt = pn_column_int(q, 8),
        .updatedAt = pn_column_int(q, 9),
    };
}

bool pn_client_secret_list(struct pn_call *call, struct pn_uuid identity, struct pn_list *out,
                           struct pn_err *err)
{
    struct pn_rows rows = pn_rows_of(call->arena, sizeof(struct pn_client_secret));
    struct pn_uuid auth;
    struct pn_query *q;

    if (!find_method(call, identity, "read", "get-token", &auth, err))
        return false;
    q = pn_query(call->conn,
                 COLUMNS " AND s.is_revoked = 0 ORDER BY s.created_ms, s.id LIMIT $most");
    pn_bind_uuid(q, "$auth", auth);
    pn_bind_int(q, "$most", MAX_LISTED);
    while (pn_query_next(q))
        *(struct pn_client_secret *)pn_rows_add(&rows) = read_secret(q, identity, call->arena);
    *out = rows.list;
    return pn_query_end(q, err) &&
           pn_auth_method_note_read(call, "get-identity-universal-auth-client-secret", identity,
                                    NULL, (struct pn_uuid){ { 0 } }, err);
}

static bool find(struct pn_call *call, struct pn_uuid identity, struct pn_uuid auth,
                 struct pn_uuid id, struct pn_client_secret *out, struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, COLUMNS " AND s.id = $id");
    bool is_found;

    pn_bind_uuid(q, "$auth", auth);
    pn_bind_uuid(q, "$id", id);
    is_found = pn_query_next(q);
    if (is_found)
        *out = read_secret(q, identity, call->arena);
    if (!pn_query_end(q, err))
        return false;
    return is_found || pn_fail(err, PN_NOT_FOUND, "Failed to find client secret with ID %s",
                               pn_uuid_format(id).text);
}

bool pn_client_secret_get(struct pn_call *call, struct pn_uuid identity, struct pn_uuid id,
                          struct pn_client_secret *out, struct pn_err *err)
{
    struct pn_uuid auth;

    return find_method(call, identity, "read", "get-token", &auth, err) &&
           find(call, identity, auth, id, out, err) &&
           pn_auth_method_note_read(call, "get-identity-universal-auth-client-secret-by-id",
                                    identity, "clientSecretId", id, err);
}

/* ---- revoking ---- */

static bool revoke(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct change *c = context;
    struct pn_query *q =
        pn_query(tx, "UPDATE client_secrets SET is_revoked = 1, updated_ms = $now WHERE id = $id");

    pn_db_touch(tx, c->secret->identity_id);
    pn_bind_int(q, "$now", c->secret->updatedAt);
    pn_bind_uuid(q, "$id", c->secret->id);
    return pn_query_run(q, NULL, err) &&
           record(tx, c, "revoke-identity-universal-auth-client-secret", err);
}

bool pn_client_secret_revoke(struct pn_call *call, struct pn_uuid identity, struct pn_uuid id,
                             struct pn_client_secret *out, struct pn_err *err)
{
    struct change c = { .call = call, .secret = out };
    struct pn_uuid auth;

    if (!find_method(call, identity, "delete", "delete-token", &auth, err) ||
        !find(call, identity, auth, id, out, err))
        return false;
    out->isClientSecretRevoked = true;
    out->updatedAt = call->now_ms;
    return pn_db_write(call->db, revoke, &c, err);
}
