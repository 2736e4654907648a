/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hash.h"

#include "vectors.h"

#include <pthread.h>
#include <stdio.h>

PN_TEST(sha256_of_fips_180_4_examples)
{
    uint8_t out[PN_SHA256_BYTES];

    pn_hash_sha256(PN_LIT("abc"), out);
    check_hex(pn_str_of(out, sizeof(out)),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    pn_hash_sha256(PN_NONE, out);
    check_hex(pn_str_of(out, sizeof(out)),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

PN_TEST(hmac_of_rfc_4231)
{
    static const struct {
        const char *key, *data, *mac;
    } cases[] = {
        { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
        { "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
          "dddd"
          "dddddddd",
          "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_buf key = from_hex(cases[i].key), data = from_hex(cases[i].data);
        uint8_t out[PN_SHA256_BYTES];

        pn_hash_hmac(pn_buf_str(&key), pn_buf_str(&data), out);
        check_hex(pn_str_of(out, sizeof(out)), cases[i].mac);
        pn_buf_drop(&key);
        pn_buf_drop(&data);
    }
}

PN_TEST(hmac_key_longer_than_a_block)
{
    char key[131]; /* RFC 4231 case 6 */
    uint8_t out[PN_SHA256_BYTES];

    memset(key, 0xaa, sizeof(key));
    pn_hash_hmac(pn_str_of(key, sizeof(key)),
                 PN_LIT("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    check_hex(pn_str_of(out, sizeof(out)),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

PN_TEST(hmac_empty_key_is_not_the_key_from_before)
{
    uint8_t fresh[PN_SHA256_BYTES], after[PN_SHA256_BYTES];
    uint8_t ignored[PN_SHA256_BYTES];

    pn_hash_hmac(PN_NONE, PN_LIT("x"), fresh);
    pn_hash_hmac(PN_LIT("another key"), PN_LIT("x"), ignored);
    pn_hash_hmac(PN_NONE, PN_LIT("x"), after);
    CHECK(pn_hash_equal(pn_str_of(fresh, sizeof(fresh)), pn_str_of(after, sizeof(after))));
    CHECK(!pn_hash_equal(pn_str_of(fresh, sizeof(fresh)), pn_str_of(ignored, sizeof(ignored))));
}

PN_TEST(hkdf_of_rfc_5869)
{
    static const struct {
        const char *key, *salt, *info, *out;
    } cases[] = {
        { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
          "f0f1f2f3f4f5f6f7f8f9",
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865" },
        { "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526272829"
          "2a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
          "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283848586878889"
          "8a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
          "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9"
          "dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
          "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb"
          "41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87" },
        { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
          "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8" },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_buf key = from_hex(cases[i].key), salt = from_hex(cases[i].salt);
        struct pn_buf info = from_hex(cases[i].info);
        uint8_t out[128];
        size_t len = strlen(cases[i].out) / 2;

        pn_hash_hkdf(pn_buf_str(&key), pn_buf_str(&salt), pn_buf_str(&info), out, len);
        check_hex(pn_str_of(out, len), cases[i].out);
        pn_buf_drop(&key);
        pn_buf_drop(&salt);
        pn_buf_drop(&info);
    }
}

PN_TEST(equal_compares_length_and_every_byte)
{
    CHECK(pn_hash_equal(PN_LIT("abc"), PN_LIT("abc")));
    CHECK(pn_hash_equal(PN_NONE, PN_LIT("")));
    CHECK(!pn_hash_equal(PN_LIT("abc"), PN_LIT("abd")));
    CHECK(!pn_hash_equal(PN_LIT("abc"), PN_LIT("xbc")));
    CHECK(!pn_hash_equal(PN_LIT("abc"), PN_LIT("abcd")));
    CHECK(!pn_hash_equal(PN_NONE, PN_LIT("a")));
}

/* Each thread hashes its own text; contexts that were shared would mix them. */
static void *hash_many(void *out)
{
    char text[17];

    snprintf(text, sizeof(text), "%p", out);
    for (int i = 0; i < 500; i++) {
        uint8_t once[PN_SHA256_BYTES], again[PN_SHA256_BYTES];

        pn_hash_hmac(pn_str_from(text), pn_str_from(text), once);
        pn_hash_hmac(pn_str_from(text), pn_str_from(text), again);
        if (!pn_hash_equal(pn_str_of(once, sizeof(once)), pn_str_of(again, sizeof(again))))
            return NULL;
        memcpy(out, once, sizeof(once));
    }
    return out;
}

PN_TEST(threads_have_contexts_of_their_own)
{
    static uint8_t out[8][PN_SHA256_BYTES];
    pthread_t threads[8];
    void *done;

    for (size_t i = 0; i < PN_COUNT(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, hash_many, out[i]), 0);
    for (size_t i = 0; i < PN_COUNT(threads); i++) {
        CHECK_EQ(pthread_join(threads[i], &done), 0);
        CHECK(done != NULL);
    }
}

PN_TEST_MAIN(T(sha256_of_fips_180_4_examples), T(hmac_of_rfc_4231), T(hmac_key_longer_than_a_block),
             T(hmac_empty_key_is_not_the_key_from_before), T(hkdf_of_rfc_5869),
             T(equal_compares_length_and_every_byte), T(threads_have_contexts_of_their_own))
