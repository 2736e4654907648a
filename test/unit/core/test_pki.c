/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>

#include "core/gateway/pki.h"

static struct pn_pki_leaf issue(struct stage *s, enum pn_authority authority,
                                enum pn_cert_kind kind)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_pki_leaf leaf;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pki_issue(&call, s->org, authority,
                          (struct pn_cert_request){ .kind = kind, .common_name = PN_LIT("leaf") },
                          &leaf, &err),
             err);
    return leaf;
}

static struct pn_str chain(struct stage *s, enum pn_authority authority)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_str pem;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pki_chain(&call, s->org, authority, &pem, &err), err);
    return pem;
}

/* All certificates of a PEM text into a store, as our TLS and Go clients do: every one is trusted. */
static X509_STORE *trust(struct pn_str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509_STORE *store = X509_STORE_new();
    X509 *cert;

    while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        X509_STORE_add_cert(store, cert);
        X509_free(cert);
    }
    BIO_free(bio);
    return store;
}

static X509 *read_one(struct pn_str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    CHECK(cert != NULL);
    BIO_free(bio);
    return cert;
}

/* Does OpenSSL, with none but its own settings, accept the leaf, sent with its issuer, under what the peer trusts? */
static bool verifies(struct pn_pki_leaf sent, struct pn_str trusted, int purpose)
{
    X509 *leaf = read_one(sent.certificate);
    STACK_OF(X509) *others = sk_X509_new_null();
    X509_STORE *store = trust(trusted);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool done;

    sk_X509_push(others, read_one(sent.issuer));
    CHECK_EQ(X509_STORE_CTX_init(ctx, store, leaf, others), 1);
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), (time_t)(STAGE_WALL_MS / 1000));
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx),
                                X509_V_FLAG_USE_CHECK_TIME | X509_V_FLAG_X509_STRICT);
    X509_STORE_CTX_set_purpose(ctx, purpose);
    done = X509_verify_cert(ctx) == 1;
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(leaf);
    sk_X509_pop_free(others, X509_free);
    return done;
}

/* A relay of the organisation may not pass for a gateway, whatever name its certificate has. */
STAGE_TEST(leaves_verify_under_their_own_chain_and_no_other)
{
    static const struct {
        enum pn_authority authority;
        enum pn_cert_kind kind;
        int purpose, not_purpose; /* 0: there is none */
    } cases[] = {
        { PN_AUTHORITY_RELAY, PN_CERT_SERVER, X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT },
        { PN_AUTHORITY_GATEWAY, PN_CERT_GATEWAY, X509_PURPOSE_SSL_SERVER, 0 },
        { PN_AUTHORITY_GATEWAY, PN_CERT_GATEWAY, X509_PURPOSE_SSL_CLIENT, 0 },
        { PN_AUTHORITY_CLIENT, PN_CERT_CLIENT, X509_PURPOSE_SSL_CLIENT, X509_PURPOSE_SSL_SERVER },
        { PN_AUTHORITY_RELAY_CLIENT, PN_CERT_CLIENT, X509_PURPOSE_SSL_CLIENT,
          X509_PURPOSE_SSL_SERVER },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_pki_leaf leaf = issue(s, cases[i].authority, cases[i].kind);

        for (enum pn_authority other = PN_AUTHORITY_RELAY; other <= PN_AUTHORITY_RELAY_CLIENT;
             other++)
            CHECK_EQ(verifies(leaf, chain(s, other), cases[i].purpose),
                     other == cases[i].authority);
        if (cases[i].not_purpose != 0)
            CHECK(!verifies(leaf, chain(s, cases[i].authority), cases[i].not_purpose));
    }
}

static bool is_self_signed(struct pn_str pem)
{
    X509 *cert = read_one(pem);
    bool is = X509_self_signed(cert, 1) == 1;

    X509_free(cert);
    return is;
}

STAGE_TEST(a_chain_is_the_one_authority)
{
    struct pn_pki_leaf leaf = issue(s, PN_AUTHORITY_GATEWAY, PN_CERT_GATEWAY);
    struct pn_cert_info info;
    struct pn_err err = { 0 };

    CHECK(!pn_str_eq(chain(s, PN_AUTHORITY_GATEWAY), leaf.issuer));
    CHECK(is_self_signed(chain(s, PN_AUTHORITY_GATEWAY)));
    CHECK(!is_self_signed(leaf.issuer));
    CHECK_OK(pn_x509_read(s->arena, chain(s, PN_AUTHORITY_GATEWAY), &info, &err), err);
    CHECK(info.is_ca);
    CHECK_STR(info.common_name, "Postern Gateway CA");
    CHECK(pn_str_eq(info.organization, pn_uuid_str(s->arena, s->org)));
}

STAGE_TEST(a_leaf_begins_a_minute_ago_and_lasts_a_day)
{
    struct pn_pki_leaf leaf = issue(s, PN_AUTHORITY_RELAY, PN_CERT_SERVER);
    struct pn_cert_info info;
    struct pn_err err = { 0 };

    CHECK_OK(pn_x509_read(s->arena, leaf.certificate, &info, &err), err);
    CHECK_EQ(info.not_before_ms, (STAGE_WALL_MS - 60000) / 1000 * 1000);
    CHECK_EQ(info.not_after_ms, (STAGE_WALL_MS + 86400000) / 1000 * 1000);
    CHECK(!info.is_ca);
}

STAGE_TEST(organisations_have_different_roots)
{
    struct pn_call other = stage_call(s, s->foreigner);
    struct pn_pki_leaf leaf = issue(s, PN_AUTHORITY_CLIENT, PN_CERT_CLIENT);
    struct pn_str pem;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pki_chain(&other, s->other_org, PN_AUTHORITY_CLIENT, &pem, &err), err);
    CHECK(!verifies(leaf, pem, X509_PURPOSE_SSL_CLIENT));
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM authorities"), 10);
}

struct runner {
    struct stage *s;
    uint8_t root_hash[32];
};

static void *run_chain(void *context)
{
    struct runner *r = context;
    struct pn_call call = stage_call(r->s, r->s->admin);
    struct pn_str pem;
    struct pn_err err = { 0 };

    call.arena = pn_arena_new((size_t)1 << 20);
    CHECK_OK(pn_db_connect(r->s->db, &call.conn, &err), err);
    CHECK_OK(pn_pki_chain(&call, r->s->org, PN_AUTHORITY_RELAY, &pem, &err), err);
    pn_hash_sha256(pem, r->root_hash);
    pn_db_disconnect(call.conn);
    pn_arena_free(call.arena);
    return NULL;
}

STAGE_TEST(whoever_comes_first_makes_them_for_all)
{
    struct runner runners[8];
    pthread_t threads[8];

    for (size_t i = 0; i < 8; i++) {
        runners[i] = (struct runner){ .s = s };
        CHECK_EQ(pthread_create(&threads[i], NULL, run_chain, &runners[i]), 0);
    }
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 1; i < 8; i++)
        CHECK_EQ(memcmp(runners[0].root_hash, runners[i].root_hash, 32), 0);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM authorities"), 5);
    CHECK_EQ(stage_events(s, "certificate-authorities-create"), 1);
}

STAGE_TEST(keys_lie_sealed)
{
    (void)issue(s, PN_AUTHORITY_CLIENT, PN_CERT_CLIENT);
    CHECK(stage_leaks(s, PN_LIT("BEGIN CERTIFICATE")));
    CHECK(!stage_leaks(s, PN_LIT("PRIVATE KEY")));
}

static bool swap_keys(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)context;
    return pn_query_run(
        pn_query(tx, "UPDATE authorities SET sealed_key = (SELECT sealed_key FROM authorities"
                     " WHERE kind = 'relay') WHERE kind = 'client'"),
        NULL, err);
}

STAGE_TEST(a_key_opens_in_its_own_row_only)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_pki_leaf leaf;
    struct pn_err err = { 0 };

    (void)chain(s, PN_AUTHORITY_CLIENT);
    CHECK_OK(pn_db_write(s->db, swap_keys, NULL, &err), err);
    CHECK_FAILS(
        pn_pki_issue(&call, s->org, PN_AUTHORITY_CLIENT,
                     (struct pn_cert_request){ .kind = PN_CERT_CLIENT, .common_name = PN_LIT("x") },
                     &leaf, &err),
        err, INTERNAL);
}

static bool forget_one(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)context;
    return pn_query_run(pn_query(tx, "DELETE FROM authorities WHERE kind = 'relay-client'"), NULL,
                        err);
}

/* An organisation of an older version gets what that did not know, under the root it has; the rest stays. */
STAGE_TEST(an_authority_that_is_missing_is_added)
{
    struct pn_str root = chain(s, PN_AUTHORITY_ROOT), client = chain(s, PN_AUTHORITY_CLIENT);
    struct pn_pki_leaf leaf;
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(s->db, forget_one, NULL, &err), err);
    leaf = issue(s, PN_AUTHORITY_RELAY_CLIENT, PN_CERT_CLIENT);
    CHECK(pn_str_eq(chain(s, PN_AUTHORITY_ROOT), root));
    CHECK(pn_str_eq(chain(s, PN_AUTHORITY_CLIENT), client));
    CHECK(verifies(leaf, chain(s, PN_AUTHORITY_RELAY_CLIENT), X509_PURPOSE_SSL_CLIENT));
    CHECK(verifies(leaf, root, X509_PURPOSE_SSL_CLIENT));
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM authorities"), 5);
    CHECK_EQ(stage_events(s, "certificate-authorities-create"), 2);
}

static bool forget_anchors(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)context;
    return pn_query_run(pn_query(tx, "UPDATE authorities SET anchor = NULL"), NULL, err);
}

/* An organisation of before there were anchors: those of the authorities that it has, under which its leaves go on. */
STAGE_TEST(an_anchor_that_is_missing_is_made)
{
    struct pn_pki_leaf leaf = issue(s, PN_AUTHORITY_GATEWAY, PN_CERT_GATEWAY);
    struct pn_str anchor;
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(s->db, forget_anchors, NULL, &err), err);
    anchor = chain(s, PN_AUTHORITY_GATEWAY);
    CHECK(verifies(leaf, anchor, X509_PURPOSE_SSL_SERVER));
    CHECK(pn_str_eq(chain(s, PN_AUTHORITY_GATEWAY), anchor));
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM authorities WHERE anchor IS NOT NULL"), 5);
}

PN_TEST_MAIN(T(leaves_verify_under_their_own_chain_and_no_other), T(a_chain_is_the_one_authority),
             T(a_leaf_begins_a_minute_ago_and_lasts_a_day), T(organisations_have_different_roots),
             T(whoever_comes_first_makes_them_for_all), T(keys_lie_sealed),
             T(a_key_opens_in_its_own_row_only), T(an_authority_that_is_missing_is_added),
             T(an_anchor_that_is_missing_is_made))
