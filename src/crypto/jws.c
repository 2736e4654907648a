/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/jws.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <string.h>

#define MIN_RSA_BITS 2048
#define MAX_RSA_BITS 8192
#define MAX_NUMBER_BYTES 66 /* of P-521 */
#define MAX_DER_BYTES 160   /* ECDSA signature of P-521 */

struct pn_jws_key {
    EVP_PKEY *key;
    size_t number_bytes; /* of each half of an ECDSA signature; 0 = RSA */
};

static const struct {
    const char *jwk, *openssl;
    size_t number_bytes;
} curves[] = {
    { "P-256", "P-256", 32 },
    { "P-384", "P-384", 48 },
    { "P-521", "P-521", 66 },
};

static const struct {
    const char *alg, *digest;
    size_t number_bytes;
} algorithms[] = {
    { "RS256", "SHA256", 0 },  { "RS384", "SHA384", 0 },  { "RS512", "SHA512", 0 },
    { "ES256", "SHA256", 32 }, { "ES384", "SHA384", 48 }, { "ES512", "SHA512", 66 },
};

static const unsigned char *bytes_of(struct pn_str s)
{
    return (const unsigned char *)(s.ptr != NULL ? s.ptr : "");
}

static void free_builder(OSSL_PARAM_BLD **builder)
{
    OSSL_PARAM_BLD_free(*builder);
}

static void free_params(OSSL_PARAM **params)
{
    OSSL_PARAM_free(*params);
}

static void free_key_context(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
}

static void free_digest_context(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static void free_number(BIGNUM **number)
{
    BN_free(*number);
}

static void free_signature(ECDSA_SIG **signature)
{
    ECDSA_SIG_free(*signature);
}

static bool refuse(struct pn_err *err)
{
    ERR_clear_error();
    return pn_fail(err, PN_BAD_REQUEST, "these numbers are no public key that we take");
}

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *builder)
{
    pn_auto(free_params) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    pn_auto(free_key_context) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    pn_auto(free_key_context) EVP_PKEY_CTX *check = NULL;
    EVP_PKEY *key = NULL;

    if (params == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return NULL;
    check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (check == NULL || EVP_PKEY_public_check_quick(check) != 1) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static bool wrap(EVP_PKEY *key, size_t number_bytes, struct pn_jws_key **out, struct pn_err *err)
{
    if (key == NULL)
        return refuse(err);
    *out = pn_heap_new(sizeof(**out));
    (*out)->key = key;
    (*out)->number_bytes = number_bytes;
    return true;
}

bool pn_jws_key_rsa(struct pn_str n, struct pn_str e, struct pn_jws_key **out, struct pn_err *err)
{
    pn_auto(free_builder) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    pn_auto(free_number) BIGNUM *modulus = BN_bin2bn(bytes_of(n), (int)n.len, NULL);
    pn_auto(free_number) BIGNUM *exponent = BN_bin2bn(bytes_of(e), (int)e.len, NULL);
    int bits = BN_num_bits(modulus);

    if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS || !BN_is_odd(modulus) || !BN_is_odd(exponent) ||
        BN_is_one(exponent) || BN_num_bits(exponent) > 64 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) != 1)
        return refuse(err);
    return wrap(make_key("RSA", builder), 0, out, err);
}

bool pn_jws_key_ec(struct pn_str curve, struct pn_str x, struct pn_str y, struct pn_jws_key **out,
                   struct pn_err *err)
{
    pn_auto(free_builder) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    uint8_t point[1 + 2 * MAX_NUMBER_BYTES] = { 4 }; /* uncompressed */

    for (size_t i = 0; i < PN_COUNT(curves); i++) {
        size_t size = curves[i].number_bytes;

        if (!pn_str_is(curve, curves[i].jwk) || x.len != size || y.len != size)
            continue;
        memcpy(point + 1, x.ptr, size);
        memcpy(point + 1 + size, y.ptr, size);
        if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curves[i].openssl,
                                            0) != 1 ||
            OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                             1 + 2 * size) != 1)
            return refuse(err);
        return wrap(make_key("EC", builder), size, out, err);
    }
    return refuse(err);
}

void pn_jws_key_free(struct pn_jws_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->key);
    pn_heap_free(key);
}

/* JWS writes r ‖ s, OpenSSL reads their ASN.1. 0 when it is none. */
static size_t signature_to_der(struct pn_str signature, size_t number_bytes,
                               uint8_t der[MAX_DER_BYTES])
{
    pn_auto(free_signature) ECDSA_SIG *pair = ECDSA_SIG_new();
    const unsigned char *bytes = bytes_of(signature);
    uint8_t *end = der;
    int len;

    if (signature.len != 2 * number_bytes ||
        ECDSA_SIG_set0(pair, BN_bin2bn(bytes, (int)number_bytes, NULL),
                       BN_bin2bn(bytes + number_bytes, (int)number_bytes, NULL)) != 1)
        return 0;
    len = i2d_ECDSA_SIG(pair, NULL);
    if (len <= 0 || len > MAX_DER_BYTES)
        return 0;
    return (size_t)i2d_ECDSA_SIG(pair, &end);
}

static bool verify(EVP_PKEY *key, const char *digest, struct pn_str text, const uint8_t *signature,
                   size_t len)
{
    pn_auto(free_digest_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_good = EVP_DigestVerifyInit_ex(context, NULL, digest, NULL, NULL, key, NULL) == 1 &&
                   EVP_DigestVerify(context, signature, len, bytes_of(text), text.len) == 1;

    ERR_clear_error();
    return is_good;
}

bool pn_jws_verify(const struct pn_jws_key *key, struct pn_str alg, struct pn_str signed_text,
                   struct pn_str signature)
{
    uint8_t der[MAX_DER_BYTES];
    size_t len;

    for (size_t i = 0; i < PN_COUNT(algorithms); i++) {
        if (!pn_str_is(alg, algorithms[i].alg) || algorithms[i].number_bytes != key->number_bytes)
            continue;
        if (key->number_bytes == 0)
            return verify(key->key, algorithms[i].digest, signed_text, bytes_of(signature),
                          signature.len);
        len = signature_to_der(signature, key->number_bytes, der);
        return len > 0 && verify(key->key, algorithms[i].digest, signed_text, der, len);
    }
    return false;
}
