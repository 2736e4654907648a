/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_X509_H
#define PN_CRYPTO_X509_H

#include "base/arena.h"
#include "base/err.h"
#include "base/secret.h"

/* Certificates of our own tree (ECDSA P-256, SHA-256; contract pam-gateway.md §7). */
enum pn_cert_kind {
    PN_CERT_ROOT,         /* self-signed CA, pathlen none */
    PN_CERT_INTERMEDIATE, /* CA, pathlen 0 */
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
    int64_t not_before_ms, not_after_ms;
};

struct pn_cert {
    struct pn_str pem;       /* one certificate; arena */
    struct pn_secret *key;   /* PKCS#8 PEM; the caller frees */
};

/* A fresh P-256 key and its certificate, signed by `issuer` (NULL for a root). */
bool pn_x509_issue(struct pn_arena *arena, const struct pn_cert_request *request,
                   const struct pn_cert *issuer, struct pn_cert *out, struct pn_err *err) PN_CHECKED;

/* What we read from a certificate. `extension` is the value of `oid` or PN_NONE. */
struct pn_cert_info {
    struct pn_str common_name, organization;
    struct pn_str serial_hex;
    int64_t not_before_ms, not_after_ms;
    bool is_ca;
};
bool pn_x509_read(struct pn_arena *arena, struct pn_str pem_or_der, struct pn_cert_info *out,
                  struct pn_err *err) PN_CHECKED;
bool pn_x509_extension(struct pn_arena *arena, struct pn_str pem_or_der, const char *oid,
                       struct pn_str *out, struct pn_err *err) PN_CHECKED;
/* One or more PEM certificates and nothing else: for fields where users paste a CA bundle. */
bool pn_x509_check_bundle(struct pn_str pem, size_t *count, struct pn_err *err) PN_CHECKED;

#endif
