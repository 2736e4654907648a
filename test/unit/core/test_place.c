/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include "core/secret/place.h"

/* ---- paths ---- */

HOME_TEST(paths_are_made_alike)
{
    static const struct {
        const char *in, *out;
    } cases[] = { { "", "/" },           { "/", "/" },           { "//", "/" },
                  { "a", "/a" },         { "/a/", "/a" },        { "a/b/", "/a/b" },
                  { "/a//b", "/a/b" },   { "/a-b_c", "/a-b_c" }, { "/...", "/..." },
                  { "/a.b/c", "/a.b/c" } };
    struct pn_call call = home_as(h, h->first.token);
    struct pn_err err = { 0 };
    struct pn_str path;

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        CHECK_OK(pn_place_path(&call, pn_str_from(cases[i].in), &path, &err), err);
        CHECK_STR(path, cases[i].out);
    }
    CHECK_OK(pn_place_path(&call, PN_NONE, &path, &err), err);
    CHECK_STR(path, "/");
}

HOME_TEST(what_is_no_path_is_refused)
{
    static const char *const cases[] = { "..", "/a/../b", "/.", "/a\nb", "/a\tb", "/\x7f" };
    struct pn_call call = home_as(h, h->first.token);
    struct pn_err err = { 0 };
    char longest[4098];
    struct pn_str path;

    for (size_t i = 0; i < PN_COUNT(cases); i++)
        CHECK_FAILS(pn_place_path(&call, pn_str_from(cases[i]), &path, &err), err, BAD_REQUEST);
    memset(longest, 'x', sizeof(longest));
    CHECK_OK(pn_place_path(&call, pn_str_of(longest, 4096), &path, &err), err);
    CHECK_FAILS(pn_place_path(&call, pn_str_of(longest, 4097), &path, &err), err, BAD_REQUEST);
}

/* ---- folders ---- */

struct adding {
    const struct pn_place *parent;
    const char *name;
    struct pn_uuid id;
};

static bool add(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct adding *a = context;
    const struct pn_place *p = a->parent;
    char path[4096];
    struct pn_query *q = pn_query(
        tx, "INSERT INTO folders (id, environment_id, parent_id, name, path, version, created_ms,"
            " updated_ms) VALUES ($id, $environment, $parent, $name, $path, 1, 1, 1)");

    snprintf(path, sizeof(path), "%.*s/%s", PN_ARG(p->path), a->name);
    pn_bind_uuid(q, "$id", a->id);
    pn_bind_uuid(q, "$environment", p->environment_id);
    pn_bind_uuid(q, "$parent", p->folder_id);
    pn_bind_str(q, "$name", pn_str_from(a->name));
    pn_bind_str(q, "$path", pn_str_from(path[1] == '/' ? path + 1 : path));
    return pn_query_run(q, NULL, err);
}

static struct pn_place folder(struct home *h, struct pn_call *call, const struct pn_place *parent,
                              const char *name)
{
    struct adding a = { .parent = parent, .name = name, .id = pn_random_uuid() };
    struct pn_err err = { 0 };
    struct pn_place place;

    CHECK_OK(pn_db_write(h->db, add, &a, &err), err);
    CHECK_OK(pn_place_of_folder(call, call->conn, a.id, &place, &err), err);
    CHECK(pn_uuid_eq(place.folder_id, a.id));
    return place;
}

static struct pn_place root_of(struct pn_call *call, struct pn_uuid project, const char *slug)
{
    struct pn_err err = { 0 };
    struct pn_place place;

    CHECK_OK(pn_place_find(call, call->conn, project, pn_str_from(slug), PN_LIT("/"), &place, &err),
             err);
    CHECK(!pn_uuid_is_zero(place.folder_id) && !pn_uuid_is_zero(place.environment_id));
    return place;
}

HOME_TEST(a_new_environment_has_its_root)
{
    struct pn_call call = home_as(h, h->first.token);
    const struct pn_project project = home_project(h, &call, "Roots");
    const struct pn_place dev = root_of(&call, project.id, "dev"),
                          prod = root_of(&call, project.id, "prod");
    struct pn_err err = { 0 };
    struct pn_place place;

    CHECK(!pn_uuid_eq(dev.folder_id, prod.folder_id));
    CHECK_FAILS(
        pn_place_find(&call, call.conn, project.id, PN_LIT("none"), PN_LIT("/"), &place, &err), err,
        NOT_FOUND);
    CHECK_FAILS(
        pn_place_find(&call, call.conn, project.id, PN_LIT("dev"), PN_LIT("/a"), &place, &err), err,
        NOT_FOUND);
}

HOME_TEST(what_is_below_comes_parents_first)
{
    static const char *const expected[] = { "/a", "/a/b", "/a/b/c", "/a-", "/a0", "/b" };
    struct pn_call call = home_as(h, h->first.token);
    const struct pn_project project = home_project(h, &call, "Tree");
    const struct pn_place root = root_of(&call, project.id, "dev");
    const struct pn_place a = folder(h, &call, &root, "a"), b = folder(h, &call, &a, "b");
    struct pn_err err = { 0 };
    const struct pn_place *items;
    struct pn_list below;

    folder(h, &call, &root, "b");
    folder(h, &call, &root, "a-");
    folder(h, &call, &root, "a0");
    folder(h, &call, &b, "c");
    CHECK_OK(pn_place_below(&call, &root, &below, &err), err);
    CHECK_EQ(below.count, PN_COUNT(expected));
    items = below.items;
    for (size_t i = 0; i < below.count; i++) {
        bool found = false;

        for (size_t j = 0; j < PN_COUNT(expected); j++)
            found = found || pn_str_is(items[i].path, expected[j]);
        CHECK(found);
        for (size_t j = 0; j < i; j++) /* no child before its parent */
            CHECK(!pn_str_starts(items[j].path,
                                 pn_arena_printf(h->arena, "%.*s/", PN_ARG(items[i].path))));
    }
    CHECK_OK(pn_place_below(&call, &a, &below, &err), err);
    CHECK_EQ(below.count, 2);
    items = below.items;
    CHECK_STR(items[0].path, "/a/b");
    CHECK_STR(items[1].path, "/a/b/c");
}

HOME_TEST(a_folder_of_another_organisation_is_nowhere)
{
    struct pn_call call = home_as(h, h->first.token), other;
    const struct pn_project project = home_project(h, &call, "Ours");
    const struct pn_place root = root_of(&call, project.id, "dev");
    struct pn_err err = { 0 };
    struct pn_place place;

    other = call;
    other.actor.org_id = pn_random_uuid();
    CHECK_OK(pn_place_of_folder(&other, call.conn, root.folder_id, &place, &err), err);
    CHECK(pn_uuid_is_zero(place.folder_id));
}

PN_TEST_MAIN(T(paths_are_made_alike), T(what_is_no_path_is_refused),
             T(a_new_environment_has_its_root), T(what_is_below_comes_parents_first),
             T(a_folder_of_another_organisation_is_nowhere))
