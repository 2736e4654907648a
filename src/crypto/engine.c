/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/engine.h"

#include "base/base.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <pthread.h>

static _Thread_local struct pn_engine *mine;
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void engine_free(void *engine_)
{
    struct pn_engine *engine = engine_;

    OSSL_DECODER_CTX_free(engine->decoder);
    EVP_MAC_CTX_free(engine->mac);
    EVP_MAC_free(engine->hmac);
    EVP_MD_CTX_free(engine->digest);
    EVP_MD_free(engine->sha256);
    EVP_CIPHER_CTX_free(engine->cipher);
    EVP_CIPHER_free(engine->gcm);
    pn_wipe(engine->cipher_key, sizeof(engine->cipher_key));
    pn_heap_free(engine);
    mine = NULL;
}

static void make_key(void)
{
    if (pthread_key_create(&at_thread_end, engine_free) != 0)
        pn_die("cannot make a thread key for the crypto contexts");
}

static struct pn_engine *engine_new(void)
{
    char sha256[] = "SHA256";
    const OSSL_PARAM with_sha256[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
        OSSL_PARAM_construct_end(),
    };
    struct pn_engine *engine = pn_heap_new(sizeof(*engine));

    engine->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    engine->cipher = EVP_CIPHER_CTX_new();
    engine->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    engine->digest = EVP_MD_CTX_new();
    engine->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    engine->mac = engine->hmac != NULL ? EVP_MAC_CTX_new(engine->hmac) : NULL;
    if (engine->gcm == NULL || engine->cipher == NULL || engine->sha256 == NULL ||
        engine->digest == NULL || engine->mac == NULL ||
        !EVP_CipherInit_ex2(engine->cipher, engine->gcm, NULL, NULL, 1, NULL) ||
        !EVP_MAC_CTX_set_params(engine->mac, with_sha256))
        pn_die("OpenSSL offers no AES-256-GCM, SHA-256 or HMAC");
    return engine;
}

struct pn_engine *pn_engine_get(void)
{
    if (mine != NULL)
        return mine;
    pthread_once(&once, make_key);
    mine = engine_new();
    if (pthread_setspecific(at_thread_end, mine) != 0)
        pn_die("cannot keep the thread's crypto contexts");
    return mine;
}

EVP_PKEY *pn_engine_decode_key(const unsigned char *der, size_t len)
{
    struct pn_engine *engine = pn_engine_get();
    EVP_PKEY *key;

    if (engine->decoder == NULL)
        engine->decoder = OSSL_DECODER_CTX_new_for_pkey(&engine->decoded, "DER", "PrivateKeyInfo",
                                                        "EC", EVP_PKEY_KEYPAIR, NULL, NULL);
    engine->decoded = NULL;
    if (engine->decoder == NULL || !OSSL_DECODER_from_data(engine->decoder, &der, &len))
        return NULL;
    key = engine->decoded;
    engine->decoded = NULL;
    return key;
}
