/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/find.h"

#define SHOWN_NAME 64
#define SHOWN_PATH 200

static struct pn_str shorten(struct pn_str text, size_t most)
{
    return pn_str_slice(text, 0, most);
}

static bool find_project(struct pn_call *call, struct pn_str slug, struct pn_uuid *out,
                         struct pn_err *err)
{
    struct pn_query *q =
        pn_query(call->conn, "SELECT id FROM projects WHERE slug = $slug AND org_id = $org");
    bool is_there;

    pn_bind_str(q, "$slug", slug);
    pn_bind_uuid(q, "$org", call->actor.org_id);
    is_there = pn_query_next(q);
    if (is_there)
        *out = pn_column_uuid(q, 0);
    if (!pn_query_end(q, err))
        return false;
    return is_there || pn_fail(err, PN_NOT_FOUND, "Project with slug '%.*s' not found",
                               PN_ARG(shorten(slug, SHOWN_NAME)));
}

bool pn_lease_scope_open(struct pn_call *call, const struct pn_lease_at *at,
                         enum pn_lease_words words, struct pn_lease_scope *out, struct pn_err *err)
{
    *out =
        (struct pn_lease_scope){ .place = { .environment = at->environmentSlug }, .words = words };
    return pn_place_path(call, at->path, &out->place.path, err) &&
           find_project(call, at->projectSlug, &out->place.project_id, err) &&
           pn_ability_load(call, out->place.project_id, &out->ability, err);
}

static bool refuse_folder(const struct pn_lease_scope *scope, struct pn_err *err)
{
    const struct pn_str path = shorten(scope->place.path, SHOWN_PATH),
                        environment = shorten(scope->place.environment, SHOWN_NAME);

    pn_err_clear(err);
    switch (scope->words) {
    case PN_LEASE_WORDS_CHANGE:
    case PN_LEASE_WORDS_READ:
        return pn_fail(err, PN_NOT_FOUND, "Folder with path '%.*s' in environment '%.*s' not found",
                       PN_ARG(path), PN_ARG(environment));
    case PN_LEASE_WORDS_LEASE:
        return pn_fail(err, PN_NOT_FOUND,
                       "Folder with path '%.*s' in environment with slug '%.*s' not found",
                       PN_ARG(path), PN_ARG(environment));
    case PN_LEASE_WORDS_GET:
        return pn_fail(err, PN_NOT_FOUND, "Folder with path '%.*s' not found", PN_ARG(path));
    }
    return false;
}

bool pn_lease_scope_folder(struct pn_call *call, struct pn_lease_scope *scope, struct pn_err *err)
{
    const struct pn_str environment = scope->place.environment, path = scope->place.path;

    if (pn_place_find(call, call->conn, scope->place.project_id, environment, path, &scope->place,
                      err))
        return true;
    return err->code == PN_NOT_FOUND ? refuse_folder(scope, err) : false;
}

static bool refuse_secret(const struct pn_lease_scope *scope, struct pn_str name,
                          struct pn_err *err)
{
    const struct pn_str path = shorten(scope->place.path, SHOWN_PATH);

    name = shorten(name, SHOWN_NAME);
    switch (scope->words) {
    case PN_LEASE_WORDS_CHANGE:
        return pn_fail(err, PN_NOT_FOUND,
                       "Dynamic secret with name '%.*s' in folder '%.*s' not found", PN_ARG(name),
                       PN_ARG(path));
    case PN_LEASE_WORDS_READ: /* as Infisical has it, a quote missing */
        return pn_fail(err, PN_NOT_FOUND,
                       "Dynamic secret with name '%.*s in folder '%.*s' not found", PN_ARG(name),
                       PN_ARG(path));
    case PN_LEASE_WORDS_LEASE:
    case PN_LEASE_WORDS_GET:
        return pn_fail(err, PN_NOT_FOUND,
                       "Dynamic secret with name '%.*s' in folder with path '%.*s' not found",
                       PN_ARG(name), PN_ARG(path));
    }
    return false;
}

bool pn_lease_scope_secret(struct pn_call *call, struct pn_lease_scope *scope, struct pn_str name,
                           struct pn_dynamic_secret *out, struct pn_err *err)
{
    bool is_there;

    if (!pn_lease_scope_folder(call, scope, err) ||
        !pn_dynamic_row_find(call->conn, call->arena, scope->place.folder_id, name, out, &is_there,
                             err))
        return false;
    return is_there || refuse_secret(scope, name, err);
}

bool pn_lease_refuse_missing(struct pn_str id, struct pn_err *err)
{
    return pn_fail(err, PN_NOT_FOUND, "Dynamic secret lease with ID '%.*s' not found",
                   PN_ARG(shorten(id, SHOWN_NAME)));
}

/* Rows of leases whose dynamic secret went with its folder are nobody's any more. */
static bool find_lease(struct pn_call *call, struct pn_str id, struct pn_lease *lease,
                       struct pn_dynamic_secret *secret, struct pn_err *err)
{
    struct pn_uuid uuid;
    bool is_there;

    if (!pn_uuid_parse(id, &uuid))
        return pn_lease_refuse_missing(id, err);
    if (!pn_lease_row_find(call->conn, call->arena, uuid, lease, &is_there, err))
        return false;
    if (!is_there || !pn_lease_state_is_shown(lease->state) ||
        !pn_uuid_eq(lease->org_id, call->actor.org_id))
        return pn_lease_refuse_missing(id, err);
    if (!pn_dynamic_row_get(call->conn, call->arena, lease->dynamicSecretId, secret, &is_there,
                            err))
        return false;
    return is_there || pn_lease_refuse_missing(id, err);
}

bool pn_lease_scope_lease(struct pn_call *call, struct pn_lease_scope *scope, struct pn_str id,
                          struct pn_lease *lease, struct pn_dynamic_secret *secret,
                          struct pn_err *err)
{
    if (!pn_lease_scope_folder(call, scope, err) || !find_lease(call, id, lease, secret, err))
        return false;
    if (!pn_uuid_eq(secret->folderId, scope->place.folder_id)) {
        if (scope->words != PN_LEASE_WORDS_GET ||
            !pn_uuid_eq(lease->project_id, scope->place.project_id))
            return pn_lease_refuse_missing(id, err);
        return pn_fail(err, PN_NOT_FOUND, "Dynamic secret with ID '%s' not found",
                       pn_uuid_format(secret->id).text);
    }
    return pn_lease_scope_permit(call, scope, secret->metadata, "lease", err);
}

static struct pn_permit_object object_of(const struct pn_lease_scope *scope,
                                         struct pn_list metadata)
{
    return (struct pn_permit_object){ .subject = "dynamic-secrets",
                                      .environment = scope->place.environment,
                                      .secretPath = scope->place.path,
                                      .metadata = metadata };
}

bool pn_lease_scope_may(const struct pn_lease_scope *scope, struct pn_list metadata,
                        const char *action)
{
    const struct pn_permit_object object = object_of(scope, metadata);

    return pn_ability_may(scope->ability, &object, action);
}

bool pn_lease_scope_permit(struct pn_call *call, const struct pn_lease_scope *scope,
                           struct pn_list metadata, const char *action, struct pn_err *err)
{
    const struct pn_permit_object object = object_of(scope, metadata);

    return pn_ability_permit(call, scope->ability, &object, action, err);
}
