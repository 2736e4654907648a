/* SPDX-License-Identifier: Apache-2.0 */
#include "client/config.h"
#include "client/home.h"

static struct pn_client_config load(struct home *home, const char *domain)
{
    struct pn_client_config config;
    struct pn_err err = { 0 };

    CHECK_OK(pn_client_config_load(home->arena, pn_str_from(domain), &config, &err), err);
    return config;
}

static void store(struct home *home, const char *domain, const char *token)
{
    struct pn_client_config config = { .domain = pn_str_from(domain),
                                       .ca_pem = PN_LIT("a CA\n"),
                                       .email = PN_LIT("ada@example.com"),
                                       .project_id = PN_LIT("project-1") };
    struct pn_err err = { 0 };

    config.token = pn_secret_new(pn_str_from(token), &err);
    CHECK_OK(pn_client_config_store(home->arena, &config, &err), err);
    pn_client_config_drop(&config);
}

PN_TEST(nothing_is_known_at_first)
{
    struct pn_client_config config = load(*state, NULL);

    CHECK_EQ(config.domain.len, 0);
    CHECK(config.token == NULL);
    CHECK_EQ(config.ca_pem.len, 0);
}

PN_TEST(what_is_stored_is_found)
{
    struct home *home = *state;
    struct pn_client_config config;

    store(home, "https://one.example", "token-1");
    config = load(home, NULL);
    CHECK_STR(config.domain, "https://one.example");
    CHECK_STR(pn_secret_reveal(config.token), "token-1");
    CHECK_STR(config.ca_pem, "a CA\n");
    CHECK_STR(config.email, "ada@example.com");
    CHECK_STR(config.project_id, "project-1");
    CHECK(config.token_name == NULL);
    pn_client_config_drop(&config);
    CHECK_EQ(home_mode(home, "postern/credentials.json"), 0600);
    CHECK_EQ(home_mode(home, "postern/config.json"), 0600);
    CHECK_EQ(home_mode(home, "postern"), 0700);
    CHECK(pn_str_search(home_read(home, "postern/config.json"), PN_LIT("token-1")) < 0);
}

PN_TEST(the_environment_goes_first)
{
    struct home *home = *state;
    struct pn_client_config config;

    store(home, "https://one.example", "token-1");
    home_write(home, "other.pem", "another CA\n", 0600);
    setenv("POSTERN_DOMAIN", "https://one.example/api/", 1);
    setenv("POSTERN_TOKEN", "token-2", 1);
    setenv("POSTERN_CA_FILE", home_file(home, "other.pem"), 1);
    setenv("POSTERN_PROJECT_ID", "project-2", 1);
    setenv("INFISICAL_TOKEN", "token-3", 1);
    config = load(home, NULL);
    CHECK_STR(config.domain, "https://one.example");
    CHECK_STR(pn_secret_reveal(config.token), "token-2");
    CHECK_STR(pn_str_from(config.token_name), "POSTERN_TOKEN");
    CHECK_STR(config.ca_pem, "another CA\n");
    CHECK_STR(config.project_id, "project-2");
    pn_client_config_drop(&config);
}

PN_TEST(infisical_names_count_too)
{
    struct pn_client_config config;

    setenv("INFISICAL_API_URL", "https://two.example/api", 1);
    setenv("INFISICAL_TOKEN", "token-3", 1);
    setenv("POSTERN_TOKEN", "", 1);
    config = load(*state, NULL);
    CHECK_STR(config.domain, "https://two.example");
    CHECK_STR(pn_secret_reveal(config.token), "token-3");
    pn_client_config_drop(&config);
}

/* A token, a CA and a project of one server are nothing to another. */
static void check_bare(struct home *home, const char *flag)
{
    struct pn_client_config config = load(home, flag);

    CHECK_STR(config.domain, "https://two.example");
    CHECK(config.token == NULL);
    CHECK_EQ(config.ca_pem.len, 0);
    CHECK_EQ(config.project_id.len, 0);
}

PN_TEST(what_is_stored_stays_with_its_server)
{
    struct home *home = *state;

    store(home, "https://one.example", "token-1");
    check_bare(home, "https://two.example");
    setenv("POSTERN_DOMAIN", "https://two.example", 1);
    check_bare(home, NULL);
}

/* The two files are written one after the other: between them the new server must not get the old token. */
PN_TEST(a_half_finished_login_leaks_nothing)
{
    struct home *home = *state;

    store(home, "https://one.example", "token-1");
    home_write(home, "postern/config.json", "{\"domain\":\"https://two.example\"}", 0600);
    check_bare(home, NULL);
}

PN_TEST(a_public_token_is_refused)
{
    struct home *home = *state;
    struct pn_client_config config;
    struct pn_err err = { 0 };

    store(home, "https://one.example", "token-1");
    CHECK(chmod(home_file(home, "postern/credentials.json"), 0644) == 0);
    CHECK_FAILS(pn_client_config_load(home->arena, PN_NONE, &config, &err), err, USAGE);
}

PN_TEST(damaged_files_say_so)
{
    struct home *home = *state;
    struct pn_client_config config;
    struct pn_err err = { 0 };

    home_write(home, "postern/config.json", "{\"domain\":", 0600);
    CHECK(!pn_client_config_load(home->arena, PN_NONE, &config, &err));
    CHECK_EQ(err.code, PN_USAGE);
    CHECK(strstr(err.message, "config.json is damaged") != NULL);
}

PN_TEST(a_ca_file_that_is_missing_is_named)
{
    struct home *home = *state;
    struct pn_client_config config;
    struct pn_err err = { 0 };

    setenv("POSTERN_CA_FILE", "/no/such/ca.pem", 1);
    CHECK(!pn_client_config_load(home->arena, PN_NONE, &config, &err));
    CHECK_EQ(err.code, PN_USAGE);
    CHECK(strstr(err.message, "/no/such/ca.pem") != NULL);
}

PN_TEST(forgetting_removes_the_token)
{
    struct home *home = *state;
    struct pn_client_config config;
    struct pn_err err = { 0 };

    store(home, "https://one.example", "token-1");
    CHECK_OK(pn_client_config_forget(home->arena, &err), err);
    CHECK_OK(pn_client_config_forget(home->arena, &err), err);
    config = load(home, NULL);
    CHECK(config.token == NULL);
    CHECK_STR(config.domain, "https://one.example");
}

PN_TEST(one_server_has_one_name)
{
    static const char *const names[] = { "https://a", "https://a/", "https://a/api",
                                         "https://a/api/", "https://a//" };

    for (size_t i = 0; i < PN_COUNT(names); i++)
        CHECK_STR(pn_client_domain(pn_str_from(names[i])), "https://a");
    CHECK_STR(pn_client_domain(PN_LIT("https://a/other")), "https://a/other");
    CHECK_EQ(pn_client_domain(PN_NONE).len, 0);
}

PN_TEST_MAIN(H(nothing_is_known_at_first), H(what_is_stored_is_found),
             H(the_environment_goes_first), H(infisical_names_count_too),
             H(what_is_stored_stays_with_its_server), H(a_half_finished_login_leaks_nothing),
             H(a_public_token_is_refused), H(damaged_files_say_so),
             H(a_ca_file_that_is_missing_is_named), H(forgetting_removes_the_token),
             T(one_server_has_one_name))
