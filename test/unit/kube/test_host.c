/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "kube/host.h"

/* identity-auth.md §8.2 */
static const struct {
    const char *id, *text, *host;
    unsigned port;
    bool is_tls, is_ip;
    const char *prefix;
} good[] = {
    { "KH-01", "https://k8s.example.com:6443", "k8s.example.com", 6443, true, false, "" },
    { "KH-01", "https://k8s.example.com", "k8s.example.com", 443, true, false, "" },
    { "KH-01", "http://k8s.example.com:8080", "k8s.example.com", 8080, false, false, "" },
    { "KH-01", "http://k8s.example.com", "k8s.example.com", 80, false, false, "" },
    { "KH-01", "k8s.example.com:6443", "k8s.example.com", 6443, true, false, "" },
    { "KH-01", "k8s.example.com", "k8s.example.com", 443, true, false, "" },
    { "KH-01", "HTTPS://K8s.example.com", "K8s.example.com", 443, true, false, "" },
    { "KH-02", "https://10.0.0.1:6443", "10.0.0.1", 6443, true, true, "" },
    { "KH-02", "https://10.0.0.1", "10.0.0.1", 443, true, true, "" },
    { "KH-02", "10.0.0.1:6443", "10.0.0.1", 6443, true, true, "" },
    { "KH-02", "10.0.0.1", "10.0.0.1", 443, true, true, "" },
    { "KH-03", "https://[2001:db8::1]:6443", "2001:db8::1", 6443, true, true, "" },
    { "KH-03", "https://[2001:db8::1]", "2001:db8::1", 443, true, true, "" },
    { "KH-03", "[2001:db8::1]:6443", "2001:db8::1", 6443, true, true, "" },
    { "KH-03", "https://[::1]:6443", "::1", 6443, true, true, "" },
    { "KH-05", "https://k8s.example.com/apis", "k8s.example.com", 443, true, false, "/apis" },
    { "KH-05", "https://k8s.example.com/", "k8s.example.com", 443, true, false, "" },
    { "KH-05", "https://k8s.example.com:1/k8s/c-1//", "k8s.example.com", 1, true, false,
      "/k8s/c-1" },
    { "KH-05", "https://k8s.example.com/a?b=c", "k8s.example.com", 443, true, false, "/a" },
    { "KH-05", "https://k8s.example.com?b=c/d", "k8s.example.com", 443, true, false, "" },
};

PN_TEST(forms)
{
    for (size_t i = 0; i < PN_COUNT(good); i++) {
        struct pn_kube_host host;
        struct pn_err err = { 0 };

        CHECK_OK(pn_kube_host_parse(pn_str_from(good[i].text), &host, &err), err);
        CHECK_STR(host.address.host, good[i].host);
        CHECK_EQ(host.address.port, good[i].port);
        CHECK_EQ(host.is_tls, good[i].is_tls);
        CHECK_EQ(host.address.is_ip, good[i].is_ip);
        CHECK_STR(host.prefix, good[i].prefix);
    }
}

PN_TEST(no_hosts)
{
    static const char *const bad[] = {
        "",
        "https://",
        "http://[not-an-ipv6", /* KH-04 */
        "http://",
        "[::1",
        "::1",
        "a b",
        "user:pass@host",
        "https://user@host",
        "host:0",
        "host:65536",
        "host:x",
        "ftp://host",
        "https://https://host",
        "1.2.3",
        "256.1.1.1",
        "host/a b",
        "host/\x01",
        "host/@",
        "/",
        "https:///version",
        "-a",
    };
    struct pn_kube_host host;
    struct pn_err err = { 0 };
    char long_name[300];

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(pn_kube_host_parse(pn_str_from(bad[i]), &host, &err), err, BAD_REQUEST);
    memset(long_name, 'a', sizeof(long_name));
    CHECK_FAILS(pn_kube_host_parse(pn_str_of(long_name, 256), &host, &err), err, BAD_REQUEST);
}

PN_TEST(the_alphabet)
{
    CHECK(pn_kube_host_is_clean(PN_LIT("https://k8s.example.com:6443/k8s-1")));
    CHECK(pn_kube_host_is_clean(PN_LIT("[2001:db8::1]:6443")));
    CHECK(!pn_kube_host_is_clean(PN_LIT("user@host")));
    CHECK(!pn_kube_host_is_clean(PN_LIT("host?x")));
    CHECK(!pn_kube_host_is_clean(PN_LIT("h\xc3\xb6st")));
    CHECK(!pn_kube_host_is_clean(pn_str_of("a\0b", 3)));
}

PN_TEST_MAIN(T(forms), T(no_hosts), T(the_alphabet))
