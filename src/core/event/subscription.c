/* SPDX-License-Identifier: Apache-2.0 */
#include "core/event/subscription.h"

#include "core/audit/reads.h"
#include "core/auth/token.h"
#include "core/org/glob.h"
#include "core/org/permission.h"
#include "core/secret/place.h"
#include "json/writer.h"

#define OWN_BUDGET ((size_t)256 << 10)
#define ROW_BUDGET ((size_t)16 << 20) /* what one row of the log may take to be read */
#define EVENT_BYTES ((size_t)32 << 10)

struct filter {
    enum pn_event event;
    struct pn_str environment; /* ptr NULL: every one */
    struct pn_str path;        /* as it was registered; ptr NULL: every one */
    struct pn_strs patterns;   /* of which one must match */
};

struct pn_subscription {
    struct pn_arena *arena; /* its own texts */
    struct pn_uuid project_id;
    struct pn_actor actor; /* ids and token; no texts */
    struct pn_str ip;
    struct filter *filters;
    size_t count;
    bool has_imports;
    uint64_t actor_version, project_version; /* from before the last look */
    int64_t sequence;                        /* of the row to go on with, */
    size_t told;                             /* and how many of its changes are done */
};

/* ---- what is registered ---- */

static struct pn_permit_object object_at(struct pn_str environment, struct pn_str path)
{
    return (struct pn_permit_object){ .subject = PN_EVENT_SUBJECT,
                                      .environment = environment,
                                      .secretPath = path };
}

static bool permit_one(struct pn_call *call, const struct pn_ability *ability,
                       const struct filter *f, struct pn_err *err)
{
    const char *action = pn_event_kinds[f->event].action;
    const struct pn_permit_object object = object_at(f->environment, f->path);

    if (f->environment.ptr == NULL || f->path.ptr == NULL)
        return pn_ability_permit_some(call, ability, PN_EVENT_SUBJECT, action, err);
    return pn_ability_permit(call, ability, &object, action, err);
}

static bool permit_all(struct pn_call *call, const struct pn_subscription *s,
                       const struct pn_ability **ability, struct pn_err *err)
{
    if (!pn_ability_load(call, s->project_id, ability, err))
        return false;
    for (size_t i = 0; i < s->count; i++) {
        if (!permit_one(call, *ability, &s->filters[i], err))
            return false;
    }
    return true;
}

static bool make_filter(struct pn_call *call, struct pn_subscription *s,
                        const struct pn_subscription_event *in, struct filter *out,
                        struct pn_err *err)
{
    struct pn_str path;

    out->event = (enum pn_event)in->event;
    s->has_imports = s->has_imports || out->event == PN_EVENT_IMPORT;
    if (in->environment.len > 0)
        out->environment = pn_arena_copy(s->arena, in->environment);
    if (!in->has_place)
        return true;
    if (!pn_place_path(call, in->path, &path, err))
        return false;
    out->path = pn_arena_copy(s->arena, path);
    return pn_glob_expand(s->arena, out->path, &out->patterns) ||
           pn_fail(err, PN_BAD_REQUEST, "Invalid pattern in secretPath");
}

static bool make_filters(struct pn_call *call, struct pn_subscription *s,
                         const struct pn_subscription_event *events, size_t count,
                         struct pn_err *err)
{
    pn_assert(count <= PN_SUBSCRIPTION_MAX_EVENTS);
    s->filters = pn_new(s->arena, struct filter, count);
    s->count = count;
    for (size_t i = 0; i < count; i++) {
        if (!make_filter(call, s, &events[i], &s->filters[i], err))
            return false;
    }
    return pn_arena_require(s->arena, 0, err);
}

static bool record(struct pn_call *call, const struct pn_subscription *s, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init((size_t)64 << 10);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_array(&w, "register");
    for (size_t i = 0; i < s->count; i++) {
        pn_write_object(&w, NULL);
        pn_write_text(&w, "event", pn_event_kinds[s->filters[i].event].name);
        pn_write_str(&w, "environment", s->filters[i].environment);
        pn_write_str(&w, "secretPath", s->filters[i].path);
        pn_write_end(&w);
    }
    pn_write_end(&w);
    pn_write_end(&w);
    return pn_audit_read(call,
                         &(struct pn_audit_event){ .type = "subscribe-project-events",
                                                   .org_id = call->actor.org_id,
                                                   .project_id = s->project_id,
                                                   .metadata = pn_buf_str(&json) },
                         err);
}

/* Before anything is read: what changes meanwhile makes it stale. */
static void note_versions(struct pn_subscription *s, const struct pn_db *db)
{
    s->actor_version = pn_db_version(db, s->actor.id);
    s->project_version = pn_db_version(db, s->project_id);
}

static bool open_at_end(struct pn_call *call, struct pn_subscription *s,
                        const struct pn_subscription_event *events, size_t count,
                        struct pn_err *err)
{
    const struct pn_ability *ability;

    note_versions(s, call->db);
    return make_filters(call, s, events, count, err) && permit_all(call, s, &ability, err) &&
           pn_change_end(call, &s->sequence, err) && record(call, s, err);
}

bool pn_subscription_open(struct pn_call *call, struct pn_uuid project_id,
                          const struct pn_subscription_event *events, size_t count,
                          struct pn_subscription **out, struct pn_err *err)
{
    struct pn_subscription *s = pn_heap_new(sizeof(*s));

    s->arena = pn_arena_new(OWN_BUDGET);
    s->project_id = project_id;
    s->actor = call->actor;
    s->actor.name = s->actor.org_role = PN_NONE;
    s->ip = pn_arena_copy(s->arena, call->ip);
    if (!open_at_end(call, s, events, count, err)) {
        pn_subscription_free(s);
        return false;
    }
    *out = s;
    return true;
}

void pn_subscription_free(struct pn_subscription *s)
{
    if (s == NULL)
        return;
    pn_arena_free(s->arena);
    pn_heap_free(s);
}

/* ---- a page ---- */

/* An event under way: changes of one row and one kind. */
struct telling {
    struct pn_buf *page;
    struct pn_writer w;
    enum pn_event event;
    size_t from;
    bool is_open;
};

static void begin_event(struct telling *t, enum pn_event event, int64_t at_ms)
{
    const char *name = pn_event_kinds[event].name;

    t->event = event;
    t->from = t->page->len;
    t->is_open = true;
    pn_buf_addf(t->page, "id: %lld\nevent: %s\ndata: ", (long long)at_ms, name);
    t->w = pn_writer_of(t->page);
    pn_write_object(&t->w, NULL);
    pn_write_time(&t->w, "time", at_ms);
    pn_write_text(&t->w, "source", "infisical");
    pn_write_text(&t->w, "datacontenttype", "application/json");
    pn_write_text(&t->w, "type", "secret-manager");
    pn_write_text(&t->w, "projectType", "secret-manager");
    pn_write_object(&t->w, "data");
    pn_write_int(&t->w, "specversion", 1);
    pn_write_text(&t->w, "event", name);
    pn_write_text(&t->w, "eventType", name);
    pn_write_array(&t->w, "payload");
}

static void end_event(struct telling *t)
{
    if (!t->is_open)
        return;
    pn_write_end(&t->w);
    pn_write_end(&t->w);
    pn_write_end(&t->w);
    pn_buf_add_text(t->page, "\n\n");
    t->is_open = false;
}

static void tell(struct telling *t, const struct pn_change *c, int64_t at_ms)
{
    if (t->is_open && (t->event != c->event || t->page->len - t->from > EVENT_BYTES))
        end_event(t);
    if (!t->is_open)
        begin_event(t, c->event, at_ms);
    pn_write_object(&t->w, NULL);
    if (!pn_uuid_is_zero(c->secret_id)) {
        pn_write_uuid(&t->w, "secretId", c->secret_id);
        pn_write_str(&t->w, "secretKey", c->key);
    }
    pn_write_str(&t->w, "secretPath", c->path);
    pn_write_str(&t->w, "environment", c->environment);
    pn_write_end(&t->w);
}

static bool matches(const struct filter *f, const struct pn_change *c)
{
    if (f->event != c->event ||
        (f->environment.ptr != NULL && !pn_str_eq(f->environment, c->environment)))
        return false;
    if (f->path.ptr == NULL)
        return true;
    for (size_t i = 0; i < f->patterns.count; i++) {
        if (pn_glob_match(f->patterns.items[i], c->path))
            return true;
    }
    return false;
}

static bool may_hear(const struct pn_subscription *s, const struct pn_ability *ability,
                     const struct pn_change *c)
{
    const struct pn_permit_object object = object_at(c->environment, c->path);
    bool is_wanted = false;

    for (size_t i = 0; i < s->count && !is_wanted; i++)
        is_wanted = matches(&s->filters[i], c);
    return is_wanted && pn_ability_may(ability, &object, pn_event_kinds[c->event].action);
}

/* As much of a row as the page takes; false when that was not all. */
static bool tell_row(struct pn_subscription *s, const struct pn_ability *ability,
                     const struct pn_changes *row, struct pn_buf *page)
{
    struct telling t = { .page = page };
    const struct pn_change *items = row->list.items;

    if (row->sequence != s->sequence)
        s->told = 0;
    s->sequence = row->sequence;
    for (; s->told < row->list.count && page->len < PN_SUBSCRIPTION_PAGE_BYTES; s->told++) {
        if (may_hear(s, ability, &items[s->told]))
            tell(&t, &items[s->told], row->at_ms);
    }
    end_event(&t);
    return s->told >= row->list.count; /* who imports may have changed since */
}

/* One row after another, each in memory of its own. */
static bool tell_rows(struct pn_subscription *s, struct pn_call *call,
                      const struct pn_ability *ability, struct pn_buf *page, bool *has_more,
                      struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ROW_BUDGET);
    struct pn_call each = *call;

    each.arena = arena;
    for (*has_more = true; page->len < PN_SUBSCRIPTION_PAGE_BYTES; pn_arena_reset(arena)) {
        struct pn_changes row;

        if (!pn_change_next(&each, s->project_id, s->sequence, s->has_imports, &row, err))
            return false;
        *has_more = row.sequence != 0;
        if (!*has_more)
            return true;
        if (!tell_row(s, ability, &row, page))
            return true;
        s->sequence = row.sequence + 1;
        s->told = 0;
    }
    return true;
}

bool pn_subscription_look(struct pn_subscription *s, struct pn_call *call, struct pn_buf *page,
                          bool *has_more, struct pn_err *err)
{
    const struct pn_ability *ability;

    call->ip = s->ip;
    note_versions(s, call->db);
    if (!pn_token_recheck(call, &s->actor, &call->actor, err) ||
        !permit_all(call, s, &ability, err) || !tell_rows(s, call, ability, page, has_more, err))
        return false;
    pn_assert(!page->is_full);
    return true;
}

bool pn_subscription_is_stale(const struct pn_subscription *s, const struct pn_db *db)
{
    return pn_db_version(db, s->actor.id) != s->actor_version ||
           pn_db_version(db, s->project_id) != s->project_version;
}

int64_t pn_subscription_ends_ms(const struct pn_subscription *s)
{
    return s->actor.token_expires_ms != 0 ? s->actor.token_expires_ms : INT64_MAX;
}

bool pn_subscription_is_of(const struct pn_subscription *s, const struct pn_subscription *other,
                           bool *has_same_actor)
{
    *has_same_actor = pn_uuid_eq(s->actor.id, other->actor.id);
    return pn_uuid_eq(s->project_id, other->project_id);
}
