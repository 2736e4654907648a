/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/keyring.h"

#include "check.h"
#include "crypto/hash.h"
#include "crypto/issuers.h"

#include <pthread.h>

#define ROOT_HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define ROOT_BASE64 "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8="
#define ROOT_RAW                                                       \
    "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff" \
    "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
#define OTHER_HEX "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const struct pn_uuid scope_a = { { 0xa } }, scope_b = { { 0xb } };
static const struct pn_seal_place place = { .table = "accounts",
                                            .column = "token",
                                            .row = { { 1 } } };

static struct pn_keyring *keyring_of(struct pn_str root)
{
    struct pn_keyring *keyring = NULL;
    struct pn_err err = { 0 };

    CHECK_OK(pn_keyring_new(root, &keyring, &err), err);
    return keyring;
}

static struct pn_buf load_new(struct pn_keyring *keyring, struct pn_uuid scope)
{
    struct pn_buf wrapped = pn_buf_init(256);
    struct pn_err err = { 0 };

    CHECK_OK(pn_keyring_new_scope(keyring, scope, &wrapped, &err), err);
    CHECK_OK(pn_keyring_load(keyring, scope, pn_buf_str(&wrapped), &err), err);
    return wrapped;
}

static void check_opens(struct pn_keyring *keyring, struct pn_uuid scope, struct pn_str sealed,
                        const char *plain)
{
    struct pn_secret *secret = NULL;
    struct pn_err err = { 0 };

    CHECK_OK(pn_keyring_open(keyring, scope, place, sealed, &secret, &err), err);
    CHECK_STR(pn_secret_reveal(secret), plain);
    pn_secret_free(secret);
}

PN_TEST(root_key_has_three_forms)
{
    static const struct pn_str forms[] = {
        PN_LIT_INIT(ROOT_RAW),      PN_LIT_INIT(ROOT_HEX),           PN_LIT_INIT(ROOT_BASE64),
        PN_LIT_INIT(ROOT_HEX "\n"), PN_LIT_INIT(ROOT_BASE64 "\r\n"), PN_LIT_INIT(ROOT_RAW "\n"),
    };
    uint8_t first[32], mac[32];

    for (size_t i = 0; i < PN_COUNT(forms); i++) {
        struct pn_keyring *keyring = keyring_of(forms[i]);

        pn_keyring_mac(keyring, "test", PN_LIT("x"), i == 0 ? first : mac);
        if (i > 0)
            CHECK(pn_hash_equal(pn_str_of(first, 32), pn_str_of(mac, 32)));
        pn_keyring_free(keyring);
    }
}

PN_TEST(other_root_keys_are_refused)
{
    static const struct pn_str bad[] = {
        PN_LIT_INIT(""),
        PN_LIT_INIT("short"),
        PN_LIT_INIT(ROOT_HEX "0"),
        PN_LIT_INIT(ROOT_RAW "x"),
        PN_LIT_INIT("zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
        PN_LIT_INIT("ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8"),
        PN_LIT_INIT("ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8?"),
    };
    struct pn_keyring *keyring;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(pn_keyring_new(bad[i], &keyring, &err), err, USAGE);
    CHECK_FAILS(pn_keyring_new(PN_NONE, &keyring, &err), err, USAGE);
}

PN_TEST(seal_and_open_across_a_restart)
{
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX));
    struct pn_buf wrapped = load_new(keyring, scope_a), sealed = pn_buf_init(256);
    struct pn_err err = { 0 };

    CHECK(pn_keyring_has(keyring, scope_a));
    CHECK(!pn_keyring_has(keyring, scope_b));
    CHECK_OK(pn_keyring_seal(keyring, scope_a, place, PN_LIT("s3cret"), &sealed, &err), err);
    CHECK_EQ(sealed.len, 6 + PN_SEAL_OVERHEAD);
    CHECK(pn_str_search(pn_buf_str(&sealed), PN_LIT("s3cret")) < 0);
    pn_keyring_free(keyring);

    keyring = keyring_of(PN_LIT(ROOT_HEX));
    CHECK(!pn_keyring_has(keyring, scope_a));
    CHECK_OK(pn_keyring_load(keyring, scope_a, pn_buf_str(&wrapped), &err), err);
    CHECK_OK(pn_keyring_load(keyring, scope_a, pn_buf_str(&wrapped), &err), err); /* again: fine */
    check_opens(keyring, scope_a, pn_buf_str(&sealed), "s3cret");
    pn_keyring_free(keyring);
    pn_buf_drop(&wrapped);
    pn_buf_drop(&sealed);
}

PN_TEST(a_sealed_value_opens_nowhere_else)
{
    struct pn_seal_place elsewhere[] = {
        { .table = "account", .column = "token", .row = place.row },
        { .table = "accounts", .column = "tokens", .row = place.row },
        { .table = "accounts", .column = "token", .row = { { 2 } } },
        { .table = "accountst", .column = "oken", .row = place.row },
    };
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX));
    struct pn_buf a = load_new(keyring, scope_a), b = load_new(keyring, scope_b);
    struct pn_buf sealed = pn_buf_init(256);
    struct pn_secret *secret = NULL;
    struct pn_err err = { 0 };

    CHECK_OK(pn_keyring_seal(keyring, scope_a, place, PN_LIT("s3cret"), &sealed, &err), err);
    for (size_t i = 0; i < PN_COUNT(elsewhere); i++)
        CHECK_FAILS(
            pn_keyring_open(keyring, scope_a, elsewhere[i], pn_buf_str(&sealed), &secret, &err),
            err, INTERNAL);
    CHECK_FAILS(pn_keyring_open(keyring, scope_b, place, pn_buf_str(&sealed), &secret, &err), err,
                INTERNAL);
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.ptr[i] ^= 1;
        CHECK_FAILS(pn_keyring_open(keyring, scope_a, place, pn_buf_str(&sealed), &secret, &err),
                    err, INTERNAL);
        sealed.ptr[i] ^= 1;
    }
    for (size_t len = 0; len < sealed.len; len++)
        CHECK_FAILS(
            pn_keyring_open(keyring, scope_a, place, pn_str_of(sealed.ptr, len), &secret, &err),
            err, INTERNAL);
    CHECK(secret == NULL);
    pn_keyring_free(keyring);
    pn_buf_drop(&a);
    pn_buf_drop(&b);
    pn_buf_drop(&sealed);
}

PN_TEST(large_values_open_outside_the_locked_pool)
{
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX));
    struct pn_buf wrapped = load_new(keyring, scope_a);
    struct pn_buf sealed = pn_buf_init((size_t)8 << 20);
    struct pn_buf large = pn_buf_init((size_t)5 << 20);
    struct pn_buf out = pn_buf_init_wiped((size_t)8 << 20);
    struct pn_err err = { 0 };
    size_t used;

    while (pn_buf_add_text(&large, "0123456789abcdef"))
        ;
    CHECK_OK(pn_keyring_seal(keyring, scope_a, place, pn_buf_str(&large), &sealed, &err), err);
    used = pn_secret_pool_used();
    pn_buf_add_byte(&out, '>');
    CHECK_OK(pn_keyring_open_into(keyring, scope_a, place, pn_buf_str(&sealed), &out, &err), err);
    CHECK(pn_str_eq(pn_str_slice(pn_buf_str(&out), 1, out.len), pn_buf_str(&large)));
    CHECK_EQ(pn_secret_pool_used(), used);
    pn_buf_clear(&out);
    CHECK_FAILS(pn_keyring_open_into(keyring, scope_b, place, pn_buf_str(&sealed), &out, &err), err,
                INTERNAL);
    CHECK_EQ(out.len, 0);
    pn_buf_drop(&out);
    pn_buf_drop(&large);
    pn_buf_drop(&sealed);
    pn_buf_drop(&wrapped);
    pn_keyring_free(keyring);
}

PN_TEST(a_wrapped_key_loads_for_its_scope_and_root_only)
{
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX)),
                      *other = keyring_of(PN_LIT(OTHER_HEX));
    struct pn_buf wrapped = pn_buf_init(256), second = pn_buf_init(256);
    struct pn_err err = { 0 };

    CHECK_OK(pn_keyring_new_scope(keyring, scope_a, &wrapped, &err), err);
    CHECK(!pn_keyring_has(keyring, scope_a)); /* made is not loaded */
    CHECK_FAILS(pn_keyring_load(keyring, scope_b, pn_buf_str(&wrapped), &err), err, INTERNAL);
    CHECK_FAILS(pn_keyring_load(other, scope_a, pn_buf_str(&wrapped), &err), err, INTERNAL);
    CHECK_FAILS(pn_keyring_load(keyring, scope_a, PN_NONE, &err), err, INTERNAL);
    wrapped.ptr[0] = 2;
    CHECK_FAILS(pn_keyring_load(keyring, scope_a, pn_buf_str(&wrapped), &err), err, INTERNAL);
    wrapped.ptr[0] = 0;
    CHECK_FAILS(pn_keyring_load(keyring, scope_a, pn_buf_str(&wrapped), &err), err, INTERNAL);
    wrapped.ptr[0] = 1;
    CHECK_OK(pn_keyring_load(keyring, scope_a, pn_buf_str(&wrapped), &err), err);
    CHECK_OK(pn_keyring_new_scope(keyring, scope_a, &second, &err), err);
    CHECK_FAILS(pn_keyring_load(keyring, scope_a, pn_buf_str(&second), &err), err, INTERNAL);
    pn_keyring_free(keyring);
    pn_keyring_free(other);
    pn_buf_drop(&wrapped);
    pn_buf_drop(&second);
}

PN_TEST(sealing_without_a_key_fails)
{
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX));
    struct pn_buf sealed = pn_buf_init(256);
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_keyring_seal(keyring, scope_a, place, PN_LIT("x"), &sealed, &err), err,
                INTERNAL);
    CHECK_FAILS(pn_keyring_rotate_scope(keyring, scope_a, &sealed, &err), err, INTERNAL);
    CHECK_EQ(sealed.len, 0);
    pn_keyring_free(keyring);
}

/* Rotation is online: old values open while new ones are sealed, whatever order keys load in. */
PN_TEST(rotation_keeps_what_was_sealed)
{
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX));
    struct pn_buf first = load_new(keyring, scope_a), second = pn_buf_init(256);
    struct pn_buf old = pn_buf_init(256), new = pn_buf_init(256);
    struct pn_secret *secret;
    struct pn_err err = { 0 };

    CHECK_OK(pn_keyring_seal(keyring, scope_a, place, PN_LIT("old"), &old, &err), err);
    CHECK_OK(pn_keyring_rotate_scope(keyring, scope_a, &second, &err), err);
    CHECK_OK(pn_keyring_load(keyring, scope_a, pn_buf_str(&second), &err), err);
    CHECK_OK(pn_keyring_seal(keyring, scope_a, place, PN_LIT("new"), &new, &err), err);
    CHECK_EQ(old.ptr[0], 1);
    CHECK_EQ(new.ptr[0], 2);
    check_opens(keyring, scope_a, pn_buf_str(&old), "old");
    check_opens(keyring, scope_a, pn_buf_str(&new), "new");
    pn_keyring_free(keyring);

    keyring = keyring_of(PN_LIT(ROOT_HEX));
    CHECK_OK(pn_keyring_load(keyring, scope_a, pn_buf_str(&second), &err), err);
    CHECK_FAILS(pn_keyring_open(keyring, scope_a, place, pn_buf_str(&old), &secret, &err), err,
                INTERNAL);
    CHECK_OK(pn_keyring_load(keyring, scope_a, pn_buf_str(&first), &err), err);
    check_opens(keyring, scope_a, pn_buf_str(&old), "old");
    pn_buf_clear(&new);
    CHECK_OK(pn_keyring_seal(keyring, scope_a, place, PN_LIT("x"), &new, &err), err);
    CHECK_EQ(new.ptr[0], 2);
    pn_keyring_free(keyring);
    pn_buf_drop(&first);
    pn_buf_drop(&second);
    pn_buf_drop(&old);
    pn_buf_drop(&new);
}

/* ---- CAs ---- */

#define NOW_MS INT64_C(1790000000000)

static const struct pn_cert_request ca_request = { .kind = PN_CERT_ROOT,
                                                   .common_name = PN_LIT_INIT("CA"),
                                                   .not_before_ms = NOW_MS,
                                                   .not_after_ms = NOW_MS + 1000000 };
static const struct pn_cert_request leaf_request = { .kind = PN_CERT_CLIENT,
                                                     .common_name = PN_LIT_INIT("leaf"),
                                                     .not_before_ms = NOW_MS,
                                                     .not_after_ms = NOW_MS + 1000000 };

/* A CA of its own in row `row` of scope_a; the buffer is the caller's to drop. */
static struct pn_sealed_ca make_ca(struct pn_keyring *keyring, struct pn_arena *arena, uint8_t row,
                                   struct pn_buf *sealed)
{
    struct pn_sealed_ca ca = { .scope = scope_a,
                               .place = { .table = "cas", .column = "key", .row = { { row } } } };
    struct pn_cert cert = { 0 };
    struct pn_err err = { 0 };

    *sealed = pn_buf_init(4096);
    CHECK_OK(pn_x509_issue(arena, &ca_request, NULL, &cert, &err), err);
    CHECK_OK(pn_keyring_seal(keyring, scope_a, ca.place, pn_secret_reveal(cert.key), sealed, &err),
             err);
    pn_secret_free(cert.key);
    ca.certificate = cert.pem;
    ca.sealed_key = pn_buf_str(sealed);
    return ca;
}

static bool issues(struct pn_keyring *keyring, struct pn_arena *arena,
                   const struct pn_sealed_ca *ca)
{
    struct pn_cert leaf = { 0 };
    struct pn_err err = { 0 };
    bool done = pn_keyring_issue(keyring, arena, ca, &leaf_request, &leaf, &err);

    CHECK(done ? pn_str_starts(leaf.pem, PN_LIT("-----BEGIN CERTIFICATE-----"))
               : err.code == PN_INTERNAL);
    pn_secret_free(leaf.key);
    return done;
}

/* A CA that is kept ready is nobody's who shows other bytes than those it was opened from. */
PN_TEST(a_ca_that_signed_is_kept_for_its_own_row_only)
{
    size_t before = pn_secret_pool_used();
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX));
    struct pn_buf wrapped_a = load_new(keyring, scope_a), wrapped_b = load_new(keyring, scope_b);
    struct pn_arena *arena = pn_arena_new(1 << 20);
    struct pn_buf sealed, sealed_other;
    struct pn_sealed_ca ca = make_ca(keyring, arena, 1, &sealed);
    struct pn_sealed_ca other = make_ca(keyring, arena, 2, &sealed_other), wrong;

    CHECK(issues(keyring, arena, &ca) && issues(keyring, arena, &other));
    for (int i = 0; i < 3; i++) {
        CHECK(issues(keyring, arena, &ca));
        wrong = ca, wrong.scope = scope_b;
        CHECK(!issues(keyring, arena, &wrong));
        wrong = ca, wrong.place.row = other.place.row;
        CHECK(!issues(keyring, arena, &wrong));
        wrong = ca, wrong.place.column = "other";
        CHECK(!issues(keyring, arena, &wrong));
        wrong = ca, wrong.certificate = other.certificate;
        CHECK(!issues(keyring, arena, &wrong));
        wrong = ca, wrong.sealed_key = other.sealed_key;
        CHECK(!issues(keyring, arena, &wrong));
        wrong = ca, wrong.sealed_key = pn_str_slice(ca.sealed_key, 0, ca.sealed_key.len - 1);
        CHECK(!issues(keyring, arena, &wrong));
    }
    pn_keyring_free(keyring);
    CHECK_EQ(pn_secret_pool_used(), before);

    keyring = keyring_of(PN_LIT(ROOT_HEX)); /* … nor anybody's where the scope's key is not known */
    CHECK(!issues(keyring, arena, &ca));
    pn_keyring_free(keyring);
    pn_arena_free(arena);
    pn_buf_drop(&wrapped_a);
    pn_buf_drop(&wrapped_b);
    pn_buf_drop(&sealed);
    pn_buf_drop(&sealed_other);
}

PN_TEST(cas_sign_on_after_a_rotation_and_in_any_number)
{
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX));
    struct pn_buf wrapped = load_new(keyring, scope_a), next = pn_buf_init(256);
    struct pn_arena *arena = pn_arena_new(4 << 20);
    struct pn_sealed_ca cas[PN_ISSUERS_MAX + 6];
    struct pn_buf sealed[PN_COUNT(cas)];
    struct pn_err err = { 0 };

    for (uint8_t i = 0; i < PN_COUNT(cas); i++) {
        cas[i] = make_ca(keyring, arena, i, &sealed[i]);
        CHECK(issues(keyring, arena, &cas[i]));
    }
    CHECK_OK(pn_keyring_rotate_scope(keyring, scope_a, &next, &err), err);
    CHECK_OK(pn_keyring_load(keyring, scope_a, pn_buf_str(&next), &err), err);
    for (size_t i = 0; i < PN_COUNT(cas); i++) {
        CHECK(issues(keyring, arena, &cas[i]));
        pn_buf_drop(&sealed[i]);
    }
    pn_keyring_free(keyring);
    pn_arena_free(arena);
    pn_buf_drop(&wrapped);
    pn_buf_drop(&next);
}

struct signer {
    pthread_t thread;
    struct pn_keyring *keyring;
    const struct pn_sealed_ca *cas;
};

static void *sign_much(void *signer_)
{
    struct signer *signer = signer_;
    struct pn_arena *arena = pn_arena_new(1 << 20);
    bool done = true;

    for (int i = 0; i < 60; i++)
        done &= issues(signer->keyring, arena, &signer->cas[i % 3]);
    pn_arena_free(arena);
    return done ? signer : NULL;
}

PN_TEST(threads_share_the_cas_that_are_kept)
{
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX));
    struct pn_buf wrapped = load_new(keyring, scope_a), next = pn_buf_init(256), sealed[3];
    struct pn_arena *arena = pn_arena_new(1 << 20);
    struct pn_sealed_ca cas[3];
    struct signer signers[4];
    struct pn_err err = { 0 };
    void *done;

    for (uint8_t i = 0; i < 3; i++)
        cas[i] = make_ca(keyring, arena, i, &sealed[i]);
    CHECK_OK(pn_keyring_rotate_scope(keyring, scope_a, &next, &err), err);
    for (size_t i = 0; i < PN_COUNT(signers); i++) {
        signers[i] = (struct signer){ .keyring = keyring, .cas = cas };
        CHECK_EQ(pthread_create(&signers[i].thread, NULL, sign_much, &signers[i]), 0);
    }
    CHECK_OK(pn_keyring_load(keyring, scope_a, pn_buf_str(&next), &err), err); /* beside them */
    for (size_t i = 0; i < PN_COUNT(signers); i++) {
        CHECK_EQ(pthread_join(signers[i].thread, &done), 0);
        CHECK(done != NULL);
    }
    pn_keyring_free(keyring);
    pn_arena_free(arena);
    for (size_t i = 0; i < 3; i++)
        pn_buf_drop(&sealed[i]);
    pn_buf_drop(&wrapped);
    pn_buf_drop(&next);
}

PN_TEST(purposes_and_roots_hash_differently)
{
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX)),
                      *other = keyring_of(PN_LIT(OTHER_HEX));
    uint8_t a[32], b[32], c[32], d[32];

    pn_keyring_mac(keyring, "token", PN_LIT("x"), a);
    pn_keyring_mac(keyring, "cache", PN_LIT("x"), b);
    pn_keyring_mac(other, "token", PN_LIT("x"), c);
    pn_keyring_mac(keyring, "token", PN_LIT("x"), d);
    CHECK(!pn_hash_equal(pn_str_of(a, 32), pn_str_of(b, 32)));
    CHECK(!pn_hash_equal(pn_str_of(a, 32), pn_str_of(c, 32)));
    CHECK(pn_hash_equal(pn_str_of(a, 32), pn_str_of(d, 32)));
    pn_keyring_free(keyring);
    pn_keyring_free(other);
}

#define CLAIMS "{\"userId\":\"1\",\"exp\":2000000000}"

PN_TEST(a_token_verifies_and_gives_its_claims)
{
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX)),
                      *other = keyring_of(PN_LIT(OTHER_HEX));
    struct pn_buf token = pn_buf_init(1000), claims = pn_buf_init(1000);
    struct pn_err err = { 0 };

    CHECK_OK(pn_keyring_sign(keyring, PN_LIT(CLAIMS), &token, &err), err);
    CHECK(pn_str_starts(pn_buf_str(&token), PN_LIT("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.")));
    CHECK_OK(pn_keyring_verify(keyring, pn_buf_str(&token), &claims, &err), err);
    CHECK_STR(pn_buf_str(&claims), CLAIMS);
    CHECK_FAILS(pn_keyring_verify(other, pn_buf_str(&token), &claims, &err), err, TOKEN);
    CHECK_STR(pn_buf_str(&claims), CLAIMS);
    pn_keyring_free(keyring);
    pn_keyring_free(other);
    pn_buf_drop(&token);
    pn_buf_drop(&claims);
}

/* Every other byte at every place, so also the last character, whose low bits say nothing. */
PN_TEST(every_altered_token_is_refused)
{
    static const char other[] = "ABCDwxyz0189-_.=+/ \n";
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX));
    struct pn_buf token = pn_buf_init(1000), claims = pn_buf_init(1000);
    struct pn_err err = { 0 };

    CHECK_OK(pn_keyring_sign(keyring, PN_LIT(CLAIMS), &token, &err), err);
    for (size_t i = 0; i < token.len; i++) {
        char was = token.ptr[i];

        for (const char *c = other; *c != '\0'; c++) {
            if (*c == was)
                continue;
            token.ptr[i] = *c;
            CHECK_FAILS(pn_keyring_verify(keyring, pn_buf_str(&token), &claims, &err), err, TOKEN);
        }
        token.ptr[i] = was;
    }
    for (size_t len = 0; len < token.len; len++)
        CHECK_FAILS(pn_keyring_verify(keyring, pn_str_of(token.ptr, len), &claims, &err), err,
                    TOKEN);
    for (const char *c = other; *c != '\0'; c++) {
        pn_buf_add_byte(&token, *c);
        CHECK_FAILS(pn_keyring_verify(keyring, pn_buf_str(&token), &claims, &err), err, TOKEN);
        token.len--;
    }
    CHECK_EQ(claims.len, 0);
    pn_keyring_free(keyring);
    pn_buf_drop(&token);
    pn_buf_drop(&claims);
}

PN_TEST(other_algorithms_and_forms_are_refused)
{
    static const struct {
        const char *token, *says;
    } cases[] = {
        { "", "malformed" },
        { "..", "malformed" },
        { "a.b", "malformed" },
        { "a.b.c.d", "malformed" },
        { "st.abc.def", "malformed" },
        /* {"alg":"none"} */
        { "eyJhbGciOiJub25lIn0.e30.", "invalid algorithm" },
        /* {"alg":"none","typ":"JWT"} */
        { "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.e30.", "invalid algorithm" },
        /* {"alg":"HS512","typ":"JWT"} */
        { "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.e30.AAAA", "invalid algorithm" },
        /* {"alg":"RS256","typ":"JWT"} */
        { "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.e30.AAAA", "invalid algorithm" },
        /* our header, empty signature */
        { "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.", "invalid signature" },
        { "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9..", "invalid signature" },
    };
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX));
    struct pn_buf claims = pn_buf_init(1000);
    struct pn_err err = { 0 };
    char *long_token = calloc(1, PN_TOKEN_MAX_BYTES + 1);

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        CHECK(!pn_keyring_verify(keyring, pn_str_from(cases[i].token), &claims, &err));
        CHECK_EQ(err.code, PN_TOKEN);
        CHECK(strstr(err.message, cases[i].says) != NULL);
        pn_err_clear(&err);
    }
    CHECK_FAILS(pn_keyring_verify(keyring, PN_NONE, &claims, &err), err, TOKEN);
    CHECK_FAILS(
        pn_keyring_verify(keyring, pn_str_of(long_token, PN_TOKEN_MAX_BYTES + 1), &claims, &err),
        err, TOKEN);
    free(long_token);
    pn_keyring_free(keyring);
    pn_buf_drop(&claims);
}

PN_TEST(claims_that_are_too_long_are_not_signed)
{
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX));
    struct pn_buf token = pn_buf_init(100000), small = pn_buf_init(100);
    char *claims = calloc(1, PN_TOKEN_MAX_BYTES);
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_keyring_sign(keyring, pn_str_of(claims, PN_TOKEN_MAX_BYTES), &token, &err), err,
                INTERNAL);
    CHECK_FAILS(pn_keyring_sign(keyring, PN_LIT(CLAIMS CLAIMS CLAIMS), &small, &err), err,
                INTERNAL);
    CHECK_EQ(token.len, 0);
    CHECK_EQ(small.len, 0);
    free(claims);
    pn_keyring_free(keyring);
    pn_buf_drop(&token);
    pn_buf_drop(&small);
}

struct worker {
    pthread_t thread;
    struct pn_keyring *keyring;
    uint8_t number;
};

/* Threads load scopes while others seal and open in theirs; TSan watches. */
static void *work(void *worker_)
{
    struct worker *worker = worker_;
    struct pn_keyring *keyring = worker->keyring;
    struct pn_uuid scope = { { worker->number } };
    struct pn_err err = { 0 };

    for (uint8_t i = 0; i < 40; i++) {
        struct pn_buf wrapped = pn_buf_init(256), sealed = pn_buf_init(256);
        struct pn_secret *secret = NULL;

        scope.bytes[15] = i;
        if (!pn_keyring_new_scope(keyring, scope, &wrapped, &err) ||
            !pn_keyring_load(keyring, scope, pn_buf_str(&wrapped), &err) ||
            !pn_keyring_seal(keyring, scope, place, PN_LIT("mine"), &sealed, &err) ||
            !pn_keyring_open(keyring, scope, place, pn_buf_str(&sealed), &secret, &err) ||
            !pn_secret_eq(secret, PN_LIT("mine")) || !pn_keyring_has(keyring, scope_a))
            return NULL;
        pn_secret_free(secret);
        pn_buf_drop(&wrapped);
        pn_buf_drop(&sealed);
    }
    return worker;
}

PN_TEST(threads_share_a_keyring)
{
    size_t before = pn_secret_pool_used();
    struct pn_keyring *keyring = keyring_of(PN_LIT(ROOT_HEX));
    struct pn_buf wrapped = load_new(keyring, scope_a);
    struct worker workers[6];
    void *done;

    for (uint8_t i = 0; i < PN_COUNT(workers); i++) {
        workers[i] = (struct worker){ .keyring = keyring, .number = i };
        CHECK_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < PN_COUNT(workers); i++) {
        CHECK_EQ(pthread_join(workers[i].thread, &done), 0);
        CHECK(done != NULL);
    }
    pn_keyring_free(keyring);
    pn_buf_drop(&wrapped);
    CHECK_EQ(pn_secret_pool_used(), before); /* every key was wiped and given back */
}

PN_TEST_MAIN(T(root_key_has_three_forms), T(large_values_open_outside_the_locked_pool),
             T(other_root_keys_are_refused), T(seal_and_open_across_a_restart),
             T(a_sealed_value_opens_nowhere_else),
             T(a_wrapped_key_loads_for_its_scope_and_root_only), T(sealing_without_a_key_fails),
             T(rotation_keeps_what_was_sealed), T(a_ca_that_signed_is_kept_for_its_own_row_only),
             T(cas_sign_on_after_a_rotation_and_in_any_number),
             T(threads_share_the_cas_that_are_kept), T(purposes_and_roots_hash_differently),
             T(a_token_verifies_and_gives_its_claims), T(every_altered_token_is_refused),
             T(other_algorithms_and_forms_are_refused), T(claims_that_are_too_long_are_not_signed),
             T(threads_share_a_keyring))
