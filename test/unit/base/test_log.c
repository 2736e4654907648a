/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static int pipe_out, pipe_in;

static int open_pipe(void **state PN_UNUSED)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    pipe_out = ends[0];
    pipe_in = ends[1];
    pn_clock_freeze(1767323045678, 0);
    pn_log_init(PN_INFO, pipe_in, "tester");
    return 0;
}

static int close_pipe(void **state PN_UNUSED)
{
    pn_log_init(PN_INFO, STDERR_FILENO, "postern");
    pn_clock_release();
    close(pipe_out);
    close(pipe_in);
    return 0;
}

static struct pn_str written(char text[70000])
{
    ssize_t got = read(pipe_out, text, 70000);

    return pn_str_of(text, got > 0 ? (size_t)got : 0);
}

PN_TEST(writes_one_json_line)
{
    char text[70000];

    pn_log(PN_WARN, "tunnel-open", PN_F_TEXT("gateway", "g\"1\n"), PN_F_INT("index", -7),
           PN_F_BOOL("isNew", true), PN_F_STR("relay", PN_NONE));
    CHECK_STR(written(text),
              "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"warn\",\"role\":\"tester\","
              "\"event\":\"tunnel-open\",\"gateway\":\"g\\\"1\\n\",\"index\":-7,\"isNew\":true,"
              "\"relay\":null}\n");
}

PN_TEST(writes_an_error_with_its_trace)
{
    char text[70000];
    struct pn_err err = { 0 };

    pn_err_raise(&err, PN_UPSTREAM, 111, "dial.c:7", "refused");
    pn_within(&err, "dialling");
    pn_log(PN_ERROR, "dial-failed", PN_F_ERR(&err));
    CHECK_STR(written(text),
              "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"error\",\"role\":\"tester\","
              "\"event\":\"dial-failed\",\"code\":\"BadGateway\",\"message\":\"refused\","
              "\"trace\":\"dialling: refused\",\"cause\":111,\"at\":\"dial.c:7\"}\n");
}

PN_TEST(needs_no_fields)
{
    char text[70000];

    pn_log(PN_INFO, "ready");
    CHECK(pn_str_ends(written(text), PN_LIT("\"event\":\"ready\"}\n")));
}

PN_TEST(what_is_below_the_level_is_not_written)
{
    char text[70000];

    pn_log(PN_DEBUG, "noise");
    CHECK_EQ(written(text).len, 0);
    CHECK(!pn_log_is_on(PN_DEBUG));
    pn_log_init(PN_DEBUG, pipe_in, "tester");
    pn_log(PN_DEBUG, "noise");
    CHECK(written(text).len > 0);
    pn_log_init(PN_ERROR, pipe_in, "tester");
    pn_log(PN_WARN, "noise");
    CHECK_EQ(written(text).len, 0);
}

PN_TEST(lines_have_a_maximum)
{
    static char big[5000];
    char text[70000];
    struct pn_str line;

    memset(big, '\x01', sizeof(big) - 1); /* each becomes six bytes */
    pn_log(PN_INFO, "big", PN_F_TEXT("a", big), PN_F_TEXT("b", "small"), PN_F_TEXT("c", big));
    line = written(text);
    CHECK(line.len <= 8192);
    CHECK(pn_str_search(line, PN_LIT("\"b\":\"small\"")) > 0);
    CHECK(pn_str_ends(line, PN_LIT(",\"isCut\":true}\n")));
    CHECK_EQ(pn_str_find(line, '\n'), (ptrdiff_t)line.len - 1);

    memset(big, 'x', sizeof(big) - 1);
    pn_log(PN_INFO, "big", PN_F_TEXT("a", big));
    line = written(text);
    CHECK(line.len > 2048 && line.len < 2300); /* a single value is cut */
}

PN_TEST(a_full_pipe_does_not_block_nor_change_errno)
{
    char text[70000];

    while (write(pipe_in, "x", 1) == 1)
        continue;
    errno = 0;
    pn_log(PN_INFO, "lost");
    CHECK_EQ(errno, 0);
    CHECK_EQ(pn_str_search(written(text), PN_LIT("lost")), -1);
}

static void *log_often(void *name)
{
    for (int i = 0; i < 50; i++)
        pn_log(PN_INFO, "tick", PN_F_TEXT("thread", name), PN_F_INT("i", i));
    return NULL;
}

PN_TEST(lines_of_threads_do_not_mix)
{
    char text[70000];
    static char names[][2] = { "a", "b", "c", "d" };
    pthread_t threads[PN_COUNT(names)];
    struct pn_str rest, line;
    int count = 0;

    for (size_t i = 0; i < PN_COUNT(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, log_often, names[i]), 0);
    for (size_t i = 0; i < PN_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    rest = written(text);
    while (pn_str_cut(&rest, '\n', &line) && line.len > 0) {
        CHECK(pn_str_starts(line, PN_LIT("{\"time\":")));
        CHECK(pn_str_ends(line, PN_LIT("}")));
        count++;
    }
    CHECK_EQ(count, 200);
}

PN_TEST(levels_have_names)
{
    enum pn_log_level level = PN_INFO;

    CHECK(pn_log_level_parse(PN_LIT("debug"), &level) && level == PN_DEBUG);
    CHECK(pn_log_level_parse(PN_LIT("error"), &level) && level == PN_ERROR);
    CHECK(!pn_log_level_parse(PN_LIT("Error"), &level));
    CHECK(!pn_log_level_parse(PN_LIT(""), &level));
    CHECK(!pn_log_level_parse(PN_LIT("trace"), &level));
    CHECK_EQ(level, PN_ERROR);
}

#define TP(name) cmocka_unit_test_setup_teardown(name, open_pipe, close_pipe)

PN_TEST_MAIN(TP(writes_one_json_line), TP(writes_an_error_with_its_trace), TP(needs_no_fields),
             TP(what_is_below_the_level_is_not_written), TP(lines_have_a_maximum),
             TP(a_full_pipe_does_not_block_nor_change_errno), TP(lines_of_threads_do_not_mix),
             T(levels_have_names))
