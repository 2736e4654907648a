/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/glob.h"
#include "core/org/rules.h"

/*
 * The privilege boundary (platform.md §8.5): does a list of rules allow whatever another one allows? One
 * rule at a time: an allowing rule of the other is covered when an allowing rule of ours asks no more
 * than it does, and none of ours that forbids may come between. Decided by form: when unsure, it is not.
 */

static bool is_same_test(const struct pn_rule_test *a, const struct pn_rule_test *b)
{
    if (a->key != b->key || a->op != b->op || (a->element != 0) != (b->element != 0) ||
        a->values.count != b->values.count)
        return false;
    for (size_t i = 0; i < a->values.count; i++) {
        if (!pn_str_eq(a->values.items[i], b->values.items[i]))
            return false;
    }
    return true;
}

/* The texts that `pattern` can match all begin with a directory of `wide`: "/a/ **" holds "/a/b/ *". */
static bool is_glob_within(struct pn_str pattern, struct pn_str wide)
{
    struct pn_str base = pn_str_slice(wide, 0, pn_glob_literal(wide));

    if (!pn_str_is(pn_str_slice(wide, base.len, wide.len), "**") || !pn_str_ends(base, PN_LIT("/")))
        return false;
    return pn_str_starts(pn_str_slice(pattern, 0, pn_glob_literal(pattern)), base);
}

/* Is every text that passes `strict` sure to pass `wide`, both being about the same key? */
static bool is_test_within(const struct pn_rule_test *strict, const struct pn_rule_test *wide)
{
    if (is_same_test(strict, wide))
        return true;
    if (strict->op == PN_RULE_IN) {
        for (size_t i = 0; i < strict->values.count; i++) {
            if (!pn_rule_test_text(wide, strict->values.items[i]))
                return false;
        }
        return true;
    }
    if (strict->op != PN_RULE_GLOB || wide->op != PN_RULE_GLOB)
        return false;
    for (size_t i = 0; i < strict->values.count; i++) {
        bool is_within = false;

        for (size_t k = 0; k < wide->values.count && !is_within; k++)
            is_within = pn_str_eq(strict->values.items[i], wide->values.items[k]) ||
                        is_glob_within(strict->values.items[i], wide->values.items[k]);
        if (!is_within)
            return false;
    }
    return true;
}

static size_t group_len(const struct pn_rule *rule, size_t at)
{
    size_t n = 1;

    while (rule->tests[at].element != 0 && at + n < rule->test_count &&
           rule->tests[at + n].element == rule->tests[at].element)
        n++;
    return n;
}

/* Has `strict` a group of tests about one element that is the one of `wide` at `at`? */
static bool has_group(const struct pn_rule *strict, const struct pn_rule *wide, size_t at, size_t n)
{
    for (size_t i = 0, m; i < strict->test_count; i += m) {
        size_t same = 0;

        m = group_len(strict, i);
        while (m == n && same < n &&
               is_same_test(&strict->tests[i + same], &wide->tests[at + same]))
            same++;
        if (same == n)
            return true;
    }
    return false;
}

static bool has_test_within(const struct pn_rule *strict, const struct pn_rule_test *wide)
{
    for (size_t i = 0; i < strict->test_count; i++) {
        if (strict->tests[i].element == 0 && strict->tests[i].key == wide->key &&
            is_test_within(&strict->tests[i], wide))
            return true;
    }
    return false;
}

/* Is every object for which `strict` holds sure to be one for which `wide` does? */
static bool is_rule_within(const struct pn_rule *strict, const struct pn_rule *wide)
{
    for (size_t i = 0, n; i < wide->test_count; i += n) {
        bool is_list = wide->tests[i].key >= PN_RULE_TAG;

        n = group_len(wide, i);
        if (is_list ? !has_group(strict, wide, i, n) : !has_test_within(strict, &wide->tests[i]))
            return false;
    }
    return true;
}

/* Sure that no object is meant by both: one names all its texts of a key, and the other takes none of them. */
static bool are_texts_apart(const struct pn_rule *named, const struct pn_rule *other)
{
    for (size_t i = 0; i < named->test_count; i++) {
        const struct pn_rule_test *test = &named->tests[i];

        if (test->op != PN_RULE_IN || test->key >= PN_RULE_TAG)
            continue;
        for (size_t k = 0; k < other->test_count; k++) {
            size_t taken = 0;

            if (other->tests[k].key != test->key)
                continue;
            for (size_t v = 0; v < test->values.count; v++)
                taken += pn_rule_test_text(&other->tests[k], test->values.items[v]);
            if (taken == 0)
                return true;
        }
    }
    return false;
}

/* `forbidding` comes after what allows `rule`: harmless when apart from it, or when the other forbids it too. */
static bool is_harmless(const struct pn_rule *forbidding, const struct pn_rules *other, size_t at,
                        struct pn_str action)
{
    const struct pn_rule *rule = &other->items[at];

    if (are_texts_apart(rule, forbidding) || are_texts_apart(forbidding, rule))
        return true;
    for (size_t i = at + 1; i < other->count; i++) {
        const struct pn_rule *own = &other->items[i];

        if (own->is_inverted && pn_rule_speaks(own, rule->subject, action) &&
            is_rule_within(forbidding, own))
            return true;
    }
    return false;
}

/* Whether a rule of ours bears on the action. "*" is all there is: only "*" gives it, and any "not" takes from it. */
static bool bears_on(const struct pn_rule *own, struct pn_str subject, struct pn_str action)
{
    if (pn_str_is(subject, "*") || pn_str_is(action, "*"))
        return own->is_inverted || (pn_str_is(own->subject, "*") && pn_str_is(own->actions, "*"));
    return pn_rule_speaks(own, subject, action);
}

static bool is_action_covered(const struct pn_rules *const *roles, size_t count,
                              const struct pn_rules *other, size_t at, struct pn_str action)
{
    const struct pn_rule *rule = &other->items[at];

    while (count-- > 0) {
        for (size_t i = roles[count]->count; i-- > 0;) {
            const struct pn_rule *own = &roles[count]->items[i];

            if (!bears_on(own, rule->subject, action))
                continue;
            if (!own->is_inverted && is_rule_within(rule, own))
                return true;
            if (own->is_inverted && !is_harmless(own, other, at, action))
                return false;
        }
    }
    return false;
}

static bool is_covered(const struct pn_rules *const *roles, size_t count,
                       const struct pn_rules *other, size_t at)
{
    const struct pn_rule *rule = &other->items[at];
    struct pn_str rest = rule->actions, action;

    while (pn_str_cut(&rest, ' ', &action)) {
        bool is_both = pn_str_is(action, "read") && pn_str_is(rule->subject, "secrets");

        if (is_both ? !is_action_covered(roles, count, other, at, PN_LIT("describeSecret")) ||
                          !is_action_covered(roles, count, other, at, PN_LIT("readValue"))
                    : !is_action_covered(roles, count, other, at, action))
            return false;
    }
    return true;
}

bool pn_rules_cover(const struct pn_rules *const *roles, size_t count, const struct pn_rules *other,
                    const struct pn_rule **missing)
{
    for (size_t i = 0; i < other->count; i++) {
        if (other->items[i].is_inverted || is_covered(roles, count, other, i))
            continue;
        *missing = &other->items[i];
        return false;
    }
    return true;
}
