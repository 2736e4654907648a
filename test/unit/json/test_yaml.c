/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/buf.h"
#include "json/value.h"

/* The document means the same as this JSON. */
static void check_yaml(const char *yaml, const char *json)
{
    pn_auto(pn_value_freep) struct pn_value *v = NULL;
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4096);
    struct pn_err err = { 0 };

    CHECK_OK(pn_value_parse_yaml(pn_str_from(yaml), &v, &err), err);
    pn_value_print(v, false, &out);
    CHECK_STR(pn_buf_str(&out), json);
}

PN_TEST(reads_a_kubeconfig)
{
    check_yaml(
        "apiVersion: v1\nkind: Config\n# comment\nclusters:\n- cluster:\n    server: "
        "https://h:6443\n"
        "    insecure-skip-tls-verify: true\n  name: c\nusers: []\npreferences: "
        "{}\ncurrent-context: \"\"\n",
        "{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"clusters\":[{\"cluster\":{\"server\":\"https:"
        "//h:6443\","
        "\"insecure-skip-tls-verify\":true},\"name\":\"c\"}],\"users\":[],\"preferences\":{},"
        "\"current-context\":\"\"}");
}

PN_TEST(resolves_plain_scalars_by_the_json_schema)
{
    check_yaml("[null, ~, true, false, 0, -7, 1.5, 1e3, 2.]",
               "[null,null,true,false,0,-7,1.5,1000.0,2.0]");
    check_yaml("a:\nb: x", "{\"a\":null,\"b\":\"x\"}");
    check_yaml("", "null");
    check_yaml("# nothing\n", "null");
    check_yaml("9223372036854775807", "9223372036854775807");
}

PN_TEST(everything_else_is_text)
{
    check_yaml("[yes, No, on, TRUE, Null, 0x10, 0o7, 01, +1, .5, 1_000, 1:30, .inf, .nan, "
               "2026-01-02, -, 1e]",
               "[\"yes\",\"No\",\"on\",\"TRUE\",\"Null\",\"0x10\",\"0o7\",\"01\",\"+1\",\".5\",\"1_"
               "000\",\"1:30\","
               "\".inf\",\".nan\",\"2026-01-02\",\"-\",\"1e\"]");
    check_yaml("['1', \"true\", !!str 7, ! null, '']", "[\"1\",\"true\",\"7\",\"null\",\"\"]");
    check_yaml("|\n  a\n  b\n", "\"a\\nb\\n\"");
    check_yaml("1: a\nnull: b\n<<: c", "{\"1\":\"a\",\"null\":\"b\",\"<<\":\"c\"}");
}

PN_TEST(refuses_what_it_does_not_mean)
{
    static const char *const bad[] = {
        "a: &x 1\nb: *x",
        "*x",
        "&x [1]",
        "&x {a: 1}", /* anchors and aliases: billion laughs */
        "a: 1\na: 2",
        "{a: 1, \"a\": 2}",
        "? [1]\n: 2",
        "? {a: 1}\n: 2", /* names that are not text */
        "!!int 7",
        "!!binary aGk=",
        "!!map {a: 1}",
        "!local x",
        "!!python/object:os.system {}",
        "--- 1\n--- 2",
        "---\n---\n",
        "99999999999999999999",
        "1e999",
        "\"\\0\"",
        "\"\\x00\"",
        "\xff",
        "a: \x01",
        "\xc3",
        "[1",
        "{a: 1",
        "a: b: c",
        "\"open",
        "a:\n\t- x",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    };
    struct pn_value *value = NULL;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(pn_value_parse_yaml(pn_str_from(bad[i]), &value, &err), err, BAD_REQUEST);
    CHECK_FAILS(pn_value_parse_yaml(PN_LIT("a: \0"), &value, &err), err, BAD_REQUEST);
    CHECK(value == NULL);
}

PN_TEST(errors_say_where_and_quote_nothing)
{
    struct pn_value *value = NULL;
    struct pn_err err = { 0 };

    CHECK(!pn_value_parse_yaml(PN_LIT("token: s3cret\ntoken: s3cret\n"), &value, &err));
    CHECK(strstr(err.message, "line 2") != NULL);
    CHECK(strstr(err.message, "s3cret") == NULL);
}

static void check_print(const char *json, const char *wanted)
{
    pn_auto(pn_value_freep) struct pn_value *v = NULL;
    pn_auto(pn_value_freep) struct pn_value *again = NULL;
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(1 << 16);
    pn_auto(pn_buf_drop) struct pn_buf first = pn_buf_init(1 << 16);
    pn_auto(pn_buf_drop) struct pn_buf second = pn_buf_init(1 << 16);
    struct pn_err err = { 0 };

    CHECK_OK(pn_value_parse(pn_str_from(json), &v, &err), err);
    pn_value_print_yaml(v, &out);
    if (wanted != NULL)
        CHECK_STR(pn_buf_str(&out), wanted);
    CHECK_OK(pn_value_parse_yaml(pn_buf_str(&out), &again, &err), err);
    pn_value_print(v, false, &first);
    pn_value_print(again, false, &second);
    CHECK(pn_str_eq(pn_buf_str(&first), pn_buf_str(&second)));
}

PN_TEST(prints_blocks)
{
    check_print("{\"a\":{\"b\":[1,\"x\",{\"c\":null,\"d\":[[2],[]]}]},\"e\":{}}",
                "a:\n  b:\n    - 1\n    - x\n    - c: null\n      d:\n        - - 2\n        - "
                "[]\ne: {}\n");
    check_print("\"x\"", "x\n");
    check_print("[]", "[]\n");
}

PN_TEST(quotes_what_would_mean_something_else)
{
    check_print("[\"true\",\"No\",\"null\",\"1\",\"\",\" a\",\"a \",\"a: b\",\"a:\",\"a "
                "#b\",\"-\",\"https://h:1/p\",\"#\",\"~\"]",
                "- \"true\"\n- \"No\"\n- \"null\"\n- \"1\"\n- \"\"\n- \" a\"\n- \"a \"\n- \"a: "
                "b\"\n- \"a:\"\n- \"a #b\"\n- \"-\"\n"
                "- https://h:1/p\n- \"#\"\n- \"~\"\n");
    check_print(
        "{\"a\\nb\":\"\\u0001\\u007f\\u0085\\u2028\\ufeff\\\\\\\"\xf0\x9f\x98\x80\xc3\xa4\"}",
        "\"a\\nb\": \"\\u0001\\u007f\\u0085\\u2028\\ufeff\\\\\\\"\xf0\x9f\x98\x80\xc3\xa4\"\n");
}

PN_TEST(long_names_read_back)
{
    char json[4200] = "{\"";

    memset(json + 2, 'k', 2000);
    memcpy(json + 2002, "\":{\"a\":[1]},\"b\":{\"", 18);
    memset(json + 2020, 'l', 2000);
    memcpy(json + 4020, "\":7}}", 6);
    check_print(json, NULL);
}

PN_TEST_MAIN(T(reads_a_kubeconfig), T(resolves_plain_scalars_by_the_json_schema),
             T(everything_else_is_text), T(refuses_what_it_does_not_mean),
             T(errors_say_where_and_quote_nothing), T(prints_blocks),
             T(quotes_what_would_mean_something_else), T(long_names_read_back))
