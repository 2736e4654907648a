/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gateway/pki.h"

#include "core/scope.h"
#include "core/trail.h"
#include "crypto/random.h"

#define CA_ENDS_MS (INT64_C(2366841600) * 1000) /* 2045-01-01, as in the contract §7.2 */
#define CA_SKEW_MS (INT64_C(3600) * 1000)
#define MAX_KEY_BYTES ((size_t)4 << 10)

static const struct kind {
    const char *name, *common_name;
} kinds[] = {
    [PN_AUTHORITY_ROOT] = { "root", "Postern Root CA" },
    [PN_AUTHORITY_RELAY] = { "relay", "Postern Relay CA" },
    [PN_AUTHORITY_GATEWAY] = { "gateway", "Postern Gateway CA" },
    [PN_AUTHORITY_CLIENT] = { "client", "Postern Client CA" },
    [PN_AUTHORITY_RELAY_CLIENT] = { "relay-client", "Postern Relay Client CA" },
};

/* One row of `authorities`. */
struct authority {
    struct pn_uuid id;
    struct pn_str certificate, sealed_key;
    struct pn_str anchor; /* the same signed by itself; what peers trust */
};

static struct pn_seal_place place_of(struct pn_uuid row)
{
    return (struct pn_seal_place){ .table = "authorities", .column = "sealed_key", .row = row };
}

static bool read_rows(struct pn_call *call, struct pn_db_conn *conn, struct pn_uuid org,
                      struct authority out[PN_COUNT(kinds)], bool *is_there, struct pn_err *err)
{
    struct pn_query *q = pn_query(
        conn,
        "SELECT kind, id, certificate, sealed_key, anchor FROM authorities WHERE org_id = $org");
    size_t found = 0;

    pn_bind_uuid(q, "$org", org);
    while (pn_query_next(q)) {
        struct pn_str kind = pn_column_str(q, 0, call->arena);

        for (size_t i = 0; i < PN_COUNT(kinds); i++) {
            if (!pn_str_is(kind, kinds[i].name))
                continue;
            out[i] = (struct authority){ .id = pn_column_uuid(q, 1),
                                         .certificate = pn_column_str(q, 2, call->arena),
                                         .sealed_key = pn_column_bytes(q, 3, call->arena),
                                         .anchor = pn_column_str(q, 4, call->arena) };
            found += out[i].anchor.len > 0;
        }
    }
    *is_there = found == PN_COUNT(kinds);
    return pn_query_end(q, err) || pn_within(err, "reading the certificate authorities");
}

/* Signs and seals one authority; `cert` keeps the key for those below it and is the caller's to drop. */
static bool make_one(struct pn_call *call, struct pn_uuid org, size_t kind,
                     const struct pn_cert *root, struct pn_cert *cert, struct authority *out,
                     struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf sealed = pn_buf_init(MAX_KEY_BYTES);
    const struct pn_cert_request request = {
        .kind = kind == PN_AUTHORITY_ROOT ? PN_CERT_ROOT : PN_CERT_INTERMEDIATE,
        .common_name = pn_str_from(kinds[kind].common_name),
        .organization = pn_uuid_str(call->arena, org),
        .not_before_ms = call->now_ms - CA_SKEW_MS,
        .not_after_ms = CA_ENDS_MS,
    };

    if (!pn_x509_issue(call->arena, &request, root, cert, err))
        return false;
    *out = (struct authority){ .id = pn_random_uuid(), .certificate = cert->pem };
    if (!pn_keyring_seal(call->keyring, org, place_of(out->id), pn_secret_reveal(cert->key),
                         &sealed, err))
        return false;
    out->sealed_key = pn_arena_copy(call->arena, pn_buf_str(&sealed));
    return true;
}

/* The root there is, with its key, or a new one. */
static bool take_root(struct pn_call *call, struct pn_uuid org, struct authority *row,
                      struct pn_cert *out, struct pn_err *err)
{
    if (row->certificate.ptr == NULL)
        return make_one(call, org, PN_AUTHORITY_ROOT, NULL, out, row, err);
    out->pem = row->certificate;
    return pn_keyring_open(call->keyring, org, place_of(row->id), row->sealed_key, &out->key, err);
}

static bool make_anchor(struct pn_call *call, struct pn_uuid org, struct authority *row,
                        struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *key = NULL;

    return pn_keyring_open(call->keyring, org, place_of(row->id), row->sealed_key, &key, err) &&
           pn_x509_as_root(call->arena, &(struct pn_cert){ row->certificate, key }, &row->anchor,
                           err);
}

static bool make_anchors(struct pn_call *call, struct pn_uuid org,
                         struct authority rows[PN_COUNT(kinds)], struct pn_err *err)
{
    rows[PN_AUTHORITY_ROOT].anchor = rows[PN_AUTHORITY_ROOT].certificate;
    for (size_t i = PN_AUTHORITY_ROOT + 1; i < PN_COUNT(kinds); i++) {
        if (rows[i].anchor.len == 0 && !make_anchor(call, org, &rows[i], err))
            return false;
    }
    return true;
}

/* All of them in a new organisation; in an old one what this version knows and it did not. */
static bool make_missing(struct pn_call *call, struct pn_uuid org,
                         struct authority out[PN_COUNT(kinds)], struct pn_err *err)
{
    struct pn_cert root = { 0 };
    bool done = take_root(call, org, &out[PN_AUTHORITY_ROOT], &root, err);

    for (size_t i = PN_AUTHORITY_ROOT + 1; done && i < PN_COUNT(kinds); i++) {
        struct pn_cert cert = { 0 };

        if (out[i].certificate.ptr != NULL)
            continue;
        done = make_one(call, org, i, &root, &cert, &out[i], err);
        pn_secret_free(cert.key);
    }
    pn_secret_free(root.key);
    done = done && make_anchors(call, org, out, err);
    return done || pn_within(err, "making the certificate authorities");
}

struct store {
    struct pn_call *call;
    struct pn_uuid org;
    const struct authority *rows;
};

/* Who comes second stores nothing: all make what they found missing under the same root, or all of it.
 * A row of before there were anchors gets the one that was made of it. */
static bool store_one(struct pn_db_conn *tx, const struct store *s, size_t kind, int64_t *added,
                      struct pn_err *err)
{
    struct pn_query *q = pn_query(
        tx,
        "INSERT INTO authorities (id, org_id, kind, certificate, anchor, sealed_key, created_ms,"
        " expires_ms) VALUES ($id, $org, $kind, $certificate, $anchor, $key, $now, $expires)"
        " ON CONFLICT (org_id, kind) DO UPDATE SET anchor = excluded.anchor"
        " WHERE authorities.id = excluded.id AND authorities.anchor IS NULL");

    pn_bind_uuid(q, "$id", s->rows[kind].id);
    pn_bind_uuid(q, "$org", s->org);
    pn_bind_str(q, "$kind", pn_str_from(kinds[kind].name));
    pn_bind_str(q, "$certificate", s->rows[kind].certificate);
    pn_bind_str(q, "$anchor", s->rows[kind].anchor);
    pn_bind_bytes(q, "$key", s->rows[kind].sealed_key);
    pn_bind_int(q, "$now", s->call->now_ms);
    pn_bind_int(q, "$expires", CA_ENDS_MS);
    return pn_query_run(q, added, err);
}

static bool write_store(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct store *s = context;
    int64_t total = 0;

    for (size_t i = 0; i < PN_COUNT(kinds); i++) {
        int64_t added;

        if (!store_one(tx, s, i, &added, err))
            return false;
        total += added;
    }
    return total == 0 ||
           pn_trail_write(
               tx, s->call,
               &(struct pn_trail){ .type = "certificate-authorities-create", .org_id = s->org },
               err);
}

static bool load(struct pn_call *call, struct pn_uuid org, struct authority out[PN_COUNT(kinds)],
                 struct pn_err *err)
{
    bool is_there;

    if (!pn_scope_ready(call->conn, call->keyring, org, err) ||
        !read_rows(call, call->conn, org, out, &is_there, err))
        return false;
    if (is_there)
        return true;
    if (!make_missing(call, org, out, err) ||
        !pn_db_write(call->db, write_store, &(struct store){ call, org, out }, err) ||
        !read_rows(call, call->conn, org, out, &is_there, err))
        return false;
    if (!is_there)
        return pn_fail(err, PN_INTERNAL,
                       "The organisation's certificate authorities are incomplete");
    return true;
}

bool pn_pki_issue(struct pn_call *call, struct pn_uuid org, enum pn_authority authority,
                  struct pn_cert_request request, struct pn_pki_leaf *out, struct pn_err *err)
{
    struct authority rows[PN_COUNT(kinds)] = { 0 };
    pn_auto(pn_secret_freep) struct pn_secret *leaf_key = NULL;
    struct pn_cert leaf = { 0 };
    bool done;

    request.organization = pn_uuid_str(call->arena, org);
    request.not_before_ms = call->now_ms - PN_PKI_SKEW_MS;
    if (request.not_after_ms == 0)
        request.not_after_ms = call->now_ms + PN_PKI_LEAF_MS;
    if (!load(call, org, rows, err))
        return pn_within(err, "loading the %s authority", kinds[authority].name);
    done = pn_keyring_issue(call->keyring, call->arena,
                            &(struct pn_sealed_ca){ .scope = org,
                                                    .place = place_of(rows[authority].id),
                                                    .certificate = rows[authority].certificate,
                                                    .sealed_key = rows[authority].sealed_key },
                            &request, &leaf, err);
    leaf_key = leaf.key;
    if (!done)
        return pn_within(err, "signing with the %s authority", kinds[authority].name);
    *out = (struct pn_pki_leaf){ .certificate = leaf.pem,
                                 .key = pn_arena_copy(call->arena, pn_secret_reveal(leaf_key)),
                                 .issuer = rows[authority].certificate,
                                 .not_after_ms = request.not_after_ms };
    return true;
}

bool pn_pki_chain(struct pn_call *call, struct pn_uuid org, enum pn_authority authority,
                  struct pn_str *out, struct pn_err *err)
{
    struct authority rows[PN_COUNT(kinds)] = { 0 };

    if (!load(call, org, rows, err))
        return false;
    *out = rows[authority].anchor;
    return true;
}
