/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_NET_CERTS_H
#define PN_TEST_UNIT_NET_CERTS_H

/* Certificates for tests: a root, and leaves of any kind below it. */
#include "base/clock.h"
#include "check.h"
#include "crypto/x509.h"

struct certs {
    struct pn_arena *arena;
    struct pn_cert root;
};

static inline struct certs certs_new(void)
{
    struct certs c = { .arena = pn_arena_new(1 << 20) };
    struct pn_err err = { 0 };
    const struct pn_cert_request request = { .kind = PN_CERT_ROOT,
                                             .common_name = PN_LIT("test root"),
                                             .organization = PN_LIT("test"),
                                             .not_before_ms = pn_clock_wall_ms() - 3600000,
                                             .not_after_ms = pn_clock_wall_ms() + 3600000 };

    CHECK_OK(pn_x509_issue(c.arena, &request, NULL, &c.root, &err), err);
    return c;
}

static inline struct pn_cert certs_leaf(struct certs *c, enum pn_cert_kind kind, const char *name,
                                        int64_t ttl_ms)
{
    struct pn_cert cert;
    struct pn_err err = { 0 };
    const struct pn_str dns = pn_str_from(name), ip = PN_LIT("127.0.0.1");
    const struct pn_cert_request request = { .kind = kind,
                                             .common_name = dns,
                                             .organization = PN_LIT("test"),
                                             .dns = &dns,
                                             .dns_count = 1,
                                             .ips = &ip,
                                             .ip_count = 1,
                                             .not_before_ms = pn_clock_wall_ms() - 1800000,
                                             .not_after_ms = pn_clock_wall_ms() + ttl_ms };

    CHECK_OK(pn_x509_issue(c->arena, &request, &c->root, &cert, &err), err);
    return cert;
}

static inline void certs_free(struct certs *c)
{
    pn_secret_free(c->root.key);
    pn_arena_free(c->arena);
}

#endif
