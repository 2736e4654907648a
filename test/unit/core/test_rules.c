/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>

#include "core/org/builtin.h"
#include "core/org/rules.h"
#include "json/value.h"

#define ARENA_BYTES ((size_t)4 << 20)

static struct pn_str a_tag[] = { PN_LIT_INIT("db"), PN_LIT_INIT("eu") };
static struct pn_permit_pair a_pair[] = { { PN_LIT_INIT("team"), PN_LIT_INIT("blue") },
                                          { PN_LIT_INIT("tier"), PN_LIT_INIT("1") } };

/* /apps/web/KEY of prod, with tags db and eu, team=blue and tier=1. */
static const struct pn_permit_object a_secret = {
    .subject = "secrets",
    .environment = PN_LIT_INIT("prod"),
    .secretPath = PN_LIT_INIT("/apps/web"),
    .secretName = PN_LIT_INIT("KEY"),
    .secretTags = { a_tag, 2 },
    .metadata = { a_pair, 2 },
};

/* Rules in which ' stands for ", through the packed form, as they are asked. */
static struct pn_rules read_rules(struct pn_arena *arena, const char *scope, const char *text)
{
    pn_auto(pn_buf_drop) struct pn_buf packed = pn_buf_init(PN_RULES_MAX_PACKED);
    char json[4096];
    struct pn_rules rules, again;
    struct pn_err err = { 0 };

    snprintf(json, sizeof(json), "%s", text);
    for (char *at = json; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    CHECK_OK(pn_rules_parse(arena, scope, pn_str_from(json), &rules, &err), err);
    pn_rules_pack(&rules, &packed);
    CHECK(!packed.is_full);
    CHECK_OK(pn_rules_unpack(arena, pn_arena_copy(arena, pn_buf_str(&packed)), &again, &err), err);
    return again;
}

static bool may(const struct pn_rules *rules, const struct pn_permit_object *object,
                const char *action)
{
    return pn_rules_may(&rules, 1, object, pn_str_from(action), PN_RULES_OF_OBJECT);
}

/* One condition of a rule about the secret above: does it hold? */
PN_TEST(every_operator_holds_for_what_it_says)
{
    static const struct {
        const char *condition;
        bool holds;
    } rows[] = {
        { "'environment': 'prod'", true },
        { "'environment': 'dev'", false },
        { "'environment': {'$eq': 'prod'}", true },
        { "'environment': {'$eq': 'Prod'}", false },
        { "'environment': {'$ne': 'dev'}", true },
        { "'environment': {'$ne': 'prod'}", false },
        { "'environment': {'$in': ['dev', 'prod']}", true },
        { "'environment': {'$in': ['dev', 'stage']}", false },
        { "'environment': {'$glob': 'p*'}", true },
        { "'environment': {'$glob': '{dev,prod}'}", true },
        { "'environment': {'$glob': 'd*'}", false },
        { "'environment': {'$glob': 'p*', '$ne': 'prod'}", false },
        { "'environment': {'$glob': 'p*', '$ne': 'pre'}", true },
        { "'secretPath': '/apps/web'", true },
        { "'secretPath': '/apps/web/'", true },
        { "'secretPath': '/apps'", false },
        { "'secretPath': {'$glob': '/apps/*'}", true },
        { "'secretPath': {'$glob': '/apps/**'}", true },
        { "'secretPath': {'$glob': '/*'}", false },
        { "'secretPath': {'$in': ['/', '/apps/web']}", true },
        { "'secretName': 'KEY'", true },
        { "'secretName': {'$glob': 'K?Y'}", true },
        { "'secretName': {'$glob': 'DB_*'}", false },
        { "'environment': 'prod', 'secretPath': '/apps/web'", true },
        { "'environment': 'dev', 'secretPath': '/apps/web'", false },
        { "'environment': 'prod', 'secretPath': '/other'", false },
        { "'secretTags': 'db'", true },
        { "'secretTags': {'$eq': 'eu'}", true },
        { "'secretTags': {'$eq': 'us'}", false },
        { "'secretTags': {'$ne': 'us'}", true },
        { "'secretTags': {'$ne': 'db'}", false },
        { "'secretTags': {'$in': ['us', 'eu']}", true },
        { "'secretTags': {'$in': ['us', 'uk']}", false },
        { "'secretTags': {'$glob': 'd*'}", true },
        { "'secretTags': {'$glob': 'x*'}", false },
        { "'secretTags': {'$all': ['db', 'eu']}", true },
        { "'secretTags': {'$all': ['db', 'us']}", false },
        { "'secretTags': {'$elemMatch': {'$glob': 'e*'}}", true },
        { "'secretTags': {'$elemMatch': {'$glob': 'e*', '$ne': 'eu'}}", false },
        { "'secretTags': {'$in': ['eu'], '$ne': 'db'}", false },
        { "'metadata': {'$elemMatch': {'key': 'team', 'value': 'blue'}}", true },
        { "'metadata': {'$elemMatch': {'key': {'$eq': 'team'}, 'value': {'$in': ['red', 'blue']}}}",
          true },
        { "'metadata': {'$elemMatch': {'key': 'team', 'value': '1'}}", false },
        { "'metadata': {'$elemMatch': {'value': {'$glob': 'bl*'}}}", true },
        { "'metadata': {'$elemMatch': {'key': 'owner'}}", false },
        { "'metadata': {'$all': [{'key': 'team', 'value': 'blue'}, {'key': 'tier'}]}", true },
        { "'metadata': {'$all': [{'$elemMatch': {'key': 'team'}}, {'key': 'owner'}]}", false },
        { "'metadata': {'$all': [{'key': 'team', 'value': '1'}]}", false },
    };
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        char text[512];
        struct pn_rules rules;

        snprintf(text, sizeof(text),
                 "[{'subject': 'secrets', 'action': 'readValue', 'conditions': {%s}}]",
                 rows[i].condition);
        rules = read_rules(arena, "project", text);
        if (may(&rules, &a_secret, "readValue") != rows[i].holds)
            fail_msg("%s", rows[i].condition);
    }
}

PN_TEST(what_an_object_does_not_say_meets_no_condition)
{
    static const char *const rows[] = { "'environment': 'prod'", "'environment': {'$ne': 'dev'}",
                                        "'secretPath': {'$glob': '/**'}",
                                        "'secretTags': {'$glob': '*'}",
                                        "'metadata': {'$elemMatch': {'key': {'$ne': 'x'}}}" };
    static const struct pn_permit_object bare = { .subject = "secrets" };
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        char text[512];
        struct pn_rules rules;

        snprintf(text, sizeof(text),
                 "[{'subject': 'secrets', 'action': ['create'], 'conditions': {%s}}]", rows[i]);
        rules = read_rules(arena, "project", text);
        if (may(&rules, &bare, "create"))
            fail_msg("%s", rows[i]);
    }
}

/* Which of two rules decides, and what the older word `read` means. */
PN_TEST(the_last_rule_that_speaks_decides)
{
    static const struct {
        const char *rules, *action;
        bool may;
    } rows[] = {
        { "[]", "readValue", false },
        { "[{'subject':'secrets','action':'readValue'}]", "readValue", true },
        { "[{'subject':'secrets','action':'readValue'}]", "describeSecret", false },
        { "[{'subject':'secrets','action':'read'}]", "readValue", true },
        { "[{'subject':'secrets','action':'read'}]", "describeSecret", true },
        { "[{'subject':'secrets','action':'read'}]", "read", true },
        { "[{'subject':'secrets','action':'read'}]", "edit", false },
        { "[{'subject':'secrets','action':'describeSecret'}]", "read", false },
        { "[{'subject':'secrets','action':['describeSecret','readValue']}]", "read", true },
        { "[{'subject':'secret-folders','action':'read'}]", "read", false },
        { "[{'subject':'secrets','action':['read','edit']},"
          " {'subject':'secrets','action':'readValue','inverted':true}]",
          "readValue", false },
        { "[{'subject':'secrets','action':['read','edit']},"
          " {'subject':'secrets','action':'readValue','inverted':true}]",
          "describeSecret", true },
        { "[{'subject':'secrets','action':['read','edit']},"
          " {'subject':'secrets','action':'readValue','inverted':true}]",
          "read", false },
        { "[{'subject':'secrets','action':'readValue'},"
          " {'subject':'secrets','action':'read','inverted':true}]",
          "readValue", false },
        { "[{'subject':'secrets','action':'readValue','inverted':true},"
          " {'subject':'secrets','action':'readValue'}]",
          "readValue", true },
        { "[{'subject':'secrets','action':'readValue'},"
          " {'subject':'secrets','action':'readValue','inverted':true,"
          "  'conditions':{'environment':'prod'}}]",
          "readValue", false },
        { "[{'subject':'secrets','action':'readValue'},"
          " {'subject':'secrets','action':'readValue','inverted':true,"
          "  'conditions':{'environment':'dev'}}]",
          "readValue", true },
        { "[{'subject':'secrets','action':'readValue'},"
          " {'subject':'secrets','action':'readValue','inverted':true,"
          "  'conditions':{'secretTags':{'$in':['db']}}}]",
          "readValue", false },
        { "[{'subject':'secrets','action':'readValue'},"
          " {'subject':'secret-folders','action':'read','inverted':true}]",
          "readValue", true },
        { "[{'subject':'secrets','action':'readValue','inverted':true}]", "readValue", false },
        { "[{'subject':'secrets','action':'readValue','inverted':false,'conditions':{}}]",
          "readValue", true },
        { "[{'subject':'secrets','action':'readValue','inverted':null,'conditions':null}]",
          "readValue", true },
    };
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        struct pn_rules rules = read_rules(arena, "project", rows[i].rules);

        if (may(&rules, &a_secret, rows[i].action) != rows[i].may)
            fail_msg("%s of %s", rows[i].action, rows[i].rules);
    }
}

/* Roles in a row: the rules of the later one come later. */
PN_TEST(roles_add_up_in_their_order)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    const struct pn_rules read = read_rules(arena, "project",
                                            "[{'subject':'secrets','action':'read'}]"),
                          edit = read_rules(arena, "project",
                                            "[{'subject':'secrets','action':'edit'}]"),
                          not_prod = read_rules(
                              arena, "project",
                              "[{'subject':'secrets','action':['read','edit'],'inverted':true,"
                              " 'conditions':{'environment':'prod'}}]");
    const struct pn_rules *both[] = { &read, &edit }, *denied[] = { &read, &edit, &not_prod },
                          *lifted[] = { &not_prod, &read };

    CHECK(pn_rules_may(both, 2, &a_secret, PN_LIT("edit"), PN_RULES_OF_OBJECT));
    CHECK(pn_rules_may(both, 2, &a_secret, PN_LIT("readValue"), PN_RULES_OF_OBJECT));
    CHECK(!pn_rules_may(both, 2, &a_secret, PN_LIT("delete"), PN_RULES_OF_OBJECT));
    CHECK(!pn_rules_may(denied, 3, &a_secret, PN_LIT("edit"), PN_RULES_OF_OBJECT));
    CHECK(!pn_rules_may(denied, 3, &a_secret, PN_LIT("read"), PN_RULES_OF_OBJECT));
    CHECK(pn_rules_may(lifted, 2, &a_secret, PN_LIT("readValue"), PN_RULES_OF_OBJECT));
    CHECK(!pn_rules_may(NULL, 0, &a_secret, PN_LIT("readValue"), PN_RULES_OF_OBJECT));
}

/* Questions about a subject as a whole, and about whether there is anything at all. */
PN_TEST(conditions_neither_allow_all_nor_hinder_some)
{
    static const struct {
        const char *rules;
        bool all, some;
    } rows[] = {
        { "[]", false, false },
        { "[{'subject':'secrets','action':'edit'}]", true, true },
        { "[{'subject':'secrets','action':'edit','conditions':{'environment':'dev'}}]", false,
          true },
        { "[{'subject':'secrets','action':'edit'},"
          " {'subject':'secrets','action':'edit','inverted':true,'conditions':{'environment':'dev'}"
          "}]",
          false, true },
        { "[{'subject':'secrets','action':'edit','conditions':{'environment':'dev'}},"
          " {'subject':'secrets','action':'edit','inverted':true}]",
          false, false },
        { "[{'subject':'secrets','action':'edit','inverted':true},"
          " {'subject':'secrets','action':'edit','conditions':{'environment':'dev'}}]",
          false, true },
    };
    static const struct pn_permit_object secrets = { .subject = "secrets" };
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        const struct pn_rules read = read_rules(arena, "project", rows[i].rules), *rules = &read;

        if (pn_rules_may(&rules, 1, &secrets, PN_LIT("edit"), PN_RULES_OF_ALL) != rows[i].all ||
            pn_rules_may(&rules, 1, &secrets, PN_LIT("edit"), PN_RULES_OF_SOME) != rows[i].some)
            fail_msg("%s", rows[i].rules);
    }
}

PN_TEST(other_subjects_have_their_conditions)
{
    static const struct {
        const char *rules;
        struct pn_permit_object object;
        const char *action;
        bool may;
    } rows[] = {
        { "[{'subject':'identity','action':'edit','conditions':{'identityId':'x'}}]",
          { .subject = "identity", .identityId = PN_LIT_INIT("x") },
          "edit",
          true },
        { "[{'subject':'identity','action':'edit','conditions':{'identityId':'x'}}]",
          { .subject = "identity", .identityId = PN_LIT_INIT("y") },
          "edit",
          false },
        { "[{'subject':'pam-accounts','action':'access','conditions':{'accountPath':{'$glob':'prod/"
          "*'}}}]",
          { .subject = "pam-accounts", .accountPath = PN_LIT_INIT("prod/viewer") },
          "access",
          true },
        { "[{'subject':'pam-accounts','action':'access','conditions':{'accountPath':{'$glob':'prod/"
          "*'}}}]",
          { .subject = "pam-accounts", .accountPath = PN_LIT_INIT("dev/viewer") },
          "access",
          false },
        { "[{'subject':'pam-accounts','action':'access','conditions':{'resourceName':'a','"
          "accountName':'b'}}]",
          { .subject = "pam-accounts",
            .resourceName = PN_LIT_INIT("a"),
            .accountName = PN_LIT_INIT("b") },
          "access",
          true },
        { "[{'subject':'pam-resources','action':'edit','conditions':{'name':'a'}}]",
          { .subject = "pam-resources", .name = PN_LIT_INIT("b") },
          "edit",
          false },
        { "[{'subject':'dynamic-secrets','action':'lease','conditions':{'secretPath':{'$glob':'/a/"
          "**'}}}]",
          { .subject = "dynamic-secrets", .secretPath = PN_LIT_INIT("/a") },
          "lease",
          true },
    };
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        struct pn_rules rules = read_rules(arena, "project", rows[i].rules);

        if (may(&rules, &rows[i].object, rows[i].action) != rows[i].may)
            fail_msg("%s", rows[i].rules);
    }
}

PN_TEST(what_is_not_understood_is_refused)
{
    static const struct {
        const char *scope, *rules, *where; /* the third member of the issue's path, or "" */
    } rows[] = {
        { "project", "{}", "" },
        { "project", "'x'", "" },
        { "project", "[1]", "subject" },
        { "project", "[{}]", "subject" },
        { "project", "[{'subject':'nonsense','action':'read'}]", "subject" },
        { "project", "[{'subject':'*','action':'*'}]", "subject" },
        { "project", "[{'subject':'gateway','action':'list-gateways'}]", "subject" },
        { "org", "[{'subject':'secrets','action':'read'}]", "subject" },
        { "project", "[{'subject':'secrets'}]", "action" },
        { "project", "[{'subject':'secrets','action':[]}]", "action" },
        { "project", "[{'subject':'secrets','action':7}]", "action" },
        { "project", "[{'subject':'secrets','action':['read',null]}]", "action" },
        { "project", "[{'subject':'secrets','action':'*'}]", "action" },
        { "project", "[{'subject':'secrets','action':'lease'}]", "action" },
        { "project", "[{'subject':'secrets','action':'read edit'}]", "action" },
        { "org", "[{'subject':'gateway','action':'read'}]", "action" },
        { "project", "[{'subject':'secrets','action':'read','inverted':'yes'}]", "inverted" },
        { "project", "[{'subject':'secrets','action':'read','inverted':1}]", "inverted" },
#define WITH(conditions)                                                                \
    { "project", "[{'subject':'secrets','action':'read','conditions':" conditions "}]", \
      "conditions" }
        WITH("[]"),
        WITH("'x'"),
        WITH("{'identityId':'x'}"),
        WITH("{'nonsense':'x'}"),
        WITH("{'environment':1}"),
        WITH("{'environment':''}"),
        WITH("{'environment':{}}"),
        WITH("{'environment':null}"),
        WITH("{'environment':['dev']}"),
        WITH("{'environment':{'$regex':'x'}}"),
        WITH("{'environment':{'$eq':['x']}}"),
        WITH("{'environment':{'$eq':null}}"),
        WITH("{'environment':{'$in':'x'}}"),
        WITH("{'environment':{'$in':[]}}"),
        WITH("{'environment':{'$in':['x',1]}}"),
        WITH("{'environment':{'$all':['x']}}"),
        WITH("{'environment':{'$elemMatch':{'$eq':'x'}}}"),
        WITH("{'environment':{'$glob':'['}}"),
        WITH("{'environment':{'$glob':'!prod'}}"),
        WITH("{'secretPath':'apps'}"),
        WITH("{'secretPath':{'$glob':'**'}}"),
        WITH("{'secretPath':{'$in':['/a','b']}}"),
        WITH("{'secretPath':{'$ne':'a'}}"),
        WITH("{'secretTags':['db']}"),
        WITH("{'secretTags':{'$all':[]}}"),
        WITH("{'secretTags':{'$all':'db'}}"),
        WITH("{'secretTags':{'$elemMatch':{'key':'db'}}}"),
        WITH("{'metadata':'x'}"),
        WITH("{'metadata':{'$eq':'x'}}"),
        WITH("{'metadata':{'$elemMatch':{}}}"),
        WITH("{'metadata':{'$elemMatch':{'name':'x'}}}"),
        WITH("{'metadata':{'$all':['x']}}"),
        { "project", "[{'subject':'tags','action':'read','conditions':{'environment':'x'}}]",
          "conditions" },
        { "org", "[{'subject':'identity','action':'read','conditions':{'identityId':'x'}}]",
          "conditions" },
    };
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        pn_auto(pn_value_freep) struct pn_value *issues = NULL;
        struct pn_err err = { 0 }, ignored = { 0 };
        struct pn_rules rules;
        char json[512];

        snprintf(json, sizeof(json), "%s", rows[i].rules);
        for (char *at = json; *at != '\0'; at++)
            *at = *at == '\'' ? '"' : *at;
        if (pn_rules_parse(arena, rows[i].scope, pn_str_from(json), &rules, &err) ||
            err.code != PN_VALIDATION)
            fail_msg("%s: %s", rows[i].rules, err.message);
        CHECK_OK(pn_value_parse(err.details, &issues, &ignored), ignored);
        CHECK_STR(pn_value_str(pn_value_at(issues, "0.path.0")), "permissions");
        if (!pn_str_is(pn_value_str(pn_value_at(issues, "0.path.2")), rows[i].where) &&
            rows[i].where[0] != '\0')
            fail_msg("%s: %.*s", rows[i].rules, PN_ARG(err.details));
    }
}

PN_TEST(there_is_a_most_of_everything)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(PN_RULES_MAX_BYTES * 2);
    struct pn_err err = { 0 };
    struct pn_rules rules;

    pn_buf_add_text(&json, "[");
    for (int i = 0; i < PN_RULES_MAX; i++)
        pn_buf_addf(&json, "%s{\"subject\":\"tags\",\"action\":\"read\"}", i > 0 ? "," : "");
    pn_buf_add_text(&json, "]");
    CHECK_OK(pn_rules_parse(arena, "project", pn_buf_str(&json), &rules, &err), err);
    CHECK_EQ(rules.count, PN_RULES_MAX);
    json.len--;
    pn_buf_add_text(&json, ",{\"subject\":\"tags\",\"action\":\"read\"}]");
    CHECK_FAILS(pn_rules_parse(arena, "project", pn_buf_str(&json), &rules, &err), err, VALIDATION);
    pn_buf_clear(&json);
    pn_buf_addf(&json, "[%*s]", PN_RULES_MAX_BYTES, "");
    CHECK_FAILS(pn_rules_parse(arena, "project", pn_buf_str(&json), &rules, &err), err, VALIDATION);
    pn_buf_clear(&json);
    pn_buf_add_text(&json, "[{\"subject\":\"secrets\",\"action\":\"edit\",\"conditions\":{"
                           "\"secretTags\":{\"$all\":[\"a\"");
    for (int i = 0; i < 64; i++)
        pn_buf_add_text(&json, ",\"a\"");
    pn_buf_add_text(&json, "]}}}]");
    CHECK_FAILS(pn_rules_parse(arena, "project", pn_buf_str(&json), &rules, &err), err, VALIDATION);
}

PN_TEST(damaged_packed_rules_are_noticed)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf packed = pn_buf_init(PN_RULES_MAX_PACKED);
    struct pn_rules rules = read_rules(arena, "project",
                                       "[{'subject':'secrets','action':['read','edit'],'conditions'"
                                       ":{'environment':{'$in':['a','b']}}}]");
    struct pn_err err = { 0 };

    pn_rules_pack(&rules, &packed);
    for (size_t len = 0; len < packed.len; len++)
        CHECK_FAILS(pn_rules_unpack(arena, pn_str_of(packed.ptr, len), &rules, &err), err,
                    INTERNAL);
    pn_buf_add_byte(&packed, 0);
    CHECK_FAILS(pn_rules_unpack(arena, pn_buf_str(&packed), &rules, &err), err, INTERNAL);
    packed.ptr[0] = 2;
    CHECK_FAILS(pn_rules_unpack(arena, pn_buf_str(&packed), &rules, &err), err, INTERNAL);
}

/* Does who holds the first list cover the second one? */
#define ON(actions, more) "{'subject':'secrets','action':" actions more "}"
#define WHERE(conditions) ",'conditions':{" conditions "}"
#define NOT ",'inverted':true"
PN_TEST(covering_is_careful)
{
    static const struct {
        const char *own, *other;
        bool covers;
    } rows[] = {
        { "[]", "[]", true },
        { "[]", "[" ON("'edit'", "") "]", false },
        { "[" ON("'edit'", "") "]", "[]", true },
        { "[" ON("'edit'", "") "]", "[" ON("'edit'", "") "]", true },
        { "[" ON("'edit'", "") "]", "[" ON("['edit','delete']", "") "]", false },
        { "[" ON("['edit','delete']", "") "]", "[" ON("'edit'", "") "]", true },
        { "[" ON("'edit'", "") "," ON("'delete'", "") "]", "[" ON("['edit','delete']", "") "]",
          true },
        { "[" ON("'read'", "") "]", "[" ON("['describeSecret','readValue']", "") "]", true },
        { "[" ON("['describeSecret','readValue']", "") "]", "[" ON("'read'", "") "]", true },
        { "[" ON("'describeSecret'", "") "]", "[" ON("'read'", "") "]", false },
        { "[" ON("'edit'", "") "]", "[{'subject':'tags','action':'edit'}]", false },
        /* conditions */
        { "[" ON("'edit'", "") "]", "[" ON("'edit'", WHERE("'environment':'dev'")) "]", true },
        { "[" ON("'edit'", WHERE("'environment':'dev'")) "]", "[" ON("'edit'", "") "]", false },
        { "[" ON("'edit'", WHERE("'environment':'dev'")) "]",
          "[" ON("'edit'", WHERE("'environment':{'$eq':'dev'}")) "]", true },
        { "[" ON("'edit'", WHERE("'environment':'dev'")) "]",
          "[" ON("'edit'", WHERE("'environment':'prod'")) "]", false },
        { "[" ON("'edit'", WHERE("'environment':{'$in':['a','b']}")) "]",
          "[" ON("'edit'", WHERE("'environment':'b'")) "]", true },
        { "[" ON("'edit'", WHERE("'environment':{'$in':['a','b']}")) "]",
          "[" ON("'edit'", WHERE("'environment':{'$in':['b','c']}")) "]", false },
        { "[" ON("'edit'", WHERE("'environment':{'$ne':'prod'}")) "]",
          "[" ON("'edit'", WHERE("'environment':'dev'")) "]", true },
        { "[" ON("'edit'", WHERE("'environment':{'$ne':'prod'}")) "]",
          "[" ON("'edit'", WHERE("'environment':{'$ne':'dev'}")) "]", false },
        { "[" ON("'edit'", WHERE("'environment':{'$glob':'d*'}")) "]",
          "[" ON("'edit'", WHERE("'environment':{'$in':['dev','demo']}")) "]", true },
        { "[" ON("'edit'", WHERE("'environment':{'$glob':'d*'}")) "]",
          "[" ON("'edit'", WHERE("'environment':{'$glob':'de*'}")) "]", false }, /* unsure */
        { "[" ON("'edit'", WHERE("'secretPath':{'$glob':'/apps/**'}")) "]",
          "[" ON("'edit'", WHERE("'secretPath':{'$glob':'/apps/web/*'}")) "]", true },
        { "[" ON("'edit'", WHERE("'secretPath':{'$glob':'/apps/**'}")) "]",
          "[" ON("'edit'", WHERE("'secretPath':{'$glob':'/apps/**'}")) "]", true },
        { "[" ON("'edit'", WHERE("'secretPath':{'$glob':'/apps/**'}")) "]",
          "[" ON("'edit'", WHERE("'secretPath':'/apps'")) "]", true },
        { "[" ON("'edit'", WHERE("'secretPath':{'$glob':'/apps/**'}")) "]",
          "[" ON("'edit'", WHERE("'secretPath':{'$glob':'/apps*'}")) "]", false },
        { "[" ON("'edit'", WHERE("'secretPath':{'$glob':'/apps/*'}")) "]",
          "[" ON("'edit'", WHERE("'secretPath':{'$glob':'/apps/**'}")) "]", false },
        { "[" ON("'edit'", WHERE("'secretPath':{'$glob':'/{a,b}/**'}")) "]",
          "[" ON("'edit'", WHERE("'secretPath':{'$glob':'/{b/x,a}/**'}")) "]", true },
        { "[" ON("'edit'", WHERE("'environment':'dev'")) "," ON("'edit'",
                                                                WHERE("'environment':'prod'")) "]",
          "[" ON("'edit'", WHERE("'environment':'prod','secretPath':'/a'")) "]", true },
        { "[" ON("'edit'", WHERE("'environment':'dev','secretPath':'/a'")) "]",
          "[" ON("'edit'", WHERE("'environment':'dev'")) "]", false },
        { "[" ON("'edit'", WHERE("'secretTags':{'$in':['a']}")) "]",
          "[" ON("'edit'", WHERE("'secretTags':{'$in':['a']},'environment':'dev'")) "]", true },
        { "[" ON("'edit'", WHERE("'secretTags':{'$in':['a','b']}")) "]",
          "[" ON("'edit'", WHERE("'secretTags':{'$in':['a']}")) "]", false }, /* unsure */
        { "[" ON("'edit'", WHERE("'metadata':{'$elemMatch':{'key':'k','value':'v'}}")) "]",
          "[" ON("'edit'", WHERE("'metadata':{'$elemMatch':{'key':'k','value':'v'}}")) "]", true },
        { "[" ON("'edit'", WHERE("'metadata':{'$elemMatch':{'key':'k','value':'v'}}")) "]",
          "[" ON("'edit'", WHERE("'metadata':{'$all':[{'key':'k'},{'value':'v'}]}")) "]", false },
        { "[" ON("'edit'", WHERE("'secretTags':{'$ne':'a'}")) "]",
          "[" ON("'edit'", WHERE("'secretTags':{'$elemMatch':{'$ne':'a'}}")) "]", false },
        /* what is forbidden */
        { "[" ON("'edit'", "") "," ON("'edit'", NOT) "]", "[" ON("'edit'", "") "]", false },
        { "[" ON("'edit'", "") "," ON("'edit'", NOT WHERE("'environment':'prod'")) "]",
          "[" ON("'edit'", "") "]", false },
        { "[" ON("'edit'", "") "," ON("'edit'", NOT WHERE("'environment':'prod'")) "]",
          "[" ON("'edit'", WHERE("'environment':'dev'")) "]", true },
        { "[" ON("'edit'", "") "," ON("'edit'", NOT WHERE("'environment':'prod'")) "]",
          "[" ON("'edit'", WHERE("'environment':{'$in':['dev','prod']}")) "]", false },
        { "[" ON("'edit'", "") "," ON("'edit'", NOT WHERE("'secretPath':{'$glob':'/x/**'}")) "]",
          "[" ON("'edit'", WHERE("'secretPath':'/y'")) "]", true },
        { "[" ON("'edit'", "") "," ON("'edit'", NOT WHERE("'secretPath':{'$glob':'/x/**'}")) "]",
          "[" ON("'edit'", WHERE("'secretPath':{'$glob':'/y/**'}")) "]", false }, /* unsure */
        { "[" ON("'edit'", "") "," ON("'edit'", NOT WHERE("'environment':'prod'")) "]",
          "[" ON("'edit'", "") "," ON("'edit'", NOT WHERE("'environment':'prod'")) "]", true },
        { "[" ON("'edit'", "") "," ON("'edit'", NOT WHERE("'environment':'prod'")) "]",
          "[" ON("'edit'", NOT WHERE("'environment':'prod'")) "," ON("'edit'", "") "]", false },
        { "[" ON("'edit'", "") "," ON("'edit'", NOT WHERE("'environment':'prod'")) "]",
          "[" ON("'edit'", "") "," ON("'edit'",
                                      NOT WHERE("'environment':'prod','secretPath':'/a'")) "]",
          false },
        { "[" ON("'edit'", "") "," ON("'edit'",
                                      NOT WHERE("'environment':'prod','secretPath':'/a'")) "]",
          "[" ON("'edit'", "") "," ON("'edit'", NOT WHERE("'environment':'prod'")) "]", true },
        { "[" ON("'edit'", "") "," ON("'edit'", NOT WHERE("'environment':'prod'")) "]",
          "[" ON("'edit'", "") "," ON("'edit'", NOT WHERE("'environment':'prod'")) "," ON(
              "'edit'", WHERE("'environment':'prod'")) "]",
          false },
        { "[" ON("'edit'", NOT) "," ON("'edit'", "") "]", "[" ON("'edit'", "") "]", true },
        { "[]", "[" ON("'edit'", NOT) "]", true },
        { "[" ON("'read'", "") "," ON("'readValue'", NOT) "]", "[" ON("'read'", "") "]", false },
        { "[" ON("'read'", "") "," ON("'readValue'", NOT) "]", "[" ON("'describeSecret'", "") "]",
          true },
    };
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        const struct pn_rules own = read_rules(arena, "project", rows[i].own), *roles = &own,
                              other = read_rules(arena, "project", rows[i].other);
        const struct pn_rule *missing = NULL;

        if (pn_rules_cover(&roles, 1, &other, &missing) != rows[i].covers)
            fail_msg("%s covers %s", rows[i].own, rows[i].other);
        if (!rows[i].covers)
            CHECK(missing != NULL && !missing->is_inverted);
    }
}

PN_TEST(built_in_roles_cover_themselves_and_less)
{
    static const struct {
        const char *scope, *own, *other;
        bool covers;
    } rows[] = {
        { "project", "admin", "admin", true },       { "project", "admin", "viewer", true },
        { "project", "member", "no-access", true },  { "project", "member", "viewer", true },
        { "project", "viewer", "member", false },    { "project", "member", "admin", false },
        { "project", "no-access", "viewer", false }, { "org", "admin", "admin", true },
        { "org", "member", "member", true },         { "org", "member", "admin", false },
    };

    for (size_t i = 0; i < PN_COUNT(rows); i++) {
        const struct pn_rules *own =
            &pn_builtin_find(rows[i].scope, pn_str_from(rows[i].own))->rules;
        const struct pn_rule *missing;

        if (pn_rules_cover(&own, 1,
                           &pn_builtin_find(rows[i].scope, pn_str_from(rows[i].other))->rules,
                           &missing) != rows[i].covers)
            fail_msg("%s %s %s", rows[i].scope, rows[i].own, rows[i].other);
    }
    CHECK(pn_builtin_find("org", PN_LIT("viewer")) == NULL);
    CHECK(pn_builtin_find("org", PN_LIT("")) == NULL);
    CHECK(pn_builtin_is_reserved("org", PN_LIT("custom")));
    CHECK(!pn_builtin_is_reserved("org", PN_LIT("viewer")));
}

/* An administrator with something forbidden is none any more: it no longer covers an administrator. */
PN_TEST(a_forbidden_thing_breaks_the_star)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    const struct pn_rules *admin = &pn_builtin_find("project", PN_LIT("admin"))->rules;
    const struct pn_rules no_delete =
        read_rules(arena, "project", "[{'subject':'workspace','action':'delete','inverted':true}]");
    const struct pn_rules *roles[] = { admin, &no_delete };
    const struct pn_rule *missing;

    CHECK(pn_rules_cover(roles, 1, admin, &missing));
    CHECK(!pn_rules_cover(roles, 2, admin, &missing));
}

PN_TEST_MAIN(T(every_operator_holds_for_what_it_says),
             T(what_an_object_does_not_say_meets_no_condition),
             T(the_last_rule_that_speaks_decides), T(roles_add_up_in_their_order),
             T(conditions_neither_allow_all_nor_hinder_some),
             T(other_subjects_have_their_conditions), T(what_is_not_understood_is_refused),
             T(there_is_a_most_of_everything), T(damaged_packed_rules_are_noticed),
             T(covering_is_careful), T(built_in_roles_cover_themselves_and_less),
             T(a_forbidden_thing_breaks_the_star))
