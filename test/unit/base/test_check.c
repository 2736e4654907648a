/* SPDX-License-Identifier: Apache-2.0 */
/* Of a test that fails the next one notices nothing. */
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

PN_TEST(freezes_the_clock_and_fails)
{
    pn_clock_freeze(0, 1000);
    CHECK(false);
}

PN_TEST(has_a_clock_that_goes)
{
    CHECK(pn_clock_wall_ms() > 7);
}

static int freeze(void **state)
{
    pn_clock_freeze(*(int64_t *)*state, 1000);
    return 0;
}

PN_TEST(has_the_clock_that_its_setup_made)
{
    CHECK_EQ(pn_clock_wall_ms(), 7);
}

/* In a child, which says nothing: how many of them failed. */
static int run_apart(const struct CMUnitTest *tests, size_t count)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);

        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        _exit(check_run(tests, count, NULL, NULL));
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

PN_TEST(a_clock_that_stands_is_not_left_to_the_next_test)
{
    int64_t seven = 7;
    const struct CMUnitTest tests[] = {
        T(freezes_the_clock_and_fails),
        T(has_a_clock_that_goes),
        cmocka_unit_test_prestate_setup_teardown(has_the_clock_that_its_setup_made, freeze, NULL,
                                                 &seven),
        T(has_a_clock_that_goes),
    };

    fflush(stdout);
    CHECK_EQ(run_apart(tests, PN_COUNT(tests)), 1);
}

PN_TEST_MAIN(T(a_clock_that_stands_is_not_left_to_the_next_test))
