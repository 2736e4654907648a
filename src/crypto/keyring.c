/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/keyring.h"

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/issuers.h"
#include "crypto/random.h"
#include "base/encode.h"
#include "base/map.h"

#include <pthread.h>
#include <string.h>

#define ROOT_BYTES 32
#define LAST_VERSION 127 /* the upper half of the byte is free for another form of sealing */
#define PLACE_MAX_BYTES 256
#define CA_MAX_BYTES ((size_t)64 << 10) /* certificate and sealed key of one that is kept */

/* One version of a scope's key; the newest stands first. Never changed or freed while in use. */
struct scope_key {
    struct scope_key *older;
    struct pn_secret *key;
    uint8_t version;
};

struct pn_keyring {
    pthread_rwlock_t lock;    /* over `scopes` and the lists in it */
    struct pn_map *scopes;    /* 16 bytes of id → struct scope_key */
    struct pn_secret *wraps;  /* wraps scope keys */
    struct pn_secret *signs;  /* signs tokens */
    struct pn_secret *hashes; /* hashes for lookup */
    struct pn_issuers *issuers;
};

static const uint8_t *bytes_of(const struct pn_secret *secret)
{
    return (const uint8_t *)pn_secret_reveal(secret).ptr;
}

/* The root key itself is never used: each purpose has a key of its own. */
static bool derive(struct pn_str root, struct pn_str purpose, struct pn_secret **out,
                   struct pn_err *err)
{
    uint8_t key[PN_AEAD_KEY_BYTES];

    pn_hash_hkdf(root, PN_NONE, purpose, key, sizeof(key));
    *out = pn_secret_new(pn_str_of(key, sizeof(key)), err);
    pn_wipe(key, sizeof(key));
    return *out != NULL;
}

/* The forms people keep keys in, told apart by their length. */
static bool read_root(struct pn_str text, struct pn_buf *root)
{
    if (text.len == ROOT_BYTES)
        return pn_buf_add(root, text);
    text = pn_str_trim(text);
    if (text.len == ROOT_BYTES)
        return pn_buf_add(root, text);
    if (text.len == 2 * (size_t)ROOT_BYTES)
        return pn_hex_decode(text, root);
    if (text.len == 44) /* 32 bytes in base64 with its padding */
        return pn_base64_decode(text, root);
    return false;
}

static void keyring_freep(struct pn_keyring **keyring)
{
    pn_keyring_free(*keyring);
}

bool pn_keyring_new(struct pn_str root, struct pn_keyring **out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init_wiped(2 * (size_t)ROOT_BYTES);
    pn_auto(keyring_freep) struct pn_keyring *keyring = NULL;
    struct pn_str key;

    if (!read_root(root, &bytes) || bytes.len != ROOT_BYTES)
        return pn_fail(err, PN_USAGE,
                       "The root key must be 32 bytes, 64 hex digits or base64 of 32 bytes");
    keyring = pn_heap_new(sizeof(*keyring));
    pthread_rwlock_init(&keyring->lock, NULL);
    keyring->scopes = pn_map_new();
    keyring->issuers = pn_issuers_new();
    key = pn_buf_str(&bytes);
    if (!derive(key, PN_LIT("postern/wrap/1"), &keyring->wraps, err) ||
        !derive(key, PN_LIT("postern/token/1"), &keyring->signs, err) ||
        !derive(key, PN_LIT("postern/lookup/1"), &keyring->hashes, err))
        return false;
    *out = pn_take(&keyring);
    return true;
}

static void scope_key_free(struct scope_key *key)
{
    while (key != NULL) {
        struct scope_key *older = key->older;

        pn_secret_free(key->key);
        pn_heap_free(key);
        key = older;
    }
}

void pn_keyring_free(struct pn_keyring *keyring)
{
    struct pn_str id;
    void *keys;
    size_t at = 0;

    if (keyring == NULL)
        return;
    while (pn_map_next(keyring->scopes, &at, &id, &keys))
        scope_key_free(keys);
    pn_map_free(keyring->scopes);
    pn_issuers_free(keyring->issuers);
    pn_secret_free(keyring->wraps);
    pn_secret_free(keyring->signs);
    pn_secret_free(keyring->hashes);
    pthread_rwlock_destroy(&keyring->lock);
    pn_heap_free(keyring);
}

static struct pn_str id_of(const struct pn_uuid *scope)
{
    return pn_str_of(scope->bytes, sizeof(scope->bytes));
}

/* The scope's key of that version, or the newest for version 0; NULL when not loaded. */
static const struct scope_key *find(struct pn_keyring *keyring, struct pn_uuid scope,
                                    uint8_t version)
{
    const struct scope_key *key;

    pthread_rwlock_rdlock(&keyring->lock);
    key = pn_map_get(keyring->scopes, id_of(&scope));
    while (key != NULL && version != 0 && key->version != version)
        key = key->older;
    pthread_rwlock_unlock(&keyring->lock);
    return key;
}

bool pn_keyring_has(struct pn_keyring *keyring, struct pn_uuid scope)
{
    return find(keyring, scope, 0) != NULL;
}

/* Associated data: version ‖ table NUL column NUL row ‖ scope. Names hold no NUL, so it is unique. */
static struct pn_str describe(struct pn_seal_place place, struct pn_uuid scope, uint8_t version,
                              uint8_t out[PLACE_MAX_BYTES])
{
    size_t table = strlen(place.table) + 1, column = strlen(place.column) + 1;
    uint8_t *at = out;

    pn_assert(table + column <= PLACE_MAX_BYTES - 1 - 2 * sizeof(scope.bytes));
    *at++ = version;
    at = (uint8_t *)memcpy(at, place.table, table) + table;
    at = (uint8_t *)memcpy(at, place.column, column) + column;
    at = (uint8_t *)memcpy(at, place.row.bytes, sizeof(place.row.bytes)) + sizeof(place.row.bytes);
    at = (uint8_t *)memcpy(at, scope.bytes, sizeof(scope.bytes)) + sizeof(scope.bytes);
    return pn_str_of(out, (size_t)(at - out));
}

/* version ‖ nonce ‖ ciphertext ‖ tag. */
static bool seal(const uint8_t *key, uint8_t version, struct pn_uuid scope,
                 struct pn_seal_place place, struct pn_str plain, struct pn_buf *out,
                 struct pn_err *err)
{
    uint8_t aad[PLACE_MAX_BYTES];
    size_t before = out->len;

    if (!pn_buf_add_byte(out, (char)version))
        return pn_fail(err, PN_TOO_LARGE, "The value is too large to seal");
    if (pn_aead_seal(key, describe(place, scope, version, aad), plain, out, err))
        return true;
    out->len = before;
    return false;
}

/* Where a wrapped scope key lives, for the associated data. */
static struct pn_seal_place place_of_key(struct pn_uuid scope)
{
    return (struct pn_seal_place){ .table = "scope", .column = "key", .row = scope };
}

static bool wrap_fresh(struct pn_keyring *keyring, struct pn_uuid scope, uint8_t version,
                       struct pn_buf *wrapped, struct pn_err *err)
{
    uint8_t key[PN_AEAD_KEY_BYTES];
    bool done;

    pn_random_bytes(key, sizeof(key));
    done = seal(bytes_of(keyring->wraps), version, scope, place_of_key(scope),
                pn_str_of(key, sizeof(key)), wrapped, err);
    pn_wipe(key, sizeof(key));
    return done;
}

bool pn_keyring_new_scope(struct pn_keyring *keyring, struct pn_uuid scope, struct pn_buf *wrapped,
                          struct pn_err *err)
{
    return wrap_fresh(keyring, scope, 1, wrapped, err);
}

bool pn_keyring_rotate_scope(struct pn_keyring *keyring, struct pn_uuid scope,
                             struct pn_buf *wrapped, struct pn_err *err)
{
    const struct scope_key *newest = find(keyring, scope, 0);

    if (newest == NULL)
        return pn_fail(err, PN_INTERNAL, "a scope whose key is not loaded cannot rotate it");
    if (newest->version == LAST_VERSION)
        return pn_fail(err, PN_INTERNAL, "the scope has used all versions of its key");
    return wrap_fresh(keyring, scope, (uint8_t)(newest->version + 1), wrapped, err);
}

/* The list with `key` in its place; no key of that version is in it. */
static struct scope_key *insert(struct scope_key *list, struct scope_key *key)
{
    struct scope_key **at = &list;

    while (*at != NULL && (*at)->version > key->version)
        at = &(*at)->older;
    key->older = *at;
    *at = key;
    return list;
}

/* Takes `secret`. False when another key of that version is there. */
static bool install(struct pn_keyring *keyring, struct pn_uuid scope, uint8_t version,
                    struct pn_secret *secret)
{
    struct scope_key *key = pn_heap_new(sizeof(*key));
    struct scope_key *list, *same;
    bool is_same = true;

    *key = (struct scope_key){ .key = secret, .version = version };
    pthread_rwlock_wrlock(&keyring->lock);
    list = pn_map_get(keyring->scopes, id_of(&scope));
    for (same = list; same != NULL && same->version != version;)
        same = same->older;
    if (same == NULL)
        (void)pn_map_put(keyring->scopes, id_of(&scope), insert(list, pn_take(&key)));
    else
        is_same = pn_secret_eq(same->key, pn_secret_reveal(secret));
    pthread_rwlock_unlock(&keyring->lock);
    if (key == NULL)
        pn_issuers_forget(keyring->issuers, scope);
    scope_key_free(key);
    return is_same;
}

bool pn_keyring_load(struct pn_keyring *keyring, struct pn_uuid scope, struct pn_str wrapped,
                     struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf key = pn_buf_init_wiped(PN_AEAD_KEY_BYTES + 1);
    uint8_t aad[PLACE_MAX_BYTES];
    struct pn_secret *secret;
    uint8_t version;

    if (wrapped.len != PN_SEAL_OVERHEAD + PN_AEAD_KEY_BYTES)
        return pn_fail(err, PN_INTERNAL, "a wrapped scope key of impossible length");
    version = (uint8_t)wrapped.ptr[0];
    if (version == 0 || version > LAST_VERSION)
        return pn_fail(err, PN_INTERNAL, "a wrapped scope key of unknown form %u", version);
    if (!pn_aead_open(bytes_of(keyring->wraps), describe(place_of_key(scope), scope, version, aad),
                      pn_str_slice(wrapped, 1, wrapped.len), &key, err))
        return pn_within(err, "scope key (is the root key the one it was made with?)");
    secret = pn_secret_new(pn_buf_str(&key), err);
    if (secret == NULL)
        return false;
    if (!install(keyring, scope, version, secret))
        return pn_fail(err, PN_INTERNAL, "another key of the scope's version %u is loaded",
                       version);
    return true;
}

bool pn_keyring_seal(struct pn_keyring *keyring, struct pn_uuid scope, struct pn_seal_place place,
                     struct pn_str plain, struct pn_buf *out, struct pn_err *err)
{
    const struct scope_key *key = find(keyring, scope, 0);

    if (key == NULL)
        return pn_fail(err, PN_INTERNAL, "no key loaded to seal %s.%s", place.table, place.column);
    return seal(bytes_of(key->key), key->version, scope, place, plain, out, err);
}

bool pn_keyring_open_into(struct pn_keyring *keyring, struct pn_uuid scope,
                          struct pn_seal_place place, struct pn_str sealed, struct pn_buf *out,
                          struct pn_err *err)
{
    const struct scope_key *key = NULL;
    uint8_t aad[PLACE_MAX_BYTES];
    uint8_t version;

    if (sealed.len < PN_SEAL_OVERHEAD)
        return pn_fail(err, PN_INTERNAL, "%s.%s is too short to be sealed", place.table,
                       place.column);
    version = (uint8_t)sealed.ptr[0];
    if (version != 0)
        key = find(keyring, scope, version);
    if (key == NULL)
        return pn_fail(err, PN_INTERNAL, "no key of version %u loaded to open %s.%s", version,
                       place.table, place.column);
    return pn_aead_open(bytes_of(key->key), describe(place, scope, version, aad),
                        pn_str_slice(sealed, 1, sealed.len), out, err) ||
           pn_within(err, "%s.%s", place.table, place.column);
}

bool pn_keyring_open(struct pn_keyring *keyring, struct pn_uuid scope, struct pn_seal_place place,
                     struct pn_str sealed, struct pn_secret **out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf plain = pn_buf_init_wiped(sealed.len + 1);

    if (!pn_keyring_open_into(keyring, scope, place, sealed, &plain, err))
        return false;
    *out = pn_secret_new(pn_buf_str(&plain), err);
    return *out != NULL;
}

/* All that opening and reading a CA depends on, so that the same bytes are the same CA. */
static bool add_source(struct pn_buf *out, const struct pn_sealed_ca *ca, struct pn_err *err)
{
    uint8_t aad[PLACE_MAX_BYTES];
    const size_t lens[] = { ca->sealed_key.len, ca->certificate.len };

    return (pn_buf_add(out, describe(ca->place, ca->scope, 0, aad)) &&
            pn_buf_add(out, pn_str_of(lens, sizeof(lens))) && pn_buf_add(out, ca->sealed_key) &&
            pn_buf_add(out, ca->certificate)) ||
           pn_fail(err, PN_INTERNAL, "a CA that is too large");
}

static bool ready_issuer(struct pn_keyring *keyring, const struct pn_sealed_ca *ca,
                         struct pn_issuer **out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf source = pn_buf_init(CA_MAX_BYTES);
    pn_auto(pn_secret_freep) struct pn_secret *key = NULL;

    if (!add_source(&source, ca, err))
        return false;
    *out = pn_issuers_get(keyring->issuers, pn_buf_str(&source));
    if (*out != NULL)
        return true;
    if (!pn_keyring_open(keyring, ca->scope, ca->place, ca->sealed_key, &key, err) ||
        !pn_issuer_new(&(struct pn_cert){ ca->certificate, key }, out, err))
        return false;
    pn_issuers_put(keyring->issuers, ca->scope, pn_buf_str(&source), *out);
    return true;
}

bool pn_keyring_issue(struct pn_keyring *keyring, struct pn_arena *arena,
                      const struct pn_sealed_ca *ca, const struct pn_cert_request *request,
                      struct pn_cert *out, struct pn_err *err)
{
    struct pn_issuer *issuer;
    bool done;

    if (!ready_issuer(keyring, ca, &issuer, err))
        return false;
    done = pn_x509_issue_under(arena, request, issuer, out, err);
    pn_issuer_free(issuer);
    return done;
}

/* {"alg":"HS256","typ":"JWT"} in base64url: the only header there is (RFC 7515 §3.1). */
static const struct pn_str token_header = PN_LIT_INIT("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9");
#define SIGNATURE_CHARS 43

/* The signature over `signed_part` in base64url. */
static void sign(struct pn_keyring *keyring, struct pn_str signed_part, struct pn_buf *out)
{
    uint8_t mac[PN_SHA256_BYTES];

    pn_hash_hmac(pn_secret_reveal(keyring->signs), signed_part, mac);
    pn_base64url_add(out, pn_str_of(mac, sizeof(mac)));
}

bool pn_keyring_sign(struct pn_keyring *keyring, struct pn_str claims_json, struct pn_buf *token,
                     struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(PN_TOKEN_MAX_BYTES);

    pn_buf_add(&text, token_header);
    pn_buf_add_byte(&text, '.');
    pn_base64url_add(&text, claims_json);
    if (!text.is_full) {
        pn_auto(pn_buf_drop) struct pn_buf signature = pn_buf_init_wiped(SIGNATURE_CHARS + 1);

        sign(keyring, pn_buf_str(&text), &signature);
        pn_buf_add_byte(&text, '.');
        pn_buf_add(&text, pn_buf_str(&signature));
    }
    if (text.is_full || !pn_buf_add(token, pn_buf_str(&text)))
        return pn_fail(err, PN_INTERNAL, "the token's claims are too long");
    return true;
}

static bool refuse_malformed(struct pn_err *err)
{
    return pn_fail(err, PN_TOKEN,
                   "The provided access token is malformed. Please use a valid token or generate a "
                   "new one and try again.");
}

/*
 * Any header that is not ours byte for byte is refused before its content could matter. Nobody
 * without our key can sign, and we write one header only. What is left is which sentence to say.
 */
static bool refuse_header(struct pn_str header, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(PN_TOKEN_MAX_BYTES);

    if (!pn_base64url_decode(header, &json) || !pn_str_starts(pn_buf_str(&json), PN_LIT("{")) ||
        !pn_str_ends(pn_buf_str(&json), PN_LIT("}")))
        return refuse_malformed(err);
    return pn_fail(err, PN_TOKEN,
                   "The access token is signed with an invalid algorithm. Please provide a valid "
                   "token and try again.");
}

bool pn_keyring_verify(struct pn_keyring *keyring, struct pn_str token, struct pn_buf *claims_json,
                       struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf wanted = pn_buf_init_wiped(SIGNATURE_CHARS + 1);
    pn_auto(pn_buf_drop) struct pn_buf claims = pn_buf_init_wiped(PN_TOKEN_MAX_BYTES);
    struct pn_str rest = token, header, payload, signature;

    if (token.len > PN_TOKEN_MAX_BYTES || !pn_str_cut(&rest, '.', &header) ||
        !pn_str_cut(&rest, '.', &payload) || !pn_str_cut(&rest, '.', &signature) ||
        rest.ptr != NULL)
        return refuse_malformed(err);
    if (!pn_str_eq(header, token_header))
        return refuse_header(header, err);
    sign(keyring, pn_str_of(token.ptr, header.len + 1 + payload.len), &wanted);
    if (!pn_hash_equal(signature, pn_buf_str(&wanted)))
        return pn_fail(err, PN_TOKEN, "invalid signature");
    if (!pn_base64url_decode(payload, &claims))
        return refuse_malformed(err);
    if (!pn_buf_add(claims_json, pn_buf_str(&claims)))
        return pn_fail(err, PN_TOO_LARGE, "The token's claims are too long");
    return true;
}

void pn_keyring_mac(struct pn_keyring *keyring, const char *purpose, struct pn_str bytes,
                    uint8_t out[32])
{
    uint8_t key[PN_SHA256_BYTES];

    pn_hash_hmac(pn_secret_reveal(keyring->hashes), pn_str_from(purpose), key);
    pn_hash_hmac(pn_str_of(key, sizeof(key)), bytes, out);
    pn_wipe(key, sizeof(key));
}
