/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/stage.h"

#define ID "0b4c2a5e-6f0d-4c7e-9d57-3f1e8f3f7f10"
#define JOB(place, error)                                                           \
    "{\"kind\":\"lease\",\"id\":\"" ID "\",\"place\":\"" place                      \
    "\",\"dueAt\":\"2026-11-22T10:00:00.000Z\",\"isRunning\":false,\"attempts\":3," \
    "\"failingSince\":null,\"lastError\":\"" error "\",\"createdAt\":\"2026-11-22T09:00:00Z\"}"
#define ROW(place, error)                                                                        \
    "lease  " ID "  " place "  2026-11-22T10:00:00.000Z  false    3       -              " error \
    "\n"

PN_TEST(jobs_are_listed_and_retried)
{
    static const struct scene cases[] = {
        { "job list",
          { { 200, "{\"jobs\":[" JOB("gateway:g", "no road") "]}" } },
          "GET /api/v1/admin/jobs",
          0,
          ROW("gateway:g", "no road"),
          "" },
        { "job list --failing --limit 7",
          { { 200, "{\"jobs\":[]}" } },
          "GET /api/v1/admin/jobs?failing=true&limit=7",
          0,
          "KIND  ID",
          "" },
        { "job list -o json",
          { { 200, "{\"jobs\":[" JOB("", "") "]}" } },
          "GET /api/v1/admin/jobs",
          0,
          "\"lastError\": \"\"",
          "" },
        { "job retry lease " ID,
          { { 200, "{\"job\":" JOB("a:443", "x") "}" } },
          "POST /api/v1/admin/jobs/lease/" ID "/retry",
          0,
          ROW("a:443", "x"),
          "" },
        { "job retry lease " ID, /* refused */
          { { 403, "{\"error\":\"PermissionDenied\",\"message\":\"Not you\"}" } },
          "POST /api/v1/admin/jobs/lease/" ID "/retry",
          5,
          "",
          "Not you" },
        { "job retry lease " ID,
          { { 404, "{\"error\":\"NotFound\",\"message\":\"There is no job\"}" } },
          "POST /api/v1/admin/jobs/lease/" ID "/retry",
          6,
          "",
          "There is no job" },
    };
    struct stage s;

    up(&s, state);
    for (size_t i = 0; i < PN_COUNT(cases); i++)
        stage_play(&s, "postern", &cases[i]);
    down(&s);
}

/* What a cluster says and what a person types is neither a terminal's command nor another path. */
PN_TEST(hostile_names_stay_names)
{
    static const struct scene cases[] = {
        { "job list",
          { { 200, "{\"jobs\":[" JOB("\\u001b]0;owned\\u0007", "a\\nb\\u009bc") "]}" } },
          "GET /api/v1/admin/jobs",
          0,
          ROW("?]0;owned?", "a?b?c"),
          "" },
        { "job retry ../users/.. " ID "?x=1#y",
          { { 404, "{\"error\":\"NotFound\",\"message\":\"none\"}" } },
          "POST /api/v1/admin/jobs/..%2Fusers%2F../" ID "%3Fx%3D1%23y/retry",
          6,
          "",
          "none" },
    };
    struct stage s;

    up(&s, state);
    for (size_t i = 0; i < PN_COUNT(cases); i++)
        stage_play(&s, "postern", &cases[i]);
    down(&s);
}

PN_TEST(wrong_words_make_no_calls)
{
    static const char *const wrong[] = { "job list more",
                                         "job list --limit 0",
                                         "job list --limit 1001",
                                         "job list --limit -1",
                                         "job list --limit 1&failing=true",
                                         "job retry lease",
                                         "job retry lease " ID " more",
                                         "job end" };
    struct stage s;

    up(&s, state);
    for (size_t i = 0; i < PN_COUNT(wrong); i++)
        CHECK_RAN(ran(wrong[i]), 64);
    CHECK_EQ(host_calls(&s.host), 0);
    down(&s);
}

PN_TEST_MAIN(H(jobs_are_listed_and_retried), H(hostile_names_stay_names),
             H(wrong_words_make_no_calls))
