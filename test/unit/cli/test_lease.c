/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/stage.h"

#define ID "0b4c2a5e-6f0d-4c7e-9d57-3f1e8f3f7f10"
#define WHERE " k --project-slug s --env dev"
#define LEASE(id, more)                                                                     \
    "{\"lease\":{\"id\":\"" id "\",\"externalEntityId\":\"app\",\"config\":null},"          \
    "\"dynamicSecret\":{\"name\":\"k\",\"type\":\"kubernetes\"},\"data\":{\"TOKEN\":\"t-o-" \
    "k\"" more "}}"
#define GIVEN ",\"KUBECONFIG\":\"{\\\"kind\\\":\\\"Config\\\"}\""
#define HIDDEN "{\"dynamicSecret\":{\"name\":\"k\"}}"
#define SHOWN                                                                 \
    "{\"dynamicSecret\":{\"name\":\"k\",\"inputs\":{\"url\":\"https://c:1\"," \
    "\"namespace\":\"shop\"}}}"
#define MAKE "POST /api/v1/dynamic-secrets/leases"
#define END "DELETE /api/v1/dynamic-secrets/leases/" ID

PN_TEST(a_lease_prints_what_it_gives)
{
    static const struct scene cases[] = {
        { "dynamic-secrets lease create" WHERE " --plain --outputs NAMESPACE",
          { { 200, LEASE(ID, ",\"NAMESPACE\":\"shop\"") } },
          MAKE,
          0,
          "TOKEN=t-o-k\nNAMESPACE=shop\n",
          "" },
        { "dynamic-secrets lease create" WHERE " -o kubeconfig",
          { { 200, SHOWN }, { 200, LEASE(ID, "") } },
          MAKE,
          0,
          "server: \"https://c:1\"",
          "" },
        { "dynamic-secrets lease create" WHERE " -o kubeconfig", /* the server writes it */
          { { 200, HIDDEN }, { 200, LEASE(ID, GIVEN) } },
          MAKE,
          0,
          "{\"kind\":\"Config\"}\n",
          "" },
        { "dynamic-secrets lease create" WHERE " -o kubeconfig",
          { { 200, HIDDEN }, { 403, "{\"error\":\"PermissionDenied\",\"message\":\"Not you\"}" } },
          MAKE,
          64,
          "",
          "--server URL" },
        { "dynamic-secrets lease create" WHERE " -o kubeconfig",
          { { 200, HIDDEN }, { 404, "{\"error\":\"NotFound\",\"message\":\"No k here\"}" } },
          MAKE,
          6,
          "",
          "No k here" },
    };
    struct stage s;

    up(&s, state);
    for (size_t i = 0; i < PN_COUNT(cases); i++)
        stage_play(&s, "postern", &cases[i]);
    CHECK_RAN(ran("dynamic-secrets lease create" WHERE " -o kubeconfig --outputs NAMESPACE"), 64);
    down(&s);
}

PN_TEST(a_command_has_a_file_whatever_the_server_gives)
{
    static const struct scene cases[] = {
        { "run --lease" WHERE " -- sh -c cat\t\"$KUBECONFIG\"",
          { { 200, HIDDEN }, { 200, LEASE(ID, GIVEN) }, { 200, "{\"lease\":{\"status\":null}}" } },
          END,
          0,
          "{\"kind\":\"Config\"}",
          "" },
        { "run --lease" WHERE " -- sh -c echo\t\"<$KUBECONFIG>$NAMESPACE\"",
          { { 200, HIDDEN },
            { 200, LEASE(ID, ",\"NAMESPACE\":\"shop\"") },
            { 200, "{\"lease\":{\"status\":null}}" } },
          END,
          0,
          "<>shop\n",
          "there is $TOKEN" },
    };
    struct stage s;

    up(&s, state);
    for (size_t i = 0; i < PN_COUNT(cases); i++)
        stage_play(&s, "postern", &cases[i]);
    down(&s);
}

/* What the server calls a lease becomes a file's name and a path. */
PN_TEST(a_lease_that_is_called_like_a_path_is_none)
{
    static const char *const wrong[] = {
        LEASE("../../x", GIVEN),
        LEASE("", GIVEN),
        "{\"data\":{\"TOKEN\":\"t\"}}",
        "{}",
    };
    struct stage s;

    up(&s, state);
    for (size_t i = 0; i < PN_COUNT(wrong); i++) {
        const struct scene scene = { "run --lease" WHERE " -- touch made",
                                     { { 200, SHOWN }, { 200, wrong[i] } },
                                     MAKE,
                                     1,
                                     "",
                                     "names no lease" };

        stage_play(&s, "postern", &scene);
    }
    down(&s);
}

PN_TEST_MAIN(H(a_lease_prints_what_it_gives), H(a_command_has_a_file_whatever_the_server_gives),
             H(a_lease_that_is_called_like_a_path_is_none))
