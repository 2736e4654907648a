/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "json/value.h"
#include "server/input.h"

struct thing_in {
    struct pn_uuid id;
    struct pn_str name;
    int64_t limit;
    bool deep, has_deep;
    struct pn_secret *token;
};
static const struct pn_field thing_in_fields[] = {
    PN_FIELD(thing_in, id, UUID, .required = true),
    PN_FIELD(thing_in, name, STRING, .required = true, .min = 2, .max = 8),
    PN_FIELD(thing_in, limit, INT, .min = 1, .max = 100, .has_fallback = true, .fallback = 20),
    PN_FIELD(thing_in, deep, BOOL, .has_offset = offsetof(struct thing_in, has_deep)),
    PN_FIELD(thing_in, token, SECRET, .max = 64),
};

#define ID "01a20583-99b3-7e83-a486-b4181230c7c4"

struct fixture {
    struct pn_arena *arena;
    struct pn_match match;
    struct thing_in in;
    struct pn_err err;
};

static void give(struct fixture *f, const char *name, const char *value)
{
    f->match.params[f->match.param_count++] =
        (struct pn_param){ pn_str_from(name), pn_str_from(value) };
}

static bool parse(struct fixture *f, const char *body)
{
    return pn_input_parse(PN_SHAPE(thing_in), &f->match, pn_str_from(body), f->arena, &f->in,
                          &f->err);
}

#define INPUT_TEST(name)                                               \
    static void name##_with(struct fixture *f);                        \
    PN_TEST(name)                                                      \
    {                                                                  \
        struct fixture f = { .arena = pn_arena_new((size_t)1 << 20) }; \
        size_t secrets = pn_secret_pool_used();                        \
                                                                       \
        name##_with(&f);                                               \
        if (f.err.code == PN_OK)                                       \
            pn_shape_drop(PN_SHAPE(thing_in), &f.in);                  \
        CHECK_EQ(pn_secret_pool_used(), secrets);                      \
        pn_arena_free(f.arena);                                        \
    }                                                                  \
    static void name##_with(struct fixture *f)

INPUT_TEST(path_query_and_body_fill_one_struct)
{
    give(f, "id", ID);
    give(f, "limit", "7");
    CHECK_OK(parse(f, "{\"name\":\"abc\",\"deep\":true,\"token\":\"s3cret\"}"), f->err);
    CHECK(!pn_uuid_is_zero(f->in.id));
    CHECK_EQ(f->in.limit, 7);
    CHECK_STR(f->in.name, "abc");
    CHECK(f->in.deep && f->in.has_deep);
    CHECK(pn_secret_eq(f->in.token, PN_LIT("s3cret")));
}

INPUT_TEST(parameters_win_over_the_body)
{
    give(f, "id", ID);
    give(f, "name", "path");
    CHECK_OK(parse(f, "{\"id\":\"nonsense\",\"name\":\"body\",\"limit\":5}"), f->err);
    CHECK_STR(f->in.name, "path");
    CHECK_EQ(f->in.limit, 5);
}

INPUT_TEST(an_empty_parameter_counts_as_absent)
{
    give(f, "id", ID);
    give(f, "name", "");
    give(f, "limit", "");
    CHECK_OK(parse(f, "{\"name\":\"body\"}"), f->err);
    CHECK_STR(f->in.name, "body");
    CHECK_EQ(f->in.limit, 20);
    CHECK(!f->in.has_deep);
}

INPUT_TEST(unknown_members_and_parameters_are_ignored)
{
    give(f, "id", ID);
    give(f, "whatever", "x");
    CHECK_OK(parse(f, "{\"name\":\"body\",\"other\":{\"a\":[1]}}"), f->err);
}

INPUT_TEST(all_failures_come_at_once)
{
    pn_auto(pn_value_freep) struct pn_value *issues = NULL;
    struct pn_err err = { 0 };

    give(f, "id", "x");
    give(f, "limit", "1000");
    CHECK(!parse(f, "{\"name\":7,\"deep\":\"yes\",\"token\":\"s3cret\"}"));
    CHECK_EQ(f->err.code, PN_VALIDATION);
    CHECK_OK(pn_value_parse(f->err.details, &issues, &err), err);
    CHECK_EQ(pn_value_count(issues), 4);
}

INPUT_TEST(a_bad_parameter_frees_the_secrets_of_the_body)
{
    give(f, "id", "x");
    CHECK(!parse(f, "{\"name\":\"good\",\"token\":\"s3cret\"}"));
    CHECK_EQ(f->err.code, PN_VALIDATION);
}

INPUT_TEST(a_bad_body_frees_the_secrets_of_the_parameters)
{
    give(f, "id", ID);
    give(f, "token", "s3cret");
    CHECK(!parse(f, "{}"));
    CHECK_EQ(f->err.code, PN_VALIDATION);
}

INPUT_TEST(a_body_that_is_no_object_is_400)
{
    give(f, "id", ID);
    CHECK(!parse(f, "[1]"));
    CHECK_EQ(f->err.code, PN_BAD_REQUEST);
}

PN_TEST_MAIN(T(path_query_and_body_fill_one_struct), T(parameters_win_over_the_body),
             T(an_empty_parameter_counts_as_absent), T(unknown_members_and_parameters_are_ignored),
             T(all_failures_come_at_once), T(a_bad_parameter_frees_the_secrets_of_the_body),
             T(a_bad_body_frees_the_secrets_of_the_parameters), T(a_body_that_is_no_object_is_400))
