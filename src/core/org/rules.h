/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_RULES_H
#define PN_CORE_ORG_RULES_H

#include "base/buf.h"
#include "core/org/permission.h"

/*
 * The rules of one role (platform.md §8.1), ready to be asked. Parsed once, when a role is written: its
 * row keeps what the client sent, to show it, and a packed form that is read without parsing.
 */

/* What a test looks at. The last three are properties of one element of a list. */
enum pn_rule_key {
    PN_RULE_ENVIRONMENT,
    PN_RULE_SECRET_PATH,
    PN_RULE_SECRET_NAME,
    PN_RULE_IDENTITY_ID,
    PN_RULE_NAME,
    PN_RULE_RESOURCE_NAME,
    PN_RULE_ACCOUNT_NAME,
    PN_RULE_ACCOUNT_PATH,
    PN_RULE_TAG,
    PN_RULE_METADATA_KEY,
    PN_RULE_METADATA_VALUE,
};
#define PN_RULE_KEYS 11

enum pn_rule_op {
    PN_RULE_IN,     /* one of the values; $eq is a list of one */
    PN_RULE_NOT_IN, /* $ne; of a list, no element at all unless .element says it is one's */
    PN_RULE_GLOB,   /* one of the patterns matches (core/org/glob.h) */
};
#define PN_RULE_OPS 3

/* All tests of a rule must hold. Those of the same element number speak of one element of the list. */
struct pn_rule_test {
    enum pn_rule_key key;
    enum pn_rule_op op;
    uint8_t element; /* 0: of no element in particular */
    struct pn_strs values;
};
struct pn_rule {
    struct pn_str subject; /* "*": any, in built-in roles alone */
    struct pn_str actions; /* separated by spaces; "*": any */
    bool is_inverted;
    const struct pn_rule_test *tests;
    size_t test_count;
};
struct pn_rules {
    const struct pn_rule *items;
    size_t count;
};

#define PN_RULES_MAX 200               /* of a role */
#define PN_RULES_MAX_BYTES (64 * 1024) /* of their JSON */
#define PN_RULES_MAX_PACKED (256 * 1024)

/*
 * Reads the JSON array that a client sent. `scope` is "org" or "project": subjects, actions and
 * conditions are those of its table (subjects.c). Slices point into `arena`.
 *
 * Errors: PN_VALIDATION with details [{code, path, message}] that begin at "permissions".
 */
bool pn_rules_parse(struct pn_arena *arena, const char *scope, struct pn_str json,
                    struct pn_rules *out, struct pn_err *err) PN_CHECKED;

void pn_rules_pack(const struct pn_rules *rules, struct pn_buf *out);
/* Slices point into `bytes`. PN_INTERNAL: not what pn_rules_pack made, or made by another version. */
bool pn_rules_unpack(struct pn_arena *arena, struct pn_str bytes, struct pn_rules *out,
                     struct pn_err *err) PN_CHECKED;

/* How a question is meant that names no object, or not all of it. */
enum pn_rules_of {
    PN_RULES_OF_OBJECT, /* this object */
    PN_RULES_OF_ALL,    /* every object of the subject */
    PN_RULES_OF_SOME,   /* is there one? */
};
/* May `action` be done? Of all rules that speak of it the last one decides; without one it may not. */
bool pn_rules_may(const struct pn_rules *const *roles, size_t count,
                  const struct pn_permit_object *object, struct pn_str action,
                  enum pn_rules_of what);

/*
 * Do the rules of all `roles` together allow whatever `other` allows? Decided by form, not by search:
 * true is sure, false may be over-careful. Otherwise *missing is the rule that is not covered.
 */
bool pn_rules_cover(const struct pn_rules *const *roles, size_t count, const struct pn_rules *other,
                    const struct pn_rule **missing);

/* A word of a list separated by spaces, "*" standing for all of them. */
bool pn_rule_has_action(const struct pn_rule *rule, struct pn_str action);
bool pn_rule_speaks(const struct pn_rule *rule, struct pn_str subject, struct pn_str action);
/* Whether the values that `object` has pass the test of one key, not of an element. */
bool pn_rule_test_text(const struct pn_rule_test *test, struct pn_str text);

#endif
