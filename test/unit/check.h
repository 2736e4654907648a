/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_CHECK_H
#define PN_TEST_UNIT_CHECK_H

/* What every unit test needs: cmocka behind a few short words. Output is TAP (set in PN_TEST_MAIN). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#define PN_TEST(name) static void name(void **state __attribute__((unused)))
#define CHECK(truth) assert_true(truth)
#define CHECK_EQ(a, b) assert_int_equal((a), (b))
#define CHECK_STR(s, text) check_str((s), (text), __FILE__, __LINE__)
#define CHECK_OK(call, err) check_ok((call), &(err), __FILE__, __LINE__)
/* Fails unless `call` is false with that code; clears err for the next use. */
#define CHECK_FAILS(call, err, want) check_fails((call), &(err), PN_##want, __FILE__, __LINE__)
#define BYTES(...) \
    pn_str_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static inline void check_str(struct pn_str s, const char *text, const char *file, int line)
{
    if (pn_str_eq(s, pn_str_from(text)))
        return;
    print_error("%s:%d: wanted \"%s\", got \"%.*s\"\n", file, line, text, PN_ARG(s));
    _fail(file, line);
}

static inline void check_ok(bool done, const struct pn_err *err, const char *file, int line)
{
    if (done)
        return;
    print_error("%s:%d: %s: %s (%s)\n", file, line, pn_code_name(err->code), err->message,
                err->trace);
    _fail(file, line);
}

static inline void check_fails(bool done, struct pn_err *err, enum pn_code want, const char *file,
                               int line)
{
    if (done || err->code != want) {
        print_error("%s:%d: wanted failure %d, got %s %d: %s\n", file, line, want,
                    done ? "success" : "failure", err->code, err->message);
        _fail(file, line);
    }
    pn_err_clear(err);
}

/* A test that failed was left where it stood: the clock that it froze is not the next one's. */
static inline int check_begin(void **state)
{
    const struct CMUnitTest *test = *state;

    pn_clock_release();
    *state = test->initial_state;
    return test->setup_func != NULL ? test->setup_func(state) : 0;
}

/* How many fail. `before` and `after`: of all of them, as cmocka has it, and without a state; or NULL. */
static inline int check_run(const struct CMUnitTest *tests, size_t count, CMFixtureFunction before,
                            CMFixtureFunction after)
{
    struct CMUnitTest *begun = calloc(count, sizeof(*begun));
    int failed;

    for (size_t i = 0; i < count; i++) {
        begun[i] = tests[i];
        begun[i].setup_func = check_begin;
        begun[i].initial_state = (void *)(uintptr_t)&tests[i];
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    failed = _cmocka_run_group_tests("tests", begun, count, before, after);
    free(begun);
    return failed;
}

#define PN_TEST_MAIN(...)                                     \
    int main(void)                                            \
    {                                                         \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };    \
        return check_run(tests, PN_COUNT(tests), NULL, NULL); \
    }
#define T(name) cmocka_unit_test(name)

#endif
