/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/x509.h"

#include "crypto/engine.h"
#include "crypto/pem.h"
#include "crypto/random.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SERIAL_BYTES 16
#define POINT_BYTES 65 /* of P-256, uncompressed: 4 ‖ x ‖ y */
#define NUMBER_BYTES 32

/* RFC 5280 §4.2.1.3: the number of each key usage's bit. */
#define DIGITAL_SIGNATURE (1u << 0)
#define KEY_ENCIPHERMENT (1u << 2)
#define KEY_AGREEMENT (1u << 4)
#define CERT_SIGN (1u << 5)
#define CRL_SIGN (1u << 6)

/* What a kind of certificate may be used for (pam-gateway.md §7.2). */
static const struct profile {
    unsigned usage;
    bool is_ca, is_server, is_client;
} profiles[] = {
    [PN_CERT_ROOT] = { CERT_SIGN | CRL_SIGN, .is_ca = true },
    [PN_CERT_INTERMEDIATE] = { CERT_SIGN | CRL_SIGN | DIGITAL_SIGNATURE | KEY_ENCIPHERMENT,
                               .is_ca = true },
    [PN_CERT_SERVER] = { DIGITAL_SIGNATURE | KEY_ENCIPHERMENT, .is_server = true },
    [PN_CERT_GATEWAY] = { DIGITAL_SIGNATURE | KEY_ENCIPHERMENT | KEY_AGREEMENT, .is_server = true,
                          .is_client = true },
    [PN_CERT_CLIENT] = { DIGITAL_SIGNATURE | KEY_ENCIPHERMENT | KEY_AGREEMENT, .is_client = true },
};

#define FREEP(name, type, drop)     \
    static void name(type **object) \
    {                               \
        drop(*object);              \
    }
FREEP(x509_freep, X509, X509_free)
FREEP(pkey_freep, EVP_PKEY, EVP_PKEY_free)
FREEP(bn_freep, BIGNUM, BN_clear_free)
FREEP(object_freep, ASN1_OBJECT, ASN1_OBJECT_free)
FREEP(octets_freep, ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)
FREEP(bits_freep, ASN1_BIT_STRING, ASN1_BIT_STRING_free)
FREEP(constraints_freep, BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free)
FREEP(authority_freep, AUTHORITY_KEYID, AUTHORITY_KEYID_free)
FREEP(purposes_freep, EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free)
FREEP(policies_freep, CERTIFICATEPOLICIES, CERTIFICATEPOLICIES_free)
FREEP(names_freep, GENERAL_NAMES, GENERAL_NAMES_free)
FREEP(extension_freep, X509_EXTENSION, X509_EXTENSION_free)

/* Raises what OpenSSL left in the thread's queue, and empties it. */
static bool fail_openssl(struct pn_err *err, const char *what)
{
    unsigned long last = ERR_peek_last_error();
    const char *why = ERR_reason_error_string(last);

    ERR_clear_error();
    return pn_fail_cause(err, PN_INTERNAL, ERR_GET_REASON(last), "%s: %s", what,
                         why != NULL ? why : "no reason given");
}

/* Names */

static bool check_name(struct pn_str name, const char *what, bool may_be_empty, struct pn_err *err)
{
    if (name.len == 0 && !may_be_empty)
        return pn_fail(err, PN_BAD_REQUEST, "A certificate needs a %s", what);
    if (name.len > PN_CERT_NAME_MAX)
        return pn_fail(err, PN_BAD_REQUEST, "The certificate's %s is longer than %d bytes", what,
                       PN_CERT_NAME_MAX);
    if (pn_str_find(name, '\0') >= 0 || !pn_str_is_utf8(name))
        return pn_fail(err, PN_BAD_REQUEST, "The certificate's %s is not text", what);
    return true;
}

static bool check_request(const struct pn_cert_request *request, struct pn_err *err)
{
    if (!check_name(request->common_name, "common name", false, err) ||
        !check_name(request->organization, "organization", true, err) ||
        !check_name(request->unit, "unit", true, err))
        return false;
    if (request->not_after_ms <= request->not_before_ms)
        return pn_fail(err, PN_BAD_REQUEST, "The certificate would end before it begins");
    return true;
}

/* Plain UTF-8 without OpenSSL's limit of 64: an organisation's name and id together are longer. */
static bool add_name(X509_NAME *subject, int nid, struct pn_str value)
{
    return value.len == 0 ||
           X509_NAME_add_entry_by_NID(subject, nid, V_ASN1_UTF8STRING,
                                      (const unsigned char *)value.ptr, (int)value.len, -1, 0);
}

static bool set_subject(X509 *cert, const struct pn_cert_request *request)
{
    X509_NAME *subject = X509_get_subject_name(cert);

    return add_name(subject, NID_organizationName, request->organization) &&
           add_name(subject, NID_organizationalUnitName, request->unit) &&
           add_name(subject, NID_commonName, request->common_name);
}

/* What X509_set_pubkey does, without its decoding of what it has just encoded (0.3 ms). */
static bool set_public_key(X509 *cert, EVP_PKEY *key)
{
    unsigned char *point = OPENSSL_malloc(POINT_BYTES);
    size_t len;

    if (point != NULL &&
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, POINT_BYTES, &len) &&
        X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(cert), OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
                               V_ASN1_OBJECT, OBJ_nid2obj(NID_X9_62_prime256v1), point, (int)len))
        return true;
    OPENSSL_free(point);
    return false;
}

static bool set_serial(X509 *cert)
{
    uint8_t random[SERIAL_BYTES];
    pn_auto(bn_freep) BIGNUM *number = NULL;

    pn_random_bytes(random, sizeof(random));
    number = BN_bin2bn(random, sizeof(random), NULL);
    return number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
}

/* Extensions */

static bool add_basic_constraints(X509 *cert, const struct pn_cert_request *request)
{
    pn_auto(constraints_freep) BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    bool is_ca = profiles[request->kind].is_ca;

    if (constraints == NULL)
        return false;
    constraints->ca = is_ca ? 0xff : 0;
    if (request->kind == PN_CERT_INTERMEDIATE) {
        constraints->pathlen = ASN1_INTEGER_new();
        if (constraints->pathlen == NULL ||
            !ASN1_INTEGER_set_uint64(constraints->pathlen, request->path_len))
            return false;
    }
    return X509_add1_ext_i2d(cert, NID_basic_constraints, constraints, is_ca, 0) > 0;
}

static bool add_key_usage(X509 *cert, const struct profile *profile)
{
    pn_auto(bits_freep) ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();

    if (bits == NULL)
        return false;
    for (int bit = 0; bit < 9; bit++) {
        if ((profile->usage >> bit & 1) != 0 && !ASN1_BIT_STRING_set_bit(bits, bit, 1))
            return false;
    }
    return X509_add1_ext_i2d(cert, NID_key_usage, bits, 1, 0) > 0;
}

static bool add_purposes(X509 *cert, const struct profile *profile)
{
    pn_auto(purposes_freep) EXTENDED_KEY_USAGE *purposes = EXTENDED_KEY_USAGE_new();

    if (profile->is_ca)
        return true;
    return purposes != NULL &&
           (!profile->is_server ||
            sk_ASN1_OBJECT_push(purposes, OBJ_nid2obj(NID_server_auth)) > 0) &&
           (!profile->is_client ||
            sk_ASN1_OBJECT_push(purposes, OBJ_nid2obj(NID_client_auth)) > 0) &&
           X509_add1_ext_i2d(cert, NID_ext_key_usage, purposes, 1, 0) > 0;
}

static bool add_any_policy(X509 *cert, const struct profile *profile)
{
    pn_auto(policies_freep) CERTIFICATEPOLICIES *policies = CERTIFICATEPOLICIES_new();
    POLICYINFO *any;

    if (!profile->is_server)
        return true;
    any = POLICYINFO_new();
    if (policies == NULL || any == NULL || sk_POLICYINFO_push(policies, any) <= 0) {
        POLICYINFO_free(any);
        return false;
    }
    any->policyid = OBJ_nid2obj(NID_any_policy);
    return X509_add1_ext_i2d(cert, NID_certificate_policies, policies, 0, 0) > 0;
}

/* RFC 7093 §2 method 1: the leftmost 160 bits of the key's SHA-256. */
static bool add_subject_key_id(X509 *cert)
{
    pn_auto(octets_freep) ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;

    return id != NULL && X509_pubkey_digest(cert, EVP_sha256(), digest, &len) &&
           ASN1_OCTET_STRING_set(id, digest, 20) &&
           X509_add1_ext_i2d(cert, NID_subject_key_identifier, id, 0, 0) > 0;
}

static bool add_authority_key_id(X509 *cert, X509 *issuer)
{
    pn_auto(authority_freep) AUTHORITY_KEYID *authority = NULL;
    const ASN1_OCTET_STRING *id;

    if (issuer == NULL)
        return true;
    id = X509_get0_subject_key_id(issuer);
    authority = AUTHORITY_KEYID_new();
    if (id == NULL || authority == NULL)
        return false;
    authority->keyid = ASN1_OCTET_STRING_dup(id);
    return authority->keyid != NULL &&
           X509_add1_ext_i2d(cert, NID_authority_key_identifier, authority, 0, 0) > 0;
}

/* Takes `value`. */
static bool add_general_name(GENERAL_NAMES *names, int type, ASN1_STRING *value)
{
    GENERAL_NAME *name = GENERAL_NAME_new();

    if (name == NULL || value == NULL) {
        ASN1_STRING_free(value);
        GENERAL_NAME_free(name);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, value);
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static ASN1_STRING *string_of(int type, const void *bytes, size_t len)
{
    ASN1_STRING *string = ASN1_STRING_type_new(type);

    if (string != NULL && !ASN1_STRING_set(string, bytes, (int)len)) {
        ASN1_STRING_free(string);
        return NULL;
    }
    return string;
}

static bool add_text_name(GENERAL_NAMES *names, int type, struct pn_str text, struct pn_err *err)
{
    if (text.len == 0 || text.len > PN_CERT_NAME_MAX || !pn_str_is_printable(text) ||
        pn_str_find(text, ' ') >= 0)
        return pn_fail(err, PN_BAD_REQUEST, "A certificate cannot name this host or URI");
    return add_general_name(names, type, string_of(V_ASN1_IA5STRING, text.ptr, text.len)) ||
           fail_openssl(err, "alternative name");
}

static bool add_ip_name(GENERAL_NAMES *names, struct pn_str text, struct pn_err *err)
{
    char address[INET6_ADDRSTRLEN] = "";
    uint8_t bytes[16];
    size_t len = 0;

    if (text.len < sizeof(address) && pn_str_is_printable(text)) {
        snprintf(address, sizeof(address), "%.*s", PN_ARG(text));
        if (inet_pton(AF_INET, address, bytes) == 1)
            len = 4;
        else if (inet_pton(AF_INET6, address, bytes) == 1)
            len = 16;
    }
    if (len == 0)
        return pn_fail(err, PN_BAD_REQUEST, "A certificate cannot name this address");
    return add_general_name(names, GEN_IPADD, string_of(V_ASN1_OCTET_STRING, bytes, len)) ||
           fail_openssl(err, "alternative name");
}

static bool add_alternative_names(X509 *cert, const struct pn_cert_request *request,
                                  struct pn_err *err)
{
    pn_auto(names_freep) GENERAL_NAMES *names = GENERAL_NAMES_new();

    if (names == NULL)
        return fail_openssl(err, "alternative names");
    for (size_t i = 0; i < request->dns_count; i++) {
        if (!add_text_name(names, GEN_DNS, request->dns[i], err))
            return false;
    }
    for (size_t i = 0; i < request->ip_count; i++) {
        if (!add_ip_name(names, request->ips[i], err))
            return false;
    }
    for (size_t i = 0; i < request->uri_count; i++) {
        if (!add_text_name(names, GEN_URI, request->uris[i], err))
            return false;
    }
    return sk_GENERAL_NAME_num(names) == 0 ||
           X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) > 0 ||
           fail_openssl(err, "alternative names");
}

/* pam-gateway.md §7.3: the value stands bare in the OCTET STRING, without a DER type of its own. */
static bool add_private(X509 *cert, const struct pn_cert_extension *extension)
{
    pn_auto(object_freep) ASN1_OBJECT *oid = OBJ_txt2obj(extension->oid, 1);
    pn_auto(octets_freep) ASN1_OCTET_STRING *value =
        string_of(V_ASN1_OCTET_STRING, extension->value.ptr, extension->value.len);
    pn_auto(extension_freep) X509_EXTENSION *made = NULL;

    if (oid == NULL || value == NULL)
        return false;
    made = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value);
    return made != NULL && X509_add_ext(cert, made, -1);
}

static bool add_extensions(X509 *cert, X509 *issuer, const struct pn_cert_request *request,
                           struct pn_err *err)
{
    const struct profile *profile = &profiles[request->kind];

    if (!add_basic_constraints(cert, request) || !add_key_usage(cert, profile) ||
        !add_purposes(cert, profile) || !add_any_policy(cert, profile) ||
        !add_subject_key_id(cert) || !add_authority_key_id(cert, issuer))
        return fail_openssl(err, "certificate extensions");
    for (size_t i = 0; i < request->extension_count; i++) {
        if (!add_private(cert, &request->extensions[i]))
            return fail_openssl(err, request->extensions[i].oid);
    }
    return add_alternative_names(cert, request, err);
}

/* The issuer */

static X509 *read_issuer_cert(struct pn_str pem, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf der = pn_buf_init(PN_PEM_MAX_BYTES);
    const unsigned char *at;

    if (!pn_pem_next(&pem, PN_PEM_CERTIFICATE, &der, err))
        return NULL;
    at = (const unsigned char *)der.ptr;
    return d2i_X509(NULL, &at, (long)der.len);
}

static EVP_PKEY *read_issuer_key(const struct pn_secret *key, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf der = pn_buf_init_wiped(PN_PEM_MAX_BYTES);
    struct pn_str pem = pn_secret_reveal(key);

    if (!pn_pem_next(&pem, PN_PEM_PRIVATE_KEY, &der, err))
        return NULL;
    return pn_engine_decode_key((const unsigned char *)der.ptr, der.len);
}

static bool read_issuer(const struct pn_cert *issuer, X509 **cert, EVP_PKEY **key,
                        struct pn_err *err)
{
    *cert = read_issuer_cert(issuer->pem, err);
    if (*cert != NULL)
        *key = read_issuer_key(issuer->key, err);
    if (err->code != PN_OK)
        return pn_recast(err, PN_INTERNAL, "the issuing CA cannot be read");
    if (*cert == NULL || *key == NULL)
        return fail_openssl(err, "the issuing CA cannot be read");
    if (!X509_check_private_key(*cert, *key))
        return fail_openssl(err, "the issuing CA's key is another certificate's");
    if (X509_check_ca(*cert) != 1)
        return pn_fail(err, PN_INTERNAL, "the issuing certificate is no CA");
    return true;
}

struct pn_issuer {
    X509 *cert;
    EVP_PKEY *key;
    atomic_uint holders;
};

bool pn_issuer_new(const struct pn_cert *ca, struct pn_issuer **out, struct pn_err *err)
{
    pn_auto(x509_freep) X509 *cert = NULL;
    pn_auto(pkey_freep) EVP_PKEY *key = NULL;

    if (!read_issuer(ca, &cert, &key, err))
        return false;
    *out = pn_heap_new(sizeof(**out));
    (*out)->cert = pn_take(&cert);
    (*out)->key = pn_take(&key);
    atomic_init(&(*out)->holders, 1);
    return true;
}

struct pn_issuer *pn_issuer_hold(struct pn_issuer *issuer)
{
    atomic_fetch_add_explicit(&issuer->holders, 1, memory_order_relaxed);
    return issuer;
}

void pn_issuer_free(struct pn_issuer *issuer)
{
    if (issuer == NULL || atomic_fetch_sub_explicit(&issuer->holders, 1, memory_order_acq_rel) > 1)
        return;
    X509_free(issuer->cert);
    EVP_PKEY_free(issuer->key);
    pn_heap_free(issuer);
}

FREEP(issuer_freep, struct pn_issuer, pn_issuer_free)

/* Results */

static bool write_cert(struct pn_arena *arena, X509 *cert, struct pn_str *pem, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(2 * PN_PEM_MAX_BYTES);
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    bool done;

    if (len < 0)
        return fail_openssl(err, "certificate");
    done = pn_pem_add(&text, PN_PEM_CERTIFICATE, pn_str_of(der, (size_t)len));
    OPENSSL_free(der);
    if (!done)
        return pn_fail(err, PN_TOO_LARGE, "The certificate is too large");
    *pem = pn_arena_copy(arena, pn_buf_str(&text));
    return true;
}

/* A P-256 key as PKCS#8 (RFC 5958, RFC 5915) is these bytes, its number, these, and its point. */
static const uint8_t before_number[] = { 0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06,
                                         0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                         0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
                                         0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20 };
static const uint8_t before_point[] = { 0xa1, 0x44, 0x03, 0x42, 0x00 };
#define KEY_BYTES (sizeof(before_number) + NUMBER_BYTES + sizeof(before_point) + POINT_BYTES)

/* What i2d_PKCS8_PRIV_KEY_INFO gives; choosing an encoder costs OpenSSL as much as making the key. */
static bool encode_key(EVP_PKEY *key, uint8_t out[KEY_BYTES])
{
    pn_auto(bn_freep) BIGNUM *number = NULL;
    uint8_t *at =
        (uint8_t *)memcpy(out, before_number, sizeof(before_number)) + sizeof(before_number);
    size_t len;

    if (!EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) ||
        BN_bn2binpad(number, at, NUMBER_BYTES) != NUMBER_BYTES)
        return false;
    at += NUMBER_BYTES;
    at = (uint8_t *)memcpy(at, before_point, sizeof(before_point)) + sizeof(before_point);
    return EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, at, POINT_BYTES, &len) &&
           len == POINT_BYTES;
}

static bool write_key(EVP_PKEY *key, struct pn_secret **out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(PN_PEM_MAX_BYTES);
    uint8_t der[KEY_BYTES];
    bool done = encode_key(key, der) || fail_openssl(err, "private key");

    done = done && pn_pem_add(&text, PN_PEM_PRIVATE_KEY, pn_str_of(der, sizeof(der)));
    pn_wipe(der, sizeof(der));
    if (!done)
        return false;
    *out = pn_secret_new(pn_buf_str(&text), err);
    return *out != NULL;
}

/* Everything but the signature. */
static bool fill(X509 *cert, EVP_PKEY *key, X509 *issuer, const struct pn_cert_request *request,
                 struct pn_err *err)
{
    if (!X509_set_version(cert, X509_VERSION_3) || !set_serial(cert) ||
        !set_subject(cert, request) || !set_public_key(cert, key) ||
        !X509_set_issuer_name(cert, X509_get_subject_name(issuer != NULL ? issuer : cert)) ||
        !ASN1_TIME_set(X509_getm_notBefore(cert), request->not_before_ms / 1000) ||
        !ASN1_TIME_set(X509_getm_notAfter(cert), request->not_after_ms / 1000))
        return fail_openssl(err, "certificate");
    return add_extensions(cert, issuer, request, err);
}

/* `issuer` NULL: signed by itself. */
static bool issue(struct pn_arena *arena, const struct pn_cert_request *request,
                  const struct pn_issuer *issuer, struct pn_cert *out, struct pn_err *err)
{
    pn_auto(x509_freep) X509 *cert = X509_new();
    pn_auto(pkey_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
    struct pn_str pem;

    pn_assert((issuer == NULL) == (request->kind == PN_CERT_ROOT));
    if (cert == NULL || key == NULL)
        return fail_openssl(err, "certificate key");
    if (!fill(cert, key, issuer != NULL ? issuer->cert : NULL, request, err))
        return false;
    if (X509_sign(cert, issuer != NULL ? issuer->key : key, EVP_sha256()) <= 0)
        return fail_openssl(err, "certificate signature");
    if (!write_cert(arena, cert, &pem, err) || !write_key(key, &out->key, err))
        return false;
    out->pem = pem;
    return true;
}

bool pn_x509_issue_under(struct pn_arena *arena, const struct pn_cert_request *request,
                         const struct pn_issuer *issuer, struct pn_cert *out, struct pn_err *err)
{
    pn_assert(issuer != NULL);
    return check_request(request, err) && issue(arena, request, issuer, out, err);
}

bool pn_x509_issue(struct pn_arena *arena, const struct pn_cert_request *request,
                   const struct pn_cert *issuer, struct pn_cert *out, struct pn_err *err)
{
    pn_auto(issuer_freep) struct pn_issuer *ready = NULL;

    return check_request(request, err) && (issuer == NULL || pn_issuer_new(issuer, &ready, err)) &&
           issue(arena, request, ready, out, err);
}

static void drop_authority_key_id(X509 *cert)
{
    int at = X509_get_ext_by_NID(cert, NID_authority_key_identifier, -1);

    if (at >= 0)
        X509_EXTENSION_free(X509_delete_ext(cert, at));
}

bool pn_x509_as_root(struct pn_arena *arena, const struct pn_cert *ca, struct pn_str *pem,
                     struct pn_err *err)
{
    pn_auto(x509_freep) X509 *cert = NULL;
    pn_auto(pkey_freep) EVP_PKEY *key = NULL;

    if (!read_issuer(ca, &cert, &key, err))
        return false;
    drop_authority_key_id(cert);
    if (!set_serial(cert) || !X509_set_issuer_name(cert, X509_get_subject_name(cert)) ||
        X509_sign(cert, key, EVP_sha256()) <= 0)
        return fail_openssl(err, "the CA as a root");
    return write_cert(arena, cert, pem, err);
}
