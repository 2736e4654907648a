/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/rules.h"

#include "core/org/glob.h"
#include "core/org/subjects.h"
#include "core/rows.h"
#include "json/value.h"
#include "json/writer.h"

#include <string.h>

/* From a client's JSON to rules: everything that is not understood is refused, nothing guessed. */

#define MAX_ACTIONS 32
#define MAX_VALUES 100
#define MAX_TESTS 64 /* of a rule */
#define MAX_VALUE_BYTES PN_GLOB_MAX_BYTES

enum list_kind { NO_LIST, LIST_OF_TEXTS, LIST_OF_PAIRS };
static const struct key {
    const char *name;
    enum pn_rule_key key;
    enum list_kind list;
} keys[] = {
    { "environment", PN_RULE_ENVIRONMENT, NO_LIST },
    { "secretPath", PN_RULE_SECRET_PATH, NO_LIST },
    { "secretName", PN_RULE_SECRET_NAME, NO_LIST },
    { "identityId", PN_RULE_IDENTITY_ID, NO_LIST },
    { "name", PN_RULE_NAME, NO_LIST },
    { "resourceName", PN_RULE_RESOURCE_NAME, NO_LIST },
    { "accountName", PN_RULE_ACCOUNT_NAME, NO_LIST },
    { "accountPath", PN_RULE_ACCOUNT_PATH, NO_LIST },
    { "secretTags", PN_RULE_TAG, LIST_OF_TEXTS },
    { "metadata", PN_RULE_METADATA_KEY, LIST_OF_PAIRS },
};

struct reading {
    struct pn_arena *arena;
    struct pn_err *err;
    size_t index;      /* of the rule */
    const char *field; /* of the rule: what an issue points to */
    uint8_t elements;  /* numbered so far */
    struct pn_rows tests;
};

/* [{"code","path":["permissions", 3, "conditions"],"message"}] */
static bool refuse(const struct reading *r, const char *format, ...) PN_PRINTF(2, 3);
static bool refuse(const struct reading *r, const char *format, ...)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4096), text = pn_buf_init(512);
    struct pn_writer w = pn_writer_of(&json);
    va_list args;

    va_start(args, format);
    pn_buf_addv(&text, format, args);
    va_end(args);
    pn_write_array(&w, NULL);
    pn_write_object(&w, NULL);
    pn_write_text(&w, "code", "custom");
    pn_write_array(&w, "path");
    pn_write_text(&w, NULL, "permissions");
    if (r->field != NULL) {
        pn_write_int(&w, NULL, (int64_t)r->index);
        pn_write_text(&w, NULL, r->field);
    }
    pn_write_end(&w);
    pn_write_str(&w, "message", pn_buf_str(&text));
    pn_write_end(&w);
    pn_write_end(&w);
    (void)pn_fail(r->err, PN_VALIDATION, "%.*s", PN_ARG(pn_buf_str(&text)));
    r->err->details = pn_arena_copy(r->arena, pn_buf_str(&json));
    return false;
}

static struct pn_str shown(struct pn_str text)
{
    return pn_str_slice(text, 0, 64);
}

/* ---- conditions ---- */

static bool check_text(const struct reading *r, enum pn_rule_key key, struct pn_str *text)
{
    if (text->ptr == NULL || text->len == 0 || text->len > MAX_VALUE_BYTES ||
        pn_str_find(*text, '\0') >= 0)
        return refuse(r, "A condition compares with a text of 1 to %d bytes", MAX_VALUE_BYTES);
    if (key != PN_RULE_SECRET_PATH)
        return true;
    if (text->ptr[0] != '/')
        return refuse(r, "secretPath must begin with /");
    while (text->len > 1 && text->ptr[text->len - 1] == '/')
        text->len--;
    return true;
}

static bool read_texts(const struct reading *r, enum pn_rule_key key, const struct pn_value *list,
                       struct pn_strs *out)
{
    size_t count = pn_value_is_array(list) ? pn_value_count(list) : 0;

    if (count == 0 || count > MAX_VALUES)
        return refuse(r, "$in and $all take a list of 1 to %d texts", MAX_VALUES);
    *out = (struct pn_strs){ pn_new(r->arena, struct pn_str, count), count };
    for (size_t i = 0; i < count; i++) {
        struct pn_str text = pn_value_str(pn_value_item(list, i));

        if (!check_text(r, key, &text))
            return false;
        out->items[i] = pn_arena_copy(r->arena, text);
    }
    return true;
}

static bool add_test(struct reading *r, struct pn_rule_test test)
{
    if (r->tests.list.count == MAX_TESTS)
        return refuse(r, "A rule has at most %d conditions", MAX_TESTS);
    *(struct pn_rule_test *)pn_rows_add(&r->tests) = test;
    return true;
}

static bool add_text_test(struct reading *r, struct pn_rule_test test, struct pn_str text)
{
    if (!check_text(r, test.key, &text))
        return false;
    test.values = (struct pn_strs){ pn_new(r->arena, struct pn_str, 1), 1 };
    test.values.items[0] = pn_arena_copy(r->arena, text);
    if (test.op == PN_RULE_GLOB && !pn_glob_expand(r->arena, test.values.items[0], &test.values))
        return refuse(r, "'%.*s' is not a pattern", PN_ARG(shown(text)));
    return add_test(r, test);
}

/* The operators that compare one text. */
static const struct {
    const char *name;
    enum pn_rule_op op;
    bool is_list;
} operators[] = {
    { "$eq", PN_RULE_IN, false },
    { "$ne", PN_RULE_NOT_IN, false },
    { "$glob", PN_RULE_GLOB, false },
    { "$in", PN_RULE_IN, true },
};

static bool read_operator(struct reading *r, struct pn_rule_test test, struct pn_str name,
                          const struct pn_value *value)
{
    for (size_t i = 0; i < PN_COUNT(operators); i++) {
        if (!pn_str_is(name, operators[i].name))
            continue;
        test.op = operators[i].op;
        if (!operators[i].is_list)
            return add_text_test(r, test, pn_value_str(value));
        return read_texts(r, test.key, value, &test.values) && add_test(r, test);
    }
    return refuse(r, "Unknown operator '%.*s'", PN_ARG(shown(name)));
}

/* A bare text, or {"$eq": …, "$glob": …}: all of them. */
static bool read_comparison(struct reading *r, struct pn_rule_test test,
                            const struct pn_value *value)
{
    const struct pn_value *operand;
    struct pn_str name;

    if (pn_value_is_string(value))
        return add_text_test(r, test, pn_value_str(value));
    if (!pn_value_is_object(value) || pn_value_count(value) == 0)
        return refuse(r, "A condition is a text, or an object of operators");
    for (size_t i = 0; pn_value_member(value, i, &name, &operand); i++) {
        if (!read_operator(r, test, name, operand))
            return false;
    }
    return true;
}

/* What one element must be: {"key": …, "value": …} of metadata, a comparison of tags. */
static bool read_element(struct reading *r, enum pn_rule_key key, const struct pn_value *value)
{
    struct pn_rule_test test = { .key = key, .element = ++r->elements };
    const struct pn_value *operand;
    struct pn_str name;

    if (key == PN_RULE_TAG)
        return read_comparison(r, test, value);
    if (!pn_value_is_object(value) || pn_value_count(value) == 0)
        return refuse(r, "$elemMatch and $all of metadata take objects of key and value");
    for (size_t i = 0; pn_value_member(value, i, &name, &operand); i++) {
        if (!pn_str_is(name, "key") && !pn_str_is(name, "value"))
            return refuse(r, "Metadata has a key and a value, but no '%.*s'", PN_ARG(shown(name)));
        test.key = pn_str_is(name, "key") ? PN_RULE_METADATA_KEY : PN_RULE_METADATA_VALUE;
        if (!read_comparison(r, test, operand))
            return false;
    }
    return true;
}

/* $all of a list: an element for each. */
static bool read_all(struct reading *r, enum pn_rule_key key, const struct pn_value *list)
{
    size_t count = pn_value_is_array(list) ? pn_value_count(list) : 0;

    if (count == 0)
        return refuse(r, "$all takes a list");
    for (size_t i = 0; i < count; i++) {
        const struct pn_value *item = pn_value_item(list, i), *inner;

        inner = pn_value_get(item, "$elemMatch");
        if (r->elements == MAX_TESTS)
            return refuse(r, "A rule has at most %d conditions", MAX_TESTS);
        if (!read_element(r, key, inner != NULL ? inner : item))
            return false;
    }
    return true;
}

static bool read_list_operator(struct reading *r, const struct key *key, struct pn_str name,
                               const struct pn_value *value)
{
    struct pn_rule_test test = { .key = key->key };

    if (r->elements == MAX_TESTS)
        return refuse(r, "A rule has at most %d conditions", MAX_TESTS);
    if (pn_str_is(name, "$all"))
        return read_all(r, key->key, value);
    if (pn_str_is(name, "$elemMatch"))
        return read_element(r, key->key, value);
    if (key->list == LIST_OF_PAIRS)
        return refuse(r, "metadata takes $elemMatch or $all");
    if (!pn_str_is(name, "$ne"))
        test.element = ++r->elements;
    return read_operator(r, test, name, value);
}

static bool read_condition(struct reading *r, const struct key *key, const struct pn_value *value)
{
    const struct pn_value *operand;
    struct pn_str name;

    if (key->list == NO_LIST)
        return read_comparison(r, (struct pn_rule_test){ .key = key->key }, value);
    if (key->list == LIST_OF_TEXTS && pn_value_is_string(value))
        return read_list_operator(r, key, PN_LIT("$eq"), value);
    if (!pn_value_is_object(value) || pn_value_count(value) == 0)
        return refuse(r, "A condition is an object of operators");
    for (size_t i = 0; pn_value_member(value, i, &name, &operand); i++) {
        if (!read_list_operator(r, key, name, operand))
            return false;
    }
    return true;
}

static bool read_conditions(struct reading *r, const struct pn_subject *subject,
                            const struct pn_value *conditions)
{
    const struct pn_value *value;
    struct pn_str name;

    if (conditions == NULL || pn_value_is_null(conditions))
        return true;
    if (!pn_value_is_object(conditions))
        return refuse(r, "conditions is an object");
    for (size_t i = 0; pn_value_member(conditions, i, &name, &value); i++) {
        const struct key *key = NULL;

        for (size_t k = 0; k < PN_COUNT(keys); k++) {
            if (pn_str_is(name, keys[k].name))
                key = &keys[k];
        }
        if (key == NULL || subject->conditions == NULL ||
            !pn_subject_lists(subject->conditions, name))
            return refuse(r, "%s has no condition '%.*s'", subject->name, PN_ARG(shown(name)));
        if (!read_condition(r, key, value))
            return false;
    }
    return true;
}

/* ---- subject and actions ---- */

static bool read_action(struct reading *r, const struct pn_subject *subject,
                        const struct pn_value *value, struct pn_buf *words)
{
    struct pn_str action = pn_value_str(value);

    if (action.len == 0 || !pn_subject_lists(subject->actions, action))
        return refuse(r, "%s has no action '%.*s'", subject->name, PN_ARG(shown(action)));
    if (words->len > 0)
        pn_buf_add_byte(words, ' ');
    pn_buf_add(words, action);
    return true;
}

static bool read_actions(struct reading *r, const struct pn_subject *subject,
                         const struct pn_value *value, struct pn_str *out)
{
    pn_auto(pn_buf_drop) struct pn_buf words = pn_buf_init(4096);
    size_t count = pn_value_is_array(value) ? pn_value_count(value) : 0;

    r->field = "action";
    if (pn_value_is_string(value)) {
        if (!read_action(r, subject, value, &words))
            return false;
    } else if (count == 0 || count > MAX_ACTIONS) {
        return refuse(r, "action is a text, or a list of 1 to %d", MAX_ACTIONS);
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_action(r, subject, pn_value_item(value, i), &words))
            return false;
    }
    *out = pn_arena_copy(r->arena, pn_buf_str(&words));
    return true;
}

static bool read_rule(struct reading *r, const char *scope, const struct pn_value *value,
                      struct pn_rule *out)
{
    struct pn_str name = pn_value_str(pn_value_get(value, "subject"));
    const struct pn_subject *subject = pn_subject_find(scope, name);
    const struct pn_value *inverted = pn_value_get(value, "inverted");

    r->field = "subject";
    if (subject == NULL)
        return refuse(r, "Unknown subject '%.*s'", PN_ARG(shown(name)));
    out->subject = pn_str_from(subject->name);
    if (!read_actions(r, subject, pn_value_get(value, "action"), &out->actions))
        return false;
    r->field = "inverted";
    out->is_inverted = pn_value_bool(inverted, false);
    if (inverted != NULL && !pn_value_is_null(inverted) &&
        pn_value_bool(inverted, true) != out->is_inverted)
        return refuse(r, "inverted is true or false");
    r->field = "conditions";
    r->elements = 0;
    r->tests = pn_rows_of(r->arena, sizeof(struct pn_rule_test));
    if (!read_conditions(r, subject, pn_value_get(value, "conditions")))
        return false;
    out->tests = r->tests.list.items;
    out->test_count = r->tests.list.count;
    return true;
}

bool pn_rules_parse(struct pn_arena *arena, const char *scope, struct pn_str json,
                    struct pn_rules *out, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *list = NULL;
    struct reading r = { .arena = arena, .err = err };
    struct pn_rule *rules;
    size_t count;

    if (json.len > PN_RULES_MAX_BYTES)
        return refuse(&r, "Rules take at most %d bytes", PN_RULES_MAX_BYTES);
    if (!pn_value_parse(json, &list, err))
        return false;
    count = pn_value_is_array(list) ? pn_value_count(list) : 0;
    if (!pn_value_is_array(list) || count > PN_RULES_MAX)
        return refuse(&r, "permissions is a list of at most %d rules", PN_RULES_MAX);
    rules = pn_new(arena, struct pn_rule, count);
    for (r.index = 0; r.index < count; r.index++) {
        if (!read_rule(&r, scope, pn_value_item(list, r.index), &rules[r.index]))
            return false;
    }
    *out = (struct pn_rules){ .items = rules, .count = count };
    return true;
}
