/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>

#include "core/lease/template.h"
#include "kube/names.h"

static struct pn_arena *arena;
static struct pn_err err;
static struct pn_template_values values;

static struct pn_str expand(const char *text)
{
    struct pn_str name;

    if (arena == NULL)
        arena = pn_arena_new(1 << 20);
    CHECK_OK(pn_template_check(pn_str_from(text), &err), err);
    CHECK_OK(pn_template_expand(arena, pn_str_from(text), &values, &name, &err), err);
    CHECK(name.len >= 8 && name.len <= PN_TEMPLATE_MAX_NAME);
    CHECK(pn_kube_is_label(name));
    CHECK(pn_str_search(name, PN_LIT("--")) < 0);
    return name;
}

/* The stem, and a random part behind it that differs from one lease to the next. */
static void check_stem(const char *text, const char *stem)
{
    struct pn_str first = expand(text), second = expand(text);

    CHECK(!pn_str_eq(first, second));
    CHECK_STR(pn_str_slice(first, 0, first.len - 9), stem);
    CHECK_EQ(first.ptr[first.len - 9], '-');
}

PN_TEST(without_a_template)
{
    struct pn_str first = expand(""), second = expand("{{randomUsername}}");

    CHECK_EQ(first.len, 28);
    CHECK_EQ(second.len, 28);
    CHECK(pn_str_starts(first, PN_LIT("dynamic-secret-sa-")));
    CHECK(pn_str_starts(second, PN_LIT("dynamic-secret-sa-")));
    CHECK(!pn_str_eq(first, second));
    CHECK_EQ(expand("   ").len, 28);
}

/* DS-47 */
PN_TEST(an_identity_that_kubernetes_would_not_take)
{
    values.identity_name = PN_LIT("CI_Runner 1");
    check_stem("{{identity.name}}", "ci-runner-1");
    check_stem("{{ identity.name }}", "ci-runner-1");
    check_stem("{{{identity.name}}}", "ci-runner-1");
    check_stem("{{uppercase identity.name}}", "ci-runner-1");
    values.identity_name = PN_LIT("\xc3\xa9_\xf0\x9f\x98\x80_.._-");
    expand("{{identity.name}}");
    values.identity_name = PN_NONE;
    CHECK(pn_str_starts(expand("{{identity.name}}"), PN_LIT("dynamic-secret-sa-")));
    CHECK(pn_str_starts(expand("___"), PN_LIT("dynamic-secret-sa-")));
}

PN_TEST(variables_and_functions)
{
    values = (struct pn_template_values){ .identity_name = PN_LIT("builder"),
                                          .secret_name = PN_LIT("Deploy"),
                                          .secret_type = PN_LIT("kubernetes"),
                                          .now_s = 1790000000 };
    check_stem("{{dynamicSecret.name}}-{{dynamicSecret.type}}", "deploy-kubernetes");
    check_stem("x{{unixTimestamp}}", "x1790000000");
    check_stem("{{truncate identity.name 3}}", "bui");
    check_stem("{{replace identity.name 'il' 'mm'}}", "bummder");
    check_stem("{{replace 'a.a.a' '.' ''}}", "aaa");
    check_stem("{{replace identity.name '' 'x'}}", "builder");
    check_stem("a|b[c]{d}", "a-b-c-d");
    CHECK_EQ(expand("ci-{{random 12}}").len, 15);
    CHECK_EQ(expand("{{random 52}}").len, 52);
}

PN_TEST(seven_random_characters_are_too_few)
{
    CHECK_EQ(expand("{{random 7}}").len, 7 + 9);
    CHECK_EQ(expand("{{random 8}}").len, 8);
}

PN_TEST(what_is_not_a_template)
{
    static const char *const bad[] = {
        "{{#if x}}a{{/if}}", /* DS-20 */
        "{{",
        "{{}}",
        "{{ }}",
        "{{{identity.name}}",
        "{{identity.name",
        "{{identity.name}",
        "{{identity}}",
        "{{identity.email}}",
        "{{this}}",
        "{{ .. }}",
        "{{random}}",
        "{{random 0}}",
        "{{random 101}}",
        "{{random 99999999999999999999999}}",
        "{{random 8 8}}",
        "{{random 'a'}}",
        "{{random identity.name}}",
        "{{truncate identity.name}}",
        "{{truncate 3 identity.name}}",
        "{{truncate nobody 3}}",
        "{{replace identity.name 'a'}}",
        "{{replace identity.name a b}}",
        "{{replace identity.name 'a' 'b' 'c'}}",
        "{{replace identity.name 'a 'b'}}",
        "{{exec 'ls'}}",
        "{{lookup dynamicSecret 'name'}}",
        "{{'text'}}",
        "{{5}}",
        "{{identity.name as |x|}}",
        "{{identity.[name]}}",
        "a/b",
        "a\nb",
        "\xc3\xa9",
        "{{> partial}}",
        "{{!comment}}",
        "{{&identity.name}}",
    };
    char longer[300];
    struct pn_str name;

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        if (pn_template_check(pn_str_from(bad[i]), &err))
            fail_msg("\"%s\" was let in", bad[i]);
        CHECK_EQ(err.code, PN_VALIDATION);
        pn_err_clear(&err);
        CHECK_FAILS(pn_template_expand(arena, pn_str_from(bad[i]), &values, &name, &err), err,
                    VALIDATION);
    }
    CHECK_FAILS(pn_template_check(PN_LIT("a\0b"), &err), err, VALIDATION);
    memset(longer, 'a', sizeof(longer));
    CHECK_OK(pn_template_check(pn_str_of(longer, 255), &err), err);
    CHECK_FAILS(pn_template_check(pn_str_of(longer, 256), &err), err, VALIDATION);
}

PN_TEST(a_random_part_that_is_cut_off_is_none)
{
    char text[256];
    struct pn_str first, second;

    snprintf(text, sizeof(text), "%052d{{random 8}}", 0);
    first = expand(text);
    second = expand(text);
    CHECK_EQ(first.len, 52);
    CHECK(!pn_str_eq(first, second));
    CHECK(!pn_str_eq(expand("a{{truncate randomUsername 2}}"),
                     expand("a{{truncate randomUsername 2}}")));
    CHECK(!pn_str_eq(expand("{{replace randomUsername 'a' ''}}"),
                     expand("{{replace randomUsername 'a' ''}}")));
}

PN_TEST(output_without_bounds)
{
    char text[256], fat[4096];

    memset(fat, 'a', sizeof(fat));
    values.identity_name = pn_str_of(fat, sizeof(fat));
    snprintf(text, sizeof(text), "{{replace identity.name 'a' '%0200d'}}", 0);
    expand(text);
    expand("{{identity.name}}{{identity.name}}{{identity.name}}{{identity.name}}{{identity.name}}");
    expand("{{random 100}}{{random 100}}{{random 100}}{{random 100}}{{random 100}}{{random 100}}");
    pn_arena_freep(&arena);
}

PN_TEST_MAIN(T(without_a_template), T(an_identity_that_kubernetes_would_not_take),
             T(variables_and_functions), T(seven_random_characters_are_too_few),
             T(what_is_not_a_template), T(a_random_part_that_is_cut_off_is_none),
             T(output_without_bounds))
