/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"
#include "client/home.h"
#include "client/kubeconfig.h"
#include "json/value.h"

static struct pn_value *parsed(const struct pn_kubeconfig *config)
{
    struct pn_buf yaml = pn_buf_init(1 << 18);
    struct pn_value *value;
    struct pn_err err = { 0 };

    pn_kubeconfig_print(config, &yaml);
    CHECK(!yaml.is_full);
    CHECK_OK(pn_value_parse_yaml(pn_buf_str(&yaml), &value, &err), err);
    pn_buf_drop(&yaml);
    return value;
}

static struct pn_str at(const struct pn_value *value, const char *path)
{
    return pn_value_str(pn_value_at(value, path));
}

PN_TEST(a_token_user)
{
    struct pn_err err = { 0 };
    struct pn_secret *token = pn_secret_new(PN_LIT("secret-\"token"), &err);
    struct pn_kubeconfig config = { .name = PN_LIT("postern/r/a"),
                                    .server = PN_LIT("https://127.0.0.1:1/id"),
                                    .ca_pem = PN_LIT("CA\n"),
                                    .namespace = PN_LIT("shop"),
                                    .token = token };
    struct pn_value *value = parsed(&config);

    CHECK_STR(at(value, "contexts.0.context.namespace"), "shop");
    CHECK_STR(at(value, "apiVersion"), "v1");
    CHECK_STR(at(value, "kind"), "Config");
    CHECK_STR(at(value, "clusters.0.cluster.server"), "https://127.0.0.1:1/id");
    CHECK_STR(at(value, "clusters.0.cluster.certificate-authority-data"), "Q0EK");
    CHECK(pn_value_at(value, "clusters.0.cluster.tls-server-name") == NULL);
    CHECK_STR(at(value, "users.0.user.token"), "secret-\"token");
    CHECK(pn_value_at(value, "users.0.user.exec") == NULL);
    CHECK_STR(at(value, "contexts.0.context.cluster"), "postern/r/a");
    CHECK_STR(at(value, "contexts.0.context.user"), "postern/r/a");
    CHECK_STR(at(value, "current-context"), "postern/r/a");
    pn_value_free(value);
    pn_secret_free(token);
}

PN_TEST(a_plugin_user)
{
    struct pn_str args[] = { PN_LIT("kube"), PN_LIT("credential"), PN_LIT("id") };
    struct pn_str environment[] = { PN_LIT("XDG_CONFIG_HOME"), PN_LIT("/home/a b: c") };
    struct pn_kubeconfig config = { .name = PN_LIT("n"),
                                    .server = PN_LIT("https://relay:8443/id"),
                                    .tls_server_name = PN_LIT("gateway.internal"),
                                    .ca_pem = PN_LIT("CA"),
                                    .command = PN_LIT("/usr/bin/postern"),
                                    .args = { args, 3 },
                                    .environment = { environment, 2 } };
    struct pn_value *value = parsed(&config);

    CHECK_STR(at(value, "clusters.0.cluster.tls-server-name"), "gateway.internal");
    CHECK_STR(at(value, "users.0.user.exec.apiVersion"), "client.authentication.k8s.io/v1beta1");
    CHECK_STR(at(value, "users.0.user.exec.interactiveMode"), "Never");
    CHECK_STR(at(value, "users.0.user.exec.command"), "/usr/bin/postern");
    CHECK_STR(at(value, "users.0.user.exec.args.2"), "id");
    CHECK_STR(at(value, "users.0.user.exec.env.0.name"), "XDG_CONFIG_HOME");
    CHECK_STR(at(value, "users.0.user.exec.env.0.value"), "/home/a b: c");
    CHECK(pn_value_at(value, "users.0.user.token") == NULL);
    pn_value_free(value);
}

/* What a name holds, it keeps: nothing in it can become structure, a line break or another type. */
PN_TEST(names_survive)
{
    static const char *const names[] = {
        "plain",
        "with \"quotes\" and 'more'",
        "back\\slash",
        "line\nbreak\r\nand\ttab",
        "colon: space # and hash",
        "- item",
        "true",
        "123",
        "{}",
        "*alias &anchor !tag |",
        "  spaces around  ",
        "grüße, 世界, \xf0\x9f\x94\x91",
        "next\xc2\x85line, \xe2\x80\xa8 separators \xe2\x80\xa9",
        "delete \x7f, c1 \xc2\x9b, bom \xef\xbb\xbf",
        "\x01\x1b[31m",
        "---",
        "",
    };

    for (size_t i = 0; i < PN_COUNT(names); i++) {
        struct pn_kubeconfig config = { .name = pn_str_from(names[i]),
                                        .server = PN_LIT("https://a/b"),
                                        .command = pn_str_from(names[i]) };
        struct pn_value *value = parsed(&config);

        CHECK_STR(at(value, "clusters.0.name"), names[i]);
        CHECK_STR(at(value, "users.0.user.exec.command"), names[i]);
        CHECK_STR(at(value, "current-context"), names[i]);
        CHECK_EQ(pn_value_count(value), 6);
        pn_value_free(value);
    }
}

PN_TEST(broken_utf8_becomes_a_replacement)
{
    struct pn_kubeconfig config = { .name = PN_LIT("a\xff\xc3"), .server = PN_LIT("https://a") };
    struct pn_value *value = parsed(&config);

    CHECK_STR(at(value, "current-context"), "a\xef\xbf\xbd\xef\xbf\xbd");
    pn_value_free(value);
}

static const struct pn_kubeconfig simple = { .name = PN_LIT_INIT("n"),
                                             .server = PN_LIT_INIT("https://a/b") };

PN_TEST(it_is_written_private_and_again)
{
    struct home *home = *state;
    const char *path = home_file(home, "kubeconfig"), *absolute;
    struct pn_err err = { 0 };

    CHECK_OK(pn_kubeconfig_write(&simple, path, home->arena, &absolute, &err), err);
    CHECK_EQ(home_mode(home, "kubeconfig"), 0600);
    CHECK_OK(pn_kubeconfig_write(&simple, path, home->arena, NULL, &err), err);
    CHECK(absolute[0] == '/');
}

PN_TEST(a_relative_path_becomes_absolute)
{
    struct home *home = *state;
    const char *absolute;
    struct pn_err err = { 0 };

    CHECK(chdir(home->path) == 0);
    CHECK_OK(pn_kubeconfig_write(&simple, "k.yaml", home->arena, &absolute, &err), err);
    CHECK(absolute[0] == '/' && pn_str_ends(pn_str_from(absolute), PN_LIT("/k.yaml")));
    CHECK(chdir("/") == 0);
}

PN_TEST(a_foreign_file_is_not_touched)
{
    struct home *home = *state;
    struct pn_err err = { 0 };

    home_write(home, "mine", "apiVersion: v1\n", 0600);
    CHECK_FAILS(pn_kubeconfig_write(&simple, home_file(home, "mine"), home->arena, NULL, &err), err,
                USAGE);
    CHECK_STR(home_read(home, "mine"), "apiVersion: v1\n");
    CHECK(symlink("mine", home_file(home, "link")) == 0);
    CHECK_FAILS(pn_kubeconfig_write(&simple, home_file(home, "link"), home->arena, NULL, &err), err,
                USAGE);
    CHECK_FAILS(pn_kubeconfig_write(&simple, home->path, home->arena, NULL, &err), err, USAGE);
}

PN_TEST(an_empty_file_is_filled_and_a_missing_directory_told)
{
    struct home *home = *state;
    struct pn_err err = { 0 };

    home_write(home, "empty", "", 0644);
    CHECK_OK(pn_kubeconfig_write(&simple, home_file(home, "empty"), home->arena, NULL, &err), err);
    CHECK_EQ(home_mode(home, "empty"), 0600);
    CHECK_FAILS(
        pn_kubeconfig_write(&simple, home_file(home, "no/such/file"), home->arena, NULL, &err), err,
        USAGE);
}

PN_TEST_MAIN(T(a_token_user), T(a_plugin_user), T(names_survive),
             T(broken_utf8_becomes_a_replacement), H(it_is_written_private_and_again),
             H(a_relative_path_becomes_absolute), H(a_foreign_file_is_not_touched),
             H(an_empty_file_is_filled_and_a_missing_directory_told))
