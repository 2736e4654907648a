/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "core/pam/rules.h"
#include "json/value.h"

#define ALL(texts, truth)                        \
    for (size_t i = 0; i < PN_COUNT(texts); i++) \
    CHECK(truth)

PN_TEST(account_names)
{
    static const char *const good[] = { "ro", "a", "Admin_2", "x.y-z", "9", "a--b" };
    static const char *const bad[] = {
        "", "a:b", "a/b", "-a", ".a", "_a", "a b", "a\xc3\xa9", "a\n"
    };
    char longest[PN_PAM_NAME_MAX + 2];

    ALL(good, pn_pam_is_account_name(pn_str_from(good[i])));
    ALL(bad, !pn_pam_is_account_name(pn_str_from(bad[i])));
    memset(longest, 'a', sizeof(longest));
    CHECK(pn_pam_is_account_name(pn_str_of(longest, PN_PAM_NAME_MAX)));
    CHECK(!pn_pam_is_account_name(pn_str_of(longest, PN_PAM_NAME_MAX + 1)));
}

PN_TEST(tokens_are_one_word)
{
    static const char *const bad[] = {
        "", "a b", "a\nX-Evil: 1", "a\r\n", " a", "a\t", "\xc3\xa9"
    };

    CHECK(pn_pam_is_bearer(PN_LIT("eyJhbGciOi.x-y_z")));
    ALL(bad, !pn_pam_is_bearer(pn_str_from(bad[i])));
    CHECK(!pn_pam_is_bearer(pn_str_of("a\0b", 3)));
}

PN_TEST(urls)
{
    static const struct {
        const char *url, *host;
        uint16_t port;
        const char *path;
    } good[] = {
        { "https://10.0.0.1:6443", "10.0.0.1", 6443, "" },
        { "https://kubernetes.default.svc", "kubernetes.default.svc", 443, "" },
        { "HTTPS://Kube.Example/", "Kube.Example", 443, "" },
        { "https://[2001:db8::1]:6443/", "2001:db8::1", 6443, "" },
        { "https://rancher.test/k8s/clusters/c-1/", "rancher.test", 443, "/k8s/clusters/c-1" },
    };
    static const char *const bad[] = {
        "",
        "http://10.0.0.1",
        "https://",
        "https:///x",
        "https://a:0",
        "https://user@a",
        "https://a?x",
        "https://a#x",
        "https://a/?x",
        "https://a/%2e",
        "https://a/../b",
        "https://a/b/..",
        "https://a//b",
        "https://a b",
        "https://a/\r\nx",
        "ftp://a",
        "a.test",
        "https://256.1.1.1",
        "https://a:1:2",
        "https://a/\x7f",
        "https://a/./b",
        "https://a\\b",
    };
    struct pn_pam_url url;

    for (size_t i = 0; i < PN_COUNT(good); i++) {
        CHECK(pn_pam_url_parse(pn_str_from(good[i].url), &url));
        CHECK_STR(url.host, good[i].host);
        CHECK_EQ(url.port, good[i].port);
        CHECK_STR(url.path, good[i].path);
    }
    ALL(bad, !pn_pam_is_url(pn_str_from(bad[i])));
}

PN_TEST(urls_have_at_most_500_bytes)
{
    char url[PN_PAM_URL_MAX + 2];

    memset(url, 'a', sizeof(url));
    memcpy(url, "https://h/", 10);
    CHECK(pn_pam_is_url(pn_str_of(url, PN_PAM_URL_MAX)));
    CHECK(!pn_pam_is_url(pn_str_of(url, PN_PAM_URL_MAX + 1)));
}

PN_TEST(c60_c63_paths)
{
    static const char *const bad[] = { "prod",  "prod/",  "/",        "",  "//ro",
                                       "/prod", "/prod/", "prod/ro/", "//" };
    struct pn_str resource, account;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pam_path_split(PN_LIT("prod/ro"), &resource, &account, &err), err);
    CHECK_STR(resource, "prod");
    CHECK_STR(account, "ro");
    CHECK_OK(pn_pam_path_split(PN_LIT("/prod/ro"), &resource, &account, &err), err);
    CHECK_STR(resource, "prod");
    CHECK_OK(pn_pam_path_split(PN_LIT("a/b/c"), &resource, &account, &err), err);
    CHECK_STR(account, "b/c");
    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        CHECK(!pn_pam_path_split(pn_str_from(bad[i]), &resource, &account, &err));
        CHECK_STR(pn_str_from(err.message), "Path must be in the format 'folderName/accountName'");
        CHECK_FAILS(false, err, BAD_REQUEST);
    }
}

PN_TEST(searches_take_wildcards_as_they_are)
{
    struct pn_arena *arena = pn_arena_new(4096);

    CHECK_STR(pn_pam_like(arena, PN_NONE), "%");
    CHECK_STR(pn_pam_like(arena, PN_LIT("")), "%");
    CHECK_STR(pn_pam_like(arena, PN_LIT("Prod")), "%prod%");
    CHECK_STR(pn_pam_like(arena, PN_LIT("50%_\\")), "%50\\%\\_\\\\%");
    pn_arena_free(arena);
}

PN_TEST(an_invalid_field_is_named_by_its_path)
{
    struct pn_arena *arena = pn_arena_new(4096);
    struct pn_value *issues;
    struct pn_err err = { 0 }, fault = { 0 };

    CHECK(!pn_pam_invalid(arena, "credentials.token", "Not \"a\" token", &fault));
    CHECK_EQ(fault.code, PN_VALIDATION);
    CHECK_OK(pn_value_parse(fault.details, &issues, &err), err);
    CHECK_STR(pn_value_str(pn_value_at(issues, "0.path.1")), "token");
    CHECK_STR(pn_value_str(pn_value_at(issues, "0.message")), "Not \"a\" token");
    pn_value_free(issues);
    pn_arena_free(arena);
}

PN_TEST_MAIN(T(account_names), T(tokens_are_one_word), T(urls), T(urls_have_at_most_500_bytes),
             T(c60_c63_paths), T(searches_take_wildcards_as_they_are),
             T(an_invalid_field_is_named_by_its_path))
