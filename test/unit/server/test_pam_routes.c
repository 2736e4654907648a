/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of doc/protocol/gateway-rest.md as JSON, through router and dispatcher, without a transport.
 * Cases C-n are those of the contract, pam-gateway.md §20. */
#include "core/stage.h"

#include "core/auth/token.h"
#include "json/value.h"
#include "server/dispatch.h"
#include "server/routes.h"

struct rest {
    struct stage *s;
    struct pn_router *router;
    struct pn_settings settings;
    struct pn_dispatch_parts parts;
    struct pn_str root, member, robot, gateway,
        relay; /* bearers: administrator's and member's users, … */
    struct pn_uuid gateway_id;
    struct pn_str account_id;
    struct pn_str text; /* the last answer */
    struct pn_value *json;
};

/* The status; the answer is in r->text and r->json until the next call. */
static int call(struct rest *r, const char *method, const char *target, struct pn_str bearer,
                struct pn_str body)
{
    struct pn_request_facts facts = { .request_id = PN_LIT("req-1"),
                                      .ip = PN_LIT("192.0.2.7"),
                                      .user_agent = PN_LIT("cli"),
                                      .body = body };
    struct pn_match match;
    struct pn_answer answer;
    struct pn_err err = { 0 };
    int status;

    if (bearer.len > 0)
        facts.authorization = pn_arena_printf(r->s->arena, "Bearer %.*s", PN_ARG(bearer));
    CHECK_OK(pn_router_match(r->router, pn_str_from(method), pn_str_from(target), r->s->arena,
                             &match, &err),
             err);
    r->parts.settings = &r->settings; /* tests pass their rest on by value */
    pn_dispatch_run(&r->parts, r->s->conn, r->s->arena, &match, &facts, &answer);
    status = answer.status;
    r->text = pn_arena_copy(r->s->arena, pn_buf_str(&answer.body));
    pn_buf_drop(&answer.body);
    pn_value_free(r->json);
    r->json = NULL;
    if (!pn_value_parse(r->text, &r->json, &err))
        pn_err_clear(&err); /* raw bytes */
    if (status >= 500)
        print_error("%s %s: %.*s (%s)\n", method, target, PN_ARG(r->text), answer.err.trace);
    return status;
}

#define BODY(...) pn_arena_printf(r.s->arena, __VA_ARGS__)
#define AT(path) pn_value_str(pn_value_at(r.json, path))
#define PATH(...) (pn_arena_printf(r.s->arena, __VA_ARGS__).ptr)

static bool add_people(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    struct stage *s = context;
    const struct pn_actor *users[] = { &s->admin, &s->member, &s->stranger };

    (void)err;
    for (size_t i = 0; i < PN_COUNT(users); i++) {
        stage_sql(tx,
                  "INSERT INTO login_sessions (id, user_id, version, created_ms, expires_ms)"
                  " VALUES ($a, $a, 1, 1, 9000000000000)",
                  &users[i]->id, NULL);
    }
    stage_sql(tx,
              "INSERT INTO identity_auths (id, identity_id, method, ttl_s, max_ttl_s, period_s,"
              " uses_limit, trusted_ips, created_ms, updated_ms)"
              " VALUES ($a, $a, 'token-auth', 0, 0, 0, 0, '[]', 1, 1)",
              &s->robot.id, NULL);
    stage_sql(tx,
              "INSERT INTO identity_tokens (id, identity_id, auth_method, auth_id, created_ms,"
              " expires_ms) VALUES ($a, $a, 'token-auth', $a, 1, 0)",
              &s->robot.id, NULL);
    return true;
}

static struct pn_str user_token(struct stage *s, const struct pn_actor *user)
{
    struct pn_call as = stage_call(s, *user);
    struct pn_str token;
    struct pn_err err = { 0 };

    CHECK_OK(
        pn_token_for_user(&as, user->id, user->id, 1, s->org, INT64_C(9000000000000), &token, &err),
        err);
    return token;
}

static struct rest rest_start(struct stage *s)
{
    struct rest r = { .s = s, .settings = { .request_timeout = 60000 } };
    struct pn_call as = stage_call(s, s->robot);
    struct pn_err err = { 0 };

    /* Rows with fixed ids: added once, without the second run of debug builds. */
    stage_close(s);
    stage_open(s, false);
    CHECK_OK(pn_db_write(s->db, add_people, s, &err), err);
    stage_close(s);
    stage_open(s, true);
    as = stage_call(s, s->robot);
    CHECK_OK(pn_router_new(pn_route_tables, &r.router, &err), err);
    r.parts = (struct pn_dispatch_parts){ .router = r.router, .db = s->db, .keyring = s->keyring };
    r.root = user_token(s, &s->admin);
    r.member = user_token(s, &s->member);
    CHECK_OK(pn_token_for_identity(&as,
                                   &(struct pn_identity_claims){ .identity = s->robot.id,
                                                                 .org = s->org,
                                                                 .token = s->robot.id,
                                                                 .identity_name = PN_LIT("robot"),
                                                                 .method = PN_LIT("token-auth") },
                                   &r.robot, &err),
             err);
    return r;
}

static void rest_stop(struct rest *r)
{
    pn_value_free(r->json);
    pn_router_free(r->router);
}

/* Creates, mints and enrols over REST: the road of `gateway create` and `gateway start`. */
static void enrol_machines(struct rest *rest)
{
    struct rest r = *rest;

    CHECK_EQ(call(&r, "POST", "/api/v3/gateways", r.root,
                  PN_LIT("{\"name\":\"edge\",\"authMethod\":{\"method\":\"token\"}}")),
             200);
    CHECK(pn_uuid_parse(AT("id"), &r.gateway_id));
    CHECK_EQ(call(&r, "POST", PATH("/api/v3/gateways/%.*s/token", PN_ARG(AT("id"))), r.root,
                  PN_LIT("{}")),
             200);
    CHECK_EQ(pn_value_int(pn_value_at(r.json, "ttl"), 0), 3600);
    CHECK_EQ(call(&r, "POST", "/api/v3/gateways/token-auth/enroll", PN_NONE,
                  BODY("{\"token\":\"%.*s\"}", PN_ARG(AT("token")))),
             200);
    r.gateway = pn_arena_copy(r.s->arena, AT("accessToken"));
    CHECK_EQ(
        call(
            &r, "POST", "/api/v2/relays", r.root,
            PN_LIT(
                "{\"name\":\"eu\",\"host\":\"relay.test\",\"authMethod\":{\"method\":\"token\"}}")),
        200);
    CHECK_EQ(
        call(&r, "POST",
             PATH("/api/v2/relays/%.*s/token-auth/generate-enrollment-token", PN_ARG(AT("id"))),
             r.root, PN_LIT("{}")),
        200);
    CHECK_EQ(call(&r, "POST", "/api/v2/relays/login", PN_NONE,
                  BODY("{\"method\":\"token\",\"token\":\"%.*s\"}", PN_ARG(AT("token")))),
             200);
    CHECK_STR(AT("tokenType"), "Bearer");
    r.relay = pn_arena_copy(r.s->arena, AT("accessToken"));
    CHECK_EQ(call(&r, "POST", "/api/v2/relays/heartbeat", r.relay,
                  BODY("{\"tunnels\":[\"%s\"]}", pn_uuid_format(r.gateway_id).text)),
             200);
    *rest = r;
}

static void make_account(struct rest *rest)
{
    struct rest r = *rest;

    CHECK_EQ(call(&r, "POST", "/api/v1/pam/resources/kubernetes", r.root,
                  BODY("{\"projectId\":\"%s\",\"name\":\"prod\",\"gatewayId\":\"%s\","
                       "\"connectionDetails\":"
                       "{\"url\":\"https://10.0.0.1:6443\",\"sslRejectUnauthorized\":true}}",
                       pn_uuid_format(r.s->project).text, pn_uuid_format(r.gateway_id).text)),
             200);
    CHECK_EQ(call(&r, "POST", "/api/v1/pam/accounts/kubernetes", r.root,
                  BODY("{\"resourceId\":\"%.*s\",\"name\":\"ro\",\"credentials\":{\"authMethod\":"
                       "\"service-account-token\","
                       "\"serviceAccountToken\":\"" STAGE_TOKEN "\"}}",
                       PN_ARG(AT("resource.id")))),
             200);
    r.account_id = pn_arena_copy(r.s->arena, AT("account.id"));
    *rest = r;
}

#define REST_TEST(name)                     \
    static void name##_over(struct rest r); \
    STAGE_TEST(name)                        \
    {                                       \
        struct rest r = rest_start(s);      \
                                            \
        enrol_machines(&r);                 \
        make_account(&r);                   \
        name##_over(r);                     \
    }                                       \
    static void name##_over(struct rest r)

static struct pn_str open_session(struct rest *rest, struct pn_str bearer)
{
    struct rest r = *rest;
    struct pn_str id;

    CHECK_EQ(call(&r, "POST", "/api/v1/pam/accounts/access", bearer,
                  PN_LIT("{\"path\":\"prod/ro\",\"duration\":\"5m\"}")),
             200);
    id = pn_arena_copy(r.s->arena, AT("sessionId"));
    *rest = r;
    return id;
}

REST_TEST(c9_the_gateway_connects)
{
    CHECK_EQ(
        call(&r, "POST", "/api/v3/gateways/connect", r.gateway, PN_LIT("{\"relayName\":\"eu\"}")),
        200);
    CHECK_STR(AT("gatewayName"), "edge");
    CHECK_STR(AT("relayHost"), "relay.test:8443");
    CHECK_STR(AT("relays.0.name"), "eu");
    CHECK_EQ(AT("spoolKey").len, 44);
    CHECK(AT("pki.serverPrivateKey").len > 0 && AT("pki.relayCertificateChain").len > 0);
    CHECK_EQ(
        call(&r, "POST", "/api/v3/gateways/connect", r.gateway, PN_LIT("{\"relayName\":\"mars\"}")),
        404);
    CHECK_STR(AT("message"), "Relay mars not found");
    CHECK_EQ(call(&r, "GET", "/api/v2/gateways/pam-session-key", r.gateway, PN_NONE), 200);
    CHECK_EQ(r.text.len, 32);
    CHECK_EQ(call(&r, "POST", "/api/v2/gateways/heartbeat", r.gateway, PN_LIT("{}")), 200);
    CHECK_STR(AT("message"), "Successfully triggered heartbeat");
    CHECK_EQ(call(&r, "POST", "/api/v2/relays/connect", r.relay, PN_NONE), 200);
    CHECK_STR(AT("host"), "relay.test:8443");
    rest_stop(&r);
}

REST_TEST(c21_relays_are_a_bare_array_with_nulls)
{
    CHECK_EQ(call(&r, "GET", "/api/v1/relays", r.gateway, PN_NONE), 200);
    CHECK(pn_value_is_array(r.json));
    CHECK(pn_value_is_null(pn_value_at(r.json, "0.healthAlertedAt")));
    CHECK(pn_value_is_null(pn_value_at(r.json, "0.identityId")));
    CHECK_EQ(call(&r, "GET", "/api/v2/gateways", r.root, PN_NONE), 200);
    CHECK(pn_value_bool(pn_value_at(r.json, "0.isConnected"), false));
    CHECK_EQ(call(&r, "GET", "/api/v1/relays", r.robot, PN_NONE), 403);
    rest_stop(&r);
}

REST_TEST(c81_access_tells_everything_and_its_metadata_are_strings)
{
    const struct pn_value *metadata, *value;
    struct pn_str name;

    CHECK_EQ(call(&r, "POST", "/api/v1/pam/accounts/access", r.member,
                  PN_LIT("{\"path\":\"/prod/ro\",\"unknown\":{}}")),
             200);
    CHECK_STR(AT("accountType"), "kubernetes");
    CHECK_STR(AT("resourceType"), "kubernetes");
    CHECK_STR(AT("relays.0"), "relay.test:8443");
    CHECK_STR(AT("relayHost"), "relay.test:8443");
    CHECK(pn_str_eq(AT("accountId"), r.account_id));
    CHECK(pn_str_ends(AT("gatewayServerName"), PN_LIT(".gateway.postern.internal")));
    CHECK(pn_str_starts(AT("gatewayClientPrivateKey"), PN_LIT("-----BEGIN PRIVATE KEY-----")));
    metadata = pn_value_at(r.json, "metadata");
    CHECK_EQ(pn_value_count(metadata), 5);
    for (size_t i = 0; pn_value_member(metadata, i, &name, &value); i++)
        CHECK(pn_value_is_string(value));
    CHECK_STR(AT("metadata.accountPath"), "prod/ro");
    rest_stop(&r);
}

REST_TEST(c63_c66_access_refuses_with_400)
{
    CHECK_EQ(call(&r, "POST", "/api/v1/pam/accounts/access", r.member, PN_LIT("{\"path\":\"/\"}")),
             400);
    CHECK_EQ(call(&r, "POST", "/api/v1/pam/accounts/access", r.member, PN_LIT("{}")), 400);
    CHECK_EQ(call(&r, "POST", "/api/v1/pam/accounts/access", r.member,
                  PN_LIT("{\"path\":\"prod/ro\",\"duration\":\"abc\"}")),
             400);
    CHECK_STR(AT("message"), "Invalid duration format");
    CHECK_EQ(call(&r, "POST", "/api/v1/pam/accounts/access", r.member, PN_LIT("{\"path\":7}")),
             422);
    CHECK_EQ(
        call(&r, "POST", "/api/v1/pam/accounts/access", r.member, PN_LIT("{\"path\":\"prod/rx\"}")),
        404);
    CHECK_EQ(
        call(&r, "POST", "/api/v1/pam/accounts/access", PN_NONE, PN_LIT("{\"path\":\"prod/ro\"}")),
        401);
    CHECK_EQ(call(&r, "POST", "/api/v1/pam/accounts/access", r.gateway,
                  PN_LIT("{\"path\":\"prod/ro\"}")),
             403);
    CHECK_EQ(call(&r, "POST", "/api/v1/pam/accounts/access", r.member,
                  BODY("{\"path\":\"prod/ro\",\"reason\":\"%0*d\"}", 1001, 0)),
             422);
    rest_stop(&r);
}

REST_TEST(c82_bad_names_are_422_all_at_once)
{
    CHECK_EQ(call(&r, "POST", "/api/v1/pam/resources/kubernetes", r.root,
                  BODY("{\"projectId\":\"%s\",\"name\":\"Prod_1\",\"connectionDetails\":{\"url\":"
                       "\"http://plain\"}}",
                       pn_uuid_format(r.s->project).text)),
             422);
    CHECK_EQ(pn_value_count(pn_value_at(r.json, "message")), 2);
    CHECK_EQ(call(&r, "POST", "/api/v1/pam/accounts/kubernetes", r.root,
                  BODY("{\"resourceId\":\"%s\",\"name\":\"a:b\",\"credentials\":{\"authMethod\":"
                       "\"kerberos\","
                       "\"namespace\":\"a:b\",\"serviceAccountName\":\"a:b\"}}",
                       pn_uuid_format(r.s->project).text)),
             422);
    CHECK_EQ(pn_value_count(pn_value_at(r.json, "message")), 4);
    CHECK_EQ(call(&r, "POST", "/api/v3/gateways", r.root,
                  PN_LIT("{\"name\":\"Not A Slug\",\"authMethod\":{\"method\":\"aws\"}}")),
             422);
    CHECK_EQ(pn_value_count(pn_value_at(r.json, "message")), 2);
    rest_stop(&r);
}

REST_TEST(c84_a_token_never_comes_back)
{
    static const char *const targets[] = { "/api/v1/pam/accounts/%.*s",
                                           "/api/v1/pam/accounts/kubernetes/%.*s" };
    struct pn_str project = pn_uuid_str(r.s->arena, r.s->project);

    CHECK_EQ(call(&r, "GET", PATH(targets[0], PN_ARG(r.account_id)), r.root, PN_NONE), 200);
    CHECK(pn_str_search(r.text, PN_LIT(STAGE_TOKEN)) < 0 &&
          pn_str_search(r.text, PN_LIT("serviceAccountToken")) < 0);
    CHECK_EQ(call(&r, "GET", PATH(targets[1], PN_ARG(r.account_id)), r.member, PN_NONE), 200);
    CHECK_STR(AT("account.accountPath"), "prod/ro");
    CHECK_EQ(call(&r, "GET", PATH("/api/v1/pam/accounts?projectId=%.*s&limit=100", PN_ARG(project)),
                  r.root, PN_NONE),
             200);
    CHECK_EQ(pn_value_int(pn_value_at(r.json, "totalCount"), 0), 1);
    CHECK(pn_str_search(r.text, PN_LIT(STAGE_TOKEN)) < 0);
    CHECK_EQ(
        call(&r, "PATCH", PATH(targets[1], PN_ARG(r.account_id)), r.root,
             PN_LIT(
                 "{\"description\":null,\"credentials\":{\"serviceAccountToken\":\"bad token\"}}")),
        422);
    CHECK_STR(AT("message.0.path.1"), "serviceAccountToken");
    CHECK(pn_str_search(r.text, PN_LIT("bad token")) < 0);
    CHECK_EQ(
        call(&r, "PATCH", PATH(targets[1], PN_ARG(r.account_id)), r.root,
             PN_LIT("{\"credentials\":{\"serviceAccountToken\":\"__INFISICAL_UNCHANGED__\"}}")),
        200);
    CHECK_EQ(call(&r, "DELETE", PATH(targets[1], PN_ARG(r.account_id)), r.member, PN_NONE), 403);
    CHECK_EQ(call(&r, "DELETE", PATH(targets[1], PN_ARG(r.account_id)), r.root, PN_NONE), 200);
    CHECK(pn_str_search(r.text, PN_LIT(STAGE_TOKEN)) < 0);
    rest_stop(&r);
}

REST_TEST(a_second_factor_is_refused_rather_than_forgotten)
{
    struct pn_str target = BODY("/api/v1/pam/accounts/kubernetes/%.*s", PN_ARG(r.account_id));

    CHECK_EQ(call(&r, "PATCH", target.ptr, r.root, PN_LIT("{\"requireMfa\":true}")), 422);
    CHECK_STR(AT("message.0.path.0"), "requireMfa");
    CHECK_EQ(call(&r, "PATCH", target.ptr, r.root, PN_LIT("{\"requireMfa\":false}")), 200);
    CHECK(!pn_value_bool(pn_value_at(r.json, "account.requireMfa"), true));
    rest_stop(&r);
}

REST_TEST(a_resource_changes_in_parts)
{
    struct pn_str project = pn_uuid_str(r.s->arena, r.s->project), id;

    CHECK_EQ(call(&r, "GET", PATH("/api/v1/pam/resources?projectId=%.*s", PN_ARG(project)),
                  r.member, PN_NONE),
             200);
    id = pn_arena_copy(r.s->arena, AT("resources.0.id"));
    CHECK_EQ(call(&r, "PATCH", PATH("/api/v1/pam/resources/kubernetes/%.*s", PN_ARG(id)), r.root,
                  PN_LIT("{\"connectionDetails\":{\"sslRejectUnauthorized\":false}}")),
             200);
    CHECK(!pn_value_bool(pn_value_at(r.json, "resource.connectionDetails.sslRejectUnauthorized"),
                         true));
    CHECK_STR(AT("resource.connectionDetails.url"), "https://10.0.0.1:6443");
    CHECK_STR(AT("resource.gatewayName"), "edge");
    CHECK_EQ(call(&r, "PATCH", PATH("/api/v1/pam/resources/kubernetes/%.*s", PN_ARG(id)), r.root,
                  PN_LIT("{\"gatewayId\":null,\"name\":\"live\"}")),
             200);
    CHECK(!pn_value_bool(pn_value_at(r.json, "resource.connectionDetails.sslRejectUnauthorized"),
                         true));
    CHECK(pn_value_is_null(pn_value_at(r.json, "resource.gatewayId")));
    CHECK_EQ(call(&r, "PATCH", PATH("/api/v1/pam/resources/kubernetes/%.*s", PN_ARG(id)), r.member,
                  PN_LIT("{}")),
             403);
    CHECK_EQ(call(&r, "GET", "/api/v1/pam/resources", r.member, PN_NONE), 422);
    rest_stop(&r);
}

REST_TEST(a_session_from_access_to_its_log)
{
    struct pn_str id = open_session(&r, r.robot);

    CHECK_EQ(call(&r, "GET", PATH("/api/v1/pam/sessions/%.*s/credentials", PN_ARG(id)), r.robot,
                  PN_NONE),
             403);
    CHECK_EQ(call(&r, "GET", PATH("/api/v1/pam/sessions/%.*s/credentials", PN_ARG(id)), r.gateway,
                  PN_NONE),
             200);
    CHECK_STR(AT("credentials.serviceAccountToken"), STAGE_TOKEN);
    CHECK(pn_value_bool(pn_value_at(r.json, "credentials.sslRejectUnauthorized"), false));
    CHECK(pn_value_at(r.json, "credentials.sslCertificate") == NULL);
    CHECK_STR(AT("session.actorName"), "robot");
    CHECK(pn_str_eq(AT("session.accountId"), r.account_id));
    CHECK_EQ(call(&r, "POST",
                  PATH("/api/v1/pam/sessions/%.*s/event-batches?startOffset=0", PN_ARG(id)),
                  r.gateway, PN_LIT("[{\"seq\":0,\"eventType\":\"request\"}]")),
             200);
    CHECK_STR(r.text, "{\"ok\":true}");
    CHECK_EQ(call(&r, "POST",
                  PATH("/api/v1/pam/sessions/%.*s/event-batches?startOffset=0", PN_ARG(id)),
                  r.gateway, PN_LIT("[{\"seq\":7}]")),
             409);
    CHECK_EQ(pn_value_int(pn_value_at(r.json, "details.endOffset"), 0), 1);
    CHECK_EQ(call(&r, "POST", PATH("/api/v1/pam/sessions/%.*s/event-batches", PN_ARG(id)),
                  r.gateway, PN_LIT("[]")),
             422);
    CHECK_EQ(call(&r, "POST", PATH("/api/v1/pam/sessions/x/event-batches?startOffset=0"), r.gateway,
                  PN_LIT("[]")),
             422);
    CHECK_EQ(call(&r, "POST", "/api/v1/pam/gateways/sync", r.gateway,
                  BODY("{\"sessions\":[\"%.*s\"]}", PN_ARG(id))),
             200);
    CHECK_STR(r.text, "{\"ended\":[]}");
    CHECK_EQ(
        call(&r, "POST", "/api/v1/pam/gateways/sync", r.gateway, PN_LIT("{\"sessions\":[\"x\"]}")),
        422);
    CHECK_EQ(call(&r, "POST", PATH("/api/v1/pam/sessions/%.*s/end", PN_ARG(id)), r.robot, PN_NONE),
             200);
    CHECK_STR(AT("message"), "Session ended");
    CHECK_STR(AT("session.status"), "ended");
    CHECK_EQ(call(&r, "POST", "/api/v1/pam/gateways/sync", r.gateway,
                  BODY("{\"sessions\":[\"%.*s\"]}", PN_ARG(id))),
             200);
    CHECK_STR(AT("ended.0.status"), "ended");
    CHECK_EQ(call(&r, "GET", PATH("/api/v1/pam/sessions/%.*s/credentials", PN_ARG(id)), r.gateway,
                  PN_NONE),
             400);
    CHECK_STR(AT("details.status"), "ended");
    CHECK_EQ(call(&r, "GET", PATH("/api/v1/pam/sessions/%.*s/logs?offset=0&limit=5", PN_ARG(id)),
                  r.robot, PN_NONE),
             200);
    CHECK_STR(
        r.text,
        "{\"logs\":[{\"seq\":0,\"eventType\":\"request\"}],\"hasMore\":false,\"batchCount\":1}");
    CHECK_EQ(call(&r, "GET", PATH("/api/v1/pam/sessions/%.*s/logs", PN_ARG(id)), r.member, PN_NONE),
             404);
    rest_stop(&r);
}

REST_TEST(sessions_are_listed_and_terminated)
{
    struct pn_str project = pn_uuid_str(r.s->arena, r.s->project), id = open_session(&r, r.member);

    CHECK_EQ(call(&r, "GET",
                  PATH("/api/v1/pam/sessions?projectId=%.*s&status=starting", PN_ARG(project)),
                  r.root, PN_NONE),
             200);
    CHECK_EQ(pn_value_int(pn_value_at(r.json, "totalCount"), 0), 1);
    CHECK_STR(AT("sessions.0.actorEmail"), "member@acme.test");
    CHECK(pn_value_is_null(pn_value_at(r.json, "sessions.0.startedAt")));
    CHECK_EQ(call(&r, "GET",
                  PATH("/api/v1/pam/sessions?projectId=%.*s&status=done", PN_ARG(project)), r.root,
                  PN_NONE),
             422);
    CHECK_EQ(call(&r, "POST", PATH("/api/v1/pam/sessions/%.*s/terminate", PN_ARG(id)), r.member,
                  PN_LIT("{}")),
             403);
    CHECK_EQ(call(&r, "POST", PATH("/api/v1/pam/sessions/%.*s/terminate", PN_ARG(id)), r.root,
                  PN_LIT("{}")),
             200);
    CHECK_STR(AT("session.status"), "terminated");
    CHECK_EQ(call(&r, "POST", PATH("/api/v1/pam/sessions/%.*s/terminate", PN_ARG(id)), r.root,
                  PN_LIT("{}")),
             400);
    CHECK_EQ(call(&r, "GET", PATH("/api/v1/pam/sessions/%.*s", PN_ARG(id)), r.member, PN_NONE),
             200);
    CHECK_STR(AT("session.endReason"), "Terminated by an administrator");
    CHECK_EQ(call(&r, "GET", PATH("/api/v1/pam/sessions/%.*s", PN_ARG(id)), r.robot, PN_NONE), 404);
    rest_stop(&r);
}

REST_TEST(machines_have_their_own_calls_and_no_others)
{
    static const struct {
        const char *method, *target;
    } of_gateways[] = { { "POST", "/api/v3/gateways/connect" },
                        { "POST", "/api/v2/gateways/heartbeat" },
                        { "GET", "/api/v2/gateways/pam-session-key" },
                        { "POST", "/api/v1/pam/gateways/sync" } },
      of_relays[] = { { "POST", "/api/v2/relays/connect" },
                      { "POST", "/api/v2/relays/heartbeat" } },
      of_people[] = { { "GET", "/api/v2/gateways" },
                      { "POST", "/api/v3/gateways" },
                      { "POST", "/api/v2/relays" },
                      { "GET", "/api/v1/pam/sessions" },
                      { "POST", "/api/v1/pam/accounts/access" },
                      { "GET", "/api/v1/pam/resources" } };

    for (size_t i = 0; i < PN_COUNT(of_gateways); i++) {
        CHECK_EQ(call(&r, of_gateways[i].method, of_gateways[i].target, PN_NONE, PN_LIT("{}")),
                 401);
        CHECK_EQ(call(&r, of_gateways[i].method, of_gateways[i].target, r.root, PN_LIT("{}")), 403);
        CHECK_EQ(call(&r, of_gateways[i].method, of_gateways[i].target, r.relay, PN_LIT("{}")),
                 403);
    }
    for (size_t i = 0; i < PN_COUNT(of_relays); i++) {
        CHECK_EQ(call(&r, of_relays[i].method, of_relays[i].target, PN_NONE, PN_LIT("{}")), 401);
        CHECK_EQ(call(&r, of_relays[i].method, of_relays[i].target, r.root, PN_LIT("{}")), 403);
        CHECK_EQ(call(&r, of_relays[i].method, of_relays[i].target, r.gateway, PN_LIT("{}")), 403);
    }
    for (size_t i = 0; i < PN_COUNT(of_people); i++) {
        CHECK_EQ(call(&r, of_people[i].method, of_people[i].target, PN_NONE, PN_LIT("{}")), 401);
        CHECK_EQ(call(&r, of_people[i].method, of_people[i].target, r.gateway, PN_LIT("{}")), 403);
        CHECK_EQ(call(&r, of_people[i].method, of_people[i].target, r.relay, PN_LIT("{}")), 403);
    }
    CHECK_EQ(call(&r, "POST", "/api/v2/relays/heartbeat", r.relay, PN_LIT("{\"tunnels\":[\"x\"]}")),
             422);
    CHECK_EQ(call(&r, "POST", "/api/v3/gateways/login", PN_NONE,
                  PN_LIT("{\"method\":\"token\",\"token\":\"gwe_x\"}")),
             401);
    CHECK_EQ(call(&r, "POST", "/api/v2/relays/login", PN_NONE,
                  PN_LIT("{\"method\":\"aws\",\"token\":\"rle_x\"}")),
             422);
    rest_stop(&r);
}

REST_TEST(c6_a_revoked_gateway_is_out)
{
    CHECK_EQ(call(&r, "POST", PATH("/api/v3/gateways/%s/revoke", pn_uuid_format(r.gateway_id).text),
                  r.root, PN_LIT("{}")),
             200);
    CHECK_EQ(pn_value_int(pn_value_at(r.json, "deletedTokenCount"), 0), 1);
    CHECK_EQ(call(&r, "POST", "/api/v3/gateways/connect", r.gateway, PN_LIT("{}")), 401);
    CHECK_EQ(call(&r, "GET", PATH("/api/v3/gateways/%s", pn_uuid_format(r.gateway_id).text), r.root,
                  PN_NONE),
             200);
    CHECK(pn_value_is_null(pn_value_at(r.json, "heartbeat")));
    CHECK_STR(AT("authMethod.method"), "token");
    CHECK_EQ(call(&r, "DELETE", PATH("/api/v2/gateways/%s", pn_uuid_format(r.gateway_id).text),
                  r.root, PN_NONE),
             400);
    rest_stop(&r);
}

PN_TEST_MAIN(T(c9_the_gateway_connects), T(c21_relays_are_a_bare_array_with_nulls),
             T(c81_access_tells_everything_and_its_metadata_are_strings),
             T(c63_c66_access_refuses_with_400), T(c82_bad_names_are_422_all_at_once),
             T(c84_a_token_never_comes_back), T(a_second_factor_is_refused_rather_than_forgotten),
             T(a_resource_changes_in_parts), T(a_session_from_access_to_its_log),
             T(sessions_are_listed_and_terminated), T(machines_have_their_own_calls_and_no_others),
             T(c6_a_revoked_gateway_is_out))
