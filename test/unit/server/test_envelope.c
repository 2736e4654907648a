/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "server/envelope.h"

static void check_print(const struct pn_err *err, const char *wanted)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4096);

    pn_envelope_print(err, PN_LIT("req-1"), &out);
    CHECK_STR(pn_buf_str(&out), wanted);
}

PN_TEST(says_status_message_and_name)
{
    struct pn_err err = { 0 };

    (void)pn_fail(&err, PN_NOT_FOUND, "No \"thing\"");
    check_print(&err, "{\"reqId\":\"req-1\",\"statusCode\":404,\"message\":\"No "
                      "\\\"thing\\\"\",\"error\":\"NotFound\"}");
}

PN_TEST(a_machine_name_takes_the_place_of_the_kind)
{
    struct pn_err err = { 0 };

    (void)pn_fail(&err, PN_BAD_REQUEST, "Say why");
    (void)pn_err_named(&err, "PAM_REASON_REQUIRED");
    check_print(&err, "{\"reqId\":\"req-1\",\"statusCode\":400,\"message\":\"Say "
                      "why\",\"error\":\"PAM_REASON_REQUIRED\"}");
}

PN_TEST(a_reason_stands_in_the_context)
{
    struct pn_err err = { 0 };

    (void)pn_fail(&err, PN_FORBIDDEN, "Invalid code");
    err.reason = "mfa_invalid";
    check_print(&err,
                "{\"reqId\":\"req-1\",\"statusCode\":403,\"message\":\"Invalid code\",\"error\":"
                "\"ForbiddenRequest\",\"context\":{\"code\":\"mfa_invalid\"}}");
}

PN_TEST(validation_puts_its_issues_into_message)
{
    struct pn_err err = { 0 };

    (void)pn_fail(&err, PN_VALIDATION, "name: Required");
    err.details = PN_LIT("[{\"code\":\"x\"}]");
    check_print(&err, "{\"reqId\":\"req-1\",\"statusCode\":422,\"message\":[{\"code\":\"x\"}],"
                      "\"error\":\"ValidationFailure\"}");
}

PN_TEST(validation_without_issues_is_one_issue)
{
    struct pn_err err = { 0 };

    (void)pn_fail(&err, PN_VALIDATION, "Too long a time");
    check_print(&err,
                "{\"reqId\":\"req-1\",\"statusCode\":422,\"message\":[{\"code\":\"custom\","
                "\"path\":[],\"message\":\"Too long a time\"}],\"error\":\"ValidationFailure\"}");
}

PN_TEST(details_follow_a_refusal)
{
    struct pn_err err = { 0 };

    (void)pn_fail(&err, PN_PERMISSION, "No");
    err.details = PN_LIT("[{\"action\":\"read\"}]");
    check_print(
        &err,
        "{\"reqId\":\"req-1\",\"statusCode\":403,\"message\":\"No\",\"error\":\"PermissionDenied\","
        "\"details\":[{\"action\":\"read\"}]}");
}

PN_TEST(what_nobody_foresaw_tells_nothing)
{
    struct pn_err err = { 0 };

    (void)pn_fail(&err, PN_IO, "/var/lib/postern/postern.db: disk full");
    err.details = PN_LIT("[\"x\"]");
    check_print(&err, "{\"reqId\":\"req-1\",\"statusCode\":500,\"message\":\"Something went "
                      "wrong\",\"error\":\"InternalServerError\"}");
}

PN_TEST(request_ids_have_a_form_and_differ)
{
    char a[PN_REQUEST_ID_BYTES], b[PN_REQUEST_ID_BYTES];

    pn_request_id_make(a);
    pn_request_id_make(b);
    CHECK(pn_str_starts(pn_str_of(a, sizeof(a)), PN_LIT("req-")));
    CHECK(pn_str_is_printable(pn_str_of(a, sizeof(a))));
    CHECK(!pn_str_eq(pn_str_of(a, sizeof(a)), pn_str_of(b, sizeof(b))));
}

PN_TEST_MAIN(T(says_status_message_and_name), T(a_machine_name_takes_the_place_of_the_kind),
             T(a_reason_stands_in_the_context), T(a_reason_stands_in_the_context),
             T(validation_puts_its_issues_into_message), T(validation_without_issues_is_one_issue),
             T(details_follow_a_refusal), T(what_nobody_foresaw_tells_nothing),
             T(request_ids_have_a_form_and_differ))
