/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/buf.h"
#include "json/value.h"

static struct pn_value *parse(const char *json)
{
    struct pn_value *value = NULL;
    struct pn_err err = { 0 };

    CHECK_OK(pn_value_parse(pn_str_from(json), &value, &err), err);
    return value;
}

PN_TEST(finds_by_path)
{
    pn_auto(pn_value_freep) struct pn_value *v =
        parse("{\"a\":{\"b\":[{\"c\":\"x\"},{\"c\":\"y\"}]},\"n\":7,\"t\":true,\"z\":null,\"2\":"
              "\"two\"}");

    CHECK_STR(pn_value_str(pn_value_at(v, "a.b.1.c")), "y");
    CHECK_STR(pn_value_str(pn_value_at(v, "2")), "two");
    CHECK_EQ(pn_value_int(pn_value_get(v, "n"), 0), 7);
    CHECK(pn_value_bool(pn_value_get(v, "t"), false));
    CHECK(pn_value_is_null(pn_value_get(v, "z")));
    CHECK_EQ(pn_value_count(v), 5);
    CHECK_EQ(pn_value_count(pn_value_at(v, "a.b")), 2);
    CHECK(pn_value_is_array(pn_value_at(v, "a.b")));
    CHECK(pn_value_is_object(pn_value_item(pn_value_at(v, "a.b"), 0)));
}

PN_TEST(a_miss_is_a_fallback)
{
    pn_auto(pn_value_freep) struct pn_value *v = parse("{\"a\":[\"x\"],\"s\":\"7\"}");

    CHECK(pn_value_at(v, "a.1") == NULL);
    CHECK(pn_value_at(v, "a.x") == NULL);
    CHECK(pn_value_at(v, "a.-1") == NULL);
    CHECK(pn_value_at(v, "s.t.u") == NULL);
    CHECK(pn_value_at(v, "") == NULL);
    CHECK(pn_value_at(NULL, "a") == NULL);
    CHECK(pn_value_get(NULL, "a") == NULL);
    CHECK(pn_value_item(NULL, 0) == NULL);
    CHECK(pn_value_get(pn_value_get(v, "a"), "a") == NULL);
    CHECK(pn_value_str(NULL).ptr == NULL);
    CHECK(pn_value_str(v).ptr == NULL);
    CHECK_EQ(pn_value_int(pn_value_get(v, "s"), 5), 5);
    CHECK_EQ(pn_value_int(NULL, 5), 5);
    CHECK(pn_value_bool(NULL, true));
    CHECK(pn_value_bool(pn_value_get(v, "s"), true));
    CHECK_EQ(pn_value_count(NULL), 0);
    CHECK_EQ(pn_value_count(pn_value_get(v, "s")), 0);
    CHECK(!pn_value_is_null(NULL) && !pn_value_is_object(NULL) && !pn_value_is_string(NULL));
}

PN_TEST(visits_members_in_order)
{
    pn_auto(pn_value_freep) struct pn_value *v = parse("{\"z\":1,\"a\":2}");
    struct pn_str name;
    const struct pn_value *value;

    CHECK(pn_value_member(v, 0, &name, &value));
    CHECK_STR(name, "z");
    CHECK(pn_value_member(v, 1, &name, &value));
    CHECK_STR(name, "a");
    CHECK_EQ(pn_value_int(value, 0), 2);
    CHECK(!pn_value_member(v, 2, &name, &value));
    CHECK(!pn_value_member(NULL, 0, &name, &value));
}

PN_TEST(integral_reals_are_integers)
{
    pn_auto(pn_value_freep) struct pn_value *v = parse("[1.0, 1.5, 1e300, -3.0]");

    CHECK_EQ(pn_value_int(pn_value_item(v, 0), 9), 1);
    CHECK_EQ(pn_value_int(pn_value_item(v, 1), 9), 9);
    CHECK_EQ(pn_value_int(pn_value_item(v, 2), 9), 9);
    CHECK_EQ(pn_value_int(pn_value_item(v, 3), 9), -3);
}

PN_TEST(refuses_what_is_not_json)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,\"a\":1}",
        "tru",
        "1 2",
        "\"\\u0000\"",
        "\"\xc0\x80\"",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
    };
    struct pn_value *value = NULL;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(pn_value_parse(pn_str_from(bad[i]), &value, &err), err, BAD_REQUEST);
    CHECK(value == NULL);
    pn_value_free(NULL);
}

static void check_print(const char *json, bool is_pretty, const char *wanted)
{
    pn_auto(pn_value_freep) struct pn_value *v = parse(json);
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4096);

    pn_value_print(v, is_pretty, &out);
    CHECK_STR(pn_buf_str(&out), wanted);
}

PN_TEST(prints)
{
    check_print("{\"b\" : [ 1, 2.5,1e20, true ,null], \"a\":{}}", false,
                "{\"b\":[1,2.5,1e+20,true,null],\"a\":{}}");
    check_print("{\"b\":[1,{}],\"a\":\"x\"}", true,
                "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": \"x\"\n}");
    check_print("\"\\u00e4\\n\"", false, "\"\xc3\xa4\\n\"");
    check_print("[0.1,1.0,-0.0,12345678901234567]", false, "[0.1,1.0,-0.0,12345678901234567]");
}

PN_TEST(absent_prints_as_null)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4096);

    pn_value_print(NULL, true, &out);
    pn_value_print_yaml(NULL, &out);
    CHECK_STR(pn_buf_str(&out), "nullnull\n");
}

PN_TEST_MAIN(T(finds_by_path), T(a_miss_is_a_fallback), T(visits_members_in_order),
             T(integral_reals_are_integers), T(refuses_what_is_not_json), T(prints),
             T(absent_prints_as_null))
