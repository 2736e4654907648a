/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "dies.h"

PN_TEST(raises_with_place_and_cause)
{
    struct pn_err err = { 0 };

    CHECK(!pn_fail_cause(&err, PN_NOT_FOUND, 2, "no project %s", "dev"));
    CHECK_EQ(err.code, PN_NOT_FOUND);
    CHECK_EQ(err.cause, 2);
    CHECK_STR(pn_str_from(err.message), "no project dev");
    CHECK_STR(pn_str_from(err.trace), "no project dev");
    CHECK(strstr(err.at, "test_err.c:") != NULL);
}

PN_TEST(gains_context_outermost_first)
{
    struct pn_err err = { 0 };

    pn_fail(&err, PN_UPSTREAM, "connection refused");
    CHECK(!pn_within(&err, "dialling %s", "relay"));
    CHECK(!pn_within(&err, "session %d", 7));
    CHECK_STR(pn_str_from(err.message), "connection refused");
    CHECK_STR(pn_str_from(err.trace), "session 7: dialling relay: connection refused");
}

PN_TEST(recast_keeps_the_trace_and_drops_what_belonged_to_the_old_code)
{
    struct pn_err err = { 0 };

    pn_fail_cause(&err, PN_FORBIDDEN, 13, "not yours");
    pn_err_named(&err, "PAM_REASON_REQUIRED");
    err.details = PN_LIT("{}");
    CHECK(!pn_recast(&err, PN_NOT_FOUND, "no such thing (%s)", err.message));
    CHECK_EQ(err.code, PN_NOT_FOUND);
    CHECK_STR(pn_str_from(err.message), "no such thing (not yours)");
    CHECK_STR(pn_str_from(err.trace), "no such thing (not yours): not yours");
    CHECK_EQ(err.cause, 13);
    CHECK_EQ(err.name[0], '\0');
    CHECK(err.details.ptr == NULL);
}

PN_TEST(long_texts_are_cut_between_characters)
{
    struct pn_err err = { 0 };
    char text[600];

    memset(text, 'x', sizeof(text));
    text[599] = '\0';
    memcpy(text + 509, "\xe2\x82\xac", 3); /* bytes 509..511: the last does not fit */
    pn_fail(&err, PN_INTERNAL, "%s", text);
    CHECK_EQ(strlen(err.message), 509);
    CHECK(pn_str_is_utf8(pn_str_from(err.message)));
    pn_err_clear(&err);
    memcpy(text + 508, "\xe2\x82\xacx", 4); /* just fits */
    pn_fail(&err, PN_INTERNAL, "%s", text);
    CHECK_EQ(strlen(err.message), 511);
    for (int i = 0; i < 10; i++)
        pn_within(&err, "%s", text);
    CHECK_EQ(strlen(err.trace), sizeof(err.trace) - 1);
    pn_err_clear(&err);
    CHECK_EQ(err.code, PN_OK);
}

PN_TEST(codes_have_statuses_names_and_exit_codes)
{
    CHECK_EQ(pn_code_status(PN_VALIDATION), 422);
    CHECK_STR(pn_str_from(pn_code_name(PN_NOT_FOUND)), "NotFound");
    CHECK_EQ(pn_code_exit(PN_USAGE), 64);
    CHECK_EQ(pn_code_exit(PN_OK), 0);
}

PN_TEST(statuses_come_back_as_codes)
{
    CHECK_EQ(pn_code_of_status(200), PN_OK);
    CHECK_EQ(pn_code_of_status(404), PN_NOT_FOUND);
    CHECK_EQ(pn_code_of_status(418), PN_BAD_REQUEST);
    CHECK_EQ(pn_code_of_status(599), PN_UPSTREAM);
    CHECK_EQ(pn_code_of_status(302), PN_UPSTREAM);
    CHECK_EQ(pn_code_of_status(0), PN_UPSTREAM);
    CHECK_EQ(pn_code_of_status(-1), PN_UPSTREAM);
}

static void raise_over_a_live_error(void)
{
    struct pn_err err = { 0 };

    pn_fail(&err, PN_BUSY, "first");
    pn_fail(&err, PN_BUSY, "second");
}

static void add_context_to_no_error(void)
{
    struct pn_err err = { 0 };

    pn_within(&err, "nothing");
}

static void recast_to_no_error(void)
{
    struct pn_err err = { 0 };

    pn_fail(&err, PN_BUSY, "first");
    pn_recast(&err, PN_OK, "fine");
}

PN_TEST(misuse_is_caught)
{
    CHECK(dies(raise_over_a_live_error));
    CHECK(dies(add_context_to_no_error));
    CHECK(dies(recast_to_no_error));
}

PN_TEST_MAIN(T(raises_with_place_and_cause), T(gains_context_outermost_first),
             T(recast_keeps_the_trace_and_drops_what_belonged_to_the_old_code),
             T(long_texts_are_cut_between_characters), T(codes_have_statuses_names_and_exit_codes),
             T(statuses_come_back_as_codes), T(misuse_is_caught))
