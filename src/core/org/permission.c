/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/permission.h"

#include "core/org/builtin.h"
#include "core/org/rules.h"
#include "json/writer.h"

/*
 * Which rules the actor has, and asking them. Built-in roles are in memory (builtin.c); those of custom
 * roles come packed with the row that names the role, so that a check costs one statement and no parsing.
 */
struct pn_ability {
    const struct pn_rules **roles; /* in the order they were given */
    size_t count;
    bool is_platform;
};

/* ---- refusals ---- */

static void write_given(struct pn_writer *w, const char *name, struct pn_str value)
{
    if (value.ptr != NULL)
        pn_write_str(w, name, value);
}

/* [{"action","inverted","subject","conditions"}]: clients print it (platform.md §1.3). */
static bool refuse(const struct pn_call *call, const struct pn_permit_object *object,
                   const char *action, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(32768);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_array(&w, NULL);
    pn_write_object(&w, NULL);
    pn_write_text(&w, "action", action);
    pn_write_bool(&w, "inverted", false);
    pn_write_text(&w, "subject", object->subject);
    pn_write_object(&w, "conditions");
    write_given(&w, "environment", object->environment);
    write_given(&w, "secretPath", object->secretPath);
    write_given(&w, "secretName", object->secretName);
    write_given(&w, "identityId", object->identityId);
    write_given(&w, "name", object->name);
    write_given(&w, "resourceName", object->resourceName);
    write_given(&w, "accountName", object->accountName);
    write_given(&w, "accountPath", object->accountPath);
    pn_write_end(&w);
    pn_write_end(&w);
    pn_write_end(&w);
    (void)pn_fail(err, PN_PERMISSION, "You are not allowed to %s on %s", action, object->subject);
    err->details = json.is_full ? PN_NONE : pn_arena_copy(call->arena, pn_buf_str(&json));
    return false;
}

static bool refuse_grant(const struct pn_call *call, const char *verb, struct pn_str role,
                         const struct pn_rule *missing, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(8192);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_array(&w, "missingPermissions");
    pn_write_object(&w, NULL);
    pn_write_str(&w, "action", missing->actions);
    pn_write_str(&w, "subject", missing->subject);
    pn_write_end(&w);
    pn_write_end(&w);
    pn_write_end(&w);
    (void)pn_fail(err, PN_BOUNDARY, "You may not %s the role %.*s: it allows more than you may do",
                  verb, PN_ARG(pn_str_slice(role, 0, 64)));
    err->details = pn_arena_copy(call->arena, pn_buf_str(&json));
    return false;
}

/* ---- rules of a role ---- */

/* As the client sent them: what no packed form of this version is there for. */
static bool parse_rules(const struct pn_call *call, const char *scope, struct pn_uuid scope_id,
                        struct pn_str slug, struct pn_rules *out, struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT rules FROM roles WHERE scope_id = $scope AND slug = $slug");
    struct pn_str json = PN_LIT("[]");

    pn_bind_uuid(q, "$scope", scope_id);
    pn_bind_str(q, "$slug", slug);
    if (pn_query_next(q))
        json = pn_column_str(q, 0, call->arena);
    return pn_query_end(q, err) && pn_rules_parse(call->arena, scope, json, out, err);
}

/* Packed by another version of this program: parsed anew. */
static bool read_rules(const struct pn_call *call, const char *scope, struct pn_uuid scope_id,
                       struct pn_str slug, struct pn_str packed, struct pn_rules *out,
                       struct pn_err *err)
{
    struct pn_err ignored = { 0 };

    return pn_rules_unpack(call->arena, packed, out, &ignored) ||
           parse_rules(call, scope, scope_id, slug, out, err);
}

/* The rules of a role of that name, NULL when there is none. `scope_id`: the organisation or project. */
static bool find_role(const struct pn_call *call, const char *scope, struct pn_uuid scope_id,
                      struct pn_str slug, const struct pn_rules **out, struct pn_err *err)
{
    const struct pn_builtin *builtin = pn_builtin_find(scope, slug);
    struct pn_rules *rules = pn_new(call->arena, struct pn_rules, 1);
    struct pn_query *q;
    struct pn_str packed;
    bool is_found;

    *out = builtin != NULL ? &builtin->rules : NULL;
    if (builtin != NULL || slug.len == 0)
        return true;
    q = pn_query(call->conn, "SELECT packed FROM roles WHERE scope_id = $scope AND slug = $slug");
    pn_bind_uuid(q, "$scope", scope_id);
    pn_bind_str(q, "$slug", slug);
    is_found = pn_query_next(q);
    packed = is_found ? pn_column_bytes(q, 0, call->arena) : PN_NONE;
    if (!pn_query_end(q, err))
        return false;
    *out = is_found ? rules : NULL;
    return !is_found || read_rules(call, scope, scope_id, slug, packed, rules, err);
}

/* ---- organisation ---- */

static bool load_org(const struct pn_call *call, const struct pn_rules **out, struct pn_err *err)
{
    static const struct pn_rules none = { 0 };

    if (!find_role(call, "org", call->actor.org_id, call->actor.org_role, out, err))
        return false;
    *out = *out != NULL ? *out : &none;
    return true;
}

bool pn_permit_org(const struct pn_call *call, const char *subject, const char *action,
                   struct pn_err *err)
{
    const struct pn_permit_object object = { .subject = subject };
    const struct pn_rules *rules;

    if (call->actor.kind == PN_ACTOR_PLATFORM)
        return true;
    if (!load_org(call, &rules, err))
        return false;
    return pn_rules_may(&rules, 1, &object, pn_str_from(action), PN_RULES_OF_ALL) ||
           refuse(call, &object, action, err);
}

/* ---- project ---- */

/*
 * The actor's roles in a project of its own organisation that hold now. Ids of users and identities
 * never meet, so one statement serves both.
 */
static const char ability_sql[] =
    "SELECT m.id, r.role, c.packed FROM projects p"
    " LEFT JOIN project_members m ON m.project_id = p.id AND (m.user_id = $actor OR m.identity_id "
    "= $actor)"
    " LEFT JOIN project_member_roles r ON r.member_id = m.id"
    " AND (r.is_temporary = 0 OR (r.starts_ms <= $now AND $now < r.ends_ms))"
    " LEFT JOIN roles c ON c.scope_id = p.id AND c.slug = r.role"
    " WHERE p.id = $project AND p.org_id = $org ORDER BY r.position, r.id";

/* The role that the row names; one that is gone allows nothing. */
static bool add_role(struct pn_call *call, struct pn_uuid project_id, struct pn_query *q,
                     struct pn_ability *a, struct pn_err *err)
{
    const struct pn_builtin *builtin;
    struct pn_str packed, slug;
    struct pn_rules *rules;

    if (pn_column_is_null(q, 1) || a->count == PN_PERMIT_MAX_ROLES)
        return true;
    slug = pn_column_str(q, 1, call->arena);
    builtin = pn_builtin_find("project", slug);
    if (builtin != NULL) {
        a->roles[a->count++] = &builtin->rules;
        return true;
    }
    if (pn_column_is_null(q, 2))
        return true;
    rules = pn_new(call->arena, struct pn_rules, 1);
    a->roles[a->count++] = rules;
    packed = pn_column_bytes(q, 2, call->arena);
    return packed.ptr == NULL || /* no room: the query says so */
           read_rules(call, "project", project_id, slug, packed, rules, err);
}

bool pn_ability_load(struct pn_call *call, struct pn_uuid project_id, const struct pn_ability **out,
                     struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, ability_sql);
    struct pn_ability *a = pn_new(call->arena, struct pn_ability, 1);
    bool has_project = false, is_member = false, is_read = true;

    a->is_platform = call->actor.kind == PN_ACTOR_PLATFORM;
    a->roles = pn_new(call->arena, const struct pn_rules *, PN_PERMIT_MAX_ROLES);
    pn_bind_uuid(q, "$actor", call->actor.id);
    pn_bind_uuid(q, "$project", project_id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_int(q, "$now", call->now_ms);
    while (is_read && pn_query_next(q)) {
        has_project = true;
        is_member = is_member || !pn_column_is_null(q, 0);
        is_read = add_role(call, project_id, q, a, err);
    }
    if (!pn_query_end(q, is_read ? err : &(struct pn_err){ 0 }) || !is_read)
        return false;
    if (!has_project)
        return pn_fail(err, PN_NOT_FOUND, "Project with ID '%s' not found",
                       pn_uuid_format(project_id).text);
    if (!is_member && !a->is_platform)
        return pn_fail(err, PN_PERMISSION, "You are not a member of this project");
    *out = a;
    return true;
}

static bool ask(const struct pn_ability *a, const struct pn_permit_object *object,
                const char *action, enum pn_rules_of what)
{
    return a->is_platform || pn_rules_may(a->roles, a->count, object, pn_str_from(action), what);
}

bool pn_ability_may(const struct pn_ability *ability, const struct pn_permit_object *object,
                    const char *action)
{
    return ask(ability, object, action, PN_RULES_OF_OBJECT);
}

bool pn_ability_may_some(const struct pn_ability *ability, const char *subject, const char *action)
{
    return ask(ability, &(struct pn_permit_object){ .subject = subject }, action, PN_RULES_OF_SOME);
}

bool pn_ability_permit(struct pn_call *call, const struct pn_ability *ability,
                       const struct pn_permit_object *object, const char *action,
                       struct pn_err *err)
{
    return pn_ability_may(ability, object, action) || refuse(call, object, action, err);
}

bool pn_permit_project(struct pn_call *call, struct pn_uuid project_id, const char *subject,
                       const char *action, struct pn_err *err)
{
    const struct pn_permit_object object = { .subject = subject };
    const struct pn_ability *ability;

    return pn_ability_load(call, project_id, &ability, err) &&
           (ask(ability, &object, action, PN_RULES_OF_ALL) || refuse(call, &object, action, err));
}

/* ---- the privilege boundary ---- */

bool pn_permit_rules(struct pn_call *call, struct pn_uuid project_id, const struct pn_rules *rules,
                     const char *verb, struct pn_str role, struct pn_err *err)
{
    const struct pn_permit_object members = { .subject = "member" };
    const struct pn_rule *missing;
    const struct pn_ability *ability;

    if (pn_uuid_is_zero(project_id)) {
        const struct pn_rules *own;

        return call->actor.kind == PN_ACTOR_PLATFORM ||
               (load_org(call, &own, err) && (pn_rules_cover(&own, 1, rules, &missing) ||
                                              refuse_grant(call, verb, role, missing, err)));
    }
    return pn_ability_load(call, project_id, &ability, err) &&
           (ask(ability, &members, "grant-privileges", PN_RULES_OF_ALL) ||
            pn_rules_cover(ability->roles, ability->count, rules, &missing) ||
            refuse_grant(call, verb, role, missing, err));
}

static bool permit_role(struct pn_call *call, const char *scope, struct pn_uuid project_id,
                        struct pn_str role, struct pn_err *err)
{
    struct pn_uuid scope_id = pn_uuid_is_zero(project_id) ? call->actor.org_id : project_id;
    const struct pn_rules *rules;

    if (!find_role(call, scope, scope_id, role, &rules, err))
        return false;
    if (rules == NULL)
        return pn_fail(err, PN_BAD_REQUEST, "Role %.*s does not exist",
                       PN_ARG(pn_str_slice(role, 0, 64)));
    return pn_permit_rules(call, project_id, rules, "grant", role, err);
}

bool pn_permit_grant(struct pn_call *call, struct pn_uuid project_id, struct pn_str role,
                     struct pn_err *err)
{
    return permit_role(call, "project", project_id, role, err);
}

bool pn_permit_grant_org(struct pn_call *call, struct pn_str role, struct pn_err *err)
{
    return permit_role(call, "org", (struct pn_uuid){ 0 }, role, err);
}
