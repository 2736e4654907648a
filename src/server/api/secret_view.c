/* SPDX-License-Identifier: Apache-2.0 */
/* How a secret looks on the wire, and what its routes share. Contract: platform.md §10.1, §10.2. */
#include "server/api/secrets.h"

#include "core/auth/project_token.h"
#include "core/org/project.h"

const char *const pn_secret_types[] = { "shared", "personal", NULL };

bool pn_secret_is_uuid(struct pn_str text)
{
    struct pn_uuid id;

    return pn_uuid_parse(text, &id);
}

static const struct pn_field pair_fields[] = {
    PN_FIELD(pn_secrets_pair, key, STRING, .required = true, .min = 1, .max = 255, .trim = true),
    PN_FIELD(pn_secrets_pair, value, STRING, .required = true, .max = 1020),
    PN_FIELD(pn_secrets_pair, isEncrypted, BOOL),
};
const struct pn_shape pn_secret_pair_shape = { "secret_metadata", sizeof(struct pn_secrets_pair),
                                               pair_fields, PN_COUNT(pair_fields) };

static const struct pn_field tag_fields[] = {
    PN_FIELD(pn_secrets_tag, id, UUID),
    PN_FIELD(pn_secrets_tag, slug, STRING),
    PN_FIELD(pn_secrets_tag, color, STRING),
    PN_FIELD(pn_secrets_tag, name, STRING),
};
const struct pn_shape pn_secret_tag_shape = { "secret_tag", sizeof(struct pn_secrets_tag),
                                              tag_fields, PN_COUNT(tag_fields) };

static const struct pn_field actor_fields[] = {
    PN_FIELD(pn_secrets_actor, actorId, UUID), PN_FIELD(pn_secrets_actor, actorType, STRING),
    PN_FIELD(pn_secrets_actor, name, STRING),  PN_FIELD(pn_secrets_actor, membershipId, UUID),
    PN_FIELD(pn_secrets_actor, groupId, UUID),
};
const struct pn_shape pn_secret_actor_shape = { "secret_actor", sizeof(struct pn_secrets_actor),
                                                actor_fields, PN_COUNT(actor_fields) };

static const struct pn_field secret_fields[] = { PN_SECRET_VIEW_FIELDS(pn_secret_item, ) };
const struct pn_shape pn_secret_view = { "secret", sizeof(struct pn_secret_item), secret_fields,
                                         PN_COUNT(secret_fields) };

bool pn_secret_assume(struct pn_call *call, struct pn_secret_where *where, struct pn_err *err)
{
    bool has_project = !pn_uuid_is_zero(where->projectId) || where->projectSlug.len > 0, is_one;
    struct pn_project_token_scope scope;
    struct pn_uuid project;

    if (call->actor.kind != PN_ACTOR_SERVICE || (has_project && where->environment.len > 0))
        return true;
    if (!pn_project_token_place(call, &project, &scope, &is_one, err))
        return false;
    if (!has_project)
        where->projectId = project;
    if (is_one && where->environment.len == 0) {
        where->environment = scope.environment;
        where->secretPath = where->secretPath.len > 0 ? where->secretPath : scope.secretPath;
    }
    return true;
}

bool pn_secret_project(struct pn_call *call, const struct pn_secret_where *where,
                       struct pn_uuid *out, struct pn_err *err)
{
    struct pn_project project;

    if (where->environment.len == 0 ||
        (pn_uuid_is_zero(where->projectId) && where->projectSlug.len == 0))
        return pn_fail(err, PN_BAD_REQUEST, "Missing project id or environment");
    *out = where->projectId;
    if (!pn_uuid_is_zero(*out))
        return true;
    if (!pn_project_get_by_slug(call, where->projectSlug, &project, err))
        return false;
    *out = project.id;
    return true;
}
