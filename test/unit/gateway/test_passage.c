/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "gateway/passage.h"

#define ID "01890a5d-ac96-774b-bcce-b302099a8057"

static struct pn_arena *arena;

static bool split(const char *target, struct pn_str *rest)
{
    struct pn_uuid account;

    pn_arena_free(arena);
    arena = pn_arena_new(4096);
    return pn_passage_split_account(arena, pn_str_from(target), &account, rest);
}

PN_TEST(an_account_is_a_first_segment_that_is_a_uuid)
{
    struct pn_str rest;

    CHECK(split("/" ID "/api/v1/pods?limit=1", &rest));
    CHECK_STR(rest, "/api/v1/pods?limit=1");
    CHECK(split("/" ID, &rest));
    CHECK_STR(rest, "/");
    CHECK(split("/" ID "/", &rest));
    CHECK_STR(rest, "/");
    CHECK(split("/" ID "?timeout=1s", &rest));
    CHECK_STR(rest, "/?timeout=1s");
    CHECK(split("/" ID "//x@evil/", &rest));
    CHECK_STR(rest, "//x@evil/");
}

PN_TEST(everything_else_is_no_account)
{
    static const char *const targets[] = {
        "/api/v1",
        "/",
        "",
        "*",
        "/" ID "x/api",
        "/01890a5d-ac96-774b-bcce-b302099a805/api",
        "/01890a5d_ac96_774b_bcce_b302099a8057/api",
        "/%30" ID,
        "//" ID "/api",
    };
    struct pn_str rest;

    for (size_t i = 0; i < PN_COUNT(targets); i++)
        CHECK(!split(targets[i], &rest));
}

static struct pn_str location(const char *text, const char *base, const char *prefix)
{
    pn_arena_free(arena);
    arena = pn_arena_new(4096);
    return pn_passage_location(arena, pn_str_from(text), PN_LIT("https://kube:6443"),
                               pn_str_from(base), pn_str_from(prefix));
}

PN_TEST(location_keeps_the_client_on_its_road)
{
    CHECK_STR(location("/openapi/v3?hash=x", "", "/" ID), "/" ID "/openapi/v3?hash=x");
    CHECK_STR(location("/openapi/v3", "", ""), "/openapi/v3");
    CHECK_STR(location("https://kube:6443/a", "", "/" ID),
              "/" ID "/a"); /* the cluster's address stays ours */
    CHECK_STR(location("HTTPS://KUBE:6443/a", "", "/" ID), "/" ID "/a");
    CHECK_STR(location("https://kube:6443", "", "/" ID), "/" ID "/");
    CHECK_STR(location("/k8s/clusters/c/a", "/k8s/clusters/c", "/" ID), "/" ID "/a");
    CHECK_STR(location("/k8s/clusters/cc/a", "/k8s/clusters/c", "/" ID),
              "/" ID "/k8s/clusters/cc/a");
}

PN_TEST(location_elsewhere_is_passed_on)
{
    CHECK_STR(location("https://elsewhere/a", "", "/" ID), "https://elsewhere/a");
    CHECK_STR(location("//elsewhere/a", "", "/" ID), "//elsewhere/a");
    CHECK_STR(location("relative/a", "", "/" ID), "relative/a");
    CHECK_STR(location("https://kube:64433/a", "", "/" ID), "https://kube:64433/a");
    CHECK_STR(location("https://kube:6443.evil/a", "", "/" ID), "https://kube:6443.evil/a");
    CHECK_STR(location("", "", "/" ID), "");
}

PN_TEST_MAIN(T(an_account_is_a_first_segment_that_is_a_uuid), T(everything_else_is_no_account),
             T(location_keeps_the_client_on_its_road), T(location_elsewhere_is_passed_on))
