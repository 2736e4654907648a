/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that there are, against a pretend server. */
#include "cli/applets.h"
#include "cli/stage.h"

#include <sys/wait.h>

#define ID "01a20591-b4b3-7a63-bac2-af80c2884fb1"

/* ---- the tables ---- */

static void check_options(const struct pn_command *c)
{
    for (const struct pn_option *o = c->options; o != NULL && o->name != NULL; o++) {
        CHECK(o->help != NULL && o->help[0] != '\0');
        CHECK(strncmp(o->name, "-", 1) != 0);
        for (const struct pn_option *p = c->options; p != o; p++)
            CHECK(strcmp(o->name, p->name) != 0);
    }
}

PN_TEST(every_command_is_complete_and_has_help)
{
    for (size_t t = 0; pn_command_tables[t] != NULL; t++) {
        for (const struct pn_command *c = pn_command_tables[t]; c->words != NULL; c++) {
            char words[128];
            const struct ran *r;

            CHECK(c->arguments != NULL && c->summary != NULL && c->run != NULL);
            CHECK(c->summary[strlen(c->summary) - 1] != '.');
            CHECK(c->min_args <= c->max_args);
            check_options(c);
            snprintf(words, sizeof words, "%s --help", c->words);
            r = ran(words);
            CHECK_RAN(r, 0);
            CHECK_SAYS(r->out, c->words);
            CHECK_SAYS(r->out, c->summary);
            for (const struct pn_option *o = c->options; o != NULL && o->name != NULL; o++)
                CHECK_SAYS(r->out, o->name);
            CHECK_SAYS(ran("help")->out, c->words);
        }
    }
}

/* The page that is committed is the one that this program prints. */
PN_TEST(the_manual_page_is_true)
{
    struct pn_buf page = pn_buf_init(1 << 20);
    struct pn_err err = { 0 };
    const struct ran *r = ran("help --man");

    CHECK_RAN(r, 0);
    CHECK_OK(pn_file_read(TOP "/doc/man/postern.1", 1 << 20, &page, &err), err);
    if (!pn_str_eq(pn_str_from(r->out), pn_buf_str(&page)))
        print_error("out of date: build/postern help --man > doc/man/postern.1\n");
    CHECK(pn_str_eq(pn_str_from(r->out), pn_buf_str(&page)));
    pn_buf_drop(&page);
}

/* An example that the parser refuses would teach nonsense. */
PN_TEST(examples_name_commands_that_exist)
{
    for (size_t t = 0; pn_command_tables[t] != NULL; t++) {
        for (const struct pn_command *c = pn_command_tables[t]; c->words != NULL; c++) {
            const char *at = c->examples;

            if (at == NULL)
                continue;
            CHECK(at[0] == ' ' && at[strlen(at) - 1] == '\n');
            CHECK_SAYS(at, "postern ");
            CHECK_SAYS(at, c->words);
        }
    }
}

PN_TEST(no_secret_is_an_argument)
{
    static const char *const bad[] = { "password", "token", "secret", "key" };

    for (size_t t = 0; pn_command_tables[t] != NULL; t++) {
        for (const struct pn_command *c = pn_command_tables[t]; c->words != NULL; c++) {
            for (const struct pn_option *o = c->options; o != NULL && o->name != NULL; o++) {
                for (size_t i = 0; i < PN_COUNT(bad); i++)
                    CHECK(strcmp(o->name, bad[i]) != 0);
            }
        }
    }
}

/* ---- commands against a server ---- */

#define RESOURCES "{\"resources\":[{\"id\":\"R1\",\"name\":\"prod\"}]}"
#define ENDED "{\"session\":{\"status\":\"ended\",\"endedAt\":\"2020-01-01T00:00:00.000Z\"}}"
#define ACCOUNTS "{\"accounts\":[{\"id\":\"A1\",\"name\":\"viewer\",\"resourceName\":\"prod\"}]}"

PN_TEST(commands_are_calls)
{
    static const struct scene cases[] = {
        { "pam session list",
          { { 200, "{\"sessions\":[{\"id\":\"S1\",\"status\":\"active\"}]}" } },
          "GET /api/v1/pam/sessions?projectId=project-1&limit=100",
          0,
          "S1",
          "" },
        { "pam session list --status active --limit 7 -o json",
          { { 200, "{\"sessions\":[]}" } },
          "GET /api/v1/pam/sessions?projectId=project-1&status=active&limit=7",
          0,
          "[]\n",
          "" },
        { "pam session list --project p&2",
          { { 200, "{\"sessions\":[]}" } },
          "GET /api/v1/pam/sessions?projectId=p%262&limit=100",
          0,
          "ID",
          "" },
        { "pam session show " ID,
          { { 200, "{\"session\":{\"id\":\"" ID "\"}}" } },
          "GET /api/v1/pam/sessions/" ID,
          0,
          ID,
          "" },
        { "pam session show " ID,
          { { 404, "{\"error\":\"NotFound\",\"message\":\"No such one\"}" } },
          "GET /api/v1/pam/sessions/" ID,
          6,
          "",
          "No such one" },
        { "pam session end " ID,
          { { 200, "{\"message\":\"Session ended\",\"session\":{}}" } },
          "POST /api/v1/pam/sessions/" ID "/end",
          0,
          "The session has ended.",
          "" },
        { "pam session logs " ID,
          { { 200, ENDED }, { 200, "{\"logs\":[],\"hasMore\":false,\"batchCount\":0}" } },
          "GET /api/v1/pam/sessions/" ID "/logs?limit=100&offset=0",
          0,
          "TIME",
          "" },
        { "pam session logs " ID,
          { { 404, "{\"error\":\"NotFound\",\"message\":\"No such one\"}" } },
          "GET /api/v1/pam/sessions/" ID,
          6,
          "",
          "No such one" },
        { "pam session logs " ID,
          { { 200, ENDED },
            { 200, "{\"logs\":[],\"hasMore\":true,\"batchCount\":100}" },
            { 200, "{\"logs\":[],\"hasMore\":true,\"batchCount\":0}" } },
          "GET /api/v1/pam/sessions/" ID "/logs?limit=100&offset=100",
          0,
          "TIME",
          "" },
        { "pam resource list",
          { { 200, RESOURCES } },
          "GET /api/v1/pam/resources?projectId=project-1&limit=100",
          0,
          "prod",
          "" },
        { "pam resource show prod",
          { { 200, RESOURCES }, { 200, "{\"resource\":{\"id\":\"R1\"}}" } },
          "GET /api/v1/pam/resources/kubernetes/R1",
          0,
          "R1",
          "" },
        { "pam resource show test",
          { { 200, RESOURCES } },
          "GET /api/v1/pam/resources?projectId=project-1&search=test&limit=100",
          6,
          "",
          "there is no resource \"test\"" },
        { "pam resource delete prod",
          { { 200, RESOURCES }, { 200, "{\"resource\":{\"id\":\"R1\"}}" } },
          "DELETE /api/v1/pam/resources/kubernetes/R1",
          0,
          "R1",
          "" },
        { "pam resource create new --url https://k:6443",
          { { 200, "[{\"id\":\"G1\",\"name\":\"edge\"}]" },
            { 200, "{\"resource\":{\"name\":\"new\"}}" } },
          "POST /api/v1/pam/resources/kubernetes",
          0,
          "new",
          "" },
        { "pam resource create new --url https://k:6443",
          { { 200, "[{\"id\":\"G1\",\"name\":\"a\"},{\"id\":\"G2\",\"name\":\"b\"}]" } },
          "GET /api/v2/gateways",
          64,
          "",
          "say which with --gateway" },
        { "pam resource create new --url https://k:6443 --gateway c",
          { { 200, "[]" } },
          "GET /api/v2/gateways",
          6,
          "",
          "there is no gateway \"c\"" },
        { "pam account list",
          { { 200, ACCOUNTS } },
          "GET /api/v1/pam/accounts?projectId=project-1&limit=100",
          0,
          "viewer",
          "" },
        { "pam account show prod/viewer",
          { { 200, RESOURCES }, { 200, ACCOUNTS }, { 200, "{\"account\":{\"id\":\"A1\"}}" } },
          "GET /api/v1/pam/accounts/A1",
          0,
          "A1",
          "" },
        { "pam account show prod/nobody",
          { { 200, RESOURCES }, { 200, ACCOUNTS } },
          "GET "
          "/api/v1/pam/accounts?projectId=project-1&resourceId=R1&search=nobody&limit=100",
          6,
          "",
          "there is no account \"nobody\" of \"prod\"" },
        { "pam account delete prod/viewer",
          { { 200, RESOURCES }, { 200, ACCOUNTS }, { 200, "{\"account\":{\"id\":\"A1\"}}" } },
          "DELETE /api/v1/pam/accounts/kubernetes/A1",
          0,
          "A1",
          "" },
        { "pam access prod/viewer -- true",
          { { 403, "{\"message\":\"Not you\"}" } },
          "POST /api/v1/pam/accounts/access",
          5,
          "",
          "postern: Not you" },
        { "pam access prod/viewer -- true",
          { { 200, "{}" } },
          "POST /api/v1/pam/accounts/access",
          7,
          "",
          "lacks what a session needs" },
        { "project create platform",
          { { 200, "{\"project\":{\"id\":\"P1\",\"name\":\"platform\"}}" } },
          "POST /api/v1/projects",
          0,
          "platform",
          "" },
        { "project list",
          { { 200, "{\"projects\":[{\"id\":\"P1\",\"name\":\"x\"}]}" } },
          "GET /api/v1/projects",
          0,
          "P1",
          "" },
        { "gateway list -o yaml",
          { { 200, "[{\"name\":\"dev\"}]" } },
          "GET /api/v2/gateways",
          0,
          "- name: dev\n",
          "" },
        { "gateway create edge -o json",
          { { 200, "{\"id\":\"G1\",\"name\":\"edge\"}" }, { 200, "{\"token\":\"gwe_1\"}" } },
          "POST /api/v3/gateways/G1/token",
          0,
          "{\n  \"id\": \"G1\",\n  \"name\": \"edge\",\n  \"token\": \"gwe_1\"\n}\n",
          "" },
        { "gateway create edge",
          { { 409, "{\"message\":\"There is one\"}" } },
          "POST /api/v3/gateways",
          2,
          "",
          "There is one" },
        { "gateway create edge",
          { { 200, "{\"id\":\"G1\"}" }, { 503, "{\"message\":\"Busy\"}" }, { 200, "{}" } },
          "DELETE /api/v3/gateways/G1",
          7,
          "",
          "Busy" },
        { "relay create eu --host relay.example",
          { { 200, "{\"id\":\"L1\"}" }, { 200, "{\"token\":\"rle_1\"}" } },
          "POST /api/v2/relays/L1/token-auth/generate-enrollment-token",
          0,
          "rle_1",
          "" },
        { "status",
          { { 200, "{\"message\":\"Ok\"}" }, { 200, "{}" } },
          "GET /api/v1/identities/details",
          0,
          "a machine identity",
          "" },
        { "status",
          { { 200, "{\"message\":\"Ok\"}" }, { 401, "{\"message\":\"Expired\"}" } },
          "GET /api/v1/identities/details",
          4,
          "",
          "the token in POSTERN_TOKEN is not accepted" },
        { "status",
          { { 200, "{\"message\":\"Ok\"}" }, { 403, "{}" }, { 200, "{}" } },
          "POST /api/v1/auth/checkAuth",
          0,
          "a person",
          "" },
    };
    struct stage s;

    up(&s, state);
    for (size_t i = 0; i < PN_COUNT(cases); i++)
        stage_play(&s, "postern", &cases[i]);
    down(&s);
}

/* A name that fits no path was "-" in it: another thing's, perhaps, which was then deleted. */
PN_TEST(a_name_that_is_too_long_is_refused)
{
    static const char *const before[] = { "secret get ", "folder delete /", "identity get ",
                                          "project get --project ", "env list --project " };
    char words[3400];
    struct stage s;

    up(&s, state);
    HOST_SAYS(&s.host, { 200, "{}" });
    for (size_t i = 0; i < PN_COUNT(before); i++) {
        size_t len = strlen(before[i]);

        memcpy(words, before[i], len);
        memset(words + len, '+', sizeof words - len - 1); /* each is three bytes in a path */
        words[sizeof words - 1] = '\0';
        CHECK(ran(words)->code != 0);
        CHECK(strstr(s.host.last, "-") == NULL || strstr(s.host.last, "/-") == NULL);
    }
    down(&s);
}

/* What is cut says so, and more than the server gives at once is asked for page by page. */
PN_TEST(a_list_of_sessions_is_as_long_as_wanted)
{
    struct pn_buf page = pn_buf_init(1 << 16);
    const struct ran *r;
    struct stage s;

    up(&s, state);
    pn_buf_add_text(&page, "{\"sessions\":[");
    for (int i = 0; i < 100; i++)
        pn_buf_addf(&page, "%s{\"id\":\"s%d\"}", i > 0 ? "," : "", i);
    pn_buf_add_text(&page, "]}");
    HOST_SAYS(&s.host, { 200, pn_buf_cstr(&page) });
    r = ran("pam session list");
    CHECK_RAN(r, 0);
    CHECK_SAYS(r->err, "there may be more: --limit N");
    HOST_SAYS(&s.host, { 200, pn_buf_cstr(&page) }, { 200, "{\"sessions\":[{\"id\":\"last\"}]}" });
    r = ran("pam session list --limit 150");
    CHECK_RAN(r, 0);
    CHECK_SAYS(r->out, "last");
    CHECK_EQ(r->err[0], '\0');
    CHECK_STR(pn_str_from(s.host.last),
              "GET /api/v1/pam/sessions?projectId=project-1&limit=50&offset=100");
    pn_buf_drop(&page);
    down(&s);
}

PN_TEST(lists_go_on_to_the_last_page)
{
    struct pn_buf page = pn_buf_init(1 << 16);
    const struct ran *r;
    struct pn_value *list;
    struct pn_err err = { 0 };
    struct stage s;

    up(&s, state);
    pn_buf_add_text(&page, "{\"resources\":[");
    for (int i = 0; i < 100; i++)
        pn_buf_addf(&page, "%s{\"name\":\"r%d\"}", i > 0 ? "," : "", i);
    pn_buf_add_text(&page, "]}");
    HOST_SAYS(&s.host, { 200, pn_buf_cstr(&page) }, { 200, RESOURCES });
    r = ran("pam resource list -o json");
    CHECK_RAN(r, 0);
    CHECK_OK(pn_value_parse(pn_str_from(r->out), &list, &err), err);
    CHECK_EQ(pn_value_count(list), 101);
    CHECK_STR(pn_value_str(pn_value_at(list, "100.name")), "prod");
    CHECK_STR(pn_str_from(s.host.last),
              "GET /api/v1/pam/resources?projectId=project-1&limit=100&offset=100");
    pn_value_free(list);
    pn_buf_drop(&page);
    down(&s);
}

/* In a process of its own, for what hardens its process. */
static int ran_apart(const char *words)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0)
        _exit(ran(words)->code);
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Nobody is asked when the words are wrong. */
PN_TEST(wrong_words_make_no_calls)
{
    static const char *const wrong[] = {
        "pam access",
        "pam access noslash",
        "pam access /a",
        "pam access a/ -- true",
        "pam access a/b --port 70000",
        "pam access a/b --port x",
        "pam session show not-an-id",
        "pam session logs ../../x",
        "pam session end x",
        "pam resource create x",
        "pam resource create x --url u --ca-file f --insecure-skip-tls-verify",
        "pam account create a/b",
        "pam account create noslash --token-file /dev/null",
        "pam account create a/ --token-file /dev/null",
        "relay create eu",
        "kube credential ../config",
        "gateway start Wrong_Name --token-file /dev/null",
        "gateway manifest edge --domain nowhere",
        "gateway manifest edge --domain http://postern.example",
        "gateway manifest edge --domain https://postern.example#\nevil:",
        "gateway manifest edge --domain https://postern.example/\thostNetwork:\ttrue",
        "pam session list --limit 0",
        "pam session list --limit many",
        "secret set A=b --type personal --comment why",
    };
    struct stage s;

    up(&s, state);
    HOST_SAYS(&s.host, { 500, "" });
    for (size_t i = 0; i < PN_COUNT(wrong); i++) {
        const struct ran *r;

        if (strncmp(wrong[i], "gateway start", 13) == 0) {
            CHECK_EQ(ran_apart(wrong[i]), 64);
            continue;
        }
        r = ran(wrong[i]);
        CHECK_RAN(r, 64);
        CHECK_EQ(r->out[0], '\0');
    }
    CHECK_EQ(host_calls(&s.host), 0);
    down(&s);
}

PN_TEST(no_session_is_opened_for_a_command_that_does_not_exist)
{
    struct stage s;

    up(&s, state);
    CHECK_RAN(ran("pam access a/b -- /no/such/command"), 127);
    CHECK_RAN(ran("pam access a/b -- no-such-command"), 127);
    CHECK_EQ(host_calls(&s.host), 0);
    down(&s);
}

PN_TEST(login_stores_and_logout_forgets)
{
    const struct ran *r;
    struct stage s;

    up(&s, state);
    unsetenv("POSTERN_TOKEN");
    home_write(s.home, "password", "correct horse\n", 0600);
    HOST_SAYS(&s.host, { 200, "{\"accessToken\":\"first\"}" },
              { 200, "{\"organizations\":[{\"id\":\"O1\"}]}" }, { 200, "{\"token\":\"second\"}" });
    r = ran(
        pn_cstr(s.home->arena,
                pn_arena_printf(s.home->arena, "login --email ada@example.com --password-file %s",
                                home_file(s.home, "password"))));
    CHECK_RAN(r, 0);
    CHECK_SAYS(r->out, "as ada@example.com");
    CHECK_STR(pn_str_from(s.host.authorization), "Bearer first");
    CHECK_EQ(home_mode(s.home, "postern/credentials.json"), 0600);
    HOST_SAYS(&s.host, { 200, "{\"message\":\"Ok\"}" }, { 200, "{}" });
    CHECK_SAYS(ran("status")->out, "ada@example.com");
    CHECK_STR(pn_str_from(s.host.authorization), "Bearer second");
    HOST_SAYS(&s.host, { 503, "{\"message\":\"Away\"}" });
    r = ran("logout");
    CHECK_RAN(r, 0);
    CHECK_SAYS(r->err, "the server was not told: Away");
    CHECK(!pn_file_exists(home_file(s.home, "postern/credentials.json")));
    HOST_SAYS(&s.host, { 401, "{\"message\":\"Token missing\"}" });
    CHECK_RAN(ran("pam session list"), 4);
    down(&s);
}

PN_TEST(a_login_that_fails_stores_nothing)
{
    static const struct host_answer answers[][3] = {
        { { 400, "{\"message\":\"Wrong\"}" } },
        { { 200, "{}" } },
        { { 200, "{\"accessToken\":\"first\"}" }, { 200, "{\"organizations\":[]}" } },
        { { 200, "{\"accessToken\":\"first\"}" },
          { 200, "{\"organizations\":[{\"id\":\"O1\"},{\"id\":\"O2\"}]}" } },
        { { 200, "{\"accessToken\":\"first\"}" },
          { 200, "{\"organizations\":[{\"id\":\"O1\"}]}" },
          { 403, "{\"message\":\"No\"}" } },
    };
    static const int codes[] = { 2, 7, 5, 64, 5 };
    struct stage s;

    up(&s, state);
    unsetenv("POSTERN_TOKEN");
    home_write(s.home, "password", "correct horse\n", 0600);
    for (size_t i = 0; i < PN_COUNT(answers); i++) {
        char words[256];

        snprintf(words, sizeof words, "login --email a@b.c --password-file %s",
                 home_file(s.home, "password"));
        host_says(&s.host, answers[i], 3);
        CHECK_RAN(ran(words), codes[i]);
        CHECK(!pn_file_exists(home_file(s.home, "postern/credentials.json")));
    }
    down(&s);
}

PN_TEST(the_project_is_the_only_one)
{
    static const struct {
        const char *projects;
        int code;
        const char *says;
    } cases[] = {
        { "{\"projects\":[{\"id\":\"P7\"}]}", 0, "" },
        { "{\"projects\":[]}", 64, "not a member of a project" },
        { "{\"projects\":[{\"id\":\"P7\"},{\"id\":\"P8\"}]}", 64, "--project ID" },
    };
    struct stage s;

    up(&s, state);
    unsetenv("POSTERN_PROJECT_ID");
    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        const struct ran *r;

        HOST_SAYS(&s.host, { 200, cases[i].projects }, { 200, "{\"sessions\":[]}" });
        r = ran("pam session list");
        CHECK_RAN(r, cases[i].code);
        CHECK_SAYS(r->err, cases[i].says);
        if (cases[i].code == 0)
            CHECK_STR(pn_str_from(s.host.last), "GET /api/v1/pam/sessions?projectId=P7&limit=100");
    }
    down(&s);
}

/* A token of one server never goes to another that a flag names. */
PN_TEST(a_flag_s_server_does_not_get_the_stored_token)
{
    char words[128];
    struct stage s;

    up(&s, state);
    unsetenv("POSTERN_TOKEN");
    unsetenv("POSTERN_DOMAIN");
    home_write(s.home, "postern/config.json", "{\"domain\":\"https://other.example\"}", 0600);
    home_write(s.home, "postern/credentials.json",
               "{\"domain\":\"https://other.example\",\"token\":\"theirs\"}", 0600);
    HOST_SAYS(&s.host, { 200, "{\"sessions\":[]}" });
    snprintf(words, sizeof words, "pam session list --domain %s", s.host.url);
    CHECK_RAN(ran(words), 0);
    CHECK_STR(pn_str_from(s.host.authorization), "");
    down(&s);
}

PN_TEST_MAIN(H(every_command_is_complete_and_has_help), T(the_manual_page_is_true),
             T(examples_name_commands_that_exist), T(no_secret_is_an_argument),
             H(commands_are_calls), H(a_name_that_is_too_long_is_refused),
             H(a_list_of_sessions_is_as_long_as_wanted), H(lists_go_on_to_the_last_page),
             H(wrong_words_make_no_calls),
             H(no_session_is_opened_for_a_command_that_does_not_exist),
             H(login_stores_and_logout_forgets), H(a_login_that_fails_stores_nothing),
             H(the_project_is_the_only_one), H(a_flag_s_server_does_not_get_the_stored_token))
