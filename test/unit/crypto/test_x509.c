/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/x509.h"

#include "check.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define NOW_MS INT64_C(1790000000000) /* 2026-09-21 */
#define DAY_MS INT64_C(86400000)
#define FAR_MS INT64_C(2366841600000) /* 2045-01-01: past 2038 */

static struct pn_arena *arena;

/* A tree as pam-gateway.md §7.2 and §7.4 draw them. */
struct tree {
    struct pn_cert root, server_ca, client_ca, leaf;
};

static struct pn_cert_request ca_request(enum pn_cert_kind kind, const char *name,
                                         unsigned path_len)
{
    return (struct pn_cert_request){ .kind = kind,
                                     .common_name = pn_str_from(name),
                                     .organization = PN_LIT("01890000-0000-7000-8000-000000000001"),
                                     .not_before_ms = NOW_MS - DAY_MS,
                                     .not_after_ms = FAR_MS,
                                     .path_len = path_len };
}

static struct pn_cert_request leaf_request(enum pn_cert_kind kind)
{
    return (struct pn_cert_request){ .kind = kind,
                                     .common_name = PN_LIT("Gateway"),
                                     .organization = PN_LIT("01890000-0000-7000-8000-000000000001"),
                                     .not_before_ms = NOW_MS - 60000,
                                     .not_after_ms = NOW_MS + DAY_MS };
}

static struct pn_cert issue(const struct pn_cert_request *request, const struct pn_cert *issuer)
{
    struct pn_cert cert = { 0 };
    struct pn_err err = { 0 };

    CHECK_OK(pn_x509_issue(arena, request, issuer, &cert, &err), err);
    return cert;
}

static struct pn_cert issue_ca(enum pn_cert_kind kind, const char *name, unsigned path_len,
                               const struct pn_cert *issuer)
{
    struct pn_cert_request request = ca_request(kind, name, path_len);

    return issue(&request, issuer);
}

static struct tree grow(void)
{
    struct pn_cert_request leaf = leaf_request(PN_CERT_SERVER);
    struct tree tree;

    tree.root = issue_ca(PN_CERT_ROOT, "Infisical Gateway Root CA", 0, NULL);
    tree.server_ca = issue_ca(PN_CERT_INTERMEDIATE, "Infisical Gateway Server CA", 0, &tree.root);
    tree.client_ca = issue_ca(PN_CERT_INTERMEDIATE, "Infisical Gateway Client CA", 0, &tree.root);
    tree.leaf = issue(&leaf, &tree.server_ca);
    return tree;
}

static void fell(struct tree *tree)
{
    pn_secret_free(tree->root.key);
    pn_secret_free(tree->server_ca.key);
    pn_secret_free(tree->client_ca.key);
    pn_secret_free(tree->leaf.key);
}

static X509 *parsed(struct pn_str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    CHECK(cert != NULL);
    return cert;
}

/* What `openssl verify -attime -purpose -x509_strict` says: X509_V_OK or its error. */
static int verify(struct pn_str leaf, const struct pn_cert *const *trusted, size_t count,
                  int purpose, int64_t at_ms)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509 *cert = parsed(leaf);
    int result;

    for (size_t i = 0; i < count; i++) {
        X509 *ca = parsed(trusted[i]->pem);

        CHECK(X509_STORE_add_cert(store, ca));
        X509_free(ca);
    }
    CHECK(X509_STORE_CTX_init(context, store, cert, NULL));
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context), at_ms / 1000);
    X509_VERIFY_PARAM_set_purpose(X509_STORE_CTX_get0_param(context), purpose);
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context), X509_V_FLAG_X509_STRICT);
    (void)X509_verify_cert(context);
    result = X509_STORE_CTX_get_error(context);
    X509_free(cert);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return result;
}
#define VERIFY(leaf, purpose, at_ms, ...)                          \
    verify((leaf), (const struct pn_cert *const[]){ __VA_ARGS__ }, \
           PN_COUNT(((const struct pn_cert *const[]){ __VA_ARGS__ })), (purpose), (at_ms))

PN_TEST(a_chain_verifies_strictly)
{
    struct tree tree = grow();

    CHECK_EQ(VERIFY(tree.leaf.pem, X509_PURPOSE_SSL_SERVER, NOW_MS, &tree.root, &tree.server_ca),
             X509_V_OK);
    CHECK_EQ(VERIFY(tree.server_ca.pem, X509_PURPOSE_ANY, NOW_MS, &tree.root), X509_V_OK);
    fell(&tree);
}

PN_TEST(validity_is_exact)
{
    struct tree tree = grow();
    int64_t begins = NOW_MS - 60000, ends = NOW_MS + DAY_MS;

    CHECK_EQ(
        VERIFY(tree.leaf.pem, X509_PURPOSE_SSL_SERVER, begins - 1000, &tree.root, &tree.server_ca),
        X509_V_ERR_CERT_NOT_YET_VALID);
    CHECK_EQ(VERIFY(tree.leaf.pem, X509_PURPOSE_SSL_SERVER, begins, &tree.root, &tree.server_ca),
             X509_V_OK);
    CHECK_EQ(
        VERIFY(tree.leaf.pem, X509_PURPOSE_SSL_SERVER, ends - 1000, &tree.root, &tree.server_ca),
        X509_V_OK);
    CHECK_EQ(
        VERIFY(tree.leaf.pem, X509_PURPOSE_SSL_SERVER, ends + 1000, &tree.root, &tree.server_ca),
        X509_V_ERR_CERT_HAS_EXPIRED);
    fell(&tree);
}

PN_TEST(another_issuer_does_not_verify)
{
    struct tree tree = grow(), other = grow();
    struct pn_cert forged = { .pem = tree.server_ca.pem, .key = other.server_ca.key };
    struct pn_cert_request request = leaf_request(PN_CERT_SERVER);
    struct pn_cert cert = { 0 };
    struct pn_err err = { 0 };

    CHECK_EQ(VERIFY(tree.leaf.pem, X509_PURPOSE_SSL_SERVER, NOW_MS, &other.root, &other.server_ca),
             X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY); /* same names, other key */
    CHECK_EQ(VERIFY(tree.leaf.pem, X509_PURPOSE_SSL_SERVER, NOW_MS, &tree.root, &tree.client_ca),
             X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    CHECK_FAILS(pn_x509_issue(arena, &request, &forged, &cert, &err), err, INTERNAL);
    CHECK_FAILS(pn_x509_issue(arena, &request, &tree.leaf, &cert, &err), err, INTERNAL); /* no CA */
    fell(&tree);
    fell(&other);
}

PN_TEST(a_kind_serves_its_purpose_and_no_other)
{
    static const struct {
        enum pn_cert_kind kind;
        int as_server, as_client;
    } cases[] = {
        { PN_CERT_SERVER, X509_V_OK, X509_V_ERR_INVALID_PURPOSE },
        { PN_CERT_CLIENT, X509_V_ERR_INVALID_PURPOSE, X509_V_OK },
        { PN_CERT_GATEWAY, X509_V_OK, X509_V_OK },
    };
    struct tree tree = grow();

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_cert_request request = leaf_request(cases[i].kind);
        struct pn_cert leaf = issue(&request, &tree.client_ca);

        CHECK_EQ(VERIFY(leaf.pem, X509_PURPOSE_SSL_SERVER, NOW_MS, &tree.root, &tree.client_ca),
                 cases[i].as_server);
        CHECK_EQ(VERIFY(leaf.pem, X509_PURPOSE_SSL_CLIENT, NOW_MS, &tree.root, &tree.client_ca),
                 cases[i].as_client);
        pn_secret_free(leaf.key);
    }
    fell(&tree);
}

/* The relay's tree is three CAs deep (§7.4); one more than a CA allows is refused. */
PN_TEST(path_length_counts_the_cas_below)
{
    struct pn_cert root = issue_ca(PN_CERT_ROOT, "Instance Root Relay CA", 0, NULL);
    struct pn_cert relay = issue_ca(PN_CERT_INTERMEDIATE, "Instance Relay CA", 1, &root);
    struct pn_cert client = issue_ca(PN_CERT_INTERMEDIATE, "Instance Relay Client CA", 0, &relay);
    struct pn_cert below = issue_ca(PN_CERT_INTERMEDIATE, "Too deep", 0, &client);
    struct pn_cert_request request = leaf_request(PN_CERT_CLIENT);
    struct pn_cert good = issue(&request, &client), bad = issue(&request, &below);

    CHECK_EQ(VERIFY(good.pem, X509_PURPOSE_SSL_CLIENT, NOW_MS, &root, &relay, &client), X509_V_OK);
    CHECK_EQ(VERIFY(bad.pem, X509_PURPOSE_SSL_CLIENT, NOW_MS, &root, &relay, &client, &below),
             X509_V_ERR_PATH_LENGTH_EXCEEDED);
    pn_secret_free(root.key);
    pn_secret_free(relay.key);
    pn_secret_free(client.key);
    pn_secret_free(below.key);
    pn_secret_free(good.key);
    pn_secret_free(bad.key);
}

PN_TEST(extensions_are_those_of_the_contract)
{
    struct tree tree = grow();
    X509 *root = parsed(tree.root.pem), *ca = parsed(tree.server_ca.pem),
         *leaf = parsed(tree.leaf.pem);

    CHECK_EQ(X509_get_version(leaf), X509_VERSION_3);
    CHECK_EQ(X509_get_key_usage(root), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    CHECK_EQ(X509_get_key_usage(ca),
             KU_KEY_CERT_SIGN | KU_CRL_SIGN | KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
    CHECK_EQ(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
    CHECK_EQ(X509_get_extended_key_usage(leaf), XKU_SSL_SERVER);
    CHECK_EQ(X509_get_pathlen(root), -1);
    CHECK_EQ(X509_get_pathlen(ca), 0);
    CHECK(X509_get0_authority_key_id(root) == NULL);
    CHECK_EQ(ASN1_STRING_cmp(X509_get0_authority_key_id(leaf), X509_get0_subject_key_id(ca)), 0);
    CHECK(X509_get_ext_by_NID(leaf, NID_certificate_policies, -1) >= 0);
    for (size_t i = 0; i < 3; i++) {
        X509 *cert = (X509 *const[]){ root, ca, leaf }[i];
        int usage = X509_get_ext_by_NID(cert, NID_key_usage, -1);
        int constraints = X509_get_ext_by_NID(cert, NID_basic_constraints, -1);

        CHECK(X509_EXTENSION_get_critical(X509_get_ext(cert, usage)));
        CHECK_EQ(X509_EXTENSION_get_critical(X509_get_ext(cert, constraints)), cert != leaf);
    }
    X509_free(root);
    X509_free(ca);
    X509_free(leaf);
    fell(&tree);
}

PN_TEST(alternative_names_match_hosts_and_addresses)
{
    const struct pn_str dns[] = { PN_LIT("localhost"), PN_LIT("gw.example.com") };
    const struct pn_str ips[] = { PN_LIT("127.0.0.1"), PN_LIT("::1") };
    const struct pn_str uris[] = { PN_LIT("urn:infisical:gateway:1") };
    struct tree tree = grow();
    struct pn_cert_request request = leaf_request(PN_CERT_SERVER);
    struct pn_cert leaf;
    X509 *cert;

    request.dns = dns, request.dns_count = PN_COUNT(dns);
    request.ips = ips, request.ip_count = PN_COUNT(ips);
    request.uris = uris, request.uri_count = PN_COUNT(uris);
    leaf = issue(&request, &tree.server_ca);
    cert = parsed(leaf.pem);
    CHECK_EQ(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    CHECK_EQ(X509_check_host(cert, "gw.example.com", 0, 0, NULL), 1);
    CHECK_EQ(X509_check_host(cert, "Gateway", 0, 0, NULL), 0);
    CHECK_EQ(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    CHECK_EQ(X509_check_ip_asc(cert, "::1", 0), 1);
    CHECK_EQ(X509_check_ip_asc(cert, "127.0.0.2", 0), 0);
    X509_free(cert);
    pn_secret_free(leaf.key);
    fell(&tree);
}

#define TARGET "{\"targetHost\":\"kube.example.com\",\"targetPort\":6443}"
#define OID_TARGET "1.3.6.1.4.1.12345.100.1"
#define OID_ACTOR "1.3.6.1.4.1.12345.100.2"
#define OID_PAM "1.3.6.1.4.1.12345.100.3"

PN_TEST(private_extensions_are_bare_bytes)
{
    const struct pn_cert_extension extensions[] = {
        { OID_TARGET, PN_LIT(TARGET) },
        { OID_ACTOR, PN_LIT("{\"type\":\"platform\"}") },
    };
    struct tree tree = grow();
    struct pn_cert_request request = leaf_request(PN_CERT_CLIENT);
    struct pn_cert leaf;
    struct pn_str value;
    struct pn_err err = { 0 };

    request.extensions = extensions, request.extension_count = PN_COUNT(extensions);
    leaf = issue(&request, &tree.client_ca);
    CHECK_OK(pn_x509_extension(arena, leaf.pem, OID_TARGET, &value, &err), err);
    CHECK_STR(value, TARGET);
    CHECK_OK(pn_x509_extension(arena, leaf.pem, OID_ACTOR, &value, &err), err);
    CHECK_STR(value, "{\"type\":\"platform\"}");
    CHECK_OK(pn_x509_extension(arena, leaf.pem, OID_PAM, &value, &err), err);
    CHECK(value.ptr == NULL);
    CHECK_EQ(VERIFY(leaf.pem, X509_PURPOSE_SSL_CLIENT, NOW_MS, &tree.root, &tree.client_ca),
             X509_V_OK);
    CHECK_FAILS(pn_x509_extension(arena, PN_LIT("junk"), OID_PAM, &value, &err), err, BAD_REQUEST);
    pn_secret_free(leaf.key);
    fell(&tree);
}

PN_TEST(an_extension_given_twice_is_refused_on_reading)
{
    const struct pn_cert_extension twice[] = { { OID_PAM, PN_LIT("{}") },
                                               { OID_PAM, PN_LIT("[]") } };
    struct tree tree = grow();
    struct pn_cert_request request = leaf_request(PN_CERT_CLIENT);
    struct pn_cert leaf;
    struct pn_str value;
    struct pn_err err = { 0 };

    request.extensions = twice, request.extension_count = PN_COUNT(twice);
    leaf = issue(&request, &tree.client_ca);
    CHECK_FAILS(pn_x509_extension(arena, leaf.pem, OID_PAM, &value, &err), err, BAD_REQUEST);
    pn_secret_free(leaf.key);
    fell(&tree);
}

PN_TEST(what_is_issued_reads_back)
{
    struct tree tree = grow();
    struct pn_cert_info info;
    struct pn_err err = { 0 };

    CHECK_OK(pn_x509_read(arena, tree.leaf.pem, &info, &err), err);
    CHECK_STR(info.common_name, "Gateway");
    CHECK_STR(info.organization, "01890000-0000-7000-8000-000000000001");
    CHECK_EQ(info.not_before_ms, NOW_MS - 60000);
    CHECK_EQ(info.not_after_ms, NOW_MS + DAY_MS);
    CHECK(!info.is_ca);
    CHECK(info.serial_hex.len >= 24 && info.serial_hex.len <= 32);
    CHECK_OK(pn_x509_read(arena, tree.root.pem, &info, &err), err);
    CHECK(info.is_ca);
    CHECK_EQ(info.not_after_ms, FAR_MS);
    fell(&tree);
}

PN_TEST(a_certificate_and_its_extensions_are_read_at_once)
{
    static const char *const oids[] = { "1.3.6.1.4.1.12345.100.9", "2.5.29.19", "2.5.29.15" };
    struct tree tree = grow();
    struct pn_cert_info info, same;
    struct pn_str found[PN_COUNT(oids)], one;
    struct pn_err err = { 0 };

    CHECK_OK(pn_x509_read_with(arena, tree.leaf.pem, &info, oids, PN_COUNT(oids), found, &err),
             err);
    CHECK_OK(pn_x509_read(arena, tree.leaf.pem, &same, &err), err);
    CHECK(pn_str_eq(info.common_name, same.common_name) && info.not_after_ms == same.not_after_ms);
    for (size_t i = 0; i < PN_COUNT(oids); i++) {
        CHECK_OK(pn_x509_extension(arena, tree.leaf.pem, oids[i], &one, &err), err);
        CHECK((one.ptr == NULL) == (i == 0)); /* it has no such extension */
        CHECK(pn_str_eq(found[i], one));
    }
    CHECK_FAILS(pn_x509_read_with(arena, PN_LIT("none"), &info, oids, 1, found, &err), err,
                BAD_REQUEST);
    fell(&tree);
}

PN_TEST(der_reads_like_pem)
{
    struct tree tree = grow();
    X509 *cert = parsed(tree.leaf.pem);
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    struct pn_cert_info from_pem, from_der;
    struct pn_err err = { 0 };

    CHECK_OK(pn_x509_read(arena, tree.leaf.pem, &from_pem, &err), err);
    CHECK_OK(pn_x509_read(arena, pn_str_of(der, (size_t)len), &from_der, &err), err);
    CHECK(pn_str_eq(from_pem.serial_hex, from_der.serial_hex));
    for (int cut = 0; cut < len; cut += 7)
        CHECK_FAILS(pn_x509_read(arena, pn_str_of(der, (size_t)cut), &from_der, &err), err,
                    BAD_REQUEST);
    OPENSSL_free(der);
    X509_free(cert);
    fell(&tree);
}

PN_TEST(serials_and_keys_differ)
{
    struct tree a = grow(), b = grow();
    struct pn_cert_info first, second;
    struct pn_err err = { 0 };

    CHECK_OK(pn_x509_read(arena, a.leaf.pem, &first, &err), err);
    CHECK_OK(pn_x509_read(arena, b.leaf.pem, &second, &err), err);
    CHECK(!pn_str_eq(first.serial_hex, second.serial_hex));
    CHECK(!pn_secret_eq(a.leaf.key, pn_secret_reveal(b.leaf.key)));
    fell(&a);
    fell(&b);
}

PN_TEST(the_key_is_pkcs8_and_fits_its_certificate)
{
    struct tree tree = grow();
    struct pn_str pem = pn_secret_reveal(tree.leaf.key);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    X509 *cert = parsed(tree.leaf.pem);

    CHECK(pn_str_starts(pem, PN_LIT("-----BEGIN PRIVATE KEY-----\n")));
    CHECK(key != NULL);
    CHECK_EQ(X509_check_private_key(cert, key), 1);
    CHECK(EVP_PKEY_is_a(key, "EC"));
    CHECK_EQ(EVP_PKEY_get_bits(key), 256);
    EVP_PKEY_free(key);
    X509_free(cert);
    BIO_free(bio);
    fell(&tree);
}

PN_TEST(bad_requests_are_refused)
{
    static const char long_name[PN_CERT_NAME_MAX + 2] = { 'x' };
    const struct pn_str bad_hosts[] = { PN_LIT(""), PN_LIT("a b"), PN_LIT("a\nb"),
                                        PN_LIT("\xc3\xa4"), PN_LIT("a\0b") };
    const struct pn_str bad_ips[] = { PN_LIT(""),
                                      PN_LIT("1.2.3"),
                                      PN_LIT("1.2.3.4\0"),
                                      PN_LIT("localhost"),
                                      PN_LIT("1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9"),
                                      PN_LIT("::1%lo") };
    struct tree tree = grow();
    struct pn_cert_request request;
    struct pn_cert cert = { 0 };
    struct pn_err err = { 0 };

#define REFUSED(...)                                                                   \
    do {                                                                               \
        request = leaf_request(PN_CERT_SERVER);                                        \
        __VA_ARGS__;                                                                   \
        CHECK_FAILS(pn_x509_issue(arena, &request, &tree.server_ca, &cert, &err), err, \
                    BAD_REQUEST);                                                      \
    } while (0)
    REFUSED(request.common_name = PN_NONE);
    REFUSED(request.common_name = PN_LIT("a\0b"));
    REFUSED(request.common_name = PN_LIT("\xff"));
    REFUSED(request.common_name = pn_str_of(long_name, PN_CERT_NAME_MAX + 1));
    REFUSED(request.organization = PN_LIT("a\0b"));
    REFUSED(request.unit = PN_LIT("\xc3"));
    REFUSED(request.not_after_ms = request.not_before_ms);
    for (size_t i = 0; i < PN_COUNT(bad_hosts); i++) {
        REFUSED(request.dns = &bad_hosts[i], request.dns_count = 1);
        REFUSED(request.uris = &bad_hosts[i], request.uri_count = 1);
    }
    for (size_t i = 0; i < PN_COUNT(bad_ips); i++)
        REFUSED(request.ips = &bad_ips[i], request.ip_count = 1);
    CHECK(cert.key == NULL);
    fell(&tree);
}

PN_TEST(an_unreadable_issuer_is_our_fault)
{
    struct tree tree = grow();
    struct pn_cert_request request = leaf_request(PN_CERT_SERVER);
    struct pn_cert cut = { .pem = pn_str_slice(tree.server_ca.pem, 0, 200),
                           .key = tree.server_ca.key };
    struct pn_cert none = { .pem = tree.server_ca.pem, .key = NULL };
    struct pn_cert cert = { 0 };
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_x509_issue(arena, &request, &cut, &cert, &err), err, INTERNAL);
    CHECK_FAILS(pn_x509_issue(arena, &request, &none, &cert, &err), err, INTERNAL);
    fell(&tree);
}

/* Written by hand, for speed: byte for byte what OpenSSL would write, also of a number that begins with zeroes. */
PN_TEST(keys_are_written_as_openssl_writes_them)
{
    const struct pn_cert_request request = ca_request(PN_CERT_ROOT, "Root", 0);
    bool was_short = false;

    for (int i = 0; i < 4000 && !(was_short && i > 50); i++) {
        struct pn_cert cert = issue(&request, NULL);
        struct pn_str pem = pn_secret_reveal(cert.key);
        BIO *in = BIO_new_mem_buf(pem.ptr, (int)pem.len), *out = BIO_new(BIO_s_mem());
        EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
        BIGNUM *number = NULL;
        char *text;
        long len;

        CHECK(key != NULL && EVP_PKEY_get_bn_param(key, "priv", &number) == 1);
        was_short |= BN_num_bits(number) <= 248;
        CHECK_EQ(PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
        len = BIO_get_mem_data(out, &text);
        CHECK(pn_str_eq(pem, pn_str_of(text, (size_t)len)));
        BN_clear_free(number);
        EVP_PKEY_free(key);
        BIO_free(in);
        BIO_free(out);
        pn_secret_free(cert.key);
    }
    CHECK(was_short); /* one in 256: missing in 4,000 is less likely than this machine's end */
}

PN_TEST(an_issuer_that_is_ready_signs_as_its_certificate_and_key_do)
{
    struct tree tree = grow();
    struct pn_cert_request request = leaf_request(PN_CERT_SERVER);
    struct pn_cert forged = { .pem = tree.server_ca.pem, .key = tree.client_ca.key };
    struct pn_cert first = { 0 }, second = { 0 };
    struct pn_issuer *issuer = NULL;
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_issuer_new(&forged, &issuer, &err), err, INTERNAL);
    CHECK_FAILS(pn_issuer_new(&tree.leaf, &issuer, &err), err, INTERNAL); /* no CA */
    CHECK_OK(pn_issuer_new(&tree.server_ca, &issuer, &err), err);
    pn_issuer_free(pn_issuer_hold(issuer));
    CHECK_OK(pn_x509_issue_under(arena, &request, issuer, &first, &err), err);
    CHECK_OK(pn_x509_issue_under(arena, &request, issuer, &second, &err), err);
    CHECK_EQ(VERIFY(first.pem, X509_PURPOSE_SSL_SERVER, NOW_MS, &tree.root, &tree.server_ca), 0);
    CHECK_EQ(VERIFY(second.pem, X509_PURPOSE_SSL_SERVER, NOW_MS, &tree.root, &tree.server_ca), 0);
    CHECK(!pn_str_eq(first.pem, second.pem));
    request.common_name = PN_NONE;
    CHECK_FAILS(pn_x509_issue_under(arena, &request, issuer, &first, &err), err, BAD_REQUEST);
    pn_issuer_free(issuer);
    pn_issuer_free(NULL);
    pn_secret_free(first.key);
    pn_secret_free(second.key);
    fell(&tree);
}

/* An intermediate alone is no beginning for who asks for roots; as a root it is, for what it signed and nothing else. */
PN_TEST(a_ca_as_a_root_begins_a_chain)
{
    struct tree tree = grow();
    struct pn_cert_request request = leaf_request(PN_CERT_SERVER);
    struct pn_cert other = issue(&request, &tree.client_ca), anchor = { 0 }, forged = { 0 };
    struct pn_err err = { 0 };

    CHECK_OK(pn_x509_as_root(arena, &tree.server_ca, &anchor.pem, &err), err);
    CHECK(VERIFY(tree.leaf.pem, X509_PURPOSE_SSL_SERVER, NOW_MS, &tree.server_ca) != X509_V_OK);
    CHECK_EQ(VERIFY(tree.leaf.pem, X509_PURPOSE_SSL_SERVER, NOW_MS, &anchor), X509_V_OK);
    CHECK(VERIFY(other.pem, X509_PURPOSE_SSL_SERVER, NOW_MS, &anchor) != X509_V_OK);
    CHECK(VERIFY(tree.client_ca.pem, X509_PURPOSE_ANY, NOW_MS, &anchor) != X509_V_OK);

    forged = (struct pn_cert){ .pem = tree.server_ca.pem, .key = tree.client_ca.key };
    CHECK_FAILS(pn_x509_as_root(arena, &forged, &anchor.pem, &err), err, INTERNAL);
    CHECK_FAILS(pn_x509_as_root(arena, &tree.leaf, &anchor.pem, &err), err, INTERNAL);
    pn_secret_free(other.key);
    fell(&tree);
}

/* An organisation's name and id together pass the 64 characters OpenSSL would allow. */
PN_TEST(long_organizations_fit)
{
    struct tree tree = grow();
    struct pn_cert_request request = leaf_request(PN_CERT_CLIENT);
    struct pn_cert_info info;
    struct pn_cert leaf;
    struct pn_err err = { 0 };

    request.organization = PN_LIT("A company with a name that takes its time and an "
                                  "\xc3\xa4-01890000-0000-7000-8000-000000000001");
    leaf = issue(&request, &tree.client_ca);
    CHECK_OK(pn_x509_read(arena, leaf.pem, &info, &err), err);
    CHECK(pn_str_eq(info.organization, request.organization));
    pn_secret_free(leaf.key);
    fell(&tree);
}

/* Subjects that name two people, or hide a NUL, are how certificates get confused. */
PN_TEST(ambiguous_subjects_are_refused)
{
    static const struct {
        const char *first, *second;
        int first_len;
    } cases[] = { { "one", "two", 3 }, { "a\0b", NULL, 3 } };
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        X509 *cert = X509_new();
        X509_NAME *name = X509_get_subject_name(cert);
        unsigned char *der = NULL;
        struct pn_cert_info info;
        int len;

        X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING,
                                   (const unsigned char *)cases[i].first, cases[i].first_len, -1,
                                   0);
        if (cases[i].second != NULL)
            X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING,
                                       (const unsigned char *)cases[i].second, -1, -1, 0);
        ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
        X509_gmtime_adj(X509_getm_notBefore(cert), 0);
        X509_gmtime_adj(X509_getm_notAfter(cert), 60);
        X509_set_pubkey(cert, key);
        CHECK(X509_sign(cert, key, EVP_sha256()) > 0);
        len = i2d_X509(cert, &der);
        CHECK_FAILS(pn_x509_read(arena, pn_str_of(der, (size_t)len), &info, &err), err,
                    BAD_REQUEST);
        OPENSSL_free(der);
        X509_free(cert);
    }
    EVP_PKEY_free(key);
}

PN_TEST(bundles_count_their_certificates)
{
    struct tree tree = grow();
    struct pn_str two = pn_arena_printf(arena, "\n%.*s\r\n\n%.*s  \n", PN_ARG(tree.server_ca.pem),
                                        PN_ARG(tree.root.pem));
    struct pn_err err = { 0 };
    struct pn_cert_info info;
    size_t count = 0;

    CHECK_OK(pn_x509_check_bundle(tree.root.pem, &count, &err), err);
    CHECK_EQ(count, 1);
    CHECK_OK(pn_x509_check_bundle(two, &count, &err), err);
    CHECK_EQ(count, 2);
    CHECK_FAILS(pn_x509_read(arena, two, &info, &err), err, BAD_REQUEST); /* one means one */
    fell(&tree);
}

static void check_refused(struct pn_str pem, const char *says)
{
    struct pn_err err = { 0 };
    size_t count = 77;

    CHECK(!pn_x509_check_bundle(pem, &count, &err));
    CHECK_EQ(err.code, PN_BAD_REQUEST);
    if (strstr(err.message, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
    CHECK_EQ(count, 77);
}

PN_TEST(anything_but_certificates_in_a_bundle_is_refused)
{
    struct tree tree = grow();
    struct pn_str root = tree.root.pem;
    struct pn_str key = pn_secret_reveal(tree.root.key);

    check_refused(PN_NONE, "at least one");
    check_refused(PN_LIT("  \n"), "at least one");
    check_refused(PN_LIT("hello"), "Certificate 1");
    check_refused(key, "found PRIVATE KEY");
    check_refused(pn_arena_printf(arena, "%.*s%.*s", PN_ARG(root), PN_ARG(key)), "Certificate 2");
    check_refused(pn_arena_printf(arena, "# my CA\n%.*s", PN_ARG(root)), "Certificate 1");
    check_refused(pn_arena_printf(arena, "%.*s# my CA\n", PN_ARG(root)), "Certificate 2");
    check_refused(pn_str_slice(root, 0, root.len - 10), "ends as another");
    check_refused(pn_str_slice(root, 0, root.len / 2), "no -----END");
    check_refused(PN_LIT("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                  "not X.509");
    check_refused(PN_LIT("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"),
                  "not base64");
    check_refused(PN_LIT("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), "not base64");
    fell(&tree);
}

static int make_arena(void **state)
{
    (void)state;
    arena = pn_arena_new((size_t)4 << 20);
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    pn_arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_chain_verifies_strictly),
        T(validity_is_exact),
        T(another_issuer_does_not_verify),
        T(a_kind_serves_its_purpose_and_no_other),
        T(path_length_counts_the_cas_below),
        T(extensions_are_those_of_the_contract),
        T(alternative_names_match_hosts_and_addresses),
        T(private_extensions_are_bare_bytes),
        T(an_extension_given_twice_is_refused_on_reading),
        T(what_is_issued_reads_back),
        T(a_certificate_and_its_extensions_are_read_at_once),
        T(der_reads_like_pem),
        T(serials_and_keys_differ),
        T(the_key_is_pkcs8_and_fits_its_certificate),
        T(bad_requests_are_refused),
        T(an_unreadable_issuer_is_our_fault),
        T(keys_are_written_as_openssl_writes_them),
        T(an_issuer_that_is_ready_signs_as_its_certificate_and_key_do),
        T(a_ca_as_a_root_begins_a_chain),
        T(long_organizations_fit),
        T(ambiguous_subjects_are_refused),
        T(bundles_count_their_certificates),
        T(anything_but_certificates_in_a_bundle_is_refused),
    };

    return check_run(tests, PN_COUNT(tests), make_arena, free_arena);
}
