/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "server/router.h"

static bool handle(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    (void)call;
    (void)in;
    (void)out;
    (void)err;
    return true;
}

#define ROW(method, at)                                   \
    {                                                     \
        method, at, .access = PN_ANYONE, .handle = handle \
    }

static const struct pn_route rows[] = {
    ROW(PN_GET, "/api/things"),
    ROW(PN_POST, "/api/things"),
    ROW(PN_GET, "/api/things/:id"),
    ROW(PN_GET, "/api/things/special"),
    ROW(PN_DELETE, "/api/things/:thing/parts/:part"),
    ROW(PN_GET, "/api/things/special/only/here"),
    ROW(PN_GET, "/"),
    { 0 },
};
static const struct pn_route *const tables[] = { rows, NULL };

struct fixture {
    struct pn_router *router;
    struct pn_arena *arena;
    struct pn_match match;
    struct pn_err err;
};

static void start(struct fixture *f)
{
    *f = (struct fixture){ .arena = pn_arena_new((size_t)1 << 20) };
    CHECK_OK(pn_router_new(tables, &f->router, &f->err), f->err);
}

static void stop(struct fixture *f)
{
    pn_router_free(f->router);
    pn_arena_free(f->arena);
}

static bool match(struct fixture *f, const char *method, const char *target)
{
    return pn_router_match(f->router, pn_str_from(method), pn_str_from(target), f->arena, &f->match,
                           &f->err);
}

static struct pn_str param(const struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->match.param_count; i++) {
        if (pn_str_is(f->match.params[i].name, name))
            return f->match.params[i].value;
    }
    return PN_NONE;
}

#define ROUTER_TEST(name)                       \
    static void name##_with(struct fixture *f); \
    PN_TEST(name)                               \
    {                                           \
        struct fixture f;                       \
                                                \
        start(&f);                              \
        name##_with(&f);                        \
        stop(&f);                               \
    }                                           \
    static void name##_with(struct fixture *f)

ROUTER_TEST(finds_by_method_and_path)
{
    CHECK_OK(match(f, "GET", "/api/things"), f->err);
    CHECK(f->match.route == &rows[0]);
    CHECK_OK(match(f, "POST", "/api/things"), f->err);
    CHECK(f->match.route == &rows[1]);
    CHECK_OK(match(f, "GET", "/"), f->err);
    CHECK(f->match.route == &rows[6]);
}

ROUTER_TEST(ignores_one_trailing_slash_only)
{
    CHECK_OK(match(f, "GET", "/api/things/"), f->err);
    CHECK(f->match.route == &rows[0]);
    CHECK_FAILS(match(f, "GET", "/api/things//"), f->err, NOT_FOUND);
    CHECK_FAILS(match(f, "GET", "/api//things"), f->err, NOT_FOUND);
}

ROUTER_TEST(a_literal_wins_but_a_parameter_is_tried_after_it)
{
    CHECK_OK(match(f, "GET", "/api/things/special"), f->err);
    CHECK(f->match.route == &rows[3]);
    CHECK_OK(match(f, "GET", "/api/things/other"), f->err);
    CHECK_STR(param(f, "id"), "other");
    CHECK_OK(match(f, "DELETE", "/api/things/special/parts/1"), f->err);
    CHECK_STR(param(f, "thing"), "special");
    CHECK_STR(param(f, "part"), "1");
}

ROUTER_TEST(decodes_each_segment_once)
{
    CHECK_OK(match(f, "GET", "/api/things/a%2Fb%20c%2541"), f->err);
    CHECK_STR(param(f, "id"), "a/b c%41");
    CHECK_OK(match(f, "GET", "/api/things/a+b"), f->err);
    CHECK_STR(param(f, "id"), "a+b");
}

ROUTER_TEST(an_escaped_slash_never_reaches_another_route)
{
    CHECK_FAILS(match(f, "GET", "/api%2Fthings"), f->err, NOT_FOUND);
    CHECK_OK(match(f, "GET", "/api/things/special%2Fonly%2Fhere"), f->err);
    CHECK(f->match.route == &rows[2]);
}

ROUTER_TEST(the_query_follows_the_path)
{
    CHECK_OK(match(f, "GET", "/api/things/7?x=1&y=a+b%26c&x=2&id=8&&z"), f->err);
    CHECK_EQ(f->match.path_count, 1);
    CHECK_STR(param(f, "id"), "7");
    CHECK_STR(param(f, "x"), "1");
    CHECK_STR(param(f, "y"), "a b&c");
    CHECK_STR(param(f, "z"), "");
}

ROUTER_TEST(hostile_targets_are_refused)
{
    static const char *const bad[] = { "/api/things/%",    "/api/things/%4",  "/api/things/%zz",
                                       "/api/things/%00",  "/api/things/%ff", "/api/things?a=%",
                                       "/api/things?%00=1" };
    static const char *const missing[] = {
        "",
        "*",
        "api/things",
        "http://evil/api/things",
        "/api/things/../things",
        "/API/things",
        "/api/things/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3"
    };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(match(f, "GET", bad[i]), f->err, BAD_REQUEST);
    for (size_t i = 0; i < PN_COUNT(missing); i++)
        CHECK_FAILS(match(f, "GET", missing[i]), f->err, NOT_FOUND);
}

ROUTER_TEST(an_absent_target_names_nothing)
{
    CHECK_FAILS(pn_router_match(f->router, PN_LIT("GET"), PN_NONE, f->arena, &f->match, &f->err),
                f->err, NOT_FOUND);
}

ROUTER_TEST(too_many_query_parameters_are_refused)
{
    char target[1024] = "/api/things?a=1";
    size_t at = strlen(target);

    for (int i = 0; i < PN_ROUTER_MAX_QUERY; i++)
        memcpy(target + at + 4 * (size_t)i, "&b=1", 5);
    CHECK_FAILS(match(f, "GET", target), f->err, BAD_REQUEST);
}

ROUTER_TEST(another_method_is_405_with_what_is_allowed)
{
    CHECK_FAILS(match(f, "DELETE", "/api/things"), f->err, METHOD);
    CHECK_EQ(f->match.allowed, (1U << PN_GET) | (1U << PN_POST));
    CHECK_FAILS(match(f, "HEAD", "/api/things"), f->err, METHOD);
    CHECK_FAILS(match(f, "get", "/api/things"), f->err, METHOD);
}

static bool compiles(const struct pn_route *table, struct pn_err *err)
{
    const struct pn_route *const bad[] = { table, NULL };
    pn_auto(pn_router_freep) struct pn_router *router = NULL;

    return pn_router_new(bad, &router, err);
}

PN_TEST(faulty_tables_stop_the_server)
{
    static const struct pn_route no_access[] = { { PN_GET, "/a", .handle = handle }, { 0 } };
    static const struct pn_route no_handler[] = { { PN_GET, "/a", .access = PN_ANYONE }, { 0 } };
    static const struct pn_route twice[] = { ROW(PN_GET, "/a/:x"), ROW(PN_GET, "/a/:y"), { 0 } };
    static const struct pn_route not_a_path[] = { ROW(PN_GET, "a"), { 0 } };
    static const struct pn_route inline_user[] = {
        { PN_GET, "/a", .access = PN_BY_USER, .lane = PN_LANE_INLINE, .handle = handle }, { 0 }
    };
    struct pn_err err = { 0 };

    CHECK_FAILS(compiles(no_access, &err), err, INTERNAL);
    CHECK_FAILS(compiles(no_handler, &err), err, INTERNAL);
    CHECK_FAILS(compiles(twice, &err), err, INTERNAL);
    CHECK_FAILS(compiles(not_a_path, &err), err, INTERNAL);
    CHECK_FAILS(compiles(inline_user, &err), err, INTERNAL);
}

PN_TEST(the_real_tables_compile)
{
    pn_auto(pn_router_freep) struct pn_router *router = NULL;
    struct pn_err err = { 0 };

    CHECK_OK(pn_router_new(pn_route_tables, &router, &err), err);
}

PN_TEST_MAIN(T(finds_by_method_and_path), T(ignores_one_trailing_slash_only),
             T(a_literal_wins_but_a_parameter_is_tried_after_it), T(decodes_each_segment_once),
             T(an_escaped_slash_never_reaches_another_route), T(the_query_follows_the_path),
             T(hostile_targets_are_refused), T(an_absent_target_names_nothing),
             T(too_many_query_parameters_are_refused),
             T(another_method_is_405_with_what_is_allowed), T(faulty_tables_stop_the_server),
             T(the_real_tables_compile))
