/* SPDX-License-Identifier: Apache-2.0 */
/* What the sweeper takes away and what it never does, in a cluster that lists by pages. */
#include "home.h"

#include "core/job/job.h"
#include "core/lease/orphans.h"
#include "core/lease/row.h"
#include "core/lease/sweep.h"
#include "core/secret/place.h"
#include "kube/reach.h"

#define INPUTS                                                          \
    "{\"credentialType\":\"dynamic\",\"url\":\"https://cluster.test\"," \
    "\"namespace\":\"a\",\"roleType\":\"role\",\"role\":\"viewer\",\"audiences\":[]}"
#define ACCOUNTS "/api/v1/namespaces/a/serviceaccounts"
#define BINDINGS "/apis/rbac.authorization.k8s.io/v1/namespaces/a/rolebindings"
#define ORPHAN "0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a0a"
#define LIVE "0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b"
#define OTHER "0c0c0c0c-0c0c-4c0c-8c0c-0c0c0c0c0c0c"
#define MAX_THINGS 260

struct thing {
    const char *collection;
    char name[64], json[1024];
    bool is_gone;
};

struct scene {
    struct pn_reach_port port;
    struct home *home;
    struct pn_project project;
    struct pn_uuid instance;
    struct thing things[MAX_THINGS];
    size_t thing_count, lists, deletes;
    char last_list[1024];
    const char *forbidden;              /* a collection that may not be listed */
    int delete_status;                  /* 0: it works */
    int next_status;                    /* of a page that is not the first; 0: it works */
    void (*meanwhile)(struct scene *s); /* once, after the list was made, before it comes */
};

/* ---- the cluster ---- */

/* "metadata" is what it is about; `instance` NULL: no such label. */
static void put(struct scene *s, const char *collection, const char *name, const char *manager,
                const char *instance, const char *lease, const char *more)
{
    struct thing *t = &s->things[s->thing_count++];

    CHECK(s->thing_count <= MAX_THINGS);
    *t = (struct thing){ .collection = collection };
    snprintf(t->name, sizeof(t->name), "%s", name);
    snprintf(t->json, sizeof(t->json),
             "{\"metadata\":{\"namespace\":\"a\",\"name\":\"%s\",\"uid\":\"uid-%s\",%s\"labels\":{"
             "\"app.kubernetes.io/managed-by\":\"%s\",%s%s%s\"postern/lease-id\":\"%s\"}}}",
             name, name, more, manager, instance != NULL ? "\"postern/instance\":\"" : "",
             instance != NULL ? instance : "", instance != NULL ? "\"," : "", lease);
}

static const char *ours(struct scene *s)
{
    return pn_cstr(s->home->arena, pn_uuid_str(s->home->arena, s->instance));
}

static void put_ours(struct scene *s, const char *collection, const char *name, const char *lease)
{
    put(s, collection, name, "postern", ours(s), lease, "");
}

static bool begins(struct pn_str text, const char *with)
{
    return pn_str_starts(text, pn_str_from(with));
}

/* The page begins behind the word that the last one gave: the place in our array. */
static void list(struct scene *s, struct pn_call *call, struct pn_str path,
                 struct pn_reach_answer *out)
{
    const struct pn_str mark = PN_LIT("&continue=");
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init((size_t)1 << 20);
    ptrdiff_t at = pn_str_search(path, mark);
    uint64_t from = 0;
    size_t count = 0, i;

    s->lists++;
    snprintf(s->last_list, sizeof(s->last_list), "%.*s", PN_ARG(path));
    if (at >= 0) {
        CHECK(pn_str_u64(pn_str_slice(path, (size_t)at + mark.len, path.len), &from));
        if (s->next_status != 0) {
            *out = (struct pn_reach_answer){ .status = s->next_status, .body = PN_LIT("{}") };
            s->next_status = 0;
            return;
        }
    }
    pn_buf_add_text(&body, "{\"items\":[");
    for (i = (size_t)from; i < s->thing_count && count < PN_ORPHANS_PAGE; i++) {
        const struct thing *t = &s->things[i];
        struct pn_str rest = path;

        if (t->is_gone || !begins(path, t->collection) ||
            (rest = pn_str_slice(path, strlen(t->collection), path.len)).ptr[0] != '?')
            continue;
        pn_buf_addf(&body, "%s%s", count++ > 0 ? "," : "", t->json);
    }
    pn_buf_add_text(&body, "],\"metadata\":{");
    if (i < s->thing_count)
        pn_buf_addf(&body, "\"continue\":\"%zu\"", i);
    pn_buf_add_text(&body, "}}");
    *out = (struct pn_reach_answer){ .status = 200,
                                     .body = pn_arena_copy(call->arena, pn_buf_str(&body)) };
}

static void delete (struct scene *s, const struct pn_reach_request *request,
                    struct pn_reach_answer *out)
{
    *out = (struct pn_reach_answer){ .status = 404, .body = PN_LIT("{\"kind\":\"Status\"}") };
    for (size_t i = 0; i < s->thing_count; i++) {
        struct thing *t = &s->things[i];
        char path[256], uid[96];

        snprintf(path, sizeof(path), "%s/%s", t->collection, t->name);
        snprintf(uid, sizeof(uid), "\"uid\":\"uid-%s\"", t->name);
        if (t->is_gone || !pn_str_is(request->path, path))
            continue;
        CHECK(pn_str_search(request->body, pn_str_from(uid)) > 0); /* that very object */
        s->deletes++;
        out->status = s->delete_status != 0 ? s->delete_status : 200;
        t->is_gone = s->delete_status == 0;
        return;
    }
}

static bool send(const struct pn_reach_port *port, struct pn_call *call,
                 const struct pn_reach_to *to, const struct pn_reach_request *request,
                 struct pn_reach_answer *out, enum pn_reach_fault *fault, struct pn_err *err)
{
    struct scene *s = pn_container_of(port, struct scene, port);
    void (*meanwhile)(struct scene *) = s->meanwhile;

    (void)to;
    (void)err;
    *fault = PN_REACH_NO_FAULT;
    if (strcmp(request->method, "DELETE") == 0) {
        delete (s, request, out);
        return true;
    }
    if (s->forbidden != NULL && begins(request->path, s->forbidden)) {
        *out = (struct pn_reach_answer){ .status = 403, .body = PN_LIT("{}") };
        return true;
    }
    list(s, call, request->path, out);
    s->meanwhile = NULL;
    if (meanwhile != NULL)
        meanwhile(s);
    return true;
}

/* ---- the setting ---- */

static bool write_secret(struct pn_db_conn *tx, void *scene, struct pn_err *err)
{
    struct scene *s = scene;
    const struct pn_config_row config = { .id = { { 8 } },
                                          .dynamic_secret_id = { { 7 } },
                                          .org_id = s->home->first.org.id,
                                          .inputs = PN_LIT(INPUTS),
                                          .created_ms = 1 };
    struct pn_dynamic_secret row = { .id = { { 7 } },
                                     .config_id = { { 8 } },
                                     .name = PN_LIT("deploy"),
                                     .version = 1,
                                     .defaultTTL = PN_LIT("1h") };
    struct pn_call call = home_as(s->home, s->home->first.token);
    struct pn_place place;

    if (!pn_place_find(&call, tx, s->project.id, PN_LIT("dev"), PN_LIT("/"), &place, err))
        return false;
    row.folderId = place.folder_id;
    return pn_config_insert(tx, &config, err) && pn_dynamic_row_insert(tx, &row, err);
}

static bool write_lease(struct pn_db_conn *tx, void *scene, struct pn_err *err)
{
    const struct scene *s = scene;
    struct pn_lease row = { .dynamicSecretId = { { 7 } },
                            .config_id = { { 8 } },
                            .org_id = s->home->first.org.id,
                            .project_id = s->project.id,
                            .environment = PN_LIT("dev"),
                            .path = PN_LIT("/"),
                            .name = PN_LIT("deploy"),
                            .state = PN_LEASE_PENDING,
                            .version = 1,
                            .externalEntityId = PN_LIT("x"),
                            .plan = { .namespace = PN_LIT("a"), .account = PN_LIT("x") },
                            .expireAt = 1,
                            .createdAt = 1,
                            .updatedAt = 1 };

    CHECK(pn_uuid_parse(PN_LIT(LIVE), &row.id));
    return pn_lease_row_insert(tx, &row, err);
}

/* An intent, and nothing more: what it becomes is its maker's. */
static void intend(struct scene *s)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(s->home->db, write_lease, s, &err), err);
}

static struct pn_call call_of(struct scene *s)
{
    struct pn_call call = home_as(s->home, s->home->first.token);

    call.reach = &s->port;
    call.deadline_ms = pn_clock_mono_ms() + 60000;
    return call;
}

static struct pn_lease_at here(const struct scene *s)
{
    return (struct pn_lease_at){ s->project.slug, PN_LIT("dev"), PN_LIT("/") };
}

static void begin(struct scene *s, struct home *h)
{
    struct pn_err err = { 0 };
    struct pn_call call;

    *s = (struct scene){ .port = { send }, .home = h };
    CHECK_OK(pn_instance_ensure(h->db, h->conn, &err), err);
    CHECK_OK(pn_instance_id(h->conn, &s->instance, &err), err);
    call = call_of(s);
    s->project = home_project(h, &call, "p");
    CHECK_OK(pn_db_write(h->db, write_secret, s, &err), err);
}

static bool look(struct scene *s, struct pn_list *out, struct pn_err *err)
{
    const struct pn_lease_at at = here(s);
    struct pn_call call = call_of(s);
    bool is_complete, done = pn_sweep_look(&call, &at, PN_LIT("deploy"), out, &is_complete, err);

    CHECK(!done || is_complete);
    return done;
}

static bool start(struct scene *s, struct pn_err *err)
{
    const struct pn_lease_at at = here(s);
    struct pn_call call = call_of(s);
    struct pn_sweep out;

    return pn_sweep_start(&call, &at, PN_LIT("deploy"), &out, err);
}

static struct pn_sweep sweep(struct scene *s)
{
    const struct pn_lease_at at = here(s);
    struct pn_call call = call_of(s);
    struct pn_err err = { 0 };
    struct pn_sweep out;

    CHECK_OK(pn_sweep_get(&call, &at, PN_LIT("deploy"), &out, &err), err);
    return out;
}

struct claiming {
    int64_t claim;
};

static bool write_claim(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct claiming *c = context;

    return pn_job_claim(tx, PN_JOB_SWEEP, (struct pn_uuid){ { 7 } }, pn_clock_lease_ms(), &c->claim,
                        err);
}

/* What server/jobs does, when it is due: true when there was a run. */
static bool run(struct scene *s)
{
    struct pn_call call = call_of(s);
    struct claiming c = { 0 };
    struct pn_err err = { 0 };
    bool has_answered = true;

    call.actor = (struct pn_actor){ .kind = PN_ACTOR_PLATFORM, .name = PN_LIT("platform") };
    CHECK_OK(pn_db_write(call.db, write_claim, &c, &err), err);
    if (c.claim == 0)
        return false;
    CHECK_OK(pn_sweep_run_job(&call, (struct pn_uuid){ { 7 } }, c.claim, &has_answered, &err), err);
    return true;
}

/* To its end, at its pace: how many runs that took. */
static size_t run_all(struct scene *s)
{
    size_t runs = 0;

    while (pn_str_is(sweep(s).state, "running")) {
        CHECK(runs < 1000);
        runs += run(s);
        CHECK(!run(s)); /* never two pages at once */
        pn_clock_advance(1000);
    }
    return runs;
}

static size_t left(const struct scene *s)
{
    size_t count = 0;

    for (size_t i = 0; i < s->thing_count; i++)
        count += !s->things[i].is_gone;
    return count;
}

/* ---- what it finds ---- */

HOME_TEST(what_nobody_owns_is_found)
{
    const struct pn_orphan *found;
    struct pn_err err = { 0 };
    struct pn_list list;
    struct scene s;

    begin(&s, h);
    put_ours(&s, ACCOUNTS, "gone-1", ORPHAN);
    put_ours(&s, BINDINGS, "gone-1-role-binding", ORPHAN);
    CHECK_OK(look(&s, &list, &err), err);
    CHECK_EQ(list.count, 2);
    found = list.items;
    CHECK_EQ(found[0].object.kind, PN_LEASE_SERVICE_ACCOUNT);
    CHECK_STR(found[0].object.name, "gone-1");
    CHECK_STR(found[0].object.namespace, "a");
    CHECK_STR(pn_uuid_str(h->arena, found[0].lease_id), ORPHAN);
    CHECK_EQ(found[1].object.kind, PN_LEASE_ROLE_BINDING);
    CHECK_EQ(s.deletes, 0); /* it only looks */
    CHECK_EQ(home_count(h, "SELECT count(*) FROM jobs"), 0);
    CHECK(strstr(s.last_list, "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dpostern%2Cpostern"
                              "%2Finstance%3D") != NULL);
}

/* Each is listed by a cluster that does not go by labels at all; none is taken. */
HOME_TEST(what_is_somebodys_is_not)
{
    struct pn_err err = { 0 };
    struct pn_list list;
    struct scene s;

    begin(&s, h);
    intend(&s);
    put_ours(&s, ACCOUNTS, "live", LIVE);
    put(&s, ACCOUNTS, "other-instance", "postern", OTHER, ORPHAN, "");
    put(&s, ACCOUNTS, "older", "postern", NULL, ORPHAN, "");
    put(&s, ACCOUNTS, "helm", "Helm", ours(&s), ORPHAN, "");
    put_ours(&s, ACCOUNTS, "no-lease", "");
    put_ours(&s, ACCOUNTS, "no-id", "not-an-id");
    put_ours(&s, ACCOUNTS, "..%2f..%2fx", ORPHAN);
    put_ours(&s, ACCOUNTS, "../../x", ORPHAN);
    put(&s, ACCOUNTS, "going", "postern", ours(&s), ORPHAN,
        "\"deletionTimestamp\":\"2026-09-21T15:13:20Z\",");
    CHECK_OK(look(&s, &list, &err), err);
    CHECK_EQ(list.count, 0);
    CHECK_OK(start(&s, &err), err);
    (void)run_all(&s);
    CHECK_STR(sweep(&s).state, "done");
    CHECK_EQ(s.deletes, 0);
}

/* Its intent was committed, and its object made, after the list began: the rows are asked last. */
HOME_TEST(a_lease_that_is_being_made_is_not)
{
    struct pn_err err = { 0 };
    struct pn_list list;
    struct scene s;

    begin(&s, h);
    put_ours(&s, ACCOUNTS, "young", LIVE);
    s.meanwhile = intend;
    CHECK_OK(look(&s, &list, &err), err);
    CHECK(s.meanwhile == NULL);
    CHECK_EQ(list.count, 0);
}

/* ---- what it does ---- */

HOME_TEST(it_takes_away_page_by_page)
{
    struct pn_err err = { 0 };
    struct scene s;
    char name[64];

    begin(&s, h);
    intend(&s);
    for (int i = 0; i < 120; i++) {
        snprintf(name, sizeof(name), "gone-%d", i);
        put_ours(&s, ACCOUNTS, name, ORPHAN);
    }
    put_ours(&s, ACCOUNTS, "live", LIVE);
    put_ours(&s, BINDINGS, "gone-role-binding", ORPHAN);
    CHECK_OK(start(&s, &err), err);
    CHECK_EQ(s.deletes, 0);
    CHECK_FAILS(start(&s, &err), err, CONFLICT);
    CHECK_EQ(run_all(&s), 6); /* three pages of accounts, and the other kinds */
    CHECK_STR(sweep(&s).state, "done");
    CHECK_EQ(sweep(&s).removed, 121);
    CHECK_EQ(left(&s), 1);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM jobs"), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM audit_log WHERE event_type ="
                           " 'start-dynamic-secret-sweep'"),
             1);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM audit_log WHERE event_type ="
                           " 'sweep-dynamic-secret-orphans'"),
             4);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM audit_log WHERE event_type ="
                           " 'complete-dynamic-secret-sweep'"),
             1);
    CHECK_OK(start(&s, &err), err); /* and again, whenever somebody likes */
}

static bool write_release(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)context;
    return pn_job_release_all(tx, err);
}

/* A page of fifty and one of twenty. */
static void put_two_pages(struct scene *s)
{
    char name[64];

    for (int i = 0; i < 70; i++) {
        snprintf(name, sizeof(name), "gone-%d", i);
        put_ours(s, ACCOUNTS, name, ORPHAN);
    }
}

/* A crash after the deletes of a page and before its row: the page comes again, and is not counted twice. */
HOME_TEST(it_goes_on_after_a_crash)
{
    struct claiming lost = { 0 };
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    put_two_pages(&s);
    CHECK_OK(start(&s, &err), err);
    CHECK(run(&s));
    CHECK_EQ(left(&s), 20);
    pn_clock_advance(1000);
    CHECK_OK(pn_db_write(h->db, write_claim, &lost, &err), err);
    CHECK(lost.claim > 0);
    s.things[50].is_gone = true; /* it had come so far */
    CHECK(!run(&s));
    CHECK_OK(pn_db_write(h->db, write_release, NULL, &err), err); /* the next start */
    (void)run_all(&s);
    CHECK_EQ(left(&s), 0);
    CHECK_EQ(sweep(&s).removed, 69);
}

HOME_TEST(a_page_that_the_cluster_forgot_is_begun_again)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    put_two_pages(&s);
    CHECK_OK(start(&s, &err), err);
    s.next_status = 410;
    (void)run_all(&s);
    CHECK_STR(sweep(&s).state, "done");
    CHECK_EQ(left(&s), 0);
}

/* ---- what stops it ---- */

HOME_TEST(who_may_not_list_is_told_what_to_allow)
{
    struct pn_err err = { 0 };
    struct pn_list list;
    struct scene s;

    begin(&s, h);
    s.forbidden = BINDINGS;
    CHECK(!look(&s, &list, &err));
    CHECK(pn_str_search(err.details, PN_LIT("postern-lease-sweeper")) > 0);
    CHECK(pn_str_search(err.details, PN_LIT("[list, delete]")) > 0);
    CHECK_FAILS(false, err, BAD_REQUEST);
    CHECK_FAILS(start(&s, &err), err, BAD_REQUEST);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM lease_sweeps"), 0);
    s.forbidden = "/api/v1/namespaces/a/secrets"; /* its leases have none */
    CHECK_OK(look(&s, &list, &err), err);
}

HOME_TEST(a_cluster_that_refuses_is_asked_some_times)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    put_ours(&s, ACCOUNTS, "stays", ORPHAN);
    CHECK_OK(start(&s, &err), err);
    s.delete_status = 403;
    CHECK(run(&s));
    CHECK_STR(sweep(&s).state, "running");
    CHECK(sweep(&s).error.len > 0);
    CHECK(!run(&s));
    while (pn_str_is(sweep(&s).state, "running")) {
        pn_clock_advance(60000);
        (void)run(&s);
    }
    CHECK_STR(sweep(&s).state, "failed");
    CHECK_EQ(s.deletes, 5);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM jobs"), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM audit_log WHERE event_type ="
                           " 'fail-dynamic-secret-sweep'"),
             1);
}

static bool write_changed(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)context;
    return pn_query_run(pn_query(tx, "UPDATE dynamic_secrets SET config_id = dynamic_secrets.id"),
                        NULL, err);
}

/* What was looked at before is not what would be swept now. */
HOME_TEST(other_inputs_end_it)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    put_ours(&s, ACCOUNTS, "stays", ORPHAN);
    CHECK_OK(start(&s, &err), err);
    CHECK_OK(pn_db_write(h->db, write_changed, NULL, &err), err);
    CHECK(run(&s));
    CHECK_EQ(home_count(h, "SELECT count(*) FROM lease_sweeps WHERE state = 'failed'"), 1);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM jobs"), 0);
    CHECK_EQ(s.deletes, 0);
}

#define T(name) cmocka_unit_test(name)
PN_TEST_MAIN(T(what_nobody_owns_is_found), T(what_is_somebodys_is_not),
             T(a_lease_that_is_being_made_is_not), T(it_takes_away_page_by_page),
             T(it_goes_on_after_a_crash), T(a_page_that_the_cluster_forgot_is_begun_again),
             T(who_may_not_list_is_told_what_to_allow),
             T(a_cluster_that_refuses_is_asked_some_times), T(other_inputs_end_it))
