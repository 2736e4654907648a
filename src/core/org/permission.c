/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/permission.h"

#include "core/org/ability.h"
#include "core/org/builtin.h"
#include "json/writer.h"

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

static bool refuse_grant(const struct pn_call *call, const char *what, struct pn_str name,
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
    (void)pn_fail(err, PN_BOUNDARY, "You may not %s %.*s: it allows more than you may do", what,
                  PN_ARG(pn_str_slice(name, 0, 64)));
    err->details = pn_arena_copy(call->arena, pn_buf_str(&json));
    return false;
}

/* ---- rules of a role ---- */

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
    return !is_found || pn_ability_rules(call, scope, scope_id, slug, packed, rules, err);
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

bool pn_ability_may_all(const struct pn_ability *ability, const char *subject, const char *action)
{
    return ask(ability, &(struct pn_permit_object){ .subject = subject }, action, PN_RULES_OF_ALL);
}

bool pn_ability_permit_some(struct pn_call *call, const struct pn_ability *ability,
                            const char *subject, const char *action, struct pn_err *err)
{
    return pn_ability_may_some(ability, subject, action) ||
           refuse(call, &(struct pn_permit_object){ .subject = subject }, action, err);
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
                     const char *what, struct pn_str name, struct pn_err *err)
{
    const struct pn_permit_object members = { .subject = "member" };
    const struct pn_rule *missing;
    const struct pn_ability *ability;

    if (pn_uuid_is_zero(project_id)) {
        const struct pn_rules *own;

        return call->actor.kind == PN_ACTOR_PLATFORM ||
               (load_org(call, &own, err) && (pn_rules_cover(&own, 1, rules, &missing) ||
                                              refuse_grant(call, what, name, missing, err)));
    }
    return pn_ability_load(call, project_id, &ability, err) &&
           (ask(ability, &members, "grant-privileges", PN_RULES_OF_ALL) ||
            pn_rules_cover(ability->roles, ability->count, rules, &missing) ||
            refuse_grant(call, what, name, missing, err));
}

bool pn_permit_release(struct pn_call *call, struct pn_uuid project_id,
                       const struct pn_rules *rules, const char *what, struct pn_str name,
                       struct pn_err *err)
{
    struct pn_rule *items = pn_new(call->arena, struct pn_rule, rules->count);
    struct pn_rules forbidden = { .items = items };

    for (size_t i = 0; i < rules->count; i++) {
        if (!rules->items[i].is_inverted)
            continue;
        items[forbidden.count] = rules->items[i];
        items[forbidden.count++].is_inverted = false;
    }
    return pn_permit_rules(call, project_id, &forbidden, what, name, err);
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
    return pn_permit_rules(call, project_id, rules, "grant the role", role, err);
}

bool pn_permit_grant(struct pn_call *call, struct pn_uuid project_id, struct pn_str role,
                     struct pn_err *err)
{
    return permit_role(call, "project", project_id, role, err);
}

bool pn_permit_elsewhere(struct pn_err *err)
{
    if (err->code == PN_PERMISSION)
        (void)pn_recast(err, PN_BOUNDARY,
                        "This identity may do what you may not, in a project that you are not a"
                        " member of");
    return false;
}

bool pn_permit_grant_org(struct pn_call *call, struct pn_str role, struct pn_err *err)
{
    return permit_role(call, "org", (struct pn_uuid){ 0 }, role, err);
}
