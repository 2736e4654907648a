/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/glob.h"
#include "core/org/rules.h"

/* Asking rules: does one speak of the action, and does it hold for the object? */

static bool lists_word(struct pn_str words, struct pn_str word)
{
    struct pn_str piece;

    while (pn_str_cut(&words, ' ', &piece)) {
        if (pn_str_eq(piece, word))
            return true;
    }
    return false;
}

bool pn_rule_has_action(const struct pn_rule *rule, struct pn_str action)
{
    if (pn_str_is(rule->actions, "*") || lists_word(rule->actions, action))
        return true;
    /* `read` on secrets is the older word for both. */
    return pn_str_is(rule->subject, "secrets") &&
           (pn_str_is(action, "describeSecret") || pn_str_is(action, "readValue")) &&
           lists_word(rule->actions, PN_LIT("read"));
}

bool pn_rule_speaks(const struct pn_rule *rule, struct pn_str subject, struct pn_str action)
{
    return (pn_str_eq(rule->subject, subject) || pn_str_is(rule->subject, "*")) &&
           pn_rule_has_action(rule, action);
}

static bool has_value(const struct pn_strs *values, struct pn_str text)
{
    for (size_t i = 0; i < values->count; i++) {
        if (pn_str_eq(values->items[i], text))
            return true;
    }
    return false;
}

bool pn_rule_test_text(const struct pn_rule_test *test, struct pn_str text)
{
    if (text.ptr == NULL)
        return false;
    switch (test->op) {
    case PN_RULE_IN: return has_value(&test->values, text);
    case PN_RULE_NOT_IN: return !has_value(&test->values, text);
    case PN_RULE_GLOB:
        for (size_t i = 0; i < test->values.count; i++) {
            if (pn_glob_match(test->values.items[i], text))
                return true;
        }
        return false;
    }
    return false;
}

static size_t element_count(const struct pn_permit_object *object, enum pn_rule_key key)
{
    return key == PN_RULE_TAG ? object->secretTags.count : object->metadata.count;
}

/* One text of the object: of its own, or of one element of a list. */
static struct pn_str value_of(const struct pn_permit_object *object, enum pn_rule_key key,
                              size_t at)
{
    switch (key) {
    case PN_RULE_ENVIRONMENT: return object->environment;
    case PN_RULE_SECRET_PATH: return object->secretPath;
    case PN_RULE_SECRET_NAME: return object->secretName;
    case PN_RULE_IDENTITY_ID: return object->identityId;
    case PN_RULE_NAME: return object->name;
    case PN_RULE_RESOURCE_NAME: return object->resourceName;
    case PN_RULE_ACCOUNT_NAME: return object->accountName;
    case PN_RULE_ACCOUNT_PATH: return object->accountPath;
    case PN_RULE_TAG: return object->secretTags.items[at];
    case PN_RULE_METADATA_KEY:
        return ((const struct pn_permit_pair *)object->metadata.items)[at].key;
    case PN_RULE_METADATA_VALUE:
        return ((const struct pn_permit_pair *)object->metadata.items)[at].value;
    }
    return PN_NONE;
}

/* `count` tests of one element number: is there an element that passes them all? */
static bool has_element(const struct pn_rule_test *tests, size_t count,
                        const struct pn_permit_object *object)
{
    for (size_t at = 0; at < element_count(object, tests[0].key); at++) {
        size_t passed = 0;

        while (passed < count &&
               pn_rule_test_text(&tests[passed], value_of(object, tests[passed].key, at)))
            passed++;
        if (passed == count)
            return true;
    }
    return false;
}

/* $ne of a list: no element is one of the values. */
static bool has_none(const struct pn_rule_test *test, const struct pn_permit_object *object)
{
    for (size_t at = 0; at < element_count(object, test->key); at++) {
        if (!pn_rule_test_text(test, value_of(object, test->key, at)))
            return false;
    }
    return true;
}

static bool holds(const struct pn_rule *rule, const struct pn_permit_object *object)
{
    for (size_t i = 0, n; i < rule->test_count; i += n) {
        const struct pn_rule_test *tests = &rule->tests[i];
        bool passes;

        for (n = 1; tests[0].element != 0 && i + n < rule->test_count &&
                    tests[n].element == tests[0].element;)
            n++;
        if (tests[0].element != 0)
            passes = has_element(tests, n, object);
        else if (tests[0].key >= PN_RULE_TAG)
            passes = has_none(&tests[0], object);
        else
            passes = pn_rule_test_text(&tests[0], value_of(object, tests[0].key, 0));
        if (!passes)
            return false;
    }
    return true;
}

/* Whether the rule decides the question: where some objects are meant, a condition helps but never hinders. */
static bool decides(const struct pn_rule *rule, const struct pn_permit_object *object,
                    enum pn_rules_of what)
{
    if (rule->test_count == 0)
        return true;
    switch (what) {
    case PN_RULES_OF_OBJECT: return holds(rule, object);
    case PN_RULES_OF_ALL: return rule->is_inverted;
    case PN_RULES_OF_SOME: return !rule->is_inverted;
    }
    return false;
}

static bool may(const struct pn_rules *const *roles, size_t count,
                const struct pn_permit_object *object, struct pn_str action, enum pn_rules_of what)
{
    struct pn_str subject = pn_str_from(object->subject);

    while (count-- > 0) {
        for (size_t i = roles[count]->count; i-- > 0;) {
            const struct pn_rule *rule = &roles[count]->items[i];

            if (pn_rule_speaks(rule, subject, action) && decides(rule, object, what))
                return !rule->is_inverted;
        }
    }
    return false;
}

bool pn_rules_may(const struct pn_rules *const *roles, size_t count,
                  const struct pn_permit_object *object, struct pn_str action,
                  enum pn_rules_of what)
{
    if (pn_str_is(action, "read") && pn_str_is(PN_LIT("secrets"), object->subject))
        return may(roles, count, object, PN_LIT("describeSecret"), what) &&
               may(roles, count, object, PN_LIT("readValue"), what);
    return may(roles, count, object, action, what);
}
