/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/command.h"

#include "base/encode.h"
#include "base/map.h"

#include <string.h>

#define WINDOW_MS 1000 /* clients that name no session: requests this close belong together */
#define MAX_TEXT ((size_t)4096)
#define MAX_OBJECTS_SHOWN 3
#define LOOK_AHEAD 16

/* ---- what a request weighs ---- */

enum weight { NOISE, LOOK, READ, STREAM, WRITE };

static bool is_below(struct pn_str url, const char *path)
{
    struct pn_str prefix = pn_str_from(path);

    return pn_str_starts(url, prefix) &&
           (url.len == prefix.len || url.ptr[prefix.len] == '/' || url.ptr[prefix.len] == '?');
}

bool pn_kube_is_discovery(const struct pn_kube_call *call)
{
    static const char *const paths[] = { "/api",     "/apis",  "/openapi", "/version",
                                         "/healthz", "/livez", "/readyz" };

    if (call->resource.len > 0 || call->status >= 400)
        return false;
    for (size_t i = 0; i < PN_COUNT(paths); i++)
        if (is_below(call->url, paths[i]))
            return true;
    return false;
}

static const struct {
    const char *subresource;
    enum weight weight;
} subresources[] = {
    { "exec", STREAM },  { "attach", STREAM },  { "portforward", STREAM },        { "log", STREAM },
    { "proxy", STREAM }, { "eviction", WRITE }, { "ephemeralcontainers", WRITE },
};

static bool is_question_of_rights(const struct pn_kube_call *call)
{
    return pn_str_is(call->resource, "selfsubjectaccessreviews") ||
           pn_str_is(call->resource, "selfsubjectrulesreviews") ||
           pn_str_is(call->resource, "selfsubjectreviews");
}

static enum weight weigh(const struct pn_kube_call *call)
{
    if (pn_kube_is_discovery(call))
        return NOISE;
    if (is_question_of_rights(call))
        return LOOK;
    for (size_t i = 0; i < PN_COUNT(subresources); i++)
        if (pn_str_is(call->subresource, subresources[i].subresource))
            return subresources[i].weight;
    if (pn_str_is(call->verb, "get"))
        return LOOK; /* often only the object before what is done with it */
    if (pn_str_is(call->verb, "list") || pn_str_is(call->verb, "watch"))
        return READ;
    return WRITE;
}

/* ---- which requests belong together ---- */

struct group {
    size_t first, last; /* chain of calls through `next` */
    size_t count;
    int64_t last_ms;
};

struct grouping {
    struct pn_arena *arena;
    const struct pn_kube_call *calls;
    size_t *next; /* of each call: the one after it in its group + 1 */
    struct group *groups;
    size_t count;
    struct pn_map *by_key; /* to the group's index + 1 */
};

static void join(struct grouping *g, size_t at, struct group *group)
{
    const struct pn_kube_call *call = &g->calls[at];

    g->next[group->last] = at + 1;
    group->last = at;
    group->count++;
    if (call->started_ms > group->last_ms)
        group->last_ms = call->started_ms;
    if (call->ended_ms > group->last_ms)
        group->last_ms = call->ended_ms;
}

static void place(struct grouping *g, size_t at)
{
    const struct pn_kube_call *call = &g->calls[at];
    bool has_session = call->session.len > 0;
    struct pn_str key = pn_arena_printf(g->arena, "%c%.*s", has_session ? 's' : 'a',
                                        PN_ARG(has_session ? call->session : call->agent));
    size_t found = (size_t)(uintptr_t)pn_map_get(g->by_key, key);

    if (found > 0 &&
        (has_session || call->started_ms <= g->groups[found - 1].last_ms + WINDOW_MS)) {
        join(g, at, &g->groups[found - 1]);
        return;
    }
    g->groups[g->count++] =
        (struct group){ .first = at,
                        .last = at,
                        .count = 1,
                        .last_ms =
                            call->ended_ms > call->started_ms ? call->ended_ms : call->started_ms };
    (void)pn_map_put(g->by_key, key, (void *)(uintptr_t)g->count);
}

/* ---- what of a group matters ---- */

/*
 * kubectl ≥ 1.30 tries WebSocket first: the attempt that was refused and repeated over SPDY is noise. The
 * repetition follows close behind.
 */
static bool is_repeated_over_spdy(const struct grouping *g, size_t at)
{
    const struct pn_kube_call *call = &g->calls[at];
    size_t next = g->next[at];

    if (!pn_str_iis(call->upgrade, "websocket") || call->status == 101)
        return false;
    for (int steps = 0; steps < LOOK_AHEAD && next > 0; steps++, next = g->next[next - 1]) {
        const struct pn_kube_call *other = &g->calls[next - 1];

        if (pn_str_iis(other->upgrade, "SPDY/3.1") &&
            pn_str_eq(other->subresource, call->subresource) && pn_str_eq(other->name, call->name))
            return true;
    }
    return false;
}

static enum weight weigh_at(const struct grouping *g, size_t at)
{
    return is_repeated_over_spdy(g, at) ? NOISE : weigh(&g->calls[at]);
}

/* The members of a group that weigh as much as its heaviest, in order; objects are told once. */
struct matter {
    enum weight weight;
    const struct pn_kube_call *first;
    const struct pn_kube_call *objects[MAX_OBJECTS_SHOWN];
    size_t shown, count;
    bool has_watch;
};

static void count_object(struct pn_arena *arena, struct pn_map *seen, struct matter *m,
                         const struct pn_kube_call *call)
{
    struct pn_str key = pn_arena_printf(arena, "%.*s/%.*s/%.*s", PN_ARG(call->resource),
                                        PN_ARG(call->namespace), PN_ARG(call->name));

    bool is_new = pn_map_put(seen, key, m) == NULL;

    /* What is made by POST has its name in the body: each is an object of its own. */
    if (is_new || (call->name.len == 0 && pn_str_is(call->verb, "create")))
        m->count++;
    if (is_new && m->shown < MAX_OBJECTS_SHOWN)
        m->objects[m->shown++] = call;
}

/* `describe` looks at much, and was asked for what it looked at first. */
static bool is_told_by_its_first(const struct pn_kube_call *call)
{
    return pn_str_ends(call->claim, PN_LIT("describe"));
}

static struct matter find_matter(const struct grouping *g, const struct group *group)
{
    struct matter m = { .weight = NOISE };
    struct pn_map *seen = pn_map_new();

    for (size_t at = group->first + 1; at > 0; at = g->next[at - 1]) {
        enum weight weight = weigh_at(g, at - 1);

        m.has_watch = m.has_watch || pn_str_is(g->calls[at - 1].verb, "watch");
        if (m.weight == NOISE || !is_told_by_its_first(&g->calls[at - 1]))
            m.weight = weight > m.weight ? weight : m.weight;
    }
    for (size_t at = group->first + 1; m.weight > NOISE && at > 0; at = g->next[at - 1]) {
        const struct pn_kube_call *call = &g->calls[at - 1];

        if (weigh_at(g, at - 1) != m.weight || (m.first != NULL && is_told_by_its_first(call)))
            continue;
        if (m.first == NULL)
            m.first = call;
        count_object(g->arena, seen, &m, call);
    }
    pn_map_free(seen);
    return m;
}

/* ---- its words ---- */

static bool is_plain(struct pn_str word)
{
    static const char safe[] = "%+,-./:=@_";

    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!is_alnum && (c == '\0' || strchr(safe, c) == NULL))
            return false;
    }
    return word.len > 0;
}

static bool has_control(struct pn_str word)
{
    for (size_t i = 0; i < word.len; i++)
        if ((uint8_t)word.ptr[i] < 0x20 || word.ptr[i] == 0x7f)
            return true;
    return !pn_str_is_utf8(word);
}

static void add_ansi_quoted(struct pn_buf *out, struct pn_str word)
{
    static const char hex[] = "0123456789abcdef";

    pn_buf_add_text(out, "$'");
    for (size_t i = 0; i < word.len; i++) {
        uint8_t c = (uint8_t)word.ptr[i];

        if (c == '\'' || c == '\\') {
            pn_buf_add_byte(out, '\\');
            pn_buf_add_byte(out, (char)c);
        } else if (c >= 0x20 && c < 0x7f) {
            pn_buf_add_byte(out, (char)c);
        } else {
            pn_buf_add_text(out, "\\x");
            pn_buf_add_byte(out, hex[c >> 4]);
            pn_buf_add_byte(out, hex[c & 15]);
        }
    }
    pn_buf_add_byte(out, '\'');
}

bool pn_kube_add_quoted(struct pn_buf *out, struct pn_str word)
{
    if (is_plain(word))
        return pn_buf_add(out, word);
    if (has_control(word)) {
        add_ansi_quoted(out, word);
        return !out->is_full;
    }
    pn_buf_add_byte(out, '\'');
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] == '\'')
            pn_buf_add_text(out, "'\\''");
        else
            pn_buf_add_byte(out, word.ptr[i]);
    }
    return pn_buf_add_byte(out, '\'');
}

static void add_word(struct pn_buf *out, struct pn_str word)
{
    if (word.len == 0)
        return;
    pn_buf_add_byte(out, ' ');
    pn_kube_add_quoted(out, word);
}

/* "kubectl get", with or without its first word, as clients claim it; only what looks like a command. */
static struct pn_str words_of_claim(struct pn_str claim)
{
    struct pn_str words = claim, first = pn_str_slice(claim, 0, 8);

    if (pn_str_is(first, "kubectl "))
        words = pn_str_slice(claim, 8, claim.len);
    for (size_t i = 0; i < words.len; i++) {
        char c = words.ptr[i];

        if (!(c >= 'a' && c <= 'z') && c != '-' && c != ' ')
            return PN_NONE;
    }
    return words;
}

static const struct {
    const char *verb, *subresource, *words;
} verbs[] = {
    { NULL, "exec", "exec" },      { NULL, "attach", "attach" },
    { NULL, "log", "logs" },       { NULL, "portforward", "port-forward" },
    { NULL, "proxy", "proxy" },    { NULL, "eviction", "drain" },
    { "get", NULL, "get" },        { "list", NULL, "get" },
    { "watch", NULL, "get" },      { "create", NULL, "create" },
    { "update", NULL, "replace" }, { "patch", NULL, "patch" },
    { "delete", NULL, "delete" },  { "deletecollection", NULL, "delete" },
};

static struct pn_str words_of_verb(const struct pn_kube_call *call)
{
    for (size_t i = 0; i < PN_COUNT(verbs); i++)
        if (verbs[i].subresource != NULL ? pn_str_is(call->subresource, verbs[i].subresource)
                                         : pn_str_is(call->verb, verbs[i].verb))
            return pn_str_from(verbs[i].words);
    return call->verb;
}

/* ---- flags ---- */

enum form { SWITCH, VALUE };

/* Query members that are flags of kubectl, by where they mean it. */
static const struct flag {
    const char *subresource, *member, *flag; /* subresource NULL: of objects */
    enum form form;
} flags[] = {
    { NULL, "labelSelector", "-l", VALUE },
    { NULL, "fieldSelector", "--field-selector", VALUE },
    { NULL, "dryRun", "--dry-run=server", SWITCH },
    { NULL, "force", "--force-conflicts", SWITCH },
    { NULL, "propagationPolicy", "--cascade", VALUE },
    { NULL, "gracePeriodSeconds", "--grace-period", VALUE },
    { "log", "follow", "-f", SWITCH },
    { "log", "container", "-c", VALUE },
    { "log", "tailLines", "--tail", VALUE },
    { "log", "sinceSeconds", "--since", VALUE },
    { "log", "sinceTime", "--since-time", VALUE },
    { "log", "previous", "-p", SWITCH },
    { "log", "timestamps", "--timestamps", SWITCH },
    { "exec", "stdin", "-i", SWITCH },
    { "exec", "tty", "-t", SWITCH },
    { "exec", "container", "-c", VALUE },
    { "attach", "stdin", "-i", SWITCH },
    { "attach", "tty", "-t", SWITCH },
    { "attach", "container", "-c", VALUE },
};

static struct pn_str query_of(const struct pn_kube_call *call)
{
    ptrdiff_t mark = pn_str_find(call->url, '?');

    return mark < 0 ? PN_NONE : pn_str_slice(call->url, (size_t)mark + 1, call->url.len);
}

static void add_flag(struct pn_arena *arena, struct pn_buf *out, const struct flag *flag,
                     struct pn_str value)
{
    if (flag->form == SWITCH) {
        if (pn_str_is(value, "false") || pn_str_is(value, "0") || value.len == 0)
            return;
        add_word(out, pn_str_from(flag->flag));
    } else if (value.len > 0) {
        bool is_seconds = pn_str_is(pn_str_from(flag->member), "sinceSeconds");

        add_word(out, pn_str_from(flag->flag));
        add_word(out, is_seconds ? pn_arena_printf(arena, "%.*ss", PN_ARG(value)) : value);
    }
}

static void add_flags(struct pn_arena *arena, struct pn_buf *out, const struct pn_kube_call *call)
{
    struct pn_str query = query_of(call), value;

    for (size_t i = 0; i < PN_COUNT(flags); i++) {
        bool is_meant = flags[i].subresource != NULL
                            ? pn_str_is(call->subresource, flags[i].subresource)
                            : call->subresource.len == 0;

        if (call->name.len > 0 && pn_str_is(pn_str_from(flags[i].member), "fieldSelector"))
            continue; /* metadata.name=…: the name says it */
        if (is_meant && pn_query_get(arena, query, flags[i].member, &value))
            add_flag(arena, out, &flags[i], value);
    }
}

/* Resources of a fresh cluster that live in namespaces: a list of one without a namespace is -A. */
static bool is_in_namespaces(struct pn_str resource)
{
    static const char *const names[] = {
        "pods",
        "services",
        "deployments",
        "replicasets",
        "statefulsets",
        "daemonsets",
        "jobs",
        "cronjobs",
        "configmaps",
        "secrets",
        "endpoints",
        "events",
        "ingresses",
        "serviceaccounts",
        "persistentvolumeclaims",
        "roles",
        "leases",
        "resourcequotas",
        "limitranges",
        "rolebindings",
        "networkpolicies",
        "endpointslices",
        "poddisruptionbudgets",
        "horizontalpodautoscalers",
        "replicationcontrollers",
    };

    for (size_t i = 0; i < PN_COUNT(names); i++)
        if (pn_str_is(resource, names[i]))
            return true;
    return false;
}

static void add_namespace(struct pn_buf *out, const struct pn_kube_call *call)
{
    if (call->namespace.len > 0 && !pn_str_is(call->resource, "namespaces")) {
        pn_buf_add_text(out, " -n");
        add_word(out, call->namespace);
    } else if (call->name.len == 0 && is_in_namespaces(call->resource) &&
               (pn_str_is(call->verb, "list") || pn_str_is(call->verb, "watch"))) {
        pn_buf_add_text(out, " -A");
    }
}

/* ---- what a command runs in a container ---- */

/* The next value of `command` in a query, decoded. */
static bool next_argument(struct pn_str *query, struct pn_buf *out)
{
    struct pn_str member;

    while (pn_str_cut(query, '&', &member)) {
        if (!pn_str_starts(member, PN_LIT("command=")))
            continue;
        pn_buf_clear(out);
        member = pn_str_slice(member, 8, member.len);
        for (size_t i = 0; i < member.len; i++)
            pn_buf_add_text(out, member.ptr[i] == '+' ? "%20" : (char[]){ member.ptr[i], '\0' });
        return true;
    }
    return false;
}

static void add_arguments(struct pn_buf *out, const struct pn_kube_call *call)
{
    pn_auto(pn_buf_drop) struct pn_buf raw = pn_buf_init(3 * MAX_TEXT);
    pn_auto(pn_buf_drop) struct pn_buf word = pn_buf_init(MAX_TEXT);
    struct pn_str query = query_of(call);

    if (!pn_str_is(call->subresource, "exec"))
        return;
    pn_buf_add_text(out, " --");
    while (next_argument(&query, &raw)) {
        pn_buf_clear(&word);
        pn_buf_add_byte(out, ' ');
        if (pn_percent_decode(pn_buf_str(&raw), &word))
            pn_kube_add_quoted(out, pn_buf_str(&word));
        else
            pn_kube_add_quoted(out, pn_buf_str(&raw));
    }
}

/* ---- the line ---- */

/* Pods are meant where nothing else can be: `logs web-1`, `exec web-1`. */
static bool names_the_pod_alone(const struct pn_kube_call *call)
{
    return weigh(call) == STREAM && !pn_str_is(call->subresource, "proxy");
}

/* "create namespace", "create token": the claim says what is made, and does not say it of anything else. */
static bool claim_says_what(const struct pn_kube_call *call)
{
    struct pn_str words = words_of_claim(call->claim), first = PN_NONE, what = PN_NONE;

    (void)pn_str_cut(&words, ' ', &first);
    (void)pn_str_cut(&words, ' ', &what);
    return pn_str_is(call->verb, "create") && pn_str_is(first, "create") && what.len > 0 &&
           (pn_str_starts(call->resource, what) || pn_str_eq(call->subresource, what));
}

/* "auth whoami", "auth can-i": nobody typed the resource that answers. */
static bool claim_asks_for_rights(const struct pn_kube_call *call)
{
    return is_question_of_rights(call) && pn_str_is(call->verb, "create") &&
           pn_str_starts(words_of_claim(call->claim), PN_LIT("auth "));
}

static void add_objects(struct pn_buf *out, const struct matter *m)
{
    const struct pn_kube_call *first = m->first;

    if (claim_asks_for_rights(first))
        return;
    if (first->resource.len == 0) {
        pn_buf_add_text(out, " --raw");
        add_word(out, first->url);
        return;
    }
    if (names_the_pod_alone(first)) {
        add_word(out, first->name);
        return;
    }
    if (m->count == 1) {
        if (!claim_says_what(first))
            add_word(out, first->resource);
        add_word(out, first->name);
        return;
    }
    for (size_t i = 0; i < m->shown; i++) {
        add_word(out, m->objects[i]->resource);
        if (m->objects[i]->name.len > 0) {
            pn_buf_add_byte(out, '/');
            pn_kube_add_quoted(out, m->objects[i]->name);
        }
    }
    if (m->count > m->shown)
        pn_buf_addf(out, " (%zu objects)", m->count);
}

/* The program a User-Agent names: what stands before the first slash. */
static struct pn_str program_of(struct pn_str agent)
{
    ptrdiff_t slash = pn_str_find(agent, '/');

    return slash > 0 ? pn_str_slice(agent, 0, (size_t)slash) : agent;
}

/* "kubectl get" by the client's word; "helm: create" by what its requests did. */
static bool add_verb(struct pn_buf *out, const struct pn_kube_call *call)
{
    struct pn_str claim = words_of_claim(call->claim);

    if (claim.len > 0) {
        pn_buf_add_text(out, "kubectl ");
        pn_buf_add(out, claim);
        return true;
    }
    if (pn_str_is(program_of(call->agent), "kubectl")) {
        pn_buf_add_text(out, "kubectl ");
    } else {
        pn_kube_add_quoted(out, program_of(call->agent).len > 0 ? program_of(call->agent)
                                                                : PN_LIT("unknown"));
        pn_buf_add_text(out, ": ");
    }
    pn_buf_add(out, words_of_verb(call));
    return false;
}

static void describe(struct pn_arena *arena, const struct matter *m, struct pn_kube_command *out)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(MAX_TEXT);

    if (m->first->url.len == 0) {
        out->text = PN_LIT("(its request is not on record)");
        return;
    }
    out->is_claimed = add_verb(&text, m->first);
    add_objects(&text, m);
    add_namespace(&text, m->first);
    add_flags(arena, &text, m->first);
    if (m->has_watch && pn_str_is(words_of_verb(m->first), "get") &&
        (!out->is_claimed || pn_str_is(words_of_claim(m->first->claim), "get")))
        pn_buf_add_text(&text, " -w");
    add_arguments(&text, m->first);
    if (text.is_full)
        pn_buf_clear(&text);
    out->text = text.len > 0 ? pn_arena_copy(arena, pn_buf_str(&text))
                             : PN_LIT("(a command too long to show)");
}

static int worse(int a, int b)
{
    return b > a ? b : a;
}

static void sum_up(const struct grouping *g, const struct group *group, const struct matter *m,
                   struct pn_kube_command *out)
{
    bool is_running = false;

    out->started_ms = g->calls[group->first].started_ms;
    out->requests = group->count;
    out->objects = m->count;
    for (size_t at = group->first + 1; at > 0; at = g->next[at - 1]) {
        const struct pn_kube_call *call = &g->calls[at - 1];

        out->request_bytes += call->request_bytes;
        out->response_bytes += call->response_bytes;
        is_running = is_running || call->ended_ms == 0;
        if (call->ended_ms > out->ended_ms)
            out->ended_ms = call->ended_ms;
        if (weigh_at(g, at - 1) == m->weight)
            out->status = worse(out->status, call->status);
        else if (weigh_at(g, at - 1) == NOISE)
            out->folded++;
    }
    if (is_running)
        out->ended_ms = 0;
}

struct pn_kube_command *pn_kube_reconstruct(struct pn_arena *arena,
                                            const struct pn_kube_call *calls, size_t count,
                                            size_t *commands, size_t *folded)
{
    struct grouping g = { .arena = arena,
                          .calls = calls,
                          .next = pn_new(arena, size_t, count),
                          .groups = pn_new(arena, struct group, count),
                          .by_key = pn_map_new() };
    struct pn_kube_command *out;

    for (size_t i = 0; i < count; i++)
        place(&g, i);
    pn_map_free(g.by_key);
    out = pn_new(arena, struct pn_kube_command, g.count);
    *commands = *folded = 0;
    for (size_t i = 0; i < g.count; i++) {
        struct matter m = find_matter(&g, &g.groups[i]);
        struct pn_kube_command *command = &out[*commands];

        if (m.first == NULL) {
            *folded += g.groups[i].count;
            continue;
        }
        command->call = m.first;
        sum_up(&g, &g.groups[i], &m, command);
        describe(arena, &m, command);
        *folded += command->folded;
        (*commands)++;
    }
    return out;
}
