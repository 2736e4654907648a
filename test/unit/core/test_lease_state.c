/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/clock.h"
#include "core/lease/config.h"
#include "core/lease/end.h"
#include "core/lease/issues.h"

/* ---- states ---- */

PN_TEST(the_table_of_states)
{
    static const char table[PN_LEASE_STATES][PN_LEASE_STATES + 1] = {
        /* to:               P C A R F G */
        [PN_LEASE_PENDING] = ".yy..y", [PN_LEASE_CLEANING] = ".....y",
        [PN_LEASE_ACTIVE] = "...y.y",  [PN_LEASE_REVOKING] = "....yy",
        [PN_LEASE_FAILED] = "...y.y",  [PN_LEASE_GONE] = "......",
    };

    for (int from = 0; from < PN_LEASE_STATES; from++)
        for (int to = 0; to < PN_LEASE_STATES; to++)
            CHECK_EQ(pn_lease_state_may((enum pn_lease_state)from, (enum pn_lease_state)to),
                     table[from][to] == 'y');
}

PN_TEST(names_of_states_round_trip)
{
    enum pn_lease_state parsed;

    for (int i = 0; i < PN_LEASE_STATES; i++) {
        CHECK(pn_lease_state_parse(pn_str_from(pn_lease_state_name((enum pn_lease_state)i)),
                                   &parsed));
        CHECK_EQ(parsed, i);
    }
    CHECK(!pn_lease_state_parse(PN_LIT("of a newer program"), &parsed));
}

PN_TEST(intents_are_shown_to_nobody)
{
    CHECK(!pn_lease_state_is_shown(PN_LEASE_PENDING));
    CHECK(!pn_lease_state_is_shown(PN_LEASE_CLEANING));
    CHECK(pn_lease_state_is_shown(PN_LEASE_REVOKING));
    CHECK(pn_lease_state_status(PN_LEASE_ACTIVE) == NULL);
    assert_string_equal(pn_lease_state_status(PN_LEASE_FAILED), "Failed to delete");
}

/* ---- tries ---- */

PN_TEST(tries_are_counted_from_the_first_failure)
{
    static const int64_t after_ms[] = { 0, 30000, 120000, 600000, 3600000 };

    for (size_t i = 0; i < PN_COUNT(after_ms); i++)
        CHECK_EQ(pn_lease_next_try((int64_t)i + 1, 1000, 1000), 1000 + after_ms[i]);
    CHECK_EQ(pn_lease_next_try(2, 1000, 99000), 99000); /* one that took long is not put off */
}

PN_TEST(later_tries_are_four_hours_apart_and_spread_and_have_no_end)
{
    const int64_t hour_ms = 3600000;
    int64_t least = INT64_MAX, most = 0;

    for (int64_t failures = 6; failures < 2000; failures++) {
        int64_t wait_ms = pn_lease_next_try(failures, 0, 1000) - 1000;

        least = wait_ms < least ? wait_ms : least;
        most = wait_ms > most ? wait_ms : most;
    }
    CHECK(least >= 4 * hour_ms * 8 / 10 && least < 4 * hour_ms * 9 / 10);
    CHECK(most <= 4 * hour_ms * 12 / 10 && most > 4 * hour_ms * 11 / 10);
}

/* ---- configurations ---- */

static bool check(struct pn_arena *arena, const char *json, struct pn_lease_config *config,
                  struct pn_err *err)
{
    struct pn_lease_config_in in;
    struct pn_issues issues;
    bool is_good;

    *config = (struct pn_lease_config){ .credentialType = -1,
                                        .roleType = -1,
                                        .authMethod = -1,
                                        .tokenBinding = -1,
                                        .bindingScope = -1,
                                        .tokenLifetime = -1,
                                        .sslRejectUnauthorized = true };
    if (!pn_shape_parse(&pn_lease_config_shape, arena, pn_str_from(json), &in, err))
        return false;
    pn_lease_config_take(&in, config);
    pn_issues_begin(&issues);
    pn_lease_config_check(arena, config, "inputs", &issues);
    is_good = pn_issues_end(&issues, arena, err);
    pn_shape_drop(&pn_lease_config_shape, &in);
    config->clusterToken = NULL;
    return is_good;
}

#define STATIC                                                                          \
    "\"credentialType\":\"static\",\"serviceAccountName\":\"app\",\"namespace\":\"a\"," \
    "\"clusterToken\":\"t\",\"audiences\":[]"

PN_TEST(what_is_not_said_has_a_meaning)
{
    struct pn_arena *arena = pn_arena_new(1 << 20);
    struct pn_lease_config config;
    struct pn_err err = { 0 };

    CHECK_OK(check(arena, "{" STATIC ",\"url\":\"https://k/p\"}", &config, &err), err);
    CHECK_EQ(config.authMethod, PN_LEASE_BY_TOKEN);
    CHECK_EQ(config.tokenLifetime, PN_LEASE_TOKEN_AS_LEASE);
    CHECK_EQ(config.roleType, -1);
    CHECK(config.sslRejectUnauthorized && !config.sslEnabled);
    CHECK_STR(pn_lease_config_place(arena, &config), "k:443");
    CHECK_OK(check(arena, "{" STATIC ",\"url\":\"https://[::1]:6443\"}", &config, &err), err);
    CHECK_STR(pn_lease_config_place(arena, &config), "::1:6443");
    pn_arena_free(arena);
}

PN_TEST(hostile_names_are_refused)
{
    static const char *const bad[] = {
        "\"url\":\"file:///etc/passwd\"",
        "\"url\":\"https://\"",
        "\"url\":\"https://u:p@k\"",
        "\"url\":\"https://k\",\"namespace\":\"a/../b\"",
        "\"url\":\"https://k\",\"namespace\":\"..\"",
        "\"url\":\"https://k\",\"serviceAccountName\":\"a/token\"",
        "\"url\":\"https://k\",\"serviceAccountName\":\"..\"",
        "\"url\":\"https://k\",\"clusterToken\":\"a\\r\\nHost: x\"",
        "\"url\":\"https://k\",\"audiences\":[\" \"]",
    };
    struct pn_arena *arena = pn_arena_new(1 << 20);

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        struct pn_lease_config config;
        struct pn_err err = { 0 };
        const char *json =
            pn_arena_printf(arena, "{\"credentialType\":\"static\",%s%s%s%s,%s}",
                            strstr(bad[i], "serviceAccountName") != NULL
                                ? ""
                                : "\"serviceAccountName\":\"app\",",
                            strstr(bad[i], "namespace") != NULL ? "" : "\"namespace\":\"a\",",
                            strstr(bad[i], "clusterToken") != NULL ? "" : "\"clusterToken\":\"t\",",
                            "\"sslEnabled\":false", bad[i])
                .ptr;

        CHECK_FAILS(check(arena, json, &config, &err), err, VALIDATION);
    }
    pn_arena_free(arena);
}

PN_TEST(a_token_that_is_kept_stays_where_it_was)
{
    const struct pn_lease_config was = { .url = PN_LIT("https://k"),
                                         .sslEnabled = true,
                                         .sslRejectUnauthorized = true,
                                         .ca = PN_LIT("ca") };
    struct pn_lease_config is = was, open = was;

    CHECK(!pn_lease_config_is_moved(&was, &is));
    is.url = PN_LIT("https://other");
    CHECK(pn_lease_config_is_moved(&was, &is));
    is = was;
    is.sslRejectUnauthorized = false;
    CHECK(pn_lease_config_is_moved(&was, &is));
    is = was;
    is.ca = PN_LIT("another");
    CHECK(pn_lease_config_is_moved(&was, &is));
    is = was;
    is.role = PN_LIT("another");
    CHECK(!pn_lease_config_is_moved(&was, &is));
    is.gatewayId.bytes[0] = 1; /* sees TLS that ends in the cluster */
    CHECK(!pn_lease_config_is_moved(&was, &is));
    open.sslRejectUnauthorized = false;
    is = open;
    CHECK(!pn_lease_config_is_moved(&open, &is));
    is.gatewayId.bytes[0] = 1;
    CHECK(pn_lease_config_is_moved(&open, &is));
    is = open;
    is.gatewayPoolId.bytes[0] = 1;
    CHECK(pn_lease_config_is_moved(&open, &is));
    open = was;
    open.url = PN_LIT("http://k");
    is = open;
    is.gatewayId.bytes[0] = 1;
    CHECK(pn_lease_config_is_moved(&open, &is));
}

PN_TEST_MAIN(T(the_table_of_states), T(names_of_states_round_trip), T(intents_are_shown_to_nobody),
             T(tries_are_counted_from_the_first_failure),
             T(later_tries_are_four_hours_apart_and_spread_and_have_no_end),
             T(what_is_not_said_has_a_meaning), T(hostile_names_are_refused),
             T(a_token_that_is_kept_stays_where_it_was))
