/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reader.h"
#include "core/org/rules.h"

/*
 * Rules as bytes that need no parsing: they are read on every call of whoever holds the role. Big-endian;
 * format 1: u8 1, u16 rules; each: text subject, text actions, u8 is_inverted, u8 tests; each: u8 key,
 * u8 op, u8 element, u16 values, each a text. A text is u16 length and bytes.
 */
#define FORMAT 1

static void put_text(struct pn_buf *out, struct pn_str text)
{
    pn_buf_add_be(out, text.len, 2);
    pn_buf_add(out, text);
}

static void put_test(struct pn_buf *out, const struct pn_rule_test *test)
{
    pn_buf_add_be(out, test->key, 1);
    pn_buf_add_be(out, test->op, 1);
    pn_buf_add_be(out, test->element, 1);
    pn_buf_add_be(out, test->values.count, 2);
    for (size_t i = 0; i < test->values.count; i++)
        put_text(out, test->values.items[i]);
}

void pn_rules_pack(const struct pn_rules *rules, struct pn_buf *out)
{
    pn_buf_add_be(out, FORMAT, 1);
    pn_buf_add_be(out, rules->count, 2);
    for (size_t i = 0; i < rules->count; i++) {
        const struct pn_rule *rule = &rules->items[i];

        put_text(out, rule->subject);
        put_text(out, rule->actions);
        pn_buf_add_be(out, rule->is_inverted, 1);
        pn_buf_add_be(out, rule->test_count, 1);
        for (size_t t = 0; t < rule->test_count; t++)
            put_test(out, &rule->tests[t]);
    }
}

static struct pn_str get_text(struct pn_reader *r)
{
    return pn_read_str(r, pn_read_u16(r));
}

/* Counts are held against what is left before anything is allocated for them. */
static bool get_test(struct pn_arena *arena, struct pn_reader *r, struct pn_rule_test *out)
{
    unsigned key = pn_read_u8(r), op = pn_read_u8(r);

    out->element = pn_read_u8(r);
    out->values.count = pn_read_u16(r);
    if (r->is_short || key >= PN_RULE_KEYS || op >= PN_RULE_OPS || out->values.count > r->rest.len)
        return false;
    out->key = (enum pn_rule_key)key;
    out->op = (enum pn_rule_op)op;
    out->values.items = pn_new(arena, struct pn_str, out->values.count);
    for (size_t i = 0; i < out->values.count; i++)
        out->values.items[i] = get_text(r);
    return !r->is_short;
}

static bool get_rule(struct pn_arena *arena, struct pn_reader *r, struct pn_rule *out)
{
    struct pn_rule_test *tests;

    out->subject = get_text(r);
    out->actions = get_text(r);
    out->is_inverted = pn_read_u8(r) != 0;
    out->test_count = pn_read_u8(r);
    if (r->is_short)
        return false;
    tests = pn_new(arena, struct pn_rule_test, out->test_count);
    out->tests = tests;
    for (size_t i = 0; i < out->test_count; i++) {
        if (!get_test(arena, r, &tests[i]))
            return false;
    }
    return true;
}

bool pn_rules_unpack(struct pn_arena *arena, struct pn_str bytes, struct pn_rules *out,
                     struct pn_err *err)
{
    struct pn_reader r = pn_reader_of(bytes);
    uint8_t format = pn_read_u8(&r);
    size_t count = pn_read_u16(&r);
    struct pn_rule *rules;

    if (r.is_short || format != FORMAT || count > PN_RULES_MAX)
        return pn_fail(err, PN_INTERNAL, "packed rules of another format");
    rules = pn_new(arena, struct pn_rule, count);
    for (size_t i = 0; i < count; i++) {
        if (!get_rule(arena, &r, &rules[i]))
            return pn_fail(err, PN_INTERNAL, "packed rules are cut or damaged");
    }
    if (!pn_read_done(&r))
        return pn_fail(err, PN_INTERNAL, "packed rules have more behind them");
    *out = (struct pn_rules){ .items = rules, .count = count };
    return true;
}
