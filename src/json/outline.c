/* SPDX-License-Identifier: Apache-2.0 */
#include "json/outline.h"

#include <string.h>
#include <yaml.h>

#define MAX_DEPTH 64

struct walk {
    yaml_parser_t parser;
    struct pn_arena *arena;
    struct pn_str text;
    const char *const *names;
    size_t name_count;
    struct pn_outline_member *members;
    size_t item_count;
    size_t end;
    size_t at_char, at_byte; /* the same place in libyaml's count and in ours */
    size_t depth;
    bool is_flow[MAX_DEPTH];
    bool is_mapping[MAX_DEPTH], is_name_next[MAX_DEPTH];
    bool has_root, has_mapping;
    bool is_named; /* the value of an item's member "name" comes next */
    struct pn_outline_member *member;
    struct pn_err *err;
};

static void drop_walk(struct walk *w)
{
    yaml_parser_delete(&w->parser);
}

static bool refuse(struct walk *w, size_t line, const char *why)
{
    return pn_fail(w->err, PN_BAD_REQUEST, "Invalid YAML: %s (line %zu)", why, line + 1);
}

/* libyaml counts characters. */
static size_t byte_of(struct walk *w, const yaml_mark_t *mark)
{
    if (mark->index < w->at_char)
        w->at_char = w->at_byte = 0;
    for (; w->at_char < mark->index && w->at_byte < w->text.len; w->at_char++) {
        size_t step = pn_str_utf8_step(pn_str_slice(w->text, w->at_byte, w->text.len));

        w->at_byte += step > 0 ? step : 1;
    }
    return w->at_byte;
}

/* Where the line after that place begins. A block scalar ends where the next line begins already. */
static size_t line_after(const struct walk *w, size_t at)
{
    ptrdiff_t more;

    if (at > 0 && w->text.ptr[at - 1] == '\n')
        return at;
    more = pn_str_find(pn_str_slice(w->text, at, w->text.len), '\n');
    return more < 0 ? w->text.len : at + (size_t)more + 1;
}

static size_t line_of(const struct walk *w, size_t at)
{
    while (at > 0 && w->text.ptr[at - 1] != '\n')
        at--;
    return at;
}

static bool has_foreign_breaks(struct pn_str text)
{
    static const char *const breaks[] = { "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9" };

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\r' && (i + 1 == text.len || text.ptr[i + 1] != '\n'))
            return true;
    }
    for (size_t i = 0; i < PN_COUNT(breaks); i++) {
        if (pn_str_search(text, pn_str_from(breaks[i])) >= 0)
            return true;
    }
    return pn_str_starts(text, PN_LIT("\xef\xbb\xbf"));
}

/* ---- what one event starts ---- */

static bool is_unadorned(const yaml_event_t *event)
{
    switch ((int)event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor == NULL && event->data.scalar.tag == NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor == NULL && event->data.sequence_start.tag == NULL;
    default: return false;
    }
}

static struct pn_str scalar_text(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT
               ? pn_str_of(event->data.scalar.value, event->data.scalar.length)
               : PN_NONE;
}

static bool on_member_name(struct walk *w, const yaml_event_t *event)
{
    struct pn_str name = scalar_text(event);

    w->member = NULL;
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(w, event->start_mark.line, "a name that is not text");
    for (size_t i = 0; i < w->name_count; i++) {
        if (!pn_str_is(name, w->names[i]))
            continue;
        w->member = &w->members[i];
        if (w->member->kind != PN_OUTLINE_ABSENT)
            return refuse(w, event->start_mark.line, "a member that occurs twice");
        w->member->kind = PN_OUTLINE_OTHER; /* until its value says otherwise */
    }
    return true;
}

static void on_member_scalar(struct walk *w, const yaml_event_t *event)
{
    struct pn_str text = scalar_text(event);
    yaml_scalar_style_t style = event->data.scalar.style;
    bool is_plain = style == YAML_PLAIN_SCALAR_STYLE;

    if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE)
        return;
    w->member->from = byte_of(w, &event->start_mark);
    w->member->to = byte_of(w, &event->end_mark);
    w->member->text = pn_arena_copy(w->arena, text);
    w->member->kind = is_plain && (text.len == 0 || pn_str_is(text, "null") || pn_str_is(text, "~"))
                          ? PN_OUTLINE_EMPTY
                          : PN_OUTLINE_SCALAR;
}

static void on_member_value(struct walk *w, const yaml_event_t *event)
{
    if (w->member == NULL || !is_unadorned(event))
        return;
    if (event->type == YAML_SCALAR_EVENT) {
        on_member_scalar(w, event);
        return;
    }
    w->member->from = byte_of(w, &event->start_mark);
    w->member->kind = event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE
                          ? PN_OUTLINE_EMPTY /* until something is in it */
                          : PN_OUTLINE_LIST;
}

/* An item's first line is spaces, a dash, spaces and what the item begins with. */
static bool on_item(struct walk *w, const yaml_event_t *event)
{
    struct pn_outline_member *member = w->member;
    size_t at = byte_of(w, &event->start_mark), from = line_of(w, at), dash = from;

    if (member == NULL || member->kind == PN_OUTLINE_OTHER)
        return true;
    if (member->kind == PN_OUTLINE_EMPTY) {
        member->kind = PN_OUTLINE_OTHER;
        return true;
    }
    while (dash < at && w->text.ptr[dash] == ' ')
        dash++;
    if (dash == at || w->text.ptr[dash] != '-' ||
        pn_str_trim(pn_str_slice(w->text, dash + 1, at)).len > 0) {
        member->kind = PN_OUTLINE_OTHER;
        return true;
    }
    if (w->item_count++ == PN_OUTLINE_MAX_ITEMS)
        return refuse(w, event->start_mark.line, "too many items");
    if (member->items == NULL)
        member->items = pn_new(w->arena, struct pn_outline_item, PN_OUTLINE_MAX_ITEMS);
    member->indent = dash - from;
    member->items[member->count++] = (struct pn_outline_item){ .from = from, .to = at };
    return true;
}

static void on_item_member(struct walk *w, const yaml_event_t *event, bool is_name)
{
    struct pn_outline_member *member = w->member;

    if (member == NULL || member->kind != PN_OUTLINE_LIST || member->count == 0)
        return;
    if (!is_name && w->is_named)
        member->items[member->count - 1].name = pn_arena_copy(w->arena, scalar_text(event));
    w->is_named = is_name && pn_str_is(scalar_text(event), "name");
}

static bool on_root(struct walk *w, const yaml_event_t *event)
{
    w->has_root = true;
    if (event->type == YAML_SCALAR_EVENT && scalar_text(event).len == 0)
        return true;
    w->has_mapping = event->type == YAML_MAPPING_START_EVENT && event->start_mark.column == 0 &&
                     event->data.mapping_start.style == YAML_BLOCK_MAPPING_STYLE;
    return w->has_mapping || refuse(w, event->start_mark.line, "not a block of names and values");
}

/* The place decides what a node is: root, member, item, or member of an item. Deeper is nobody's business. */
static bool on_node(struct walk *w, const yaml_event_t *event)
{
    bool is_name = w->depth > 0 && w->is_name_next[w->depth - 1];

    if (w->depth == 0)
        return on_root(w, event);
    if (w->depth == 1 && is_name)
        return on_member_name(w, event);
    if (w->depth == 1)
        on_member_value(w, event);
    if (w->depth == 2)
        return on_item(w, event);
    if (w->depth == 3)
        on_item_member(w, event, is_name);
    return true;
}

/* ---- what ends ---- */

static void node_is_over(struct walk *w)
{
    if (w->depth > 0 && w->is_mapping[w->depth - 1])
        w->is_name_next[w->depth - 1] = !w->is_name_next[w->depth - 1];
}

/* The ends of scalars and flow containers are exact; a block ends with the last of them. */
static void reach(struct walk *w, const yaml_mark_t *mark)
{
    size_t at = byte_of(w, mark);

    w->end = line_after(w, at);
    if (w->depth >= 2 && w->member != NULL && w->member->kind == PN_OUTLINE_LIST &&
        w->member->count > 0)
        w->member->items[w->member->count - 1].to = w->end;
    if (w->depth == 1 && w->member != NULL && w->member->kind == PN_OUTLINE_EMPTY)
        w->member->to = at;
}

static bool open_container(struct walk *w, const yaml_event_t *event)
{
    bool is_mapping = event->type == YAML_MAPPING_START_EVENT;

    if (!on_node(w, event))
        return false;
    if (w->depth == MAX_DEPTH)
        return refuse(w, event->start_mark.line, "nested too deep");
    w->is_flow[w->depth] = is_mapping
                               ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                               : event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    w->is_mapping[w->depth] = w->is_name_next[w->depth] = is_mapping;
    w->depth++;
    return true;
}

static bool close_container(struct walk *w, const yaml_event_t *event)
{
    w->depth--;
    if (w->is_flow[w->depth])
        reach(w, &event->end_mark);
    node_is_over(w);
    return true;
}

/* Nothing ends where its ':', '-' or '?' does; behind a name with '?' and without ':' libyaml has it where the next thing begins. */
static bool is_misplaced(struct walk *w, const yaml_event_t *event)
{
    size_t at = byte_of(w, &event->start_mark);

    return event->type == YAML_SCALAR_EVENT && event->start_mark.index == event->end_mark.index &&
           (at == 0 || pn_str_find(PN_LIT(":-?"), w->text.ptr[at - 1]) < 0);
}

static bool on_leaf(struct walk *w, const yaml_event_t *event)
{
    if (!on_node(w, event))
        return false;
    if (!is_misplaced(w, event))
        reach(w, &event->end_mark);
    else if (w->member != NULL)
        w->member->kind = PN_OUTLINE_OTHER;
    node_is_over(w);
    return true;
}

static bool on_event(struct walk *w, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return !w->has_root || refuse(w, event->start_mark.line, "more than one document");
    case YAML_ALIAS_EVENT:
    case YAML_SCALAR_EVENT: return on_leaf(w, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT: return open_container(w, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return close_container(w, event);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: return true;
    }
    return refuse(w, event->start_mark.line, "an unknown construct");
}

static bool read_events(struct walk *w)
{
    bool is_end = false;

    while (!is_end) {
        pn_auto(yaml_event_delete) yaml_event_t event;

        if (!yaml_parser_parse(&w->parser, &event)) /* which zeroes the event first */
            return refuse(w, w->parser.problem_mark.line, "it does not parse");
        is_end = event.type == YAML_STREAM_END_EVENT;
        if (!on_event(w, &event))
            return false;
    }
    return true;
}

bool pn_outline_read(struct pn_arena *arena, struct pn_str yaml, const char *const *names,
                     size_t count, struct pn_outline_member *out, size_t *end, struct pn_err *err)
{
    pn_auto(drop_walk) struct walk w = { .arena = arena,
                                         .text = yaml,
                                         .names = names,
                                         .name_count = count,
                                         .members = out,
                                         .err = err };

    pn_assert(count <= PN_OUTLINE_MAX_MEMBERS);
    memset(out, 0, count * sizeof *out);
    if (!yaml_parser_initialize(&w.parser))
        pn_die("out of memory");
    if (yaml.len > PN_OUTLINE_MAX_BYTES)
        return refuse(&w, 0, "it is too large");
    if (has_foreign_breaks(yaml))
        return refuse(&w, 0, "line breaks of another kind, or a byte order mark");
    yaml_parser_set_encoding(&w.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&w.parser, (const yaml_char_t *)(yaml.ptr != NULL ? yaml.ptr : ""),
                                 yaml.len);
    if (!read_events(&w))
        return false;
    *end = w.has_mapping ? w.end : yaml.len;
    return true;
}
