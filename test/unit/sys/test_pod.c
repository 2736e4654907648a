/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "sys/pod.h"
#include "sys/sys.h"

#include <stdio.h>
#include <unistd.h>

static char directory[64];
static struct pn_err err;
static struct pn_pod pod;

static void write_part(const char *name, struct pn_str text)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    CHECK_OK(pn_file_write(path, text, 0600, &err), err);
}

static void remove_part(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    CHECK_OK(pn_file_remove(path, &err), err);
}

static int begin(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/postern-test-pod-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT_HTTPS", "443", 1);
    err = (struct pn_err){ 0 };
    write_part("token", PN_LIT("first\n"));
    write_part("ca.crt", PN_LIT("-----BEGIN\n"));
    write_part("namespace", PN_LIT("postern"));
    return 0;
}

static int end(void **state)
{
    (void)state;
    pn_pod_drop(&pod);
    remove_part("token");
    remove_part("ca.crt");
    remove_part("namespace");
    return rmdir(directory);
}

PN_TEST(all_parts_trimmed)
{
    CHECK_OK(pn_pod_read(directory, &pod, &err), err);
    CHECK_STR(pod.url, "https://10.96.0.1:443");
    CHECK_STR(pod.ca_pem, "-----BEGIN");
    CHECK_STR(pod.namespace, "postern");
    CHECK(pn_secret_eq(pod.token, PN_LIT("first")));
}

PN_TEST(an_ipv6_address_gets_brackets)
{
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT_HTTPS", "6443", 1);
    CHECK_OK(pn_pod_read(directory, &pod, &err), err);
    CHECK_STR(pod.url, "https://[fd00::1]:6443");
}

PN_TEST(a_renewed_token_is_the_next_one_read)
{
    CHECK_OK(pn_pod_read(directory, &pod, &err), err);
    pn_pod_drop(&pod);
    write_part("token", PN_LIT("second"));
    CHECK_OK(pn_pod_read(directory, &pod, &err), err);
    CHECK(pn_secret_eq(pod.token, PN_LIT("second")));
}

PN_TEST(outside_a_pod_there_is_no_identity)
{
    unsetenv("KUBERNETES_SERVICE_HOST");
    CHECK_FAILS(pn_pod_read(directory, &pod, &err), err, IO);
    setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
    unsetenv("KUBERNETES_SERVICE_PORT_HTTPS");
    CHECK_FAILS(pn_pod_read(directory, &pod, &err), err, IO);
}

PN_TEST(what_is_no_address_is_none)
{
    static const struct {
        const char *host, *port;
    } bad[] = { { "", "443" },         { "10.0.0.1", "" },
                { "a/b", "443" },      { "a@b", "443" },
                { "10.0.0.1", "0" },   { "10.0.0.1", "65536" },
                { "10.0.0.1", "44x" }, { "10.0.0.1", "99999999999999999999" } };

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        setenv("KUBERNETES_SERVICE_HOST", bad[i].host, 1);
        setenv("KUBERNETES_SERVICE_PORT_HTTPS", bad[i].port, 1);
        CHECK_FAILS(pn_pod_read(directory, &pod, &err), err, IO);
    }
}

PN_TEST(a_missing_or_empty_part_is_named)
{
    static const char *const parts[] = { "token", "ca.crt" };

    for (size_t i = 0; i < PN_COUNT(parts); i++) {
        write_part(parts[i], PN_LIT(" \n"));
        CHECK(!pn_pod_read(directory, &pod, &err));
        CHECK(strstr(err.message, parts[i]) != NULL && strstr(err.message, "empty") != NULL);
        CHECK(strstr(err.message, directory) == NULL);
        pn_err_clear(&err);
        remove_part(parts[i]);
        CHECK(!pn_pod_read(directory, &pod, &err));
        CHECK(strstr(err.message, parts[i]) != NULL && strstr(err.message, "No such file") != NULL);
        pn_err_clear(&err);
        write_part(parts[i], PN_LIT("again"));
    }
    remove_part("namespace");
    CHECK_OK(pn_pod_read(directory, &pod, &err), err);
    CHECK(pod.namespace.ptr == NULL);
}

PN_TEST(a_token_cannot_smuggle_a_header)
{
    static const char *const bad[] = { "a b", "a\r\nX-Evil: 1", "a\nb", "\xc3\xa9" };

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        write_part("token", pn_str_from(bad[i]));
        CHECK_FAILS(pn_pod_read(directory, &pod, &err), err, IO);
    }
    CHECK_EQ(pn_secret_pool_used(), 0);
}

#define P(name) cmocka_unit_test_setup_teardown(name, begin, end)

PN_TEST_MAIN(P(all_parts_trimmed), P(an_ipv6_address_gets_brackets),
             P(a_renewed_token_is_the_next_one_read), P(outside_a_pod_there_is_no_identity),
             P(what_is_no_address_is_none), P(a_missing_or_empty_part_is_named),
             P(a_token_cannot_smuggle_a_header))
