/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_X509_H
#define PN_CRYPTO_X509_H

#include "base/arena.h"
#include "base/err.h"
#include "base/secret.h"

/* Certificates of our own tree (ECDSA P-256, SHA-256; contract pam-gateway.md §7). */
enum pn_cert_kind {
    PN_CERT_ROOT,         /* self-signed CA, pathlen none */
    PN_CERT_INTERMEDIATE, /* CA, pathlen as asked: 0 signs leaves only */
    PN_CERT_SERVER,       /* EKU serverAuth */
    PN_CERT_GATEWAY,      /* EKU serverAuth and clientAuth: a gateway is both */
    PN_CERT_CLIENT,       /* EKU clientAuth */
};

struct pn_cert_extension {
    const char *oid;
    struct pn_str value; /* bytes of the OCTET STRING as they are; never critical */
};

struct pn_cert_request {
    enum pn_cert_kind kind;
    struct pn_str common_name, organization, unit; /* unit optional */
    const struct pn_str *dns, *ips, *uris;         /* subject alternative names */
    size_t dns_count, ip_count, uri_count;
    const struct pn_cert_extension *extensions;
    size_t extension_count;
    int64_t not_before_ms, not_after_ms; /* whole seconds reach the certificate */
    unsigned path_len;                   /* CAs that may stand below an intermediate */
};

#define PN_CERT_NAME_MAX 255 /* bytes of each part of the subject and each alternative name */

struct pn_cert {
    struct pn_str pem;     /* one certificate; arena */
    struct pn_secret *key; /* PKCS#8 PEM; the caller frees */
};

/*
 * A fresh P-256 key and its certificate, signed by `issuer` (NULL for a root and only then).
 *
 * Errors:  PN_BAD_REQUEST  a name that is empty, too long or of the wrong form, a validity that ends
 *                          before it begins
 *          PN_INTERNAL     `issuer` cannot be read, is no CA, or holds another certificate's key
 * Threads: worker (about 0.5 ms).
 */
bool pn_x509_issue(struct pn_arena *arena, const struct pn_cert_request *request,
                   const struct pn_cert *issuer, struct pn_cert *out, struct pn_err *err)
    PN_CHECKED;

/*
 * A CA ready to sign: certificate and key decoded once and found to belong together. Never changed, counted, any
 * thread; the key is wiped with the last holder. Errors of new: PN_INTERNAL as above.
 */
struct pn_issuer;
bool pn_issuer_new(const struct pn_cert *ca, struct pn_issuer **out, struct pn_err *err) PN_CHECKED;
struct pn_issuer *pn_issuer_hold(struct pn_issuer *issuer);
void pn_issuer_free(struct pn_issuer *issuer);
/* pn_x509_issue without its decoding of the issuer, which costs more than all the rest. */
bool pn_x509_issue_under(struct pn_arena *arena, const struct pn_cert_request *request,
                         const struct pn_issuer *issuer, struct pn_cert *out, struct pn_err *err)
    PN_CHECKED;

/*
 * `ca` once more as a root: its subject, key and validity, signed by itself. For who trusts this CA alone
 * but takes nothing but a root for a beginning (OpenSSL unless told otherwise, so Python before 3.13).
 *
 * Errors:  PN_INTERNAL  `ca` cannot be read, is no CA, or holds another certificate's key
 * Threads: worker (about 0.2 ms).
 */
bool pn_x509_as_root(struct pn_arena *arena, const struct pn_cert *ca, struct pn_str *pem,
                     struct pn_err *err) PN_CHECKED;

/*
 * What we read from a certificate; names that are absent are PN_NONE. Nothing is verified here:
 * that is TLS's business. Errors: PN_BAD_REQUEST when it is not exactly one certificate, or when it
 * names two subjects (two CNs, a NUL inside), because identities are taken from them.
 */
struct pn_cert_info {
    struct pn_str common_name, organization, unit;
    struct pn_str serial_hex;
    int64_t not_before_ms, not_after_ms;
    bool is_ca;
};
bool pn_x509_read(struct pn_arena *arena, struct pn_str pem_or_der, struct pn_cert_info *out,
                  struct pn_err *err) PN_CHECKED;
/* `out` is the content of the extension `oid`, or PN_NONE without one; twice is PN_BAD_REQUEST. */
bool pn_x509_extension(struct pn_arena *arena, struct pn_str pem_or_der, const char *oid,
                       struct pn_str *out, struct pn_err *err) PN_CHECKED;
/* Both, of one decoding, which costs more than all the rest: an extension for each of `count` oids. */
bool pn_x509_read_with(struct pn_arena *arena, struct pn_str pem_or_der, struct pn_cert_info *out,
                       const char *const *oids, size_t count, struct pn_str *extensions,
                       struct pn_err *err) PN_CHECKED;
/*
 * One or more PEM certificates and nothing else: for fields where users paste a CA bundle.
 * Errors: PN_BAD_REQUEST with a sentence that says which block is wrong and how.
 */
bool pn_x509_check_bundle(struct pn_str pem, size_t *count, struct pn_err *err) PN_CHECKED;

#endif
