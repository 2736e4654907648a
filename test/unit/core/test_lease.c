/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a lease that is being made when its dynamic secret goes, its job is hastened, its cluster dies. */
#include "home.h"

#include "core/auth/clusters.h"
#include "core/job/operate.h"
#include "core/lease/dynamic_secret.h"
#include "core/lease/outputs.h"
#include "core/lease/row.h"
#include "core/org/environment.h"
#include "core/secret/place.h"
#include "json/settings.h"
#include "kube/reach.h"

/* {"alg":"RS256"}.{"iat":1790000000,"exp":1790003600,"jti":"j-1"}.signature */
#define TOKEN_ANSWER                                                                  \
    "{\"status\":{\"token\":\"eyJhbGciOiJSUzI1NiJ9."                                  \
    "eyJpYXQiOjE3OTAwMDAwMDAsImV4cCI6MTc5MDAwMzYwMCwianRpIjoiai0xIn0.c2lnbmF0dXJl\"," \
    "\"expirationTimestamp\":\"2026-09-21T15:13:20Z\"}}"
#define INPUTS                                                          \
    "{\"credentialType\":\"dynamic\",\"url\":\"https://cluster.test\"," \
    "\"namespace\":\"a\",\"roleType\":\"role\",\"role\":\"viewer\",\"audiences\":[]}"
#define UNBOUND                                                                                    \
    "{\"credentialType\":\"static\",\"url\":\"https://cluster.test\","                             \
    "\"namespace\":\"a\",\"serviceAccountName\":\"app\",\"tokenBinding\":\"none\",\"audiences\":[" \
    "]}"
#define MINUTE_MS 60000

/* A cluster that keeps what is made in it, and between two requests of a lease has something else happen. */
struct scene {
    struct pn_reach_port port;
    struct home *home;
    struct pn_call call;
    struct pn_project project;
    char kept[8][512];
    size_t kept_count;
    const char *inputs;
    struct pn_settings settings;
    int tokens;
    bool is_dead;
    void (*meanwhile)(struct scene *s); /* once, before the first object or token is made */
};

static struct pn_str name_in(struct pn_str body)
{
    const struct pn_str mark = PN_LIT("\"metadata\":{\"name\":\"");
    ptrdiff_t at = pn_str_search(body, mark);
    struct pn_str rest, name;

    CHECK(at >= 0);
    rest = pn_str_slice(body, (size_t)at + mark.len, body.len);
    CHECK(pn_str_cut(&rest, '"', &name));
    return name;
}

/* What API servers say of what a path ends with. */
static struct pn_str status_about(struct pn_call *call, struct pn_str path)
{
    struct pn_str name;

    while (pn_str_cut(&path, '/', &name))
        continue;
    return pn_arena_printf(call->arena, "{\"kind\":\"Status\",\"details\":{\"name\":\"%.*s\"}}",
                           PN_ARG(name));
}

static char *find_kept(struct scene *s, struct pn_str path)
{
    for (size_t i = 0; i < s->kept_count; i++)
        if (pn_str_is(path, s->kept[i]))
            return s->kept[i];
    return NULL;
}

static size_t left_of(const struct scene *s)
{
    size_t left = 0;

    for (size_t i = 0; i < s->kept_count; i++)
        left += s->kept[i][0] != '\0';
    return left;
}

static struct pn_reach_answer make(struct scene *s, struct pn_call *call,
                                   const struct pn_reach_request *request)
{
    struct pn_str name = name_in(request->body);
    struct pn_reach_answer out = { .status = 201 };

    CHECK(s->kept_count < PN_COUNT(s->kept));
    snprintf(s->kept[s->kept_count++], sizeof(s->kept[0]), "%.*s/%.*s", PN_ARG(request->path),
             PN_ARG(name));
    out.body = pn_arena_printf(call->arena, "{\"metadata\":{\"name\":\"%.*s\",\"uid\":\"u-1\"}}",
                               PN_ARG(name));
    return out;
}

static bool send(const struct pn_reach_port *port, struct pn_call *call,
                 const struct pn_reach_to *to, const struct pn_reach_request *request,
                 struct pn_reach_answer *out, enum pn_reach_fault *fault, struct pn_err *err)
{
    struct scene *s = pn_container_of(port, struct scene, port);
    void (*meanwhile)(struct scene *) = s->meanwhile;
    char *kept;

    (void)to;
    if (strcmp(request->method, "POST") == 0 && meanwhile != NULL) {
        s->meanwhile = NULL;
        meanwhile(s);
    }
    *fault = s->is_dead ? PN_REACH_REFUSED : PN_REACH_NO_FAULT;
    if (s->is_dead && strcmp(request->method, "POST") != 0)
        return pn_fail(err, PN_UNREACHABLE, "connection refused");
    *fault = PN_REACH_NO_FAULT;
    if (pn_str_ends(request->path, PN_LIT("/token"))) {
        s->tokens++;
        *out = (struct pn_reach_answer){ .status = 201, .body = PN_LIT(TOKEN_ANSWER) };
        return true;
    }
    if (strcmp(request->method, "POST") == 0) {
        *out = make(s, call, request);
        return true;
    }
    kept = find_kept(s, request->path);
    *out = (struct pn_reach_answer){ .status = kept != NULL ? 200 : 404,
                                     .body = status_about(call, request->path) };
    if (kept != NULL && strcmp(request->method, "GET") == 0)
        out->status = 403; /* it is there, and may not be looked at */
    if (kept != NULL && strcmp(request->method, "DELETE") == 0)
        kept[0] = '\0';
    return true;
}

/* ---- the setting ---- */

static struct pn_lease_at here(const struct scene *s)
{
    return (struct pn_lease_at){ s->project.slug, PN_LIT("dev"), PN_LIT("/") };
}

static bool write_secret(struct pn_db_conn *tx, void *folder, struct pn_err *err)
{
    struct scene *s = folder;
    const struct pn_config_row config = { .id = { { 8 } },
                                          .dynamic_secret_id = { { 7 } },
                                          .org_id = s->call.actor.org_id,
                                          .inputs = pn_str_from(s->inputs),
                                          .created_ms = 1 };
    struct pn_dynamic_secret row = { .id = { { 7 } },
                                     .config_id = { { 8 } },
                                     .name = PN_LIT("deploy"),
                                     .version = 1,
                                     .defaultTTL = PN_LIT("1h") };
    struct pn_place place;

    if (!pn_place_find(&s->call, tx, s->project.id, PN_LIT("dev"), PN_LIT("/"), &place, err))
        return false;
    row.folderId = place.folder_id;
    return pn_config_insert(tx, &config, err) && pn_dynamic_row_insert(tx, &row, err);
}

static struct pn_call call_of(struct scene *s)
{
    struct pn_call call = home_as(s->home, s->home->first.token);

    call.reach = &s->port;
    call.settings = &s->settings;
    call.deadline_ms = pn_clock_mono_ms() + 60000;
    return call;
}

static void begin_with(struct scene *s, struct home *h, const char *inputs)
{
    struct pn_err err = { 0 };

    *s = (struct scene){ .port = { send }, .home = h, .inputs = inputs };
    s->call = call_of(s);
    s->project = home_project(h, &s->call, "p");
    CHECK_OK(pn_db_write(h->db, write_secret, s, &err), err);
}

static void begin(struct scene *s, struct home *h)
{
    begin_with(s, h, INPUTS);
}

static bool lease(struct scene *s, struct pn_err *err)
{
    const struct pn_lease_want want = { .at = here(s), .dynamicSecretName = PN_LIT("deploy") };
    struct pn_call call = call_of(s);
    struct pn_dynamic_secret secret;
    struct pn_lease lease;
    struct pn_lease_data data;

    return pn_lease_create(&call, &want, &lease, &secret, &data, err);
}

/* What server/jobs does, for all that is due. */
struct claiming {
    const struct pn_job_row *job;
    int64_t claim;
};

static bool write_claim(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct claiming *c = context;

    return pn_job_claim(tx, c->job->kind, c->job->id, pn_clock_lease_ms(), &c->claim, err);
}

static size_t run_all(struct scene *s, struct pn_str place, bool answers)
{
    const struct pn_job_where where = { s->home->first.org.id, place };
    struct pn_call call = call_of(s);
    struct pn_err err = { 0 };
    struct pn_list due;
    bool has_answered;

    call.actor = (struct pn_actor){ .kind = PN_ACTOR_PLATFORM, .name = PN_LIT("platform") };
    CHECK_OK(pn_job_due(call.conn, call.arena, &where, pn_clock_lease_ms(), 10, &due, &err), err);
    for (size_t i = 0; i < due.count; i++) {
        struct claiming c = { .job = (const struct pn_job_row *)due.items + i };

        CHECK_OK(pn_db_write(call.db, write_claim, &c, &err), err);
        CHECK_OK(pn_lease_run_job(&call, c.job->id, c.claim, &has_answered, &err), err);
        CHECK_EQ(has_answered, answers);
    }
    return due.count;
}

static size_t run_jobs(struct scene *s)
{
    return run_all(s, PN_LIT("cluster.test:443"), true);
}

static size_t run_failing(struct scene *s)
{
    return run_all(s, PN_LIT("cluster.test:443"), false);
}

static int64_t leases(struct scene *s)
{
    return home_count(s->home, "SELECT count(*) FROM leases");
}

static void delete_as(struct scene *s, bool is_forced)
{
    const struct pn_lease_at at = here(s);
    struct pn_dynamic_secret out;
    struct pn_call call = call_of(s);
    struct pn_err err = { 0 };

    CHECK_OK(pn_dynamic_secret_delete(&call, &at, PN_LIT("deploy"), is_forced, &out, &err), err);
    (void)run_jobs(s);
}

static void delete_secret(struct scene *s)
{
    delete_as(s, false);
}

static void delete_by_force(struct scene *s)
{
    delete_as(s, true);
}

static void delete_by_force_and_die(struct scene *s)
{
    delete_as(s, true);
    s->is_dead = true;
}

static void delete_environment(struct scene *s)
{
    struct pn_environment_row row;
    struct pn_call call = call_of(s);
    struct pn_err err = { 0 };

    CHECK_OK(pn_environment_get_by_slug(&call, s->project.id, PN_LIT("dev"), &row, &err), err);
    CHECK_OK(pn_environment_delete(&call, s->project.id, row.id, &row, &err), err);
    (void)run_jobs(s);
}

static void delete_and_die(struct scene *s)
{
    delete_secret(s);
    s->is_dead = true;
}

static void delete_environment_and_die(struct scene *s)
{
    delete_environment(s);
    s->is_dead = true;
}

static bool write_hasten(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    (void)context;
    return pn_query_run(pn_query(tx, "UPDATE jobs SET due_ms = 0"), NULL, err);
}

/* An operator has it tried now. */
static void hasten(struct scene *s)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(s->home->db, write_hasten, NULL, &err), err);
    CHECK_EQ(run_jobs(s), 1);
    CHECK_EQ(run_jobs(s), 0);
}

static bool retry(struct scene *s, struct pn_err *err)
{
    struct pn_call call = call_of(s);
    struct pn_list list;
    struct pn_job_row row;

    CHECK_OK(pn_job_look(&call, false, 10, &list, err), *err);
    CHECK_EQ(list.count, 1);
    row = *(const struct pn_job_row *)list.items;
    return pn_job_retry(&call, row.kind_name, row.id, &row, err);
}

/* ---- the cases ---- */

HOME_TEST(a_lease_is_made_and_ended)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    CHECK_OK(lease(&s, &err), err);
    CHECK_EQ(left_of(&s), 2);
    CHECK_EQ(run_jobs(&s), 0);
    pn_clock_advance(60 * MINUTE_MS);
    CHECK_EQ(run_jobs(&s), 1);
    CHECK_EQ(left_of(&s), 0);
    CHECK_EQ(leases(&s), 0);
}

/* The deletion comes while the cluster works on the first object, and its answer after it. */
static void check_gone(struct home *h, void (*deletes)(struct scene *))
{
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    s.meanwhile = deletes;
    CHECK(!lease(&s, &err));
    CHECK_EQ(left_of(&s), 0);
    CHECK_EQ(leases(&s), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM dynamic_secrets"), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM lease_configs"), 0);
}

HOME_TEST(what_is_deleted_while_a_lease_is_made_leaves_nothing)
{
    check_gone(h, delete_secret);
}

HOME_TEST(so_does_its_environment)
{
    check_gone(h, delete_environment);
}

HOME_TEST(also_by_force)
{
    check_gone(h, delete_by_force);
}

/* As above, and the cluster is gone when it is to be taken back: the intent must not be gone too. */
static void check_kept(struct home *h, void (*deletes)(struct scene *))
{
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    s.meanwhile = deletes;
    CHECK(!lease(&s, &err));
    CHECK_EQ(left_of(&s), 2);
    CHECK_EQ(leases(&s), 1);
    s.is_dead = false;
    pn_clock_advance(MINUTE_MS);
    CHECK_EQ(run_jobs(&s), 1);
    CHECK_EQ(left_of(&s), 0);
    CHECK_EQ(leases(&s), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM lease_configs"), 0);
}

HOME_TEST(an_intent_is_kept_while_its_objects_may_come)
{
    check_kept(h, delete_and_die);
}

HOME_TEST(also_when_its_environment_went)
{
    check_kept(h, delete_environment_and_die);
}

HOME_TEST(also_by_force_of_which_nobody_was_told)
{
    check_kept(h, delete_by_force_and_die);
}

/* ---- a maker that is slower than its intent lasts, or dead ---- */

/* The wall clock steps, or the machine slept: the job takes the intent for nobody's while its maker is at work. */
static void be_overtaken(struct scene *s)
{
    pn_clock_advance(MINUTE_MS);
    CHECK_EQ(run_jobs(s), 1);
}

static void be_overtaken_and_die(struct scene *s)
{
    be_overtaken(s);
    s->is_dead = true;
}

HOME_TEST(what_is_made_after_the_first_cleaning_is_taken_back)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    s.meanwhile = be_overtaken;
    CHECK_FAILS(lease(&s, &err), err, CONFLICT);
    CHECK_EQ(left_of(&s), 0);
    CHECK_EQ(leases(&s), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM jobs"), 0);
}

HOME_TEST(also_when_it_cannot_be_at_once)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    s.meanwhile = be_overtaken_and_die;
    CHECK(!lease(&s, &err));
    CHECK_EQ(left_of(&s), 2);
    s.is_dead = false;
    pn_clock_advance(MINUTE_MS);
    CHECK_EQ(run_jobs(&s), 1);
    CHECK_EQ(left_of(&s), 0);
    CHECK_EQ(leases(&s), 0);
}

static bool write_intent(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct pn_lease *intent = context;
    const struct pn_job_where where = { intent->org_id, PN_LIT("cluster.test:443") };

    return pn_lease_row_insert(tx, intent, err) &&
           pn_job_put(tx, PN_JOB_LEASE, intent->id, &where, intent->createdAt + MINUTE_MS,
                      intent->createdAt, err);
}

/* Its server was killed; the cluster carries the request out after it was cleaned for the first time. */
HOME_TEST(what_a_dead_maker_asked_for_may_come_after_the_first_cleaning)
{
    struct pn_lease intent = { .id = pn_random_uuid(),
                               .dynamicSecretId = { { 7 } },
                               .config_id = { { 8 } },
                               .environment = PN_LIT("dev"),
                               .path = PN_LIT("/"),
                               .name = PN_LIT("deploy"),
                               .externalEntityId = PN_LIT("x"),
                               .createdAt = pn_clock_lease_ms(),
                               .plan = { .namespace = PN_LIT("a"),
                                         .account = PN_LIT("x"),
                                         .objects = { { .kind = PN_LEASE_SERVICE_ACCOUNT,
                                                        .namespace = PN_LIT("a"),
                                                        .name = PN_LIT("x") } },
                                         .object_count = 1 } };
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    intent.org_id = s.call.actor.org_id;
    intent.project_id = s.project.id;
    CHECK_OK(pn_db_write(h->db, write_intent, &intent, &err), err);
    pn_clock_advance(MINUTE_MS);
    CHECK_EQ(run_jobs(&s), 1);
    snprintf(s.kept[s.kept_count++], sizeof(s.kept[0]), "/api/v1/namespaces/a/serviceaccounts/x");
    CHECK_FAILS(retry(&s, &err), err, BAD_REQUEST); /* too early is what it was a moment ago */
    CHECK_EQ(run_jobs(&s), 0);
    pn_clock_advance(MINUTE_MS);
    CHECK_EQ(run_jobs(&s), 1);
    CHECK_EQ(left_of(&s), 0);
    CHECK_EQ(leases(&s), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM jobs"), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM audit_log WHERE event_type ="
                           " 'delete-dynamic-secret-lease'"),
             0); /* nobody was told of it */
}

#define MANY 700 /* leases: more than the memory of a call that deletes them */

static bool write_many(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct pn_lease *one = context;

    for (int i = 0; i < MANY; i++) {
        struct pn_lease row = *one;

        row.id = pn_random_uuid();
        if (!pn_lease_row_insert(tx, &row, err) ||
            !pn_job_put(tx, PN_JOB_LEASE, row.id, &(struct pn_job_where){ row.org_id, PN_LIT("") },
                        INT64_MAX, 1, err))
            return false;
    }
    return true;
}

/* All are forgotten, and each is on record, in little memory. */
HOME_TEST(many_are_forgotten)
{
    pn_auto(pn_arena_freep) struct pn_arena *little = pn_arena_new((size_t)256 << 10);
    struct pn_lease row = { .dynamicSecretId = { { 7 } },
                            .config_id = { { 8 } },
                            .environment = PN_LIT("dev"),
                            .path = PN_LIT("/"),
                            .name = PN_LIT("deploy"),
                            .state = PN_LEASE_ACTIVE,
                            .externalEntityId = PN_LIT("x"),
                            .plan = { .namespace = PN_LIT("a"), .account = PN_LIT("x") } };
    struct pn_dynamic_secret out;
    struct pn_err err = { 0 };
    struct pn_lease_at at;
    struct pn_call call;
    struct scene s;

    begin(&s, h);
    at = here(&s);
    row.org_id = s.call.actor.org_id;
    row.project_id = s.project.id;
    CHECK_OK(pn_db_write(h->db, write_many, &row, &err), err);
    call = call_of(&s);
    call.arena = little;
    CHECK_OK(pn_dynamic_secret_delete(&call, &at, PN_LIT("deploy"), true, &out, &err), err);
    CHECK(!pn_arena_is_over(little));
    CHECK_EQ(leases(&s), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM jobs"), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM lease_configs"), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM audit_log WHERE event_type ="
                           " 'delete-dynamic-secret-lease'"),
             MANY);
}

/* ---- a token that is bound to nothing: no object, no intent ---- */

static void see_no_row(struct scene *s)
{
    CHECK_EQ(leases(s), 0);
}

HOME_TEST(what_makes_no_object_has_no_intent)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin_with(&s, h, UNBOUND);
    s.meanwhile = see_no_row;
    CHECK_OK(lease(&s, &err), err);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM leases WHERE state = 'active'"), 1);
    CHECK_EQ(run_all(&s, PN_LIT(""), true), 0);
    pn_clock_advance(60 * MINUTE_MS);
    CHECK_EQ(run_all(&s, PN_LIT(""), true), 1);
    CHECK_EQ(leases(&s), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM jobs"), 0);
}

HOME_TEST(a_token_of_what_was_deleted_meanwhile_is_not_handed_out)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin_with(&s, h, UNBOUND);
    s.meanwhile = delete_secret;
    CHECK_FAILS(lease(&s, &err), err, CONFLICT);
    CHECK_EQ(leases(&s), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM lease_configs"), 0);
}

static void take_the_last(struct scene *s)
{
    struct pn_err err = { 0 };

    CHECK_OK(lease(s, &err), err);
}

HOME_TEST(the_limit_holds_without_an_intent)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin_with(&s, h, UNBOUND);
    s.settings.lease_limit = 1;
    s.meanwhile = take_the_last;
    CHECK(!lease(&s, &err));
    CHECK(pn_str_is(pn_str_from(err.message), "Max lease limit reached. Limit: 1"));
    pn_err_clear(&err);
    CHECK_EQ(leases(&s), 1);
    s.tokens = 0;
    CHECK_FAILS(lease(&s, &err), err, BAD_REQUEST);
    CHECK_EQ(s.tokens, 0); /* who is refused costs the cluster nothing */
}

HOME_TEST(an_intent_is_its_makers_while_it_is_young)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    s.meanwhile = hasten;
    CHECK_OK(lease(&s, &err), err);
    CHECK_EQ(left_of(&s), 2);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM leases WHERE state = 'active'"), 1);
}

/* ---- an operator ---- */

/* What is in doubt is clean when it was looked at after all that may still come has come: not before. */
HOME_TEST(what_has_not_failed_is_not_hastened)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    CHECK_OK(lease(&s, &err), err);
    CHECK_FAILS(retry(&s, &err), err, BAD_REQUEST); /* that would be its end */
    CHECK_EQ(run_jobs(&s), 0);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM leases WHERE state = 'active'"), 1);
}

HOME_TEST(what_is_left_over_is_cleaned_at_its_time)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    s.meanwhile = delete_and_die;
    CHECK(!lease(&s, &err));
    pn_err_clear(&err);
    CHECK_EQ(home_count(h, "SELECT count(*) FROM leases WHERE state = 'cleaning'"), 1);
    CHECK_FAILS(retry(&s, &err), err, BAD_REQUEST);
    CHECK_EQ(run_jobs(&s), 0);
    CHECK_EQ(leases(&s), 1);
}

HOME_TEST(what_has_failed_is)
{
    struct pn_err err = { 0 };
    struct scene s;

    begin(&s, h);
    CHECK_OK(lease(&s, &err), err);
    s.is_dead = true;
    pn_clock_advance(60 * MINUTE_MS);
    while (run_failing(&s) > 0)
        continue;
    s.is_dead = false;
    CHECK_EQ(run_jobs(&s), 0);
    CHECK_OK(retry(&s, &err), err);
    CHECK_EQ(run_jobs(&s), 1);
    CHECK_EQ(leases(&s), 0);
}

/* ---- turns ---- */

static struct pn_cluster_place turn_of(struct scene *s, struct pn_uuid org)
{
    const struct pn_lease_config config = { .url = PN_LIT("https://cluster.test"), .org_id = org };

    return pn_lease_config_turn(s->home->arena, &config);
}

static void give_turn(struct pn_clusters *clusters, struct scene *s, struct pn_uuid org)
{
    const struct pn_cluster_place place = turn_of(s, org);

    pn_clusters_leave(&(struct pn_call){ .clusters = clusters }, &place, true);
}

static bool try_turn(struct pn_clusters *clusters, struct scene *s, struct pn_uuid org)
{
    const struct pn_cluster_place place = turn_of(s, org);
    struct pn_err err = { 0 };

    return pn_clusters_enter(
        &(struct pn_call){ .clusters = clusters, .deadline_ms = pn_clock_mono_ms() }, &place, &err);
}

HOME_TEST(turns_at_a_cluster_are_an_organisations_own)
{
    struct pn_clusters *clusters = pn_clusters_new(0, 1);
    struct pn_uuid org = h->first.org.id, other = { { 9 } };
    struct scene s;

    begin(&s, h);
    CHECK(try_turn(clusters, &s, org));
    CHECK(!try_turn(clusters, &s, org));
    CHECK(try_turn(clusters, &s, other));
    give_turn(clusters, &s, org);
    give_turn(clusters, &s, other);
    pn_clusters_free(clusters);
}

static bool make_and_end(struct scene *s, struct pn_clusters *clusters, bool is_forced,
                         struct pn_lease *out, struct pn_err *err)
{
    const struct pn_lease_want want = { .at = here(s), .dynamicSecretName = PN_LIT("deploy") };
    const struct pn_lease_at at = here(s);
    struct pn_call call = call_of(s);
    struct pn_dynamic_secret secret;
    struct pn_lease_data data;
    struct pn_lease made;

    CHECK_OK(pn_lease_create(&call, &want, &made, &secret, &data, err), *err);
    call = call_of(s);
    call.clusters = clusters;
    return pn_lease_revoke(&call, &at, pn_uuid_str(s->home->arena, made.id), is_forced, out, err);
}

/* Whoever ends leases of a dead cluster has no more of the lane than whoever makes them; its job does what there was no turn for. */
HOME_TEST(who_has_no_turn_leaves_the_end_to_the_job)
{
    struct pn_clusters *clusters = pn_clusters_new(0, 1);
    struct pn_err err = { 0 };
    struct pn_lease out;
    struct scene s;

    begin(&s, h);
    CHECK(try_turn(clusters, &s, h->first.org.id));
    CHECK_OK(make_and_end(&s, clusters, false, &out, &err), err);
    CHECK_STR(out.status, "Failed to delete");
    CHECK(pn_str_search(out.statusDetails, PN_LIT("at once")) > 0);
    CHECK_EQ(left_of(&s), 2);
    CHECK_EQ(run_jobs(&s), 1);
    CHECK_EQ(left_of(&s), 0);

    CHECK_OK(make_and_end(&s, clusters, true, &out, &err), err); /* forgotten without the cluster */
    CHECK_EQ(left_of(&s), 2);
    CHECK_EQ(leases(&s), 0);

    give_turn(clusters, &s, h->first.org.id);
    CHECK_OK(make_and_end(&s, clusters, false, &out, &err), err);
    CHECK_EQ(left_of(&s), 2); /* of the one before */
    CHECK_EQ(leases(&s), 0);
    CHECK(try_turn(clusters, &s, h->first.org.id)); /* it was given back */
    give_turn(clusters, &s, h->first.org.id);
    pn_clusters_free(clusters);
}

#define T(name) cmocka_unit_test(name)
PN_TEST_MAIN(T(a_lease_is_made_and_ended), T(what_is_deleted_while_a_lease_is_made_leaves_nothing),
             T(so_does_its_environment), T(also_by_force),
             T(also_by_force_of_which_nobody_was_told), T(many_are_forgotten),
             T(an_intent_is_kept_while_its_objects_may_come),
             T(what_is_made_after_the_first_cleaning_is_taken_back),
             T(also_when_it_cannot_be_at_once),
             T(what_a_dead_maker_asked_for_may_come_after_the_first_cleaning),
             T(also_when_its_environment_went), T(what_makes_no_object_has_no_intent),
             T(a_token_of_what_was_deleted_meanwhile_is_not_handed_out),
             T(the_limit_holds_without_an_intent), T(an_intent_is_its_makers_while_it_is_young),
             T(what_has_not_failed_is_not_hastened), T(what_is_left_over_is_cleaned_at_its_time),
             T(what_has_failed_is), T(turns_at_a_cluster_are_an_organisations_own),
             T(who_has_no_turn_leaves_the_end_to_the_job))
