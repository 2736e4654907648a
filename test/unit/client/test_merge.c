/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions come into a person's kubeconfig and leave it; what else is in it stays to the byte. */
#include <fcntl.h>

#include "client/home.h"
#include "client/merge.h"
#include "json/value.h"

static const char mine[] = "apiVersion: v1\nkind: Config\n# the cluster at home\nclusters:\n"
                           "- name: home\n  cluster: {server: \"https://home:6443\"} # é\n"
                           "users: []\ncontexts:\n    - context: &c {cluster: home, user: me}\n"
                           "      name: home\n    - {name: home, context: *c}\n"
                           "current-context:   'home' # mine\npreferences: {}\n";

static struct pn_kubeconfig session(const char *name)
{
    static struct pn_str args[] = { PN_LIT("kube"), PN_LIT("credential"), PN_LIT("id") };
    static struct pn_str environment[] = { PN_LIT("A"), PN_LIT("b: \"c\"\n") };

    return (struct pn_kubeconfig){ .name = pn_str_from(name),
                                   .server = PN_LIT("https://relay:8443/id"),
                                   .tls_server_name = PN_LIT("gateway.internal"),
                                   .ca_pem = PN_LIT("CA"),
                                   .command = PN_LIT("/usr/bin/postern"),
                                   .args = { args, 3 },
                                   .environment = { environment, 2 } };
}

static void write_config(const struct home *home, const char *text, unsigned mode)
{
    home_write(home, "config", text, mode);
}

static void add(const struct home *home, const char *name)
{
    struct pn_kubeconfig config = session(name);
    struct pn_err err = { 0 };

    CHECK_OK(pn_merge_add(home_file(home, "config"), &config, 0, &err), err);
}

static void leave(const char *name)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_merge_remove(pn_str_from(name), 0, &err), err);
}

static void check_context(const struct home *home, const char *wanted)
{
    pn_auto(pn_value_freep) struct pn_value *value = NULL;
    struct pn_str text = home_read(home, "config");
    ptrdiff_t at = pn_str_search(text, PN_LIT("current-context:"));
    struct pn_err err = { 0 };
    struct pn_str line = pn_str_slice(text, (size_t)at, text.len);

    CHECK(at >= 0);
    line = pn_str_slice(line, 0, (size_t)pn_str_find(line, '\n'));
    CHECK_OK(pn_value_parse_yaml(line, &value, &err), err);
    CHECK_STR(pn_value_str(pn_value_get(value, "current-context")), wanted);
}

PN_TEST(comes_and_leaves_without_a_trace)
{
    struct home *home = *state;

    write_config(home, mine, 0640);
    add(home, "postern/r/a");
    CHECK(pn_str_search(home_read(home, "config"), PN_LIT("# the cluster at home")) > 0);
    CHECK(pn_str_search(home_read(home, "config"), PN_LIT("# mine")) > 0);
    check_context(home, "postern/r/a");
    CHECK_EQ(home_mode(home, "config"), 0600); /* a bearer is in it */
    leave("postern/r/a");
    CHECK_STR(home_read(home, "config"), mine);
    CHECK_EQ(home_mode(home, "config"), 0640);
    CHECK(!pn_file_exists(home_file(home, "config.lock")));
}

PN_TEST(what_is_put_in_reads_as_it_was_meant)
{
    struct home *home = *state;
    pn_auto(pn_value_freep) struct pn_value *value = NULL;
    struct pn_err err = { 0 };

    write_config(home, "users:\nclusters: [] # none\n", 0600);
    add(home, "postern/r/ä\n");
    CHECK_OK(pn_value_parse_yaml(home_read(home, "config"), &value, &err), err);
    CHECK_STR(pn_value_str(pn_value_at(value, "clusters.0.cluster.server")),
              "https://relay:8443/id");
    CHECK_STR(pn_value_str(pn_value_at(value, "clusters.0.cluster.tls-server-name")),
              "gateway.internal");
    CHECK_STR(pn_value_str(pn_value_at(value, "clusters.0.cluster.certificate-authority-data")),
              "Q0E=");
    CHECK_STR(pn_value_str(pn_value_at(value, "users.0.user.exec.args.2")), "id");
    CHECK_STR(pn_value_str(pn_value_at(value, "users.0.user.exec.env.0.value")), "b: \"c\"\n");
    CHECK_STR(pn_value_str(pn_value_at(value, "contexts.0.context.user")), "postern/r/ä\n");
    CHECK_STR(pn_value_str(pn_value_at(value, "current-context")), "postern/r/ä\n");
    leave("postern/r/ä\n");
    CHECK_STR(home_read(home, "config"), "users:\nclusters: [] # none\n");
}

PN_TEST(c121_in_any_order)
{
    static const char *const orders[][3] = { { "a", "b", "c" },
                                             { "c", "b", "a" },
                                             { "b", "a", "c" } };
    struct home *home = *state;

    for (size_t i = 0; i < PN_COUNT(orders); i++) {
        write_config(home, mine, 0600);
        add(home, "a");
        add(home, "b");
        add(home, "c");
        check_context(home, "c");
        for (size_t j = 0; j < 3; j++)
            leave(orders[i][j]);
        CHECK_STR(home_read(home, "config"), mine);
    }
    write_config(home, mine, 0600);
    add(home, "a");
    add(home, "b");
    leave("b");
    check_context(home, "a"); /* who was there before */
    leave("a");
    CHECK_STR(home_read(home, "config"), mine);
}

PN_TEST(what_others_change_meanwhile_stays)
{
    struct home *home = *state;
    struct pn_str text;

    write_config(home, mine, 0600);
    add(home, "a");
    add(home, "b");
    text = home_read(home, "config");
    write_config(home, pn_arena_printf(home->arena, "# new\n%.*s", PN_ARG(text)).ptr, 0600);
    leave("a");
    leave("b");
    text = home_read(home, "config");
    CHECK(pn_str_starts(text, PN_LIT("# new\napiVersion")));
    CHECK(pn_str_search(text, PN_LIT("https://relay")) < 0);
    CHECK(pn_str_search(text, PN_LIT("# the cluster at home")) > 0);
    check_context(home, "home");
}

/* As `kubectl config use-context` leaves it: another context is the person's choice. */
PN_TEST(a_context_chosen_meanwhile_stays)
{
    struct home *home = *state;

    write_config(home, mine, 0600);
    add(home, "a");
    write_config(home,
                 "apiVersion: v1\nclusters:\n- cluster:\n    server: https://relay:8443/id\n"
                 "  name: a\n- cluster:\n    server: https://home:6443\n  name: home\n"
                 "contexts:\n- context:\n    cluster: a\n    user: a\n  name: a\n"
                 "current-context: other\nkind: Config\nusers:\n- name: a\n  user: {}\n",
                 0600);
    leave("a");
    CHECK_STR(home_read(home, "config"),
              "apiVersion: v1\nclusters:\n- cluster:\n    server: https://home:6443\n  name: home\n"
              "contexts:\ncurrent-context: other\nkind: Config\nusers:\n");
}

PN_TEST(a_file_that_was_not_there_goes)
{
    struct home *home = *state;

    add(home, "a");
    CHECK_EQ(home_mode(home, "config"), 0600);
    check_context(home, "a");
    leave("a");
    CHECK(!pn_file_exists(home_file(home, "config")));
    write_config(home, "", 0600);
    add(home, "a");
    leave("a");
    CHECK_STR(home_read(home, "config"), "");
}

PN_TEST(left_over_entries_go_with_the_next)
{
    struct pn_kubeconfig dead = session("dead");
    struct home *home = *state;
    struct pn_err err = { 0 };

    write_config(home, mine, 0600);
    CHECK_OK(pn_merge_add(home_file(home, "config"), &dead, 0x7ffffff0, &err), err);
    add(home, "a");
    CHECK(pn_str_search(home_read(home, "config"), PN_LIT("dead")) < 0);
    leave("a");
    CHECK_STR(home_read(home, "config"), mine);
}

PN_TEST(a_link_stays_a_link)
{
    struct home *home = *state;
    char target[256];

    home_write(home, "real", mine, 0600);
    CHECK(symlink("real", home_file(home, "config")) == 0);
    add(home, "a");
    CHECK(readlink(home_file(home, "config"), target, sizeof target) == 4);
    CHECK(pn_str_search(home_read(home, "real"), PN_LIT("relay")) > 0);
    leave("a");
    CHECK_STR(home_read(home, "real"), mine);
}

/* ---- what is left alone ---- */

static void check_refused(const struct home *home, enum pn_code code)
{
    struct pn_kubeconfig config = session("a");
    struct pn_err err = { 0 };

    CHECK(!pn_merge_add(home_file(home, "config"), &config, 0, &err));
    CHECK_EQ(err.code, code);
    leave("a"); /* nothing is known of it */
}

PN_TEST(hostile_files_are_left_as_they_are)
{
    static const char *const bad[] = {
        "not: [yaml\n",
        "just text\n",
        "- a list\n",
        "{\"clusters\": []}\n",
        "a: 1\n---\nb: 1\n",
        "clusters: []\nclusters: []\n",
        "clusters: &x\n- name: c\nusers: *x\n",
        "contexts: [{name: c}]\n",
        "current-context: |\n  x\n",
        "current-context: &x y\n",
        "clusters: text\n",
        "clusters:\n- name: a\n", /* our name, and not ours */
        "users: {}\n",
        "a: \"\xff\"\n",
    };
    struct home *home = *state;

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        write_config(home, bad[i], 0600);
        check_refused(home, PN_USAGE);
        CHECK_STR(home_read(home, "config"), bad[i]);
    }
}

PN_TEST(places_that_are_refused)
{
    struct home *home = *state;

    write_config(home, mine, 0400);
    check_refused(home, PN_USAGE);
    CHECK(unlink(home_file(home, "config")) == 0);
    CHECK(symlink("nowhere", home_file(home, "config")) == 0);
    check_refused(home, PN_USAGE);
    CHECK(unlink(home_file(home, "config")) == 0 && mkdir(home_file(home, "config"), 0700) == 0);
    check_refused(home, PN_USAGE);
}

PN_TEST(another_s_lock_is_respected)
{
    struct home *home = *state;
    struct pn_err err = { 0 };

    write_config(home, mine, 0600);
    home_write(home, "config.lock", "", 0600);
    CHECK(!pn_file_claim(home_file(home, "config.lock"), 30, &err));
    CHECK_EQ(err.code, PN_TIMEOUT);
    check_refused(home, PN_TIMEOUT);
    CHECK_STR(home_read(home, "config"), mine);
    CHECK(pn_file_exists(home_file(home, "config.lock")));
}

PN_TEST(c122_the_first_of_the_list)
{
    struct home *home = *state;

    CHECK(setenv("HOME", "/h", 1) == 0);
    CHECK(setenv("KUBECONFIG", "/x/a:/x/b", 1) == 0);
    CHECK_STR(pn_str_from(pn_merge_target(home->arena)), "/x/a");
    CHECK(setenv("KUBECONFIG", "::/x/b", 1) == 0);
    CHECK_STR(pn_str_from(pn_merge_target(home->arena)), "/x/b");
    CHECK(setenv("KUBECONFIG", "", 1) == 0);
    CHECK_STR(pn_str_from(pn_merge_target(home->arena)), "/h/.kube/config");
    CHECK(unsetenv("KUBECONFIG") == 0 && unsetenv("HOME") == 0);
    CHECK(pn_merge_target(home->arena) == NULL);
}

PN_TEST_MAIN(H(comes_and_leaves_without_a_trace), H(what_is_put_in_reads_as_it_was_meant),
             H(c121_in_any_order), H(what_others_change_meanwhile_stays),
             H(a_context_chosen_meanwhile_stays), H(a_file_that_was_not_there_goes),
             H(left_over_entries_go_with_the_next), H(a_link_stays_a_link),
             H(hostile_files_are_left_as_they_are), H(places_that_are_refused),
             H(another_s_lock_is_respected), H(c122_the_first_of_the_list))
