/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_PROJECT_TOKEN_H
#define PN_CORE_AUTH_PROJECT_TOKEN_H

#include "core/auth/token_cache.h"
#include "json/shape.h"

/*
 * Service tokens (platform.md §5.5): "st.<id>.<64 hex digits>", bearers of one project for its secrets, folders and
 * imports. Scopes and permissions become rules when the token is made (core/org/rules.h), and these are all it may
 * do: it holds no role, belongs to nobody, and stays when who made it leaves. (kube/service_token.h is another's.)
 */
struct pn_project_token_scope {
    struct pn_str environment, secretPath; /* slug; a path, or a glob over paths */
};
struct pn_project_token {
    struct pn_uuid id, projectId, createdBy;  /* createdBy zero: no longer there */
    struct pn_str email, firstName, lastName; /* of who made it */
    struct pn_str name, scopes, permissions;  /* the latter two as JSON, as they are shown */
    int64_t lastUsed, expiresAt, createdAt;   /* 0: never */
};
#define PN_PROJECT_TOKEN_MAX_SCOPES 50
#define PN_PROJECT_TOKEN_MAX 1000 /* of a project */

struct pn_project_token_new {
    struct pn_uuid project_id;
    struct pn_str name;
    struct pn_list scopes;      /* of struct pn_project_token_scope */
    struct pn_strs permissions; /* "read", "write", "readValue" */
    int64_t ttl_s;              /* 0: never ends */
};
bool pn_project_token_is_permission(struct pn_str text);

/*
 * Permission service-tokens:create, and all that the token would allow: nobody hands out more than they hold.
 * `plain` is shown this once.
 *
 * Errors:  PN_PERMISSION, PN_BOUNDARY, PN_NOT_FOUND (project, environment)
 *          PN_VALIDATION   a path that is none
 *          PN_BAD_REQUEST  too many
 */
bool pn_project_token_create(struct pn_call *call, const struct pn_project_token_new *in,
                             struct pn_project_token *out, struct pn_str *plain, struct pn_err *err)
    PN_CHECKED;
/* service-tokens:read; newest first. */
bool pn_project_token_list(struct pn_call *call, struct pn_uuid project, struct pn_list *out,
                           struct pn_err *err) PN_CHECKED;
/* service-tokens:delete; from its commit on the token is no good. PN_NOT_FOUND also for who may not see the project. */
bool pn_project_token_delete(struct pn_call *call, struct pn_uuid id, struct pn_project_token *out,
                             struct pn_err *err) PN_CHECKED;

/* ---- the bearer ---- */

bool pn_project_token_is(struct pn_str bearer);
/*
 * Whose it is, from its text alone: for pn_db_version. Then the row. Unknown, wrong and expired look alike.
 * Errors: PN_UNAUTHENTICATED.
 */
bool pn_project_token_read(struct pn_str bearer, struct pn_uuid *id, struct pn_err *err) PN_CHECKED;
bool pn_project_token_find(struct pn_call *call, struct pn_str bearer, struct pn_token_facts *out,
                           struct pn_err *err) PN_CHECKED;
/* The actor's own row. */
bool pn_project_token_self(struct pn_call *call, struct pn_project_token *out, struct pn_err *err)
    PN_CHECKED;
/*
 * Project and scope that a request of this actor means when it names none (§10.2): those of a token with one scope
 * that is no glob. *is_one false: there is no such.
 */
bool pn_project_token_place(struct pn_call *call, struct pn_uuid *project,
                            struct pn_project_token_scope *scope, bool *is_one, struct pn_err *err)
    PN_CHECKED;

#endif
