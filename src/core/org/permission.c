/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/permission.h"

#include "json/writer.h"

#define ANY "*"
#define CRUD "read create edit delete"

/*
 * What the built-in roles may do; actions are separated by spaces. What is not here is refused. The
 * names are Infisical's, because custom roles and clients spell them so.
 */
static const struct grant {
    const char *scope, *role, *subject, *actions;
} grants[] = {
    { "org", "admin", ANY, ANY },

    { "org", "member", "workspace", "create" },
    { "org", "member", "member", "read" },
    { "org", "member", "groups", "read" },
    { "org", "member", "role", "read" },
    { "org", "member", "settings", "read" },
    { "org", "member", "billing", "read" },
    { "org", "member", "incident-contact", "read" },
    { "org", "member", "identity", CRUD },
    { "org", "member", "audit-logs", "read" },
    { "org", "member", "gateway", "list-gateways create-gateways attach-gateways" },
    { "org", "member", "relay", "list-relays create-relays edit-relays" },

    { "org", "no-access", NULL, NULL },

    { "project", "admin", ANY, ANY },

    { "project", "member", "secrets", "read describeSecret readValue " CRUD },
    { "project", "member", "secret-folders", CRUD },
    { "project", "member", "secret-imports", CRUD },
    { "project", "member", "dynamic-secrets",
      "read-root-credential create-root-credential edit-root-credential delete-root-credential "
      "lease" },
    { "project", "member", "integrations", CRUD },
    { "project", "member", "webhooks", CRUD },
    { "project", "member", "service-tokens", CRUD },
    { "project", "member", "settings", CRUD },
    { "project", "member", "environments", CRUD },
    { "project", "member", "tags", CRUD },
    { "project", "member", "identity", CRUD },
    { "project", "member", "member", "read create" },
    { "project", "member", "commits", "read perform-rollback" },
    { "project", "member", "cmek", CRUD " encrypt decrypt sign verify" },
    { "project", "member", "audit-logs", "read" },
    { "project", "member", "role", "read" },
    { "project", "member", "pam-folders", "read" },
    { "project", "member", "pam-resources", "read" },
    { "project", "member", "pam-accounts", "access read" },

    { "project", "viewer", "secrets", "describeSecret readValue" },
    { "project", "viewer", "secret-folders", "read" },
    { "project", "viewer", "secret-imports", "read" },
    { "project", "viewer", "dynamic-secrets", "read-root-credential" },
    { "project", "viewer", "integrations", "read" },
    { "project", "viewer", "webhooks", "read" },
    { "project", "viewer", "settings", "read" },
    { "project", "viewer", "environments", "read" },
    { "project", "viewer", "tags", "read" },
    { "project", "viewer", "role", "read" },
    { "project", "viewer", "member", "read" },
    { "project", "viewer", "identity", "read" },
    { "project", "viewer", "audit-logs", "read" },
    { "project", "viewer", "pam-accounts", "read" },

    { "project", "no-access", NULL, NULL },
};

static bool lists_action(const char *actions, struct pn_str action)
{
    struct pn_str rest = pn_str_from(actions), piece;

    while (pn_str_cut(&rest, ' ', &piece)) {
        if (pn_str_eq(piece, action) || pn_str_is(piece, ANY))
            return true;
    }
    return false;
}

static bool is_granted(struct pn_str scope, struct pn_str role, struct pn_str subject,
                       struct pn_str action)
{
    for (size_t i = 0; i < PN_COUNT(grants); i++) {
        const struct grant *g = &grants[i];

        if (g->subject != NULL && pn_str_is(scope, g->scope) && pn_str_is(role, g->role) &&
            (pn_str_is(subject, g->subject) || pn_str_is(PN_LIT(ANY), g->subject)) &&
            lists_action(g->actions, action))
            return true;
    }
    return false;
}

bool pn_permit_role_exists(const char *scope, struct pn_str slug)
{
    for (size_t i = 0; i < PN_COUNT(grants); i++) {
        if (pn_str_is(pn_str_from(scope), grants[i].scope) && pn_str_is(slug, grants[i].role))
            return true;
    }
    return false;
}

bool pn_permit_role_may(const char *scope, struct pn_str role, const char *subject,
                        const char *action)
{
    return is_granted(pn_str_from(scope), role, pn_str_from(subject), pn_str_from(action));
}

bool pn_permit_role_covers(const char *scope, struct pn_str role, struct pn_str other)
{
    for (size_t i = 0; i < PN_COUNT(grants); i++) {
        const struct grant *g = &grants[i];
        struct pn_str rest = pn_str_from(g->actions), action;

        if (!pn_str_is(pn_str_from(scope), g->scope) || !pn_str_is(other, g->role))
            continue;
        while (pn_str_cut(&rest, ' ', &action)) {
            if (!is_granted(pn_str_from(scope), role, pn_str_from(g->subject), action))
                return false;
        }
    }
    return true;
}

/* [{"action","inverted","subject","conditions"}]: clients print it (platform.md §1.3). */
static bool refuse(const struct pn_call *call, const char *subject, const char *action,
                   struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(1024);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_array(&w, NULL);
    pn_write_object(&w, NULL);
    pn_write_text(&w, "action", action);
    pn_write_bool(&w, "inverted", false);
    pn_write_text(&w, "subject", subject);
    pn_write_object(&w, "conditions");
    pn_write_end(&w);
    pn_write_end(&w);
    pn_write_end(&w);
    (void)pn_fail(err, PN_PERMISSION, "You are not allowed to %s on %s", action, subject);
    err->details = pn_arena_copy(call->arena, pn_buf_str(&json));
    return false;
}

bool pn_permit_org(const struct pn_call *call, const char *subject, const char *action,
                   struct pn_err *err)
{
    if (call->actor.kind == PN_ACTOR_PLATFORM ||
        is_granted(PN_LIT("org"), call->actor.org_role, pn_str_from(subject), pn_str_from(action)))
        return true;
    return refuse(call, subject, action, err);
}

/*
 * The actor's roles in a project of its own organisation that hold now. Ids of users and identities
 * never meet, so one statement serves both.
 */
static const char roles_sql[] =
    "SELECT m.id, r.role FROM projects p"
    " LEFT JOIN project_members m ON m.project_id = p.id AND (m.user_id = $actor OR m.identity_id "
    "= $actor)"
    " LEFT JOIN project_member_roles r ON r.member_id = m.id"
    " AND (r.is_temporary = 0 OR (r.starts_ms <= $now AND $now < r.ends_ms))"
    " WHERE p.id = $project AND p.org_id = $org";

bool pn_permit_roles(struct pn_call *call, struct pn_uuid project_id, struct pn_strs *out,
                     struct pn_err *err)
{
    struct pn_query *q = pn_query(call->conn, roles_sql);
    bool has_project = false, is_member = false;
    size_t count = 0;

    out->items = pn_new(call->arena, struct pn_str, PN_PERMIT_MAX_ROLES);
    pn_bind_uuid(q, "$actor", call->actor.id);
    pn_bind_uuid(q, "$project", project_id);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    pn_bind_int(q, "$now", call->now_ms);
    while (pn_query_next(q)) {
        has_project = true;
        is_member = is_member || !pn_column_is_null(q, 0);
        if (count < PN_PERMIT_MAX_ROLES && !pn_column_is_null(q, 1))
            out->items[count++] = pn_column_str(q, 1, call->arena);
    }
    out->count = count;
    if (!pn_query_end(q, err))
        return false;
    if (!has_project)
        return pn_fail(err, PN_NOT_FOUND, "Project with ID '%s' not found",
                       pn_uuid_format(project_id).text);
    if (!is_member && call->actor.kind != PN_ACTOR_PLATFORM)
        return pn_fail(err, PN_PERMISSION, "You are not a member of this project");
    return true;
}

bool pn_permit_project(struct pn_call *call, struct pn_uuid project_id, const char *subject,
                       const char *action, struct pn_err *err)
{
    struct pn_strs roles;

    if (!pn_permit_roles(call, project_id, &roles, err))
        return false;
    if (call->actor.kind == PN_ACTOR_PLATFORM)
        return true;
    for (size_t i = 0; i < roles.count; i++) {
        if (is_granted(PN_LIT("project"), roles.items[i], pn_str_from(subject),
                       pn_str_from(action)))
            return true;
    }
    return refuse(call, subject, action, err);
}

bool pn_permit_grant(struct pn_call *call, struct pn_uuid project_id, struct pn_str role,
                     struct pn_err *err)
{
    struct pn_strs roles;

    if (!pn_permit_roles(call, project_id, &roles, err))
        return false;
    if (call->actor.kind == PN_ACTOR_PLATFORM)
        return true;
    for (size_t i = 0; i < roles.count; i++) {
        if (is_granted(PN_LIT("project"), roles.items[i], PN_LIT("member"),
                       PN_LIT("grant-privileges")) ||
            pn_permit_role_covers("project", roles.items[i], role))
            return true;
    }
    return pn_fail(err, PN_BOUNDARY,
                   "You may not grant the role %.*s: it allows more than you may do", PN_ARG(role));
}

bool pn_permit_grant_org(const struct pn_call *call, struct pn_str role, struct pn_err *err)
{
    if (call->actor.kind == PN_ACTOR_PLATFORM ||
        pn_permit_role_covers("org", call->actor.org_role, role))
        return true;
    return pn_fail(err, PN_BOUNDARY,
                   "You may not grant the role %.*s: it allows more than you may do", PN_ARG(role));
}
