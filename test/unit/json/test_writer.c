/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "json/writer.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

PN_TEST(writes_every_kind_of_value)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&buf);
    struct pn_uuid id = pn_uuid_v7(0x0190a1b2c3d4, (const uint8_t[10]){ 0 });

    pn_write_object(&w, NULL);
    pn_write_str(&w, "s", PN_LIT("a\"b"));
    pn_write_text(&w, "t", "x");
    pn_write_int(&w, "i", INT64_MIN);
    pn_write_bool(&w, "b", true);
    pn_write_null(&w, "n");
    pn_write_uuid(&w, "u", id);
    pn_write_time(&w, "at", 1);
    pn_write_raw(&w, "r", PN_LIT("[1]"));
    pn_write_base64(&w, "d", PN_LIT("hi"));
    pn_write_str_at(&w, PN_LIT("a/b"), PN_LIT(""));
    pn_write_end(&w);
    CHECK_STR(pn_buf_str(&buf),
              "{\"s\":\"a\\\"b\",\"t\":\"x\",\"i\":-9223372036854775808,\"b\":true,\"n\":null,"
              "\"u\":\"0190a1b2-c3d4-7000-8000-000000000000\",\"at\":\"1970-01-01T00:00:00.001Z\","
              "\"r\":[1],\"d\":\"aGk=\",\"a/b\":\"\"}");
}

PN_TEST(a_name_may_be_written_before_its_value)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&buf);

    pn_write_object(&w, NULL);
    pn_write_quoted_name(&w, PN_LIT("\"a\":"));
    pn_write_int(&w, NULL, 1);
    pn_write_quoted_name(&w, PN_LIT("\"b\":"));
    pn_write_object(&w, NULL);
    pn_write_int(&w, "c", 2);
    pn_write_end(&w);
    pn_write_quoted_name(&w, PN_LIT("\"d\":"));
    pn_write_array(&w, NULL);
    pn_write_int(&w, NULL, 3);
    pn_write_int(&w, NULL, 4);
    pn_write_end(&w);
    pn_write_int(&w, "e", 5);
    pn_write_end(&w);
    CHECK_STR(pn_buf_str(&buf), "{\"a\":1,\"b\":{\"c\":2},\"d\":[3,4],\"e\":5}");
}

PN_TEST(keeps_commas_and_nesting)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&buf);

    pn_write_array(&w, NULL);
    pn_write_object(&w, NULL);
    pn_write_array(&w, "a");
    pn_write_end(&w);
    pn_write_object(&w, "o");
    pn_write_end(&w);
    pn_write_end(&w);
    pn_write_int(&w, NULL, 1);
    pn_write_array(&w, NULL);
    pn_write_int(&w, NULL, 2);
    pn_write_int(&w, NULL, 3);
    pn_write_end(&w);
    pn_write_end(&w);
    CHECK_STR(pn_buf_str(&buf), "[{\"a\":[],\"o\":{}},1,[2,3]]");
}

PN_TEST(what_is_absent_is_null)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&buf);

    pn_write_array(&w, NULL);
    pn_write_str(&w, NULL, PN_NONE);
    pn_write_text(&w, NULL, NULL);
    pn_write_uuid(&w, NULL, (struct pn_uuid){ { 0 } });
    pn_write_time(&w, NULL, 0);
    pn_write_raw(&w, NULL, PN_NONE);
    pn_write_end(&w);
    CHECK_STR(pn_buf_str(&buf), "[null,null,null,null,null]");
}

PN_TEST(hostile_text_stays_inside_its_quotes)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&buf);

    pn_write_str(&w, NULL, PN_LIT("\",\n\x01\\ \xff \xed\xa0\x80 \xc3\xa4\0"));
    CHECK_STR(pn_buf_str(&buf), "\"\\\",\\n\\u0001\\\\ \xef\xbf\xbd "
                                "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xc3\xa4\\u0000\"");
}

PN_TEST(a_full_buffer_says_so)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(8);
    struct pn_writer w = pn_writer_of(&buf);

    pn_write_array(&w, NULL);
    pn_write_text(&w, NULL, "too long for it");
    pn_write_end(&w);
    CHECK(buf.is_full);
    CHECK(buf.len <= 8);
}

/* Runs `misuse` in a child; true when it died of the assertion. */
static bool dies(void (*misuse)(struct pn_writer *w))
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&buf);
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        misuse(&w);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void name_in_array(struct pn_writer *w)
{
    pn_write_array(w, NULL);
    pn_write_int(w, "name", 1);
}

static void no_name_in_object(struct pn_writer *w)
{
    pn_write_object(w, NULL);
    pn_write_int(w, NULL, 1);
}

static void one_end_too_many(struct pn_writer *w)
{
    pn_write_end(w);
}

static void two_names(struct pn_writer *w)
{
    pn_write_object(w, NULL);
    pn_write_quoted_name(w, PN_LIT("\"a\":"));
    pn_write_quoted_name(w, PN_LIT("\"b\":"));
}

static void a_name_and_another(struct pn_writer *w)
{
    pn_write_object(w, NULL);
    pn_write_quoted_name(w, PN_LIT("\"a\":"));
    pn_write_int(w, "b", 1);
}

static void quoted_name_in_array(struct pn_writer *w)
{
    pn_write_array(w, NULL);
    pn_write_quoted_name(w, PN_LIT("\"a\":"));
}

static void too_deep(struct pn_writer *w)
{
    for (int i = 0; i < 64; i++)
        pn_write_array(w, NULL);
}

PN_TEST(misuse_is_caught)
{
    CHECK(dies(name_in_array));
    CHECK(dies(no_name_in_object));
    CHECK(dies(two_names));
    CHECK(dies(a_name_and_another));
    CHECK(dies(quoted_name_in_array));
    CHECK(dies(one_end_too_many));
    CHECK(dies(too_deep));
}

PN_TEST_MAIN(T(writes_every_kind_of_value), T(a_name_may_be_written_before_its_value),
             T(keeps_commas_and_nesting), T(what_is_absent_is_null),
             T(hostile_text_stays_inside_its_quotes), T(a_full_buffer_says_so), T(misuse_is_caught))
