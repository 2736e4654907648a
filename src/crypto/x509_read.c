/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/x509.h"

#include "base/encode.h"
#include "crypto/pem.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <string.h>
#include <time.h>

static void x509_freep(X509 **cert)
{
    X509_free(*cert);
}

static void object_freep(ASN1_OBJECT **object)
{
    ASN1_OBJECT_free(*object);
}

/* All of `der` as one certificate; NULL otherwise. */
static X509 *decode(struct pn_str der)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    X509 *cert = der.len <= PN_PEM_MAX_BYTES ? d2i_X509(NULL, &at, (long)der.len) : NULL;

    ERR_clear_error();
    if (cert != NULL && at == (const unsigned char *)der.ptr + der.len)
        return cert;
    X509_free(cert);
    return NULL;
}

static X509 *read_one(struct pn_str pem_or_der, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf der = pn_buf_init(PN_PEM_MAX_BYTES);
    struct pn_str rest = pem_or_der;
    X509 *cert;

    if (!pn_pem_is(rest)) {
        cert = decode(rest);
    } else {
        if (!pn_pem_next(&rest, PN_PEM_CERTIFICATE, &der, err))
            return NULL;
        if (rest.len > 0) {
            pn_fail(err, PN_BAD_REQUEST, "Expected one certificate and found something after it");
            return NULL;
        }
        cert = decode(pn_buf_str(&der));
    }
    if (cert == NULL)
        pn_fail(err, PN_BAD_REQUEST, "Not an X.509 certificate");
    return cert;
}

/* The only part `nid` of the subject, as UTF-8; PN_NONE when absent. */
static bool read_name(struct pn_arena *arena, X509 *cert, int nid, struct pn_str *out,
                      struct pn_err *err)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, nid, -1);
    struct pn_str text;
    unsigned char *utf8 = NULL;
    int len;

    *out = PN_NONE;
    if (at < 0)
        return true;
    if (X509_NAME_get_index_by_NID(subject, nid, at) >= 0)
        return pn_fail(err, PN_BAD_REQUEST, "The certificate names its subject twice");
    len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    ERR_clear_error();
    if (len < 0)
        return pn_fail(err, PN_BAD_REQUEST, "The certificate's subject is not text");
    text = pn_arena_copy(arena, pn_str_of(utf8, (size_t)len));
    OPENSSL_free(utf8);
    if (pn_str_find(text, '\0') >= 0 || !pn_str_is_utf8(text))
        return pn_fail(err, PN_BAD_REQUEST, "The certificate's subject is not text");
    *out = text;
    return true;
}

static bool read_time(const ASN1_TIME *time, int64_t *wall_ms, struct pn_err *err)
{
    struct tm parts;

    if (!ASN1_TIME_to_tm(time, &parts)) {
        ERR_clear_error();
        return pn_fail(err, PN_BAD_REQUEST, "The certificate's validity is not a time");
    }
    *wall_ms = (int64_t)timegm(&parts) * 1000;
    return true;
}

static struct pn_str read_serial(struct pn_arena *arena, X509 *cert)
{
    pn_auto(pn_buf_drop) struct pn_buf hex = pn_buf_init(4 * PN_PEM_MAX_BYTES);
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);

    pn_hex_add(&hex, pn_str_of(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial)));
    return pn_arena_copy(arena, pn_buf_str(&hex));
}

static bool read_info(struct pn_arena *arena, X509 *cert, struct pn_cert_info *out,
                      struct pn_err *err)
{
    struct pn_cert_info info = { 0 };

    if (!read_name(arena, cert, NID_commonName, &info.common_name, err) ||
        !read_name(arena, cert, NID_organizationName, &info.organization, err) ||
        !read_name(arena, cert, NID_organizationalUnitName, &info.unit, err) ||
        !read_time(X509_get0_notBefore(cert), &info.not_before_ms, err) ||
        !read_time(X509_get0_notAfter(cert), &info.not_after_ms, err))
        return false;
    info.serial_hex = read_serial(arena, cert);
    info.is_ca = X509_check_ca(cert) == 1;
    ERR_clear_error();
    *out = info;
    return true;
}

static bool read_extension(struct pn_arena *arena, X509 *cert, const char *oid, struct pn_str *out,
                           struct pn_err *err)
{
    pn_auto(object_freep) ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    const ASN1_OCTET_STRING *value;
    int at;

    pn_assert(object != NULL);
    *out = PN_NONE;
    at = X509_get_ext_by_OBJ(cert, object, -1);
    if (at < 0)
        return true;
    if (X509_get_ext_by_OBJ(cert, object, at) >= 0)
        return pn_fail(err, PN_BAD_REQUEST, "The certificate has the extension %s twice", oid);
    value = X509_EXTENSION_get_data(X509_get_ext(cert, at));
    *out = pn_arena_copy(
        arena, pn_str_of(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)));
    return true;
}

bool pn_x509_read_with(struct pn_arena *arena, struct pn_str pem_or_der, struct pn_cert_info *out,
                       const char *const *oids, size_t count, struct pn_str *extensions,
                       struct pn_err *err)
{
    pn_auto(x509_freep) X509 *cert = read_one(pem_or_der, err);

    if (cert == NULL || !read_info(arena, cert, out, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!read_extension(arena, cert, oids[i], &extensions[i], err))
            return false;
    return true;
}

bool pn_x509_read(struct pn_arena *arena, struct pn_str pem_or_der, struct pn_cert_info *out,
                  struct pn_err *err)
{
    return pn_x509_read_with(arena, pem_or_der, out, NULL, 0, NULL, err);
}

bool pn_x509_extension(struct pn_arena *arena, struct pn_str pem_or_der, const char *oid,
                       struct pn_str *out, struct pn_err *err)
{
    pn_auto(x509_freep) X509 *cert = read_one(pem_or_der, err);

    return cert != NULL && read_extension(arena, cert, oid, out, err);
}

bool pn_x509_check_bundle(struct pn_str pem, size_t *count, struct pn_err *err)
{
    struct pn_str rest = pn_str_trim(pem);
    size_t found = 0;

    if (rest.len == 0)
        return pn_fail(err, PN_BAD_REQUEST, "Expected at least one PEM certificate");
    while (rest.len > 0) {
        pn_auto(pn_buf_drop) struct pn_buf der = pn_buf_init(PN_PEM_MAX_BYTES);
        pn_auto(x509_freep) X509 *cert = NULL;

        found++;
        if (!pn_pem_next(&rest, PN_PEM_CERTIFICATE, &der, err)) {
            char why[sizeof(err->message)];

            memcpy(why, err->message, sizeof(why));
            return pn_recast(err, PN_BAD_REQUEST, "Certificate %zu of the bundle: %.180s", found,
                             why);
        }
        cert = decode(pn_buf_str(&der));
        if (cert == NULL)
            return pn_fail(err, PN_BAD_REQUEST, "Certificate %zu of the bundle is not X.509",
                           found);
    }
    *count = found;
    return true;
}
