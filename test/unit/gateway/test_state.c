/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "gateway/state.h"
#include "sys/sys.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID "00000000-0000-4000-8000-000000000000"

static char directory[64], file[96];
static struct pn_err err;

static void new_directory(void)
{
    err = (struct pn_err){ 0 };
    (void)snprintf(directory, sizeof(directory), "/tmp/pn-state-XXXXXX");
    CHECK(mkdtemp(directory) != NULL);
    (void)snprintf(file, sizeof(file), "%s/gateway.json", directory);
}

static void remove_directory(void)
{
    char *argv[] = { (char *)"rm", (char *)"-rf", directory, NULL };

    (void)pn_process_run(argv, (char *[]){ NULL });
}

static struct pn_secret *secret(const char *text)
{
    struct pn_secret *s = pn_secret_new(pn_str_from(text), &err);

    CHECK(s != NULL);
    return s;
}

static void enrol(const char *one_time)
{
    struct pn_state kept;
    struct pn_secret *token = secret(one_time);
    struct pn_uuid id = { { 5 } };

    CHECK_OK(pn_state_open(directory, &kept, &err), err);
    CHECK_OK(pn_state_save(&kept, token, secret("access"), id, &err), err);
    pn_secret_free(token);
    pn_state_close(&kept);
}

PN_TEST(enrolment_is_remembered_for_its_token)
{
    struct pn_state kept;
    struct pn_secret *same = secret("gwe_one\n"), *other = secret("gwe_two");
    struct stat about;

    new_directory();
    enrol("gwe_one");
    CHECK_EQ(stat(file, &about), 0);
    CHECK_EQ(about.st_mode & 0777, 0600);
    CHECK_OK(pn_state_open(directory, &kept, &err), err);
    CHECK_STR(pn_secret_reveal(kept.access_token), "access");
    CHECK_EQ(kept.gateway_id.bytes[0], 5);
    CHECK(pn_state_is_enrolled_with(&kept, same)); /* a file ends with a newline */
    CHECK(pn_state_is_enrolled_with(&kept, NULL));
    CHECK(!pn_state_is_enrolled_with(&kept, other));
    pn_state_close(&kept);
    pn_secret_free(same);
    pn_secret_free(other);
    remove_directory();
}

PN_TEST(fresh_directory_is_not_enrolled)
{
    struct pn_state kept;

    new_directory();
    CHECK_OK(pn_state_open(directory, &kept, &err), err);
    CHECK(!pn_state_is_enrolled_with(&kept, NULL));
    pn_state_close(&kept);
    remove_directory();
}

PN_TEST(token_that_others_can_read_is_refused)
{
    struct pn_state kept;

    new_directory();
    enrol("gwe_one");
    CHECK_EQ(chmod(file, 0644), 0);
    CHECK_FAILS(pn_state_open(directory, &kept, &err), err, IO);
    remove_directory();
}

PN_TEST(damaged_file_is_refused_with_its_name)
{
    static const char *const texts[] = {
        "",
        "{",
        "{}",
        "[]",
        "{\"accessToken\":1,\"gatewayId\":2,\"enrolledWith\":3}",
        "{\"accessToken\":\"a\",\"gatewayId\":\"" ID "\",\"enrolledWith\":\"zz\"}",
    };

    for (size_t i = 0; i < PN_COUNT(texts); i++) {
        struct pn_state kept;

        new_directory();
        CHECK_OK(pn_file_write(file, pn_str_from(texts[i]), 0600, &err), err);
        CHECK(!pn_state_open(directory, &kept, &err));
        CHECK(strstr(err.trace, "gateway.json") != NULL);
        remove_directory();
    }
}

PN_TEST_MAIN(T(enrolment_is_remembered_for_its_token), T(fresh_directory_is_not_enrolled),
             T(token_that_others_can_read_is_refused), T(damaged_file_is_refused_with_its_name))
