/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead.h"

#include "vectors.h"

static const uint8_t key[PN_AEAD_KEY_BYTES] = { 1, 2, 3 };
static const uint8_t other_key[PN_AEAD_KEY_BYTES] = { 1, 2, 4 };

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13, 14 and 16. */
PN_TEST(gcm_of_the_specification)
{
    static const struct {
        const char *key, *nonce, *aad, *plain, *sealed;
    } cases[] = {
        { "0000000000000000000000000000000000000000000000000000000000000000",
          "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
        { "0000000000000000000000000000000000000000000000000000000000000000",
          "000000000000000000000000", "", "00000000000000000000000000000000",
          "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
        { "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
          "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
          "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
          "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
          "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
          "76fc6ece0f4e1768cddf8853bb2d551b" },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_buf k = from_hex(cases[i].key), nonce = from_hex(cases[i].nonce);
        struct pn_buf aad = from_hex(cases[i].aad), plain = from_hex(cases[i].plain);
        uint8_t out[128];

        CHECK(pn_aead_seal_at((uint8_t *)k.ptr, (uint8_t *)nonce.ptr, pn_buf_str(&aad),
                              pn_buf_str(&plain), out));
        check_hex(pn_str_of(out, plain.len + PN_AEAD_TAG_BYTES), cases[i].sealed);
        pn_buf_drop(&k);
        pn_buf_drop(&nonce);
        pn_buf_drop(&aad);
        pn_buf_drop(&plain);
    }
}

PN_TEST(what_is_sealed_opens)
{
    char plain[1000];
    struct pn_err err = { 0 };

    memset(plain, 'p', sizeof(plain));
    for (size_t len = 0; len <= sizeof(plain); len = len * 3 + 1) {
        struct pn_buf sealed = pn_buf_init(2000), opened = pn_buf_init(1000);

        CHECK_OK(pn_aead_seal(key, PN_LIT("place"), pn_str_of(plain, len), &sealed, &err), err);
        CHECK_EQ(sealed.len, len + PN_AEAD_OVERHEAD);
        CHECK_OK(pn_aead_open(key, PN_LIT("place"), pn_buf_str(&sealed), &opened, &err), err);
        CHECK(pn_str_eq(pn_buf_str(&opened), pn_str_of(plain, len)));
        pn_buf_drop(&sealed);
        pn_buf_drop(&opened);
    }
}

/* A thread keeps the last key's schedule: nothing of it may reach into what another key, or a refusal, leaves. */
PN_TEST(keys_may_come_in_any_order)
{
    const uint8_t *const keys[] = { key, key, other_key, key, other_key, other_key };
    struct pn_buf sealed[PN_COUNT(keys)];

    for (size_t i = 0; i < PN_COUNT(keys); i++) {
        struct pn_err err = { 0 };

        sealed[i] = pn_buf_init(100);
        CHECK_OK(pn_aead_seal(keys[i], PN_LIT("place"), PN_LIT("plain"), &sealed[i], &err), err);
    }
    for (size_t with = 0; with < 2; with++) {
        for (size_t i = 0; i < PN_COUNT(keys); i++) {
            struct pn_buf opened = pn_buf_init(100);
            struct pn_err err = { 0 };
            const uint8_t *tried = with == 0 ? key : other_key;

            CHECK_EQ(pn_aead_open(tried, PN_LIT("place"), pn_buf_str(&sealed[i]), &opened, &err),
                     tried == keys[i]);
            CHECK(tried != keys[i] || pn_str_is(pn_buf_str(&opened), "plain"));
            pn_buf_drop(&opened);
        }
    }
    for (size_t i = 0; i < PN_COUNT(keys); i++)
        pn_buf_drop(&sealed[i]);
}

PN_TEST(nonces_differ)
{
    struct pn_buf a = pn_buf_init(100), b = pn_buf_init(100);
    struct pn_err err = { 0 };

    CHECK_OK(pn_aead_seal(key, PN_NONE, PN_LIT("same"), &a, &err), err);
    CHECK_OK(pn_aead_seal(key, PN_NONE, PN_LIT("same"), &b, &err), err);
    CHECK(!pn_str_eq(pn_buf_str(&a), pn_buf_str(&b)));
    pn_buf_drop(&a);
    pn_buf_drop(&b);
}

PN_TEST(every_altered_byte_is_refused)
{
    struct pn_buf sealed = pn_buf_init(100), out = pn_buf_init(100);
    struct pn_err err = { 0 };

    CHECK_OK(pn_aead_seal(key, PN_LIT("place"), PN_LIT("the secret"), &sealed, &err), err);
    pn_buf_add_text(&out, "before");
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.ptr[i] ^= 1;
        CHECK_FAILS(pn_aead_open(key, PN_LIT("place"), pn_buf_str(&sealed), &out, &err), err,
                    INTERNAL);
        CHECK_STR(pn_buf_str(&out), "before");
        sealed.ptr[i] ^= 1;
    }
    for (size_t len = 0; len < sealed.len; len++)
        CHECK_FAILS(pn_aead_open(key, PN_LIT("place"), pn_str_of(sealed.ptr, len), &out, &err), err,
                    INTERNAL);
    pn_buf_drop(&sealed);
    pn_buf_drop(&out);
}

/* GCM deciphers before it knows; what it deciphered must not stay behind the buffer's end. */
PN_TEST(refused_plaintext_is_wiped)
{
    struct pn_buf sealed = pn_buf_init(100), out = pn_buf_init(100);
    struct pn_err err = { 0 };
    char *end;

    CHECK_OK(pn_aead_seal(key, PN_LIT("place"), PN_LIT("the secret"), &sealed, &err), err);
    end = pn_buf_room(&out, 10);
    memset(end, 'x', 10);
    sealed.ptr[sealed.len - 1] ^= 1; /* of the tag */
    CHECK_FAILS(pn_aead_open(key, PN_LIT("place"), pn_buf_str(&sealed), &out, &err), err, INTERNAL);
    CHECK(pn_str_eq(pn_str_of(end, 10), PN_LIT("\0\0\0\0\0\0\0\0\0\0")));
    pn_buf_drop(&sealed);
    pn_buf_drop(&out);
}

PN_TEST(another_key_or_place_is_refused)
{
    struct pn_buf sealed = pn_buf_init(100), out = pn_buf_init(100);
    struct pn_err err = { 0 };

    CHECK_OK(pn_aead_seal(key, PN_LIT("place"), PN_LIT("the secret"), &sealed, &err), err);
    CHECK_FAILS(pn_aead_open(other_key, PN_LIT("place"), pn_buf_str(&sealed), &out, &err), err,
                INTERNAL);
    CHECK_FAILS(pn_aead_open(key, PN_LIT("palace"), pn_buf_str(&sealed), &out, &err), err,
                INTERNAL);
    CHECK_FAILS(pn_aead_open(key, PN_NONE, pn_buf_str(&sealed), &out, &err), err, INTERNAL);
    CHECK_OK(pn_aead_open(key, PN_LIT("place"), pn_buf_str(&sealed), &out, &err), err);
    pn_buf_drop(&sealed);
    pn_buf_drop(&out);
}

PN_TEST(a_buffer_without_room_is_an_error)
{
    struct pn_buf small = pn_buf_init(4 + PN_AEAD_OVERHEAD - 1), sealed = pn_buf_init(100);
    struct pn_buf tiny = pn_buf_init(3);
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_aead_seal(key, PN_NONE, PN_LIT("four"), &small, &err), err, TOO_LARGE);
    CHECK_EQ(small.len, 0);
    CHECK_OK(pn_aead_seal(key, PN_NONE, PN_LIT("four"), &sealed, &err), err);
    CHECK_FAILS(pn_aead_open(key, PN_NONE, pn_buf_str(&sealed), &tiny, &err), err, TOO_LARGE);
    CHECK_EQ(tiny.len, 0);
    pn_buf_drop(&small);
    pn_buf_drop(&sealed);
    pn_buf_drop(&tiny);
}

PN_TEST_MAIN(T(gcm_of_the_specification), T(what_is_sealed_opens), T(keys_may_come_in_any_order),
             T(nonces_differ), T(every_altered_byte_is_refused), T(refused_plaintext_is_wiped),
             T(another_key_or_place_is_refused), T(a_buffer_without_room_is_an_error))
