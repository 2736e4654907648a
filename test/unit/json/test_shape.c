/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "json/shape.h"
#include "json/value.h"

struct port {
    int64_t number;
    struct pn_str label;
};
static const struct pn_field port_fields[] = {
    PN_FIELD(port, number, INT, .required = true, .min = 1, .max = 65535),
    PN_FIELD(port, label, STRING, .omit_empty = true),
};
static const struct pn_shape port_shape = PN_SHAPE_OF(port);

static const char *const colours[] = { "red", "green", NULL };

static bool is_slug(struct pn_str text)
{
    return pn_str_find(text, ' ') < 0;
}

struct all {
    struct pn_str name, email, slug;
    struct pn_secret *token;
    int64_t count, at;
    bool flag, has_port, has_name;
    struct pn_uuid id;
    int colour;
    struct pn_strs tags, labels;
    struct port port;
    struct pn_list ports;
    struct pn_str extra;
};
static const struct pn_field all_fields[] = {
    PN_FIELD(all, name, STRING, .required = true, .min = 1, .max = 8,
             .has_offset = offsetof(struct all, has_name)),
    PN_FIELD(all, email, STRING, .lower = true, .trim = true, .is_nullable = true),
    PN_FIELD(all, slug, STRING, .check = is_slug),
    PN_FIELD(all, token, SECRET, .min = 2, .max = 100),
    PN_FIELD(all, count, INT, .min = -5, .max = 10, .fallback = 3, .has_fallback = true),
    PN_FIELD(all, at, TIME),
    PN_FIELD(all, flag, BOOL, .fallback = true, .has_fallback = true),
    PN_FIELD(all, id, UUID),
    PN_FIELD(all, colour, ENUM, .names = colours),
    PN_FIELD(all, tags, STRINGS, .max = 3, .item_max = 4),
    PN_FIELD(all, labels, MAP, .max = 2),
    PN_FIELD(all, port, OBJECT, .shape = &port_shape, .has_offset = offsetof(struct all, has_port)),
    PN_FIELD(all, ports, OBJECTS, .shape = &port_shape, .max = 4),
    PN_FIELD(all, extra, RAW, .max = 64),
};
static const struct pn_shape all_shape = PN_SHAPE_OF(all);

static struct pn_arena *arena;

static int make_arena(void **state PN_UNUSED)
{
    arena = pn_arena_new(1 << 20);
    return 0;
}

static int free_arena(void **state PN_UNUSED)
{
    pn_arena_free(arena);
    return pn_secret_pool_used() == 0 ? 0 : -1; /* no test leaves a secret behind */
}

static bool parse(const char *json, struct all *out, struct pn_err *err)
{
    return pn_shape_parse(&all_shape, arena, pn_str_from(json), out, err);
}

/* The only issue of `json` has this code, path and message. */
static void check_issue(const char *json, const char *wanted)
{
    struct all out;
    struct pn_err err = { 0 };

    CHECK(!parse(json, &out, &err));
    CHECK_EQ(err.code, PN_VALIDATION);
    CHECK_STR(err.details, wanted);
}

PN_TEST(reads_every_kind)
{
    struct all in;
    struct pn_err err = { 0 };
    const struct port *ports;

    CHECK_OK(
        parse(
            "{\"name\":\"n\xc3\xa4me\",\"email\":\"  A@B.de \",\"slug\":\"x\",\"token\":\"s3cret\","
            "\"count\":-5,\"at\":\"1970-01-01T00:00:01Z\",\"flag\":false,"
            "\"id\":\"0190A1B2-c3d4-7000-8000-000000000001\",\"colour\":\"green\",\"tags\":[\"a\","
            "\"\"],"
            "\"labels\":{\"k\":\"v\"},\"port\":{\"number\":80},"
            "\"ports\":[{\"number\":1,\"label\":\"x\"},{\"number\":2}],"
            "\"extra\":{\"z\":1, \"a\":[true,null,1.5]},\"unknown\":{}}",
            &in, &err),
        err);
    CHECK_STR(in.name, "n\xc3\xa4me");
    CHECK(in.has_name && in.has_port);
    CHECK_STR(in.email, "a@b.de");
    CHECK(pn_secret_eq(in.token, PN_LIT("s3cret")));
    CHECK_EQ(in.count, -5);
    CHECK_EQ(in.at, 1000);
    CHECK(!in.flag);
    CHECK_EQ(in.id.bytes[15], 1);
    CHECK_EQ(in.colour, 1);
    CHECK_EQ(in.tags.count, 2);
    CHECK_STR(in.tags.items[0], "a");
    CHECK_EQ(in.labels.count, 2);
    CHECK_STR(in.labels.items[0], "k");
    CHECK_STR(in.labels.items[1], "v");
    CHECK_EQ(in.port.number, 80);
    ports = in.ports.items;
    CHECK_EQ(in.ports.count, 2);
    CHECK_STR(ports[0].label, "x");
    CHECK_EQ(ports[1].number, 2);
    CHECK_STR(in.extra, "{\"z\":1,\"a\":[true,null,1.5]}");
    pn_shape_drop(&all_shape, &in);
    CHECK(in.token == NULL);
}

PN_TEST(absent_members_have_their_defaults)
{
    struct all in;
    struct pn_err err = { 0 };

    CHECK_OK(parse("{\"name\":\"a\",\"email\":null,\"id\":null,\"at\":null}", &in, &err), err);
    CHECK(in.email.ptr == NULL && in.slug.ptr == NULL && in.extra.ptr == NULL && in.token == NULL);
    CHECK_EQ(in.count, 3);
    CHECK_EQ(in.at, 0);
    CHECK(in.flag);
    CHECK(pn_uuid_is_zero(in.id));
    CHECK_EQ(in.colour, -1);
    CHECK_EQ(in.tags.count + in.labels.count + in.ports.count, 0);
    CHECK(!in.has_port);
}

struct patch {
    struct pn_str note;
    bool has_note;
    int64_t limit;
};
static const struct pn_field patch_fields[] = {
    PN_FIELD(patch, note, STRING, .required = true, .is_nullable = true,
             .has_offset = offsetof(struct patch, has_note)),
    PN_FIELD(patch, limit, INT),
};
static const struct pn_shape patch_shape = PN_SHAPE_OF(patch);

PN_TEST(a_nullable_null_is_there_and_absent)
{
    struct patch in;
    struct pn_err err = { 0 };

    CHECK_OK(pn_shape_parse(&patch_shape, arena, PN_LIT("{\"note\":null}"), &in, &err), err);
    CHECK(in.has_note && in.note.ptr == NULL);
    CHECK_FAILS(pn_shape_parse(&patch_shape, arena, PN_LIT("{}"), &in, &err), err, VALIDATION);
    CHECK_FAILS(
        pn_shape_parse(&patch_shape, arena, PN_LIT("{\"note\":\"\",\"limit\":-1}"), &in, &err), err,
        VALIDATION);
}

PN_TEST(empty_text_is_an_empty_object)
{
    struct port in;
    struct all all;
    struct pn_err err = { 0 };
    static const struct pn_shape none = { "none", sizeof(struct port), NULL, 0 };

    CHECK_OK(pn_shape_parse(&none, arena, PN_NONE, &in, &err), err);
    CHECK_FAILS(parse("", &all, &err), err, VALIDATION);
    CHECK_FAILS(parse(" ", &all, &err), err, BAD_REQUEST);
}

PN_TEST(refuses_what_is_not_strict_json)
{
    static const char *const bad[] = {
        "{",
        "}",
        "[]",
        "null",
        "\"x\"",
        "1",
        "{\"name\":\"a\"}x",
        "{\"name\":\"a\",}",
        "{'name':'a'}",
        "{\"name\":\"a\",\"name\":\"b\"}", /* twice */
        "{\"name\":\"a\",\"x\":{\"y\":1,\"y\":2}}",
        "{\"name\":\"\xff\"}",      /* not UTF-8 */
        "{\"name\":\"\\ud800\"}",   /* half a surrogate pair */
        "{\"name\":\"a\\u0000b\"}", /* NUL */
        "{\"na\\u0000me\":\"a\"}",
        "{\"name\":\"a\nb\"}", /* bare control character */
        "{\"count\":01}",
        "{\"count\":+1}",
        "{\"count\":1e999}",
        "{\"count\":99999999999999999999}",
        "{\"count\":NaN}",
        "/**/{\"name\":\"a\"}",
        "\xef\xbb\xbf{\"name\":\"a\"}",
    };
    struct all in;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(parse(bad[i], &in, &err), err, BAD_REQUEST);
    CHECK_FAILS(pn_shape_parse(&all_shape, arena, PN_LIT("{\"name\":\"a\"}\0"), &in, &err), err,
                BAD_REQUEST);
}

PN_TEST(errors_do_not_quote_the_text)
{
    struct all in;
    struct pn_err err = { 0 };

    CHECK(!parse("{\"token\":\"s3cret\",\"token\":\"s3cret\"}", &in, &err));
    CHECK(strstr(err.message, "s3cret") == NULL && strstr(err.trace, "s3cret") == NULL);
    CHECK(strstr(err.message, "twice") != NULL);
    pn_err_clear(&err);
    CHECK(!parse("{\"token\": s3cret}", &in, &err));
    CHECK(strstr(err.message, "s3cret") == NULL);
}

PN_TEST(depth_is_limited)
{
    char json[256] = "{\"name\":\"a\",\"extra\":";
    struct all in;
    struct pn_err err = { 0 };
    size_t at = strlen(json);

    memset(json + at, '[', 31);
    memset(json + at + 31, ']', 31);
    json[at + 62] = '}';
    CHECK_OK(parse(json, &in, &err), err);
    memset(json + at, '[', 32);
    memset(json + at + 32, ']', 32);
    json[at + 64] = '}';
    CHECK_FAILS(parse(json, &in, &err), err, BAD_REQUEST);
    CHECK_OK(
        parse("{\"name\":\"[[[[\\\"[\",\"extra\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}",
              &in, &err),
        err);
}

PN_TEST(characters_are_counted_not_bytes)
{
    struct all in;
    struct pn_err err = { 0 };

    CHECK_OK(parse("{\"name\":\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xf0\x9f\x94\x91xyz\"}", &in, &err),
             err);
    check_issue("{\"name\":\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xf0\x9f\x94\x91xyz1\"}",
                "[{\"code\":\"too_big\",\"path\":[\"name\"],"
                "\"message\":\"String must contain at most 8 character(s)\"}]");
}

PN_TEST(each_rule_has_its_issue)
{
    check_issue("{}", "[{\"code\":\"invalid_type\",\"path\":[\"name\"],\"message\":\"Required\"}]");
    check_issue("{\"name\":null}", "[{\"code\":\"invalid_type\",\"path\":[\"name\"],"
                                   "\"message\":\"Expected string, received null\"}]");
    check_issue("{\"name\":7}", "[{\"code\":\"invalid_type\",\"path\":[\"name\"],"
                                "\"message\":\"Expected string, received number\"}]");
    check_issue("{\"name\":\"\"}", "[{\"code\":\"too_small\",\"path\":[\"name\"],"
                                   "\"message\":\"String must contain at least 1 character(s)\"}]");
    check_issue("{\"name\":\"123456789\"}",
                "[{\"code\":\"too_big\",\"path\":[\"name\"],"
                "\"message\":\"String must contain at most 8 character(s)\"}]");
    check_issue("{\"name\":\"a\",\"slug\":\"a b\"}",
                "[{\"code\":\"custom\",\"path\":[\"slug\"],\"message\":\"Invalid slug\"}]");
    check_issue("{\"name\":\"a\",\"count\":11}",
                "[{\"code\":\"too_big\",\"path\":[\"count\"],"
                "\"message\":\"Number must be less than or equal to 10\"}]");
    check_issue("{\"name\":\"a\",\"count\":-6}",
                "[{\"code\":\"too_small\",\"path\":[\"count\"],"
                "\"message\":\"Number must be greater than or equal to -5\"}]");
    check_issue("{\"name\":\"a\",\"count\":1.5}",
                "[{\"code\":\"invalid_type\",\"path\":[\"count\"],"
                "\"message\":\"Expected integer, received float\"}]");
    check_issue("{\"name\":\"a\",\"count\":\"1\"}",
                "[{\"code\":\"invalid_type\",\"path\":[\"count\"],"
                "\"message\":\"Expected number, received string\"}]");
    check_issue("{\"name\":\"a\",\"flag\":0}",
                "[{\"code\":\"invalid_type\",\"path\":[\"flag\"],"
                "\"message\":\"Expected boolean, received number\"}]");
    check_issue("{\"name\":\"a\",\"id\":\"x\"}",
                "[{\"code\":\"invalid_string\",\"path\":[\"id\"],\"message\":\"Invalid uuid\"}]");
    check_issue(
        "{\"name\":\"a\",\"at\":\"yesterday\"}",
        "[{\"code\":\"invalid_string\",\"path\":[\"at\"],\"message\":\"Invalid datetime\"}]");
    check_issue("{\"name\":\"a\",\"colour\":\"Red\"}",
                "[{\"code\":\"invalid_enum_value\",\"path\":[\"colour\"],"
                "\"message\":\"Invalid enum value. Expected 'red' | 'green'\"}]");
    check_issue("{\"name\":\"a\",\"tags\":[\"a\",\"b\",\"c\",\"d\"]}",
                "[{\"code\":\"too_big\",\"path\":[\"tags\"],\"message\":\"Array must contain at "
                "most 3 element(s)\"}]");
    check_issue("{\"name\":\"a\",\"tags\":[\"a\",\"bcdef\"]}",
                "[{\"code\":\"too_big\",\"path\":[\"tags\",1],\"message\":\"String must contain at "
                "most 4 character(s)\"}]");
    check_issue("{\"name\":\"a\",\"labels\":{\"k\":1}}",
                "[{\"code\":\"invalid_type\",\"path\":[\"labels\",\"k\"],\"message\":\"Expected "
                "string, received number\"}]");
    check_issue("{\"name\":\"a\",\"port\":[]}",
                "[{\"code\":\"invalid_type\",\"path\":[\"port\"],\"message\":\"Expected object, "
                "received array\"}]");
    check_issue(
        "{\"name\":\"a\",\"ports\":[{\"number\":1},{}]}",
        "[{\"code\":\"invalid_type\",\"path\":[\"ports\",1,\"number\"],\"message\":\"Required\"}]");
    check_issue("{\"name\":\"a\",\"ports\":[7]}",
                "[{\"code\":\"invalid_type\",\"path\":[\"ports\",0],\"message\":\"Expected object, "
                "received number\"}]");
    check_issue("{\"name\":\"a\",\"token\":\"s\"}",
                "[{\"code\":\"too_small\",\"path\":[\"token\"],"
                "\"message\":\"String must contain at least 2 character(s)\"}]");
    check_issue("{\"name\":\"a\",\"extra\":"
                "\"1234567890123456789012345678901234567890123456789012345678901234\"}",
                "[{\"code\":\"too_big\",\"path\":[\"extra\"],\"message\":\"Value must be at most "
                "64 bytes of JSON\"}]");
}

PN_TEST(all_issues_come_at_once_and_the_first_is_the_message)
{
    struct all in;
    struct pn_err err = { 0 };
    struct pn_err unused = { 0 };
    pn_auto(pn_value_freep) struct pn_value *issues = NULL;

    CHECK(!parse(
        "{\"count\":true,\"token\":\"good one\",\"ports\":[{\"number\":0},{\"number\":\"x\"}]}",
        &in, &err));
    CHECK_STR(pn_str_from(err.message), "name: Required");
    CHECK_OK(pn_value_parse(err.details, &issues, &unused), unused);
    CHECK_EQ(pn_value_count(issues), 4);
    CHECK_STR(pn_value_str(pn_value_at(issues, "3.path.0")), "ports");
    CHECK_EQ(pn_secret_pool_used(), 0); /* the good token is gone again */
}

PN_TEST(the_list_of_issues_is_bounded)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(1 << 16);
    static const struct pn_field tags_fields[] = { PN_FIELD(all, tags, STRINGS) };
    static const struct pn_shape shape = { "tags", sizeof(struct all), tags_fields, 1 };
    struct all in;
    struct pn_err err = { 0 };
    struct pn_err unused = { 0 };
    pn_auto(pn_value_freep) struct pn_value *issues = NULL;

    pn_buf_add_text(&json, "{\"tags\":[0");
    for (int i = 0; i < 999; i++)
        pn_buf_add_text(&json, ",0");
    pn_buf_add_text(&json, "]}");
    CHECK(!pn_shape_parse(&shape, arena, pn_buf_str(&json), &in, &err));
    CHECK_STR(pn_str_from(err.message), "tags[0]: Expected string, received number");
    CHECK_OK(pn_value_parse(err.details, &issues, &unused), unused);
    CHECK_EQ(pn_value_count(issues), PN_SHAPE_MAX_ISSUES);
}

PN_TEST(integral_reals_are_integers)
{
    struct all in;
    struct pn_err err = { 0 };

    CHECK_OK(parse("{\"name\":\"a\",\"count\":1e0}", &in, &err), err);
    CHECK_EQ(in.count, 1);
    CHECK_FAILS(parse("{\"name\":\"a\",\"count\":1e300}", &in, &err), err, VALIDATION);
}

PN_TEST(reads_parameters)
{
    const struct pn_param good[] = {
        { PN_LIT("name"), PN_LIT("n") },      { PN_LIT("count"), PN_LIT("7") },
        { PN_LIT("flag"), PN_LIT("false") },  { PN_LIT("colour"), PN_LIT("red") },
        { PN_LIT("tags"), PN_LIT("a") },      { PN_LIT("tags"), PN_LIT("b") },
        { PN_LIT("email"), PN_LIT("") },      { PN_LIT("nobody"), PN_LIT("\xff") },
        { PN_LIT("name"), PN_LIT("second") },
    };
    struct all in;
    struct pn_err err = { 0 };

    CHECK_OK(pn_shape_parse_params(&all_shape, arena, good, PN_COUNT(good), &in, &err), err);
    CHECK_STR(in.name, "n");
    CHECK_EQ(in.count, 7);
    CHECK(!in.flag);
    CHECK_EQ(in.colour, 0);
    CHECK_EQ(in.tags.count, 2);
    CHECK(in.email.ptr == NULL);
}

PN_TEST(refuses_bad_parameters)
{
    const struct pn_param bad[] = {
        { PN_LIT("count"), PN_LIT("7x") },    { PN_LIT("count"), PN_LIT("99999999999999999999") },
        { PN_LIT("flag"), PN_LIT("yes") },    { PN_LIT("flag"), PN_LIT("True") },
        { PN_LIT("colour"), PN_LIT("blue") }, { PN_LIT("id"), PN_LIT("1") },
        { PN_LIT("slug"), PN_LIT("a\0b") },   { PN_LIT("port"), PN_LIT("{}") },
    };
    const struct pn_param latin = { PN_LIT("slug"), PN_LIT("\xe4") };
    struct all in;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        const struct pn_param two[] = { { PN_LIT("name"), PN_LIT("n") }, bad[i] };

        CHECK_FAILS(pn_shape_parse_params(&all_shape, arena, two, 2, &in, &err), err, VALIDATION);
    }
    CHECK_FAILS(pn_shape_parse_params(&all_shape, arena, &latin, 1, &in, &err), err, BAD_REQUEST);
    CHECK_FAILS(pn_shape_parse_params(&all_shape, arena, NULL, 0, &in, &err), err, VALIDATION);
}

PN_TEST(prints_in_table_order_and_never_a_secret)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4096);
    struct pn_err err = { 0 };
    struct port ports[] = { { 1, PN_LIT("x") }, { 2, PN_NONE } };
    struct pn_str tags[] = { PN_LIT("t") };
    struct pn_str labels[] = { PN_LIT("k"), PN_LIT("v") };
    struct all in = { .name = PN_LIT("n"),
                      .has_name = true,
                      .count = 4,
                      .at = 1,
                      .colour = 1,
                      .tags = { tags, 1 },
                      .labels = { labels, 2 },
                      .ports = { ports, 2 },
                      .extra = PN_LIT("[1, 2]") };

    in.token = pn_secret_new(PN_LIT("s3cret"), &err);
    pn_shape_print(&all_shape, &in, &out);
    CHECK_STR(
        pn_buf_str(&out),
        "{\"name\":\"n\",\"email\":null,\"slug\":null,\"count\":4,\"at\":\"1970-01-01T00:00:00."
        "001Z\","
        "\"flag\":false,\"id\":null,\"colour\":\"green\",\"tags\":[\"t\"],\"labels\":{\"k\":\"v\"},"
        "\"port\":null,\"ports\":[{\"number\":1,\"label\":\"x\"},{\"number\":2}],\"extra\":[1, "
        "2]}");
    pn_shape_drop(&all_shape, &in);
}

PN_TEST(what_is_printed_reads_back_the_same)
{
    static const char text[] = "{\"name\":\"n\",\"email\":\"a@b\",\"slug\":\"\",\"count\":-1,"
                               "\"at\":\"2026-01-02T03:04:05.678Z\","
                               "\"flag\":true,\"id\":\"0190a1b2-c3d4-7000-8000-000000000001\","
                               "\"colour\":\"red\",\"tags\":[],"
                               "\"labels\":{\"\":\"\"},\"port\":{\"number\":65535,\"label\":\"\"},"
                               "\"ports\":[{\"number\":1}],\"extra\":null}";
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4096);
    struct all in;
    struct pn_err err = { 0 };

    CHECK_OK(parse(text, &in, &err), err);
    pn_shape_print(&all_shape, &in, &out);
    CHECK_STR(pn_buf_str(&out), text);
}

#define TA(name) cmocka_unit_test_setup_teardown(name, make_arena, free_arena)

PN_TEST_MAIN(TA(reads_every_kind), TA(absent_members_have_their_defaults),
             TA(a_nullable_null_is_there_and_absent), TA(empty_text_is_an_empty_object),
             TA(refuses_what_is_not_strict_json), TA(errors_do_not_quote_the_text),
             TA(depth_is_limited), TA(characters_are_counted_not_bytes),
             TA(each_rule_has_its_issue), TA(all_issues_come_at_once_and_the_first_is_the_message),
             TA(the_list_of_issues_is_bounded), TA(integral_reals_are_integers),
             TA(reads_parameters), TA(refuses_bad_parameters),
             TA(prints_in_table_order_and_never_a_secret), TA(what_is_printed_reads_back_the_same))
