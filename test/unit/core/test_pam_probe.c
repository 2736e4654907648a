/* SPDX-License-Identifier: Apache-2.0 */
/* The connection test of a save; C-56 of the contract, pam-gateway.md §20.3. */
#include "stage.h"

#include "core/pam/probe.h"
#include "kube/reach.h"

/* A cluster behind a gateway that says what it is told to, one row per question. */
struct says {
    int status; /* 0: there is no answer, for `fault` */
    enum pn_reach_fault fault;
    const char *words;
    bool is_away; /* not even the gateway speaks */
};
static struct port {
    struct pn_reach_port port;
    struct says says[2];
    int asked;
    struct pn_reach_to to;
    struct pn_reach_request request;
    bool had_bearer;
} cluster;

static bool send_it(const struct pn_reach_port *port, struct pn_call *call,
                    const struct pn_reach_to *to, const struct pn_reach_request *request,
                    struct pn_reach_answer *out, enum pn_reach_fault *fault, struct pn_err *why)
{
    const struct says *says = &cluster.says[cluster.asked++];

    (void)port, (void)call;
    cluster.to = *to;
    cluster.request = *request;
    cluster.had_bearer = request->bearer != NULL;
    *fault = says->fault;
    out->gateway_ms = says->is_away ? 0 : STAGE_WALL_MS;
    if (says->status == 0)
        return pn_fail(why, PN_UNREACHABLE, "%s", says->words);
    out->status = says->status;
    out->content_type = PN_LIT("application/json");
    out->body = pn_str_from(says->words);
    return true;
}

#define STATUS(words) "{\"kind\":\"Status\",\"message\":\"" words "\"}"

struct row {
    const char *method; /* NULL: the cluster alone */
    struct says says[2];
    const char *status; /* NULL: refused */
    const char *message;
    int asked;
};

static struct pn_pam_cluster a_cluster(void)
{
    return (struct pn_pam_cluster){ .connection = { .url = PN_LIT("https://k.test:6443"),
                                                    .sslRejectUnauthorized = true },
                                    .gateway_id = pn_random_uuid() };
}

static bool try(struct stage *s, const struct row *row, const struct pn_pam_probe *probe,
                struct pn_pam_probe_result *out, struct pn_err *err)
{
    struct pn_call call = stage_call(s, s->admin);

    cluster = (struct port){ .port.send = send_it };
    memcpy(cluster.says, row->says, sizeof(cluster.says));
    call.reach = &cluster.port;
    return pn_pam_probe(&call, probe, out, err);
}

static const struct row rows[] = {
    { NULL, { { 200, .words = "{\"gitVersion\":\"v1.37.2\"}" } }, "ok", "Kubernetes v1.37.2", 1 },
    { NULL, { { 401, .words = STATUS("Unauthorized") } }, "ok", "answers", 1 },
    { NULL, { { 403, .words = STATUS("forbidden") } }, "ok", "answers", 1 },
    { NULL, { { 404, .words = STATUS("nothing here") } }, NULL, "404: nothing here", 1 },
    { NULL, { { 302, .words = "" } }, NULL, "302", 1 },
    { NULL, { { 503, .words = STATUS("starting") } }, NULL, "503: starting", 1 },
    { NULL,
      { { 0, PN_REACH_REFUSED, "k.test: connection refused" },
        { 0, PN_REACH_GATEWAY_FAULT, "no pod token" } },
      NULL,
      "cannot reach the cluster: k.test: connection refused",
      2 },
    { NULL,
      { { 0, PN_REACH_NO_NAME, "k.test does not resolve" }, { 200, .words = "{}" } },
      "warning",
      "gateway's own identity",
      2 },
    { NULL,
      { { 0, PN_REACH_NO_GATEWAY, "no live tunnel", true } },
      "skipped",
      "The gateway did not answer: no live tunnel",
      1 },
    { PN_PAM_BY_TOKEN, { { 200, .words = "{}" } }, "ok", "accepts the token", 1 },
    { PN_PAM_BY_TOKEN,
      { { 401, .words = STATUS("the token " STAGE_TOKEN " has expired") } },
      NULL,
      "does not accept the token: the token [REDACTED] has expired",
      1 },
    { PN_PAM_BY_TOKEN,
      { { 403, .words = STATUS("may not get path") } },
      "warning",
      "may not get path",
      1 },
    { PN_PAM_BY_TOKEN, { { 500, .words = STATUS("oh") } }, NULL, "answers 500: oh", 1 },
    { PN_PAM_BY_TOKEN,
      { { 0, PN_REACH_BAD_CHAIN, "its certificate has expired" } },
      NULL,
      "certificate has expired",
      1 },
    { PN_PAM_BY_TOKEN, { { 0, PN_REACH_OTHER, "refused", true } }, "skipped", "did not answer", 1 },
    { PN_PAM_BY_GATEWAY, { { 201, .words = "{}" } }, "ok", "may act", 1 },
    { PN_PAM_BY_GATEWAY,
      { { 403, .words = STATUS("cannot impersonate resource serviceaccounts") } },
      NULL,
      "manifest GATEWAY --rules --impersonate dev/viewer' prints. The cluster says: cannot "
      "impersonate",
      1 },
    { PN_PAM_BY_GATEWAY,
      { { 401, .words = STATUS("Unauthorized") } },
      NULL,
      "gateway's own token",
      1 },
    { PN_PAM_BY_GATEWAY,
      { { 0, PN_REACH_GATEWAY_FAULT, "no CA of its cluster" } },
      NULL,
      "no CA of its cluster",
      1 },
    { PN_PAM_BY_GATEWAY, { { 0, PN_REACH_NO_GATEWAY, "gone", true } }, "skipped", "gone", 1 },
};

STAGE_TEST(c56_what_each_answer_means)
{
    struct pn_err oom = { 0 };
    struct pn_secret *token = pn_secret_new(PN_LIT(STAGE_TOKEN), &oom);
    const struct pn_pam_cluster to = a_cluster();

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        const struct row *row = &rows[i];
        const bool is_token = row->method != NULL && strcmp(row->method, PN_PAM_BY_TOKEN) == 0;
        const struct pn_pam_probe probe = { .cluster = &to,
                                            .auth_method = row->method,
                                            .token = is_token ? token : NULL,
                                            .namespace = PN_LIT("dev"),
                                            .service_account_name = PN_LIT("viewer") };
        struct pn_pam_probe_result got = { 0 };
        struct pn_err err = { 0 };
        bool is_fine = try(s, row, &probe, &got, &err);
        struct pn_str message = is_fine ? got.message : pn_str_from(err.message);

        if (is_fine != (row->status != NULL) || cluster.asked != row->asked ||
            (is_fine && !pn_str_is(got.status, row->status)) ||
            pn_str_search(message, pn_str_from(row->message)) < 0 ||
            pn_str_search(message, PN_LIT(STAGE_TOKEN)) >= 0)
            fail_msg("row %zu: %d, asked %d, %.*s", i, is_fine, cluster.asked, PN_ARG(message));
        if (!is_fine)
            CHECK_EQ(err.code, PN_BAD_REQUEST);
        CHECK_EQ(cluster.had_bearer, is_token);
        CHECK_EQ(cluster.to.as, row->asked == 2 || (row->method != NULL && !is_token)
                                    ? PN_REACH_AS_GATEWAY
                                    : PN_REACH_AS_BEARER);
        CHECK(cluster.request.timeout_ms > 0 && cluster.request.timeout_ms <= PN_PAM_PROBE_MS);
    }
    pn_secret_free(token);
}

STAGE_TEST(nothing_is_asked_where_there_is_nothing_to_ask)
{
    static const struct row none = { 0 };
    const struct pn_pam_cluster whole = a_cluster(), wayless = { .connection = whole.connection },
                                nowhere = { .gateway_id = whole.gateway_id };
    struct pn_pam_probe_result got;
    struct pn_err err = { 0 };

    CHECK_OK(try(s, &none, &(struct pn_pam_probe){ .cluster = &nowhere }, &got, &err), err);
    CHECK(got.status.ptr == NULL);
    CHECK_OK(try(s, &none, &(struct pn_pam_probe){ .cluster = &wayless }, &got, &err), err);
    CHECK_STR(got.status, "skipped");
    CHECK_OK(
        try(s, &none, &(struct pn_pam_probe){ .cluster = &whole, .is_skipped = true }, &got, &err),
        err);
    CHECK_STR(got.status, "skipped");
    CHECK_EQ(cluster.asked, 0);
}

/* Whom the gateway would act as is a name, or nothing is asked. */
STAGE_TEST(c82_no_colon_reaches_the_cluster)
{
    static const struct row none = { 0 };
    const struct pn_pam_cluster to = a_cluster();
    const struct pn_pam_probe probe = { .cluster = &to,
                                        .auth_method = PN_PAM_BY_GATEWAY,
                                        .namespace = PN_LIT("dev"),
                                        .service_account_name = PN_LIT("a:b") };
    struct pn_pam_probe_result got;
    struct pn_err err = { 0 };

    CHECK_FAILS(try(s, &none, &probe, &got, &err), err, BAD_REQUEST);
    CHECK_EQ(cluster.asked, 0);
}

/* Nothing is stored of what was refused, and what is kept is tried with what changes. */
STAGE_TEST(a_save_waits_for_the_test)
{
    const struct row no = { NULL, { { 0, PN_REACH_REFUSED, "refused" }, { 500, .words = "" } } },
                     denied = { NULL, { { 401, .words = STATUS("Unauthorized") } } };
    struct pn_call call = stage_call(s, s->admin);
    struct pn_uuid gateway = stage_gateway(s, "edge"), resource, account;
    struct pn_pam_resource_change change = { .project_id = s->project,
                                             .name = PN_LIT("dead"),
                                             .has_name = true,
                                             .cluster.url = PN_LIT("https://dead.test"),
                                             .cluster.has_url = true,
                                             .cluster.gateway_id = gateway,
                                             .cluster.has_gateway = true };
    struct pn_pam_resource got;
    struct pn_pam_account changed;
    struct pn_err err = { 0 };

    resource = stage_resource(s, s->project, "prod", gateway);
    account = stage_account(s, resource, "ro", 60);
    cluster = (struct port){ .port.send = send_it };
    memcpy(cluster.says, no.says, sizeof(cluster.says));
    cluster.says[1].status = 0;
    cluster.says[1].words = "no pod";
    call.reach = &cluster.port;
    CHECK_FAILS(pn_pam_resource_create(&call, &change, &got, &err), err, BAD_REQUEST);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_resources"), 1);
    change.skips_test = true;
    CHECK_OK(pn_pam_resource_create(&call, &change, &got, &err), err);
    CHECK_STR(got.connectionTest.status, "skipped");
    CHECK_EQ(cluster.asked, 2);

    cluster.asked = 0;
    memcpy(cluster.says, denied.says, sizeof(cluster.says));
    CHECK_FAILS(pn_pam_account_update(
                    &call, account,
                    &(struct pn_pam_account_change){ .cluster.url = PN_LIT("https://new.test"),
                                                     .cluster.has_url = true },
                    &changed, &err),
                err, BAD_REQUEST);
    CHECK_EQ(cluster.asked, 1);
    CHECK_STR(cluster.to.host, "https://new.test");
    CHECK(cluster.had_bearer); /* the one that is stored */
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_accounts WHERE url IS NOT NULL"), 0);
    cluster.asked = 0;
    CHECK_OK(pn_pam_account_update(
                 &call, account,
                 &(struct pn_pam_account_change){ .name = PN_LIT("rw"), .has_name = true },
                 &changed, &err),
             err); /* a name needs no test */
    CHECK_EQ(cluster.asked, 0);
}

PN_TEST_MAIN(T(c56_what_each_answer_means), T(nothing_is_asked_where_there_is_nothing_to_ask),
             T(c82_no_colon_reaches_the_cluster), T(a_save_waits_for_the_test))
