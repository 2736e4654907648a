/* SPDX-License-Identifier: Apache-2.0 */
#include "secrets.h"

#include "core/auth/token_auth.h"
#include "core/event/subscription.h"
#include "core/secret/import.h"

#define ALL_PLACES(kind) ((struct pn_subscription_event){ .event = PN_EVENT_##kind })

static struct pn_subscription_event in_place(enum pn_event event, const char *environment,
                                             const char *path)
{
    return (struct pn_subscription_event){ .event = (int)event,
                                           .environment = pn_str_from(environment),
                                           .path = pn_str_from(path),
                                           .has_place = true };
}

static struct pn_subscription *subscribe(struct pn_call *call, struct pn_uuid project,
                                         struct pn_subscription_event event)
{
    struct pn_subscription *s;
    struct pn_err err = { 0 };

    CHECK_OK(pn_subscription_open(call, project, &event, 1, &s, &err), err);
    return s;
}

static bool look(struct home *h, struct pn_subscription *s, struct pn_buf *page, bool *has_more,
                 struct pn_err *err)
{
    struct pn_call call = home_call(h, (struct pn_actor){ 0 });

    return pn_subscription_look(s, &call, page, has_more, err);
}

/* All that is to be told now; no page and no line is larger than may be. */
static struct pn_str hear(struct home *h, struct pn_subscription *s)
{
    struct pn_str all = PN_LIT(""), rest, line;
    struct pn_err err = { 0 };
    bool has_more = true;

    while (has_more) {
        pn_auto(pn_buf_drop) struct pn_buf page = pn_buf_init(PN_SUBSCRIPTION_MAX_BYTES);

        CHECK_OK(look(h, s, &page, &has_more, &err), err);
        all = pn_arena_printf(h->arena, "%.*s%.*s", PN_ARG(all), PN_ARG(pn_buf_str(&page)));
    }
    for (rest = all; pn_str_cut(&rest, '\n', &line);)
        CHECK(line.len < (size_t)60 << 10);
    return all;
}

static size_t count(struct pn_str text, const char *part)
{
    size_t found = 0;
    int64_t at;

    for (; (at = pn_str_search(text, pn_str_from(part))) >= 0; found++)
        text = pn_str_slice(text, (size_t)at + 1, text.len);
    return found;
}

static void put_in(struct pn_call *call, struct pn_uuid project, const char *environment,
                   const char *path, const char *name)
{
    struct pn_secrets_change c = { .secretKey = pn_str_from(name), .secretValue = PN_LIT("v") };
    const struct pn_secrets_batch batch = vault_batch(project, environment, path, &c);
    struct pn_err err = { 0 };
    struct pn_list out;

    CHECK_OK(pn_secrets_create(call, &batch, &out, &err), err);
}

HOME_TEST(a_subscription_begins_where_it_is_opened)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p"), other = home_project(h, &admin, "q");
    struct pn_subscription *s;
    struct pn_str told;

    put_in(&admin, project.id, "dev", "/", "BEFORE");
    s = subscribe(&admin, project.id, ALL_PLACES(CREATE));
    CHECK(!pn_subscription_is_stale(s, h->db));
    CHECK_STR(hear(h, s), "");
    put_in(&admin, project.id, "dev", "/", "A");
    put_in(&admin, other.id, "dev", "/", "OTHER");
    CHECK(pn_subscription_is_stale(s, h->db));
    told = hear(h, s);
    CHECK(pn_str_starts(told, PN_LIT("id: 1790000000123\nevent: secret:create\ndata: {\"time\":")));
    CHECK(pn_str_ends(told, PN_LIT("}}\n\n")));
    CHECK_EQ(count(told, "\"secretKey\""), 1);
    CHECK_EQ(count(told, "\"secretKey\":\"A\""), 1);
    CHECK(!pn_subscription_is_stale(s, h->db));
    CHECK_STR(hear(h, s), "");
    CHECK_EQ(home_events(h, "subscribe-project-events"), 1);
    pn_subscription_free(s);
}

HOME_TEST(a_path_is_a_folder_or_a_pattern)
{
    static const struct {
        const char *registered, *path;
        bool is_told;
    } cases[] = {
        { "/", "/", true },
        { "/", "/app", false },
        { "", "/", true },
        { "/app", "/app", true },
        { "/app/", "/app", true },
        { "/app", "/app/x", false },
        { "/**", "/", true },
        { "/**", "/app/x", true },
        { "/app/**", "/app", true },
        { "/app/**", "/app/x", true },
        { "/app/**", "/apple", false },
        { "/app**", "/app/x", true },
        { "/*", "/app", true },
        { "/*", "/app/x", false },
        { "/{app,b}", "/app", true },
        { "/APP", "/app", false },
    };
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p");

    vault_folder(h, project.id, "dev", "/app");
    vault_folder(h, project.id, "dev", "/app/x");
    vault_folder(h, project.id, "dev", "/apple");
    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        struct pn_subscription *s =
            subscribe(&admin, project.id, in_place(PN_EVENT_CREATE, "dev", cases[i].registered));
        size_t told;

        put_in(&admin, project.id, "dev", cases[i].path, pn_arena_printf(h->arena, "K%zu", i).ptr);
        told = count(hear(h, s), "\"secretKey\"");
        if (told != cases[i].is_told)
            fail_msg("%s: %s", cases[i].registered, cases[i].path);
        pn_subscription_free(s);
    }
}

HOME_TEST(what_is_no_pattern_is_refused)
{
    static const char *const wrong[] = { "/a[", "/{a", "/../b", "/a(b)" };
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(wrong); i++) {
        const struct pn_subscription_event event = in_place(PN_EVENT_CREATE, "dev", wrong[i]);
        struct pn_subscription *s;

        CHECK_FAILS(pn_subscription_open(&admin, project.id, &event, 1, &s, &err), err,
                    BAD_REQUEST);
    }
    CHECK_EQ(home_events(h, "subscribe-project-events"), 0);
}

/* A batch of as many as there may be, with the longest names: one row after another, in pages. */
HOME_TEST(a_large_batch_is_told_in_pages_each_change_once)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_subscription *s = subscribe(&admin, project.id, ALL_PLACES(CREATE));
    static struct pn_secrets_change changes[PN_SECRETS_MAX_BATCH];
    struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/", changes);
    struct pn_err err = { 0 };
    struct pn_list out;
    struct pn_str told;

    batch.count = PN_COUNT(changes);
    batch.is_single = false;
    for (size_t i = 0; i < PN_COUNT(changes); i++)
        changes[i] =
            (struct pn_secrets_change){ .secretKey = pn_arena_printf(h->arena, "\"%0250zu", i),
                                        .secretValue = PN_LIT("v") };
    CHECK_OK(pn_secrets_create(&admin, &batch, &out, &err), err);
    told = hear(h, s);
    CHECK_EQ(count(told, "\"secretKey\""), PN_COUNT(changes));
    for (size_t i = 0; i < PN_COUNT(changes); i += 97)
        CHECK_EQ(count(told, pn_arena_printf(h->arena, "\\\"%0250zu\"", i).ptr), 1);
    CHECK_STR(hear(h, s), "");
    pn_subscription_free(s);
}

HOME_TEST(an_upsert_tells_what_it_has_made_apart)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_secrets_change changes[] = {
        { .secretKey = PN_LIT("OLD"), .secretValue = PN_LIT("w") },
        { .secretKey = PN_LIT("NEW"), .secretValue = PN_LIT("w") },
    };
    struct pn_secrets_batch batch = vault_batch(project.id, "dev", "/", changes);
    struct pn_subscription *created, *updated;
    struct pn_err err = { 0 };
    struct pn_list out;

    put_in(&admin, project.id, "dev", "/", "OLD");
    created = subscribe(&admin, project.id, ALL_PLACES(CREATE));
    updated = subscribe(&admin, project.id, ALL_PLACES(UPDATE));
    batch.count = PN_COUNT(changes);
    batch.is_single = false;
    batch.missing = PN_SECRETS_UPSERT;
    CHECK_OK(pn_secrets_change(&admin, &batch, &out, &err), err);
    CHECK_EQ(count(hear(h, created), "\"secretKey\":\"NEW\""), 1);
    CHECK_EQ(count(hear(h, updated), "\"secretKey\":\"OLD\""), 1);
    pn_subscription_free(created);
    pn_subscription_free(updated);
}

static void import(struct pn_call *call, struct pn_uuid project, const char *to, const char *from)
{
    const struct pn_import_at at = { project, PN_LIT("dev"), pn_str_from(to) };
    const struct pn_import_change want = { .environment = PN_LIT("dev"),
                                           .path = pn_str_from(from) };
    struct pn_import out;
    struct pn_err err = { 0 };

    CHECK_OK(pn_import_create(call, &at, &want, &out, &err), err);
}

/* /a imports /b imports /c, and /d imports /c as well. */
HOME_TEST(imports_of_imports_are_told_each_once)
{
    static const char *const folders[] = { "/a", "/b", "/c", "/d" };
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_subscription *s;
    struct pn_str told;

    for (size_t i = 0; i < PN_COUNT(folders); i++)
        vault_folder(h, project.id, "dev", folders[i]);
    import(&admin, project.id, "/a", "/b");
    import(&admin, project.id, "/b", "/c");
    import(&admin, project.id, "/d", "/c");
    s = subscribe(&admin, project.id, ALL_PLACES(IMPORT));
    put_in(&admin, project.id, "dev", "/c", "K");
    told = hear(h, s);
    CHECK_EQ(count(told, "\"secretPath\""), 3);
    CHECK_EQ(count(told, "{\"secretPath\":\"/a\",\"environment\":\"dev\"}"), 1);
    CHECK_EQ(count(told, "{\"secretPath\":\"/b\",\"environment\":\"dev\"}"), 1);
    CHECK_EQ(count(told, "{\"secretPath\":\"/d\",\"environment\":\"dev\"}"), 1);
    CHECK_EQ(count(told, "secretKey"), 0);
    put_in(&admin, project.id, "dev", "/a", "K");
    CHECK_STR(hear(h, s), "");
    import(&admin, project.id, "/c", "/");
    CHECK(pn_subscription_is_stale(s, h->db));
    CHECK_EQ(count(hear(h, s), "\"secretPath\""), 4); /* /c, and who sees it */
    pn_subscription_free(s);
}

#define RULES(environment)                                                                    \
    "[{'subject':'secret-event-subscriptions','action':['subscribe-to-creation-events',"      \
    "'subscribe-to-import-mutation-events'],'conditions':{'environment':{'$eq':'" environment \
    "'},'secretPath':{'$glob':'/app/**'}}}]"

HOME_TEST(rights_are_asked_at_each_place)
{
    struct pn_call admin = home_person(h, "admin@acme.test"), ann;
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_subscription_event events[] = {
        in_place(PN_EVENT_CREATE, "dev", "/"),
        in_place(PN_EVENT_CREATE, "prod", "/app"),
        in_place(PN_EVENT_UPDATE, "dev", "/app/x"),
        ALL_PLACES(UPDATE),
        ALL_PLACES(DELETE),
    };
    struct pn_subscription *s;
    struct pn_err err = { 0 };
    struct pn_str told;

    vault_folder(h, project.id, "dev", "/app");
    vault_folder(h, project.id, "dev", "/app/x");
    vault_folder(h, project.id, "prod", "/app");
    ann = vault_person(h, project.id, "ann@acme.test", RULES("dev"));
    for (size_t i = 0; i < PN_COUNT(events); i++)
        CHECK_FAILS(pn_subscription_open(&ann, project.id, &events[i], 1, &s, &err), err,
                    PERMISSION);
    s = subscribe(&ann, project.id, ALL_PLACES(CREATE));
    put_in(&admin, project.id, "dev", "/", "ROOT");
    put_in(&admin, project.id, "dev", "/app", "APP");
    put_in(&admin, project.id, "dev", "/app/x", "X");
    put_in(&admin, project.id, "prod", "/app", "PROD");
    told = hear(h, s);
    CHECK_EQ(count(told, "secretKey"), 2);
    CHECK_EQ(count(told, "\"APP\"") + count(told, "\"X\""), 2);
    pn_subscription_free(s);
    CHECK_FAILS(pn_subscription_open(&ann, pn_random_uuid(), &ALL_PLACES(CREATE), 1, &s, &err), err,
                NOT_FOUND);
}

/* An import must not tell of a folder in whose place one may not hear of it. */
HOME_TEST(an_import_is_told_where_it_is_seen)
{
    struct pn_call admin = home_person(h, "admin@acme.test"), ann;
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_subscription *s;
    struct pn_str told;

    vault_folder(h, project.id, "dev", "/app");
    vault_folder(h, project.id, "dev", "/hidden");
    vault_folder(h, project.id, "dev", "/shared");
    import(&admin, project.id, "/app", "/shared");
    import(&admin, project.id, "/hidden", "/shared");
    ann = vault_person(h, project.id, "ann@acme.test", RULES("dev"));
    s = subscribe(&ann, project.id, ALL_PLACES(IMPORT));
    put_in(&admin, project.id, "dev", "/shared", "K");
    told = hear(h, s);
    CHECK_EQ(count(told, "\"/app\""), 1);
    CHECK_EQ(count(told, "hidden") + count(told, "shared"), 0);
    pn_subscription_free(s);
}

/* What it finds must not be cached from before the change. */
HOME_TEST(a_role_that_is_taken_away_ends_it_before_anything_is_told)
{
    struct pn_call admin = home_person(h, "admin@acme.test"), ann;
    struct pn_project project = home_project(h, &admin, "p");
    struct home_other change = { .db = h->db,
                                 .sql = "DELETE FROM project_member_roles WHERE role NOT IN"
                                        " (SELECT role FROM project_member_roles WHERE role"
                                        " = 'admin')" };
    struct pn_subscription *s;
    struct pn_err err = { 0 };
    pn_auto(pn_buf_drop) struct pn_buf page = pn_buf_init(PN_SUBSCRIPTION_MAX_BYTES);
    bool has_more;

    vault_folder(h, project.id, "dev", "/app");
    ann = vault_person(h, project.id, "ann@acme.test", RULES("dev"));
    s = subscribe(&ann, project.id, ALL_PLACES(CREATE));
    CHECK_STR(hear(h, s), "");
    put_in(&admin, project.id, "dev", "/app", "K");
    CHECK_OK(pn_db_write(h->db, home_change, &change, &err), err);
    CHECK_FAILS(look(h, s, &page, &has_more, &err), err, PERMISSION);
    CHECK_EQ(page.len, 0);
    pn_subscription_free(s);
}

/* A machine identity whose token may be used twice, from one address. */
HOME_TEST(a_look_costs_no_use_and_asks_where_it_comes_from)
{
    struct pn_trusted_ip home = { PN_LIT("192.0.2.7") }, elsewhere = { PN_LIT("198.51.100.1") };
    struct pn_token_terms_in terms = { .accessTokenNumUsesLimit = 2,
                                       .has_uses = true,
                                       .accessTokenTrustedIps = { &home, 1 },
                                       .has_ips = true };
    struct pn_call admin = home_person(h, "admin@acme.test"), robot;
    struct pn_project project = home_project(h, &admin, "p");
    const struct pn_project_role role = { .role = PN_LIT("viewer") };
    pn_auto(pn_buf_drop) struct pn_buf page = pn_buf_init(PN_SUBSCRIPTION_MAX_BYTES);
    struct pn_project_member member;
    struct pn_identity identity;
    struct pn_auth_method method;
    struct pn_access_token token;
    struct pn_grant grant;
    struct pn_subscription *s;
    struct pn_err err = { 0 };
    bool has_more;

    CHECK_OK(pn_identity_make(&admin, &(struct pn_identity_in){ .name = PN_LIT("robot") },
                              &identity, &err),
             err);
    CHECK_OK(
        pn_project_member_add_identity(&admin, project.id, identity.id, &role, 1, &member, &err),
        err);
    CHECK_OK(pn_token_auth_attach(&admin, identity.id, &terms, &method, &err), err);
    CHECK_OK(pn_token_auth_create(&admin, identity.id, PN_LIT("t"), PN_NONE, &grant, &token, &err),
             err);
    robot = home_as(h, grant.accessToken); /* one use */
    s = subscribe(&robot, project.id, ALL_PLACES(CREATE));
    for (int i = 0; i < 5; i++) {
        put_in(&admin, project.id, "dev", "/", pn_arena_printf(h->arena, "K%d", i).ptr);
        CHECK_EQ(count(hear(h, s), "secretKey"), 1);
    }
    (void)home_as(h, grant.accessToken); /* the other */
    CHECK_FAILS(home_knows(h, grant.accessToken, &err), err, UNAUTHENTICATED);
    terms =
        (struct pn_token_terms_in){ .accessTokenTrustedIps = { &elsewhere, 1 }, .has_ips = true };
    CHECK_OK(pn_token_auth_change(&admin, identity.id, &terms, &method, &err), err);
    CHECK(pn_subscription_is_stale(s, h->db));
    CHECK_FAILS(look(h, s, &page, &has_more, &err), err, FORBIDDEN);
    pn_subscription_free(s);
}

HOME_TEST(a_token_that_is_over_ends_it)
{
    struct pn_call admin = home_person(h, "admin@acme.test");
    struct pn_project project = home_project(h, &admin, "p");
    struct pn_subscription *s = subscribe(&admin, project.id, ALL_PLACES(CREATE));
    pn_auto(pn_buf_drop) struct pn_buf page = pn_buf_init(PN_SUBSCRIPTION_MAX_BYTES);
    struct pn_err err = { 0 };
    bool has_more;

    CHECK(pn_subscription_ends_ms(s) <= HOME_WALL_MS + PN_LOGIN_SESSION_MS);
    pn_clock_advance(pn_subscription_ends_ms(s) - pn_clock_wall_ms() - 1);
    CHECK_OK(look(h, s, &page, &has_more, &err), err);
    pn_clock_advance(1);
    CHECK_FAILS(look(h, s, &page, &has_more, &err), err, TOKEN);
    pn_subscription_free(s);
}

/* A look reads changes only, however many reads were recorded between them. */
HOME_TEST(changes_are_found_by_their_index)
{
    struct pn_query *q =
        pn_query(h->conn, "EXPLAIN QUERY PLAN SELECT metadata FROM audit_log WHERE project_id ="
                          " $project AND sequence >= $sequence AND node = $node"
                          " AND " PN_CHANGE_CONDITION " ORDER BY sequence LIMIT 1");
    struct pn_err err = { 0 };

    pn_bind_uuid(q, "$project", pn_random_uuid());
    pn_bind_int(q, "$sequence", 1);
    pn_bind_str(q, "$node", PN_LIT("main"));
    CHECK(pn_query_next(q));
    CHECK_STR(pn_column_str(q, 3, h->arena),
              "SEARCH audit_log USING INDEX audit_log_changes (project_id=? AND sequence>?)");
    CHECK_OK(pn_query_end(q, &err), err);
}

PN_TEST_MAIN(T(a_subscription_begins_where_it_is_opened), T(a_path_is_a_folder_or_a_pattern),
             T(what_is_no_pattern_is_refused), T(a_large_batch_is_told_in_pages_each_change_once),
             T(an_upsert_tells_what_it_has_made_apart), T(imports_of_imports_are_told_each_once),
             T(rights_are_asked_at_each_place), T(an_import_is_told_where_it_is_seen),
             T(a_role_that_is_taken_away_ends_it_before_anything_is_told),
             T(a_look_costs_no_use_and_asks_where_it_comes_from), T(a_token_that_is_over_ends_it),
             T(changes_are_found_by_their_index))
