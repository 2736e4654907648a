/* SPDX-License-Identifier: Apache-2.0 */
#include "secrets.h"

#include "core/secret/import.h"
#include "core/secret/row.h"

#define READ "{'subject':'secrets','action':['describeSecret','readValue']}"
#define DESCRIBE "{'subject':'secrets','action':['describeSecret']}"

static struct pn_call owner(struct home *h)
{
    return home_as(h, h->first.token);
}

static bool get(struct pn_call *call, struct pn_uuid project, const char *path, const char *name,
                struct pn_secret_item *out, struct pn_err *err)
{
    const struct pn_secrets_query query = vault_query(project, path);

    return pn_secrets_get(call, &query, pn_str_from(name), out, err);
}

/* ---- what lies in the database ---- */

static bool leaks(struct home *h, struct pn_str needle)
{
    static const char *const suffixes[] = { "", "-wal" };
    bool found = false;

    for (size_t i = 0; i < PN_COUNT(suffixes); i++) {
        pn_auto(pn_buf_drop) struct pn_buf all = pn_buf_init((size_t)64 << 20);
        char name[80];
        FILE *file;

        snprintf(name, sizeof(name), "%s%s", h->path, suffixes[i]);
        file = fopen(name, "rb");
        while (file != NULL) {
            char *room = pn_buf_room(&all, 65536);
            size_t got = fread(room, 1, 65536, file);

            pn_buf_grew(&all, got);
            if (got == 0)
                break;
        }
        if (file != NULL)
            fclose(file);
        found = found || pn_str_search(pn_buf_str(&all), needle) >= 0;
    }
    return found;
}

HOME_TEST(values_comments_notes_and_metadata_lie_sealed)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Sealed");
    struct pn_secrets_pair pair = { PN_LIT("key-needle"), PN_LIT("pair-needle"), false };
    struct pn_secrets_change c = { .secretKey = PN_LIT("NAME_NEEDLE"),
                                   .secretValue = PN_LIT("value-needle"),
                                   .secretComment = PN_LIT("comment-needle"),
                                   .secretReminderNote = PN_LIT("note-needle"),
                                   .has_secretReminderNote = true,
                                   .secretMetadata = { &pair, 1 },
                                   .has_secretMetadata = true };
    const struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/", &c);
    struct pn_secret_item item;
    struct pn_err err = { 0 };
    struct pn_list out;

    CHECK_OK(pn_secrets_create(&call, &batch, &out, &err), err);
    CHECK_OK(pn_secrets_change(&call, &batch, &out, &err), err);
    CHECK_OK(get(&call, project.id, "/", "NAME_NEEDLE", &item, &err), err);
    CHECK_STR(item.secretValue, "value-needle");
    CHECK_STR(item.secretComment, "comment-needle");
    CHECK_STR(item.secretReminderNote, "note-needle");
    CHECK_STR(((struct pn_secrets_pair *)item.secretMetadata.items)->value, "pair-needle");
    CHECK(leaks(h, PN_LIT("NAME_NEEDLE"))); /* the search finds what is not sealed */
    CHECK(!leaks(h, PN_LIT("value-needle")));
    CHECK(!leaks(h, PN_LIT("comment-needle")));
    CHECK(!leaks(h, PN_LIT("note-needle")));
    CHECK(!leaks(h, PN_LIT("pair-needle")) && !leaks(h, PN_LIT("key-needle")));
}

static bool swap(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct pn_uuid *ids = context;
    struct pn_query *q =
        pn_query(tx, "UPDATE secrets SET sealed_value = (SELECT o.sealed_value FROM secrets o"
                     " WHERE o.id = $other) WHERE id = $id");

    pn_bind_uuid(q, "$id", ids[0]);
    pn_bind_uuid(q, "$other", ids[1]);
    return pn_query_run(q, NULL, err);
}

HOME_TEST(a_value_opens_in_no_other_row)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Swapped");
    struct pn_uuid ids[] = { vault_put(&call, project.id, "/", "A", "a").id,
                             vault_put(&call, project.id, "/", "B", "b").id };
    struct pn_secret_item item;
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(h->db, swap, ids, &err), err);
    CHECK_FAILS(get(&call, project.id, "/", "A", &item, &err), err, INTERNAL);
    CHECK_OK(get(&call, project.id, "/", "B", &item, &err), err);
}

/* ---- texts ---- */

HOME_TEST(values_are_trimmed_but_for_one_newline)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "", "" },         { "  ", "" },           { " a b ", "a b" }, { "a\n", "a\n" },
        { "a\n\n", "a\n" }, { "a \n", "a\n" },      { "\n", "\n" },     { "\na", "a" },
        { "a\r\n", "a\n" }, { "\ta\tb\t", "a\tb" }, { "a\n ", "a" },    { " \n \n", "\n" }
    };
    (void)h;

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_str out = pn_secrets_normalize(h->arena, pn_str_from(cases[i].in));

        CHECK_STR(out, cases[i].out);
        CHECK_STR(pn_secrets_normalize(h->arena, out), cases[i].out); /* once is enough */
    }
}

/* ---- who may see what ---- */

HOME_TEST(who_may_only_describe_sees_no_value)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Hidden");
    struct pn_call clerk = vault_person(h, project.id, "clerk@acme.test", "[" DESCRIBE "]");
    const struct pn_secrets_query query = vault_query(project.id, "/");
    struct pn_secret_item item, made = vault_put(&call, project.id, "/", "A", "a");
    struct pn_err err = { 0 };

    CHECK_STR(vault_list(&clerk, &query), "/:A=" PN_SECRETS_HIDDEN);
    CHECK_OK(get(&clerk, project.id, "/", "A", &item, &err), err);
    CHECK(item.secretValueHidden);
    CHECK_OK(pn_secrets_get_by_id(&clerk, made.id, true, &item, &err), err);
    CHECK_STR(item.secretValue, PN_SECRETS_HIDDEN);
}

HOME_TEST(who_may_not_describe_sees_nothing)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Narrow");
    struct pn_call some = vault_person(
        h, project.id, "some@acme.test",
        "[{'subject':'secrets','action':['describeSecret','readValue'],'conditions':{'secretName':"
        "{'$glob':'APP_*'}}}]");
    const struct pn_secrets_query query = vault_query(project.id, "/");
    struct pn_secret_item item, other;
    struct pn_err err = { 0 };
    struct pn_list versions;

    vault_put(&call, project.id, "/", "APP_KEY", "1");
    other = vault_put(&call, project.id, "/", "DB_KEY", "2");
    CHECK_STR(vault_list(&some, &query), "/:APP_KEY=1");
    CHECK_FAILS(get(&some, project.id, "/", "DB_KEY", &item, &err), err, PERMISSION);
    CHECK_FAILS(get(&some, project.id, "/", "NONE", &item, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_secrets_get_by_id(&some, other.id, true, &item, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_secrets_versions(&some, other.id, 0, 10, &versions, &err), err, NOT_FOUND);
}

HOME_TEST(a_recursive_list_leaves_out_what_is_below_and_not_readable)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Deep");
    struct pn_call some = vault_person(
        h, project.id, "some@acme.test",
        "[" DESCRIBE ",{'subject':'secrets','action':['readValue'],'conditions':{'secretPath':"
        "{'$eq':'/a/b'}}}]");
    struct pn_secrets_query query = vault_query(project.id, "/");

    vault_folder(h, project.id, "dev", "/a");
    vault_folder(h, project.id, "dev", "/a/b");
    vault_folder(h, project.id, "dev", "/c");
    vault_put(&call, project.id, "/", "TOP", "1");
    vault_put(&call, project.id, "/a", "A", "2");
    vault_put(&call, project.id, "/a/b", "B", "3");
    vault_put(&call, project.id, "/c", "C", "4");
    query.is_recursive = true;
    CHECK_STR(vault_list(&call, &query), "/:TOP=1 /a:A=2 /a/b:B=3 /c:C=4");
    CHECK_STR(vault_list(&some, &query), "/:TOP=" PN_SECRETS_HIDDEN " /a/b:B=3");
    query.has_values = false; /* nobody asked for values: all that may be described */
    CHECK_STR(vault_list(&some, &query), "/:TOP=" PN_SECRETS_HIDDEN " /a:A=" PN_SECRETS_HIDDEN
                                         " /a/b:B=" PN_SECRETS_HIDDEN " /c:C=" PN_SECRETS_HIDDEN);
    query = vault_query(project.id, "/a");
    query.is_recursive = true;
    CHECK_STR(vault_list(&call, &query), "/a:A=2 /a/b:B=3");
}

HOME_TEST(a_change_needs_the_right_to_what_was_and_what_becomes)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Edit");
    struct pn_call some = vault_person(
        h, project.id, "some@acme.test",
        "[" READ ",{'subject':'secrets','action':['create','edit','delete'],'conditions':"
        "{'secretName':{'$glob':'APP_*'}}}]");
    struct pn_secrets_change c = { .secretKey = PN_LIT("APP_KEY"),
                                   .newSecretName = PN_LIT("DB_KEY") };
    struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/", &c);
    struct pn_err err = { 0 };
    struct pn_list out;

    vault_put(&call, project.id, "/", "APP_KEY", "1");
    vault_put(&call, project.id, "/", "OTHER", "2");
    CHECK_FAILS(pn_secrets_change(&some, &batch, &out, &err), err, PERMISSION);
    c.newSecretName = PN_LIT("APP_TWO");
    CHECK_OK(pn_secrets_change(&some, &batch, &out, &err), err);
    c = (struct pn_secrets_change){ .secretKey = PN_LIT("OTHER"), .secretValue = PN_LIT("x") };
    CHECK_FAILS(pn_secrets_change(&some, &batch, &out, &err), err, PERMISSION);
    CHECK_FAILS(pn_secrets_delete(&some, &batch, &out, &err), err, PERMISSION);
    c.secretKey = PN_LIT("DB_NEW");
    CHECK_FAILS(pn_secrets_create(&some, &batch, &out, &err), err, PERMISSION);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM secrets"), 2);
    CHECK_EQ(home_events(h, "update-secret"), 1);
}

HOME_TEST(nobody_renames_a_value_into_their_sight)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Sight");
    struct pn_call some = vault_person(
        h, project.id, "some@acme.test",
        "[{'subject':'secrets','action':['describeSecret','edit']},{'subject':'secrets','action':"
        "'readValue','conditions':{'secretName':{'$glob':'APP_*'}}}]");
    struct pn_secrets_change c = { .secretKey = PN_LIT("DB_KEY"),
                                   .newSecretName = PN_LIT("APP_KEY") };
    struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/", &c);
    const struct pn_secrets_query query = vault_query(project.id, "/");
    struct pn_err err = { 0 };
    struct pn_list out;

    vault_put(&call, project.id, "/", "DB_KEY", "1");
    CHECK_FAILS(pn_secrets_change(&some, &batch, &out, &err), err, PERMISSION);
    c.secretValue = PN_LIT("2"); /* what it was before would be read from its history */
    CHECK_FAILS(pn_secrets_change(&some, &batch, &out, &err), err, PERMISSION);
    CHECK_STR(vault_list(&some, &query), "/:DB_KEY=" PN_SECRETS_HIDDEN);
    c.newSecretName = PN_LIT("DB_TWO");
    CHECK_OK(pn_secrets_change(&some, &batch, &out, &err), err);
}

HOME_TEST(a_batch_does_not_tell_names_to_who_may_not_create_them)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Probe");
    struct pn_call some = vault_person(
        h, project.id, "some@acme.test",
        "[{'subject':'secrets','action':'create','conditions':{'secretName':{'$glob':'APP_*'}}}]");
    struct pn_secrets_change c[] = {
        { .secretKey = PN_LIT("APP_KEY"), .secretValue = PN_LIT("1") },
        { .secretKey = PN_LIT("THERE"), .secretValue = PN_LIT("1") },
    };
    struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/", c);
    struct pn_err err = { 0 };
    struct pn_list out;

    vault_put(&call, project.id, "/", "THERE", "1");
    batch.count = 2;
    batch.is_single = false;
    CHECK_FAILS(pn_secrets_create(&some, &batch, &out, &err), err, PERMISSION);
}

HOME_TEST(nobody_moves_what_they_may_not_read)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Move");
    struct pn_call mover = vault_person(
        h, project.id, "mover@acme.test",
        "[{'subject':'secrets','action':['describeSecret','delete','create','edit']},"
        "{'subject':'secrets','action':'readValue','conditions':{'environment':'staging'}}]");
    const struct pn_secret_item item = vault_put(&call, project.id, "/", "A", "a");
    struct pn_str id = pn_uuid_str(h->arena, item.id);
    const struct pn_secrets_move move = { .project_id = project.id,
                                          .from_environment = PN_LIT("dev"),
                                          .to_environment = PN_LIT("staging"),
                                          .ids = { &id, 1 } };
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_secrets_move(&mover, &move, &err), err, PERMISSION);
    CHECK_OK(pn_secrets_move(&call, &move, &err), err);
    CHECK_EQ(home_events(h, "move-secrets"), 1);
}

/* ---- tags and filters ---- */

struct tag {
    struct pn_uuid id, project_id;
    struct pn_str slug;
};

static bool insert_tag(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct tag *t = context;
    struct pn_query *q =
        pn_query(tx, "INSERT INTO secret_tags (id, project_id, slug, color, created_ms, updated_ms)"
                     " VALUES ($id, $project, $slug, '#fff', 1, 1)");

    pn_bind_uuid(q, "$id", t->id);
    pn_bind_uuid(q, "$project", t->project_id);
    pn_bind_str(q, "$slug", t->slug);
    return pn_query_run(q, NULL, err);
}

static struct pn_str tag(struct home *h, struct pn_uuid project, const char *slug)
{
    struct tag t = { pn_random_uuid(), project, pn_str_from(slug) };
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(h->db, insert_tag, &t, &err), err);
    return pn_uuid_str(h->arena, t.id);
}

HOME_TEST(a_list_is_narrowed_by_tags_and_metadata)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Filter");
    struct pn_str tags[] = { tag(h, project.id, "red"), tag(h, project.id, "blue") };
    struct pn_secrets_pair pairs[] = { { PN_LIT("team"), PN_LIT("core"), false },
                                       { PN_LIT("tier"), PN_LIT("1"), true } };
    struct pn_secrets_change c[] = {
        { .secretKey = PN_LIT("A"),
          .secretValue = PN_LIT("a"),
          .tagIds = { tags, 2 },
          .has_tagIds = true,
          .secretMetadata = { pairs, 2 },
          .has_secretMetadata = true },
        { .secretKey = PN_LIT("B"),
          .secretValue = PN_LIT("b"),
          .tagIds = { tags + 1, 1 },
          .has_tagIds = true,
          .secretMetadata = { pairs, 1 },
          .has_secretMetadata = true },
        { .secretKey = PN_LIT("C"), .secretValue = PN_LIT("c") },
    };
    struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/", c);
    struct pn_secrets_query query = vault_query(project.id, "/");
    struct pn_err err = { 0 };
    struct pn_list out;

    batch.count = PN_COUNT(c);
    batch.is_single = false;
    CHECK_OK(pn_secrets_create(&call, &batch, &out, &err), err);
    query.tags = PN_LIT("red,blue");
    CHECK_STR(vault_list(&call, &query), "/:A=a /:B=b");
    query.tags = PN_LIT(" red , none");
    CHECK_STR(vault_list(&call, &query), "/:A=a");
    query.tags = PN_LIT("none");
    CHECK_STR(vault_list(&call, &query), "");
    query.tags = PN_NONE;
    query.metadata = PN_LIT("key=team,value=core");
    CHECK_STR(vault_list(&call, &query), "/:A=a /:B=b");
    query.metadata = PN_LIT("key=team,value=core|key=tier");
    CHECK_STR(vault_list(&call, &query), "/:A=a");
    query.metadata = PN_LIT("value=1");
    CHECK_STR(vault_list(&call, &query), "/:A=a");
    query.tags = PN_LIT("red");
    query.metadata = PN_LIT("key=team,value=other");
    CHECK_STR(vault_list(&call, &query), "");
    query.metadata = PN_LIT("team");
    CHECK(!pn_secrets_list(&call, &query, &(struct pn_secrets_found){ 0 }, &err));
    CHECK_EQ(err.code, PN_BAD_REQUEST);
}

HOME_TEST(a_tag_of_another_project_is_none)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Ours"),
                            other = home_project(h, &call, "Theirs");
    struct pn_str foreign = tag(h, other.id, "red");
    struct pn_secrets_change c = { .secretKey = PN_LIT("A"),
                                   .secretValue = PN_LIT("a"),
                                   .tagIds = { &foreign, 1 },
                                   .has_tagIds = true };
    const struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/", &c);
    struct pn_err err = { 0 };
    struct pn_list out;

    CHECK_FAILS(pn_secrets_create(&call, &batch, &out, &err), err, BAD_REQUEST);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM secrets"), 0);
}

HOME_TEST(conditions_may_name_tags_and_metadata)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Conditions");
    struct pn_str red = tag(h, project.id, "red");
    struct pn_secrets_pair pair = { PN_LIT("team"), PN_LIT("core"), true };
    struct pn_call by_tag =
        vault_person(h, project.id, "tag@acme.test",
                     "[{'subject':'secrets','action':['describeSecret','readValue'],'conditions':"
                     "{'secretTags':{'$in':['red']}}}]");
    struct pn_call by_pair =
        vault_person(h, project.id, "pair@acme.test",
                     "[{'subject':'secrets','action':['describeSecret','readValue'],'conditions':"
                     "{'metadata':{'$elemMatch':{'key':{'$eq':'team'},'value':{'$eq':'core'}}}}}]");
    struct pn_secrets_change c[] = {
        { .secretKey = PN_LIT("A"),
          .secretValue = PN_LIT("a"),
          .tagIds = { &red, 1 },
          .has_tagIds = true },
        { .secretKey = PN_LIT("B"),
          .secretValue = PN_LIT("b"),
          .secretMetadata = { &pair, 1 },
          .has_secretMetadata = true },
        { .secretKey = PN_LIT("C"), .secretValue = PN_LIT("c") },
    };
    struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/", c);
    const struct pn_secrets_query query = vault_query(project.id, "/");
    struct pn_err err = { 0 };
    struct pn_list out;

    batch.count = PN_COUNT(c);
    batch.is_single = false;
    CHECK_OK(pn_secrets_create(&call, &batch, &out, &err), err);
    CHECK_STR(vault_list(&by_tag, &query), "/:A=a");
    CHECK_STR(vault_list(&by_pair, &query), "/:B=b");
}

/* ---- limits ---- */

HOME_TEST(a_request_touches_so_many_bytes)
{
    static char big[PN_SECRETS_MAX_VALUE];
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Big");
    struct pn_secrets_change c[13];
    struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/", c);
    struct pn_err err = { 0 };
    struct pn_list out;

    call.arena = pn_arena_new((size_t)64 << 20);
    memset(big, 'x', sizeof(big));
    for (size_t i = 0; i < PN_COUNT(c); i++)
        c[i] = (struct pn_secrets_change){
            .secretKey = pn_arena_printf(h->arena, "K%zu", i),
            .secretValue = pn_str_of(big, sizeof(big)),
        };
    batch.is_single = false;
    batch.count = PN_COUNT(c);
    CHECK_FAILS(pn_secrets_create(&call, &batch, &out, &err), err, TOO_LARGE);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM secrets"), 0);
    pn_arena_free(call.arena);
    call.arena = h->arena;
    batch.count = 4;
    CHECK_OK(pn_secrets_create(&call, &batch, &out, &err), err);
}

/* Rows are small to write and large together: a call that cannot hold them says so and lives. */
HOME_TEST(what_a_call_cannot_hold_is_refused)
{
    static char big[64 << 10];
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Room");
    const struct pn_secrets_query query = vault_query(project.id, "/");
    struct pn_secrets_pair pairs[16];
    struct pn_secrets_change c[40];
    struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/", c);
    struct pn_secret_item first = { .id = { { 0 } } };
    struct pn_secrets_found found;
    struct pn_err err = { 0 };
    struct pn_list out;

    memset(big, 'x', sizeof(big));
    for (size_t i = 0; i < PN_COUNT(pairs); i++)
        pairs[i] = (struct pn_secrets_pair){ .key = pn_arena_printf(h->arena, "k%zu", i),
                                             .value = pn_str_of(big, 4096) };
    batch.is_single = false;
    for (size_t i = 0; i < PN_COUNT(c); i++)
        c[i] = (struct pn_secrets_change){
            .secretKey = pn_arena_printf(h->arena, "K%zu", i),
            .secretValue = PN_LIT("v"),
            .secretComment = pn_str_of(big, sizeof(big)),
            .secretMetadata = { .items = pairs, .count = PN_COUNT(pairs) },
            .has_secretMetadata = true,
        };
    for (size_t i = 0; i < PN_COUNT(c); i += 4) {
        batch.changes = &c[i];
        batch.count = 4;
        CHECK_OK(pn_secrets_create(&call, &batch, &out, &err), err);
    }
    first = *(const struct pn_secret_item *)out.items;
    for (size_t i = 0; i < PN_COUNT(c); i++) /* 40 versions of one */
    {
        c[i].secretKey = first.secretKey;
        batch.changes = &c[i];
        batch.count = 1;
        CHECK_OK(pn_secrets_change(&call, &batch, &out, &err), err);
    }

    for (size_t i = 0; i < PN_COUNT(c); i++)
        c[i].secretKey = pn_arena_printf(h->arena, "K%zu", i);
    batch.changes = c;
    batch.count = PN_COUNT(c);
    call.arena = pn_arena_new((size_t)1 << 20);
    CHECK_FAILS(pn_secrets_list(&call, &query, &found, &err), err, TOO_LARGE);
    pn_arena_reset(call.arena);
    CHECK_FAILS(pn_secrets_versions(&call, first.id, 0, 100, &out, &err), err, TOO_LARGE);
    pn_arena_reset(call.arena);
    CHECK_FAILS(pn_secrets_change(&call, &batch, &out, &err), err, TOO_LARGE);
    pn_arena_reset(call.arena);
    CHECK_FAILS(pn_secrets_delete(&call, &batch, &out, &err), err, TOO_LARGE);
    pn_arena_reset(call.arena);
    CHECK_OK(pn_secrets_versions(&call, first.id, 0, 2, &out, &err), err); /* a page fits */
    pn_arena_free(call.arena);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM secrets"), PN_COUNT(c));
}

/* ---- the same secret by another spelling ---- */

HOME_TEST(a_batch_names_a_secret_once_however_its_folder_is_spelled)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Twice");
    struct pn_secrets_change c[2] = {
        { .secretKey = PN_LIT("A"), .secretValue = PN_LIT("1"), .secretPath = PN_LIT("/a") },
        { .secretKey = PN_LIT("A"), .secretValue = PN_LIT("2") },
    };
    struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/a", c);
    static const char *const spelled[] = { "/a/", "a", "//a", "/a" };
    struct pn_err err = { 0 };
    struct pn_list out;

    (void)vault_folder(h, project.id, "dev", "/a");
    (void)vault_folder(h, project.id, "dev", "/b");
    batch.is_single = false;
    batch.count = 2;
    vault_put(&call, project.id, "/a", "A", "0");
    for (size_t i = 0; i < PN_COUNT(spelled); i++) {
        c[1].secretPath = pn_str_from(spelled[i]);
        CHECK_FAILS(pn_secrets_change(&call, &batch, &out, &err), err, BAD_REQUEST);
        batch.path = c[1].secretPath;
        c[1].secretPath = PN_NONE; /* by the batch's own */
        CHECK_FAILS(pn_secrets_change(&call, &batch, &out, &err), err, BAD_REQUEST);
    }
    vault_put(&call, project.id, "/b", "A", "0");
    c[1].secretPath = PN_LIT("/b/");
    CHECK_OK(pn_secrets_change(&call, &batch, &out, &err), err);
}

HOME_TEST(who_may_not_create_learns_of_no_shared_secret)
{
    struct pn_call call = owner(h), ann;
    const struct pn_project project = home_project(h, &call, "Oracle");
    struct pn_secrets_change c = { .secretKey = PN_LIT("THERE"),
                                   .secretValue = PN_LIT("mine"),
                                   .type = PN_SECRETS_PERSONAL };
    const struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/", &c);
    struct pn_err err = { 0 };
    struct pn_list out;

    vault_put(&call, project.id, "/", "THERE", "v");
    ann = vault_person(h, project.id, "ann@acme.test",
                       "[{'subject':'secrets','action':['create'],"
                       "'conditions':{'secretName':'OTHER'}}]");
    CHECK_FAILS(pn_secrets_create(&ann, &batch, &out, &err), err, PERMISSION);
    c.secretKey = PN_LIT("NOT_THERE");
    CHECK_FAILS(pn_secrets_create(&ann, &batch, &out, &err), err, PERMISSION);
    c.secretKey = PN_LIT("OTHER");
    CHECK_FAILS(pn_secrets_create(&ann, &batch, &out, &err), err, BAD_REQUEST);
}

/* ---- what imports bring ---- */

static const char *imported(struct pn_call *call, const struct pn_secrets_query *query)
{
    const struct pn_secrets_import *imports;
    const struct pn_secret_item *items;
    struct pn_secrets_found found;
    struct pn_str text = PN_LIT("");
    struct pn_err err = { 0 };

    CHECK_OK(pn_secrets_list(call, query, &found, &err), err);
    imports = found.imports.items;
    for (size_t i = 0; i < found.imports.count; i++) {
        items = imports[i].secrets.items;
        for (size_t k = 0; k < imports[i].secrets.count; k++)
            text = pn_arena_printf(call->arena, "%.*s%.*s=%.*s ", PN_ARG(text),
                                   PN_ARG(items[k].secretKey), PN_ARG(items[k].secretValue));
    }
    return text.len > 0 ? text.ptr : "";
}

/* The folder's own names hide those of imports: shown or not, and no others. */
HOME_TEST(an_import_is_hidden_by_the_names_of_its_folder_alone)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Imports");
    struct pn_secrets_query query = vault_query(project.id, "/");
    struct pn_secrets_pair pair = { PN_LIT("k"), PN_LIT("v"), false };
    struct pn_secrets_change c = { .secretKey = PN_LIT("BOTH"),
                                   .secretMetadata = { .items = &pair, .count = 1 },
                                   .has_secretMetadata = true };
    const struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/from", &c);
    const struct pn_import_at into = { project.id, PN_LIT("dev"), PN_LIT("/") };
    const struct pn_import_change from = { .environment = PN_LIT("dev"), .path = PN_LIT("/from") };
    struct pn_import import;
    struct pn_err err = { 0 };
    struct pn_list out;

    (void)vault_folder(h, project.id, "dev", "/from");
    (void)vault_folder(h, project.id, "dev", "/deep");
    vault_put(&call, project.id, "/from", "BOTH", "imported");
    vault_put(&call, project.id, "/from", "BELOW", "imported");
    CHECK_OK(pn_secrets_change(&call, &batch, &out, &err), err);
    CHECK_OK(pn_import_create(&call, &into, &from, &import, &err), err);
    query.has_imports = true;
    CHECK_STR(pn_str_from(imported(&call, &query)), "BELOW=imported BOTH=imported ");
    vault_put(&call, project.id, "/", "BOTH", "own");
    vault_put(&call, project.id, "/deep", "BELOW", "below");
    CHECK_STR(pn_str_from(imported(&call, &query)), "BELOW=imported ");
    query.is_recursive = true; /* names of folders below hide nothing */
    CHECK_STR(pn_str_from(imported(&call, &query)), "BELOW=imported ");
    query.metadata =
        PN_LIT("key=k,value=v"); /* an own one that the filter leaves out still hides */
    CHECK_STR(pn_str_from(imported(&call, &query)), "");
}

/* ---- the record of reads ---- */

HOME_TEST(a_read_is_on_record_or_does_not_happen)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Record");
    const struct pn_secrets_query query = vault_query(project.id, "/");
    struct pn_secret_item item;
    struct pn_err err = { 0 };
    int64_t rows;

    vault_put(&call, project.id, "/", "A", "a");
    CHECK_OK(get(&call, project.id, "/", "A", &item, &err), err);
    CHECK_STR(vault_list(&call, &query), "/:A=a");
    CHECK_FAILS(get(&call, project.id, "/", "NONE", &item, &err), err, NOT_FOUND);
    vault_put(&call, project.id, "/", "B", "b"); /* writes are done in their order */
    CHECK_EQ(home_events(h, "get-secret"), 1);
    CHECK_EQ(home_events(h, "get-secrets"), 1);
    CHECK_OK(pn_audit_verify(h->conn, &rows, &err), err); /* sealed where they were written */
    CHECK_EQ(rows, home_count(h, "SELECT count(*) FROM audit_log"));
}

static int64_t on_record(struct home *h, const char *type, const char *holds)
{
    struct pn_query *q = pn_query(h->conn, "SELECT count(*) FROM audit_log WHERE event_type = $type"
                                           " AND replace(metadata, $holds, '') <> metadata");
    struct pn_err err = { 0 };
    int64_t count;

    pn_bind_str(q, "$type", pn_str_from(type));
    pn_bind_str(q, "$holds", pn_str_from(holds));
    count = pn_query_next(q) ? pn_column_int(q, 0) : -1;
    CHECK_OK(pn_query_end(q, &err), err);
    return count;
}

#define AT(path_) "\"environment\":\"dev\",\"secretPath\":\"" path_ "\""

/* What a value refers to has been read too: its record is where it lies, once for a read. */
HOME_TEST(what_a_value_refers_to_is_on_record_where_it_lies)
{
    struct pn_call call = owner(h);
    const struct pn_project project = home_project(h, &call, "Referred");
    struct pn_secrets_query query = vault_query(project.id, "/");
    struct pn_secret_item item;
    struct pn_err err = { 0 };

    (void)vault_folder(h, project.id, "dev", "/a");
    (void)vault_folder(h, project.id, "dev", "/b");
    vault_put(&call, project.id, "/a", "ONE", "1");
    vault_put(&call, project.id, "/b", "TWO", "2${dev.a.ONE}");
    vault_put(&call, project.id, "/b", "THREE", "3");
    vault_put(&call, project.id, "/", "A",
              "${dev.b.TWO} ${dev.b.TWO} ${dev.b.THREE} ${dev.b.NONE}");
    vault_put(&call, project.id, "/", "B", "${dev.a.ONE}");
    query.is_expanded = true;
    CHECK_OK(pn_secrets_get(&call, &query, PN_LIT("A"), &item, &err), err);
    CHECK_STR(item.secretValue, "21 21 3 ");
    vault_put(&call, project.id, "/", "SYNC", ""); /* records of reads are written before it */
    CHECK_EQ(on_record(h, "get-secret", AT("/") ",\"secretId\""), 1);
    CHECK_EQ(on_record(h, "get-secret", AT("/a") ",\"secretId\""), 1);
    CHECK_EQ(on_record(h, "get-secret", "\"secretKey\":\"ONE\""), 1);
    CHECK_EQ(on_record(h, "get-secrets", AT("/b")), 1);
    CHECK_EQ(on_record(h, "get-secrets", "\"secretKey\":\"TWO\""), 1);
    CHECK_EQ(on_record(h, "get-secrets", "\"secretKey\":\"THREE\""), 1);
    CHECK_STR(vault_list(&call, &query), "/:A=21 21 3  /:B=1 /:SYNC=");
    vault_put(&call, project.id, "/", "SYNC2", "");
    CHECK_EQ(on_record(h, "get-secrets", AT("/") ",\"numberOfSecrets\":3"), 1);
    CHECK_EQ(on_record(h, "get-secret", "\"secretKey\":\"ONE\""), 2);
    CHECK_EQ(on_record(h, "get-secrets", AT("/b")), 2);
    query.is_expanded = false; /* not read, not on record */
    CHECK_OK(pn_secrets_get(&call, &query, PN_LIT("B"), &item, &err), err);
    vault_put(&call, project.id, "/", "SYNC3", "");
    CHECK_EQ(on_record(h, "get-secret", "\"secretKey\":\"ONE\""), 2);
}

PN_TEST_MAIN(T(values_comments_notes_and_metadata_lie_sealed), T(a_value_opens_in_no_other_row),
             T(values_are_trimmed_but_for_one_newline), T(who_may_only_describe_sees_no_value),
             T(who_may_not_describe_sees_nothing),
             T(a_recursive_list_leaves_out_what_is_below_and_not_readable),
             T(a_change_needs_the_right_to_what_was_and_what_becomes),
             T(nobody_renames_a_value_into_their_sight),
             T(a_batch_does_not_tell_names_to_who_may_not_create_them),
             T(nobody_moves_what_they_may_not_read), T(a_list_is_narrowed_by_tags_and_metadata),
             T(a_tag_of_another_project_is_none), T(conditions_may_name_tags_and_metadata),
             T(a_request_touches_so_many_bytes), T(what_a_call_cannot_hold_is_refused),
             T(a_read_is_on_record_or_does_not_happen),
             T(a_batch_names_a_secret_once_however_its_folder_is_spelled),
             T(who_may_not_create_learns_of_no_shared_secret),
             T(an_import_is_hidden_by_the_names_of_its_folder_alone),
             T(what_a_value_refers_to_is_on_record_where_it_lies))
