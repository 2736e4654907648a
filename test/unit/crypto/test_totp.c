/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/totp.h"

#include "check.h"

static const struct pn_str secret = PN_LIT_INIT("12345678901234567890");

/* The last six digits of RFC 6238, appendix B. */
PN_TEST(codes_of_rfc_6238)
{
    static const struct {
        int64_t at_s;
        const char *code;
    } cases[] = { { 59, "287082" },         { 1111111109, "081804" }, { 1111111111, "050471" },
                  { 1234567890, "005924" }, { 2000000000, "279037" }, { 20000000000, "353130" } };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        const struct pn_totp_code code = pn_totp_at(secret, cases[i].at_s * 1000 / PN_TOTP_STEP_MS);

        CHECK_STR(pn_str_from(code.text), cases[i].code);
    }
}

PN_TEST(finds_the_step_of_a_code_and_of_its_neighbours)
{
    for (int64_t step = 99; step <= 101; step++) {
        const struct pn_totp_code code = pn_totp_at(secret, step);

        CHECK_EQ(pn_totp_find(secret, 100, pn_str_from(code.text)), step);
    }
}

PN_TEST(refuses_what_is_no_code_of_now)
{
    static const char *const wrong[] = { "", "0", "00000", "0000000", "aaaaaa", "-00001" };

    for (size_t i = 0; i < PN_COUNT(wrong); i++)
        CHECK_EQ(pn_totp_find(secret, 100, pn_str_from(wrong[i])), -1);
    for (int64_t step = 98; step <= 102; step += 4) {
        const struct pn_totp_code code = pn_totp_at(secret, step);

        CHECK_EQ(pn_totp_find(secret, 100, pn_str_from(code.text)), -1);
    }
    CHECK_EQ(pn_totp_find(PN_LIT("another secret of it"), 100,
                          pn_str_from(pn_totp_at(secret, 100).text)),
             -1);
}

PN_TEST_MAIN(T(codes_of_rfc_6238), T(finds_the_step_of_a_code_and_of_its_neighbours),
             T(refuses_what_is_no_code_of_now))
