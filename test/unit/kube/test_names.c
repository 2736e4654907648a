/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "kube/names.h"

#define ALL(texts, truth)                        \
    for (size_t i = 0; i < PN_COUNT(texts); i++) \
    CHECK(truth)

PN_TEST(c82_namespaces_and_service_accounts)
{
    static const char *const labels[] = { "default", "a", "a-b", "0" };
    static const char *const no_labels[] = { "", "a:b", "A", "-a", "a-", "a.b", "a_b" };
    static const char *const subdomains[] = { "ci", "ci.build", "a-b.c" };
    static const char *const uids[] = { "0e2a4b0c-0d2b-4b5e-9a5e-000000000001", "u-1", "A" };
    static const char *const no_uids[] = { "",    "a b", "a\n", "\x1b",     "\x10",
                                           "a_b", "a@b", "[",   "P\xc3\xa4" };
    static const char *const no_subdomains[] = { "", ".", "a..b", "a.", ".a", "a:b", "a.-b", "A" };

    ALL(labels, pn_kube_is_label(pn_str_from(labels[i])));
    ALL(no_labels, !pn_kube_is_label(pn_str_from(no_labels[i])));
    ALL(subdomains, pn_kube_is_subdomain(pn_str_from(subdomains[i])));
    ALL(uids, pn_kube_is_uid(pn_str_from(uids[i])));
    ALL(no_uids, !pn_kube_is_uid(pn_str_from(no_uids[i])));
    ALL(no_subdomains, !pn_kube_is_subdomain(pn_str_from(no_subdomains[i])));
}

PN_TEST(a_service_account_as_a_user_and_back)
{
    struct pn_arena *arena = pn_arena_new(4096);
    struct pn_str user, namespace, name;
    struct pn_err err = { 0 };

    CHECK_OK(pn_kube_service_account(arena, PN_LIT("dev"), PN_LIT("ci.build"), &user, &err), err);
    CHECK_STR(user, "system:serviceaccount:dev:ci.build");
    CHECK(pn_kube_service_account_split(user, &namespace, &name));
    CHECK_STR(namespace, "dev");
    CHECK_STR(name, "ci.build");
    pn_arena_free(arena);
}

PN_TEST(nothing_else_becomes_a_user)
{
    static const struct {
        const char *namespace, *name;
    } bad[] = { { "", "a" },        { "dev", "" },    { "dev:kube-system", "a" }, { "dev", "a:b" },
                { "dev", "a\r\n" }, { "dev", "a b" }, { "kube.system", "a" } };
    static const char *const no_users[] = { "",
                                            "system:serviceaccount",
                                            "system:serviceaccount:",
                                            "system:serviceaccount:dev",
                                            "system:serviceaccount:dev:",
                                            "system:serviceaccount::a",
                                            "system:serviceaccount:dev:a:b",
                                            "system:node:a",
                                            "alice" };
    struct pn_arena *arena = pn_arena_new(4096);
    struct pn_str user, namespace, name;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(pn_kube_service_account(arena, pn_str_from(bad[i].namespace),
                                            pn_str_from(bad[i].name), &user, &err),
                    err, BAD_REQUEST);
    ALL(no_users, !pn_kube_service_account_split(pn_str_from(no_users[i]), &namespace, &name));
    pn_arena_free(arena);
}

PN_TEST_MAIN(T(c82_namespaces_and_service_accounts), T(a_service_account_as_a_user_and_back),
             T(nothing_else_becomes_a_user))
