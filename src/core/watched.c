/* SPDX-License-Identifier: Apache-2.0 */
#include "core/watched.h"

const struct pn_watch pn_core_watched[] = {
    /* what bearers are (core/auth/token_cache.h) */
    { .table = "users" },
    { .table = "login_sessions" },
    { .table = "orgs" }, /* whether it asks for a second factor */
    { .table = "org_members" },
    { .table = "identities" },
    { .table = "identity_tokens" },
    { .table = "identity_auths" },
    { .table = "client_secrets" },
    { .table = "gateways" },
    { .table = "relays" },
    { .table = "service_tokens" }, /* and what they may do */
    /* what members of projects may do (core/org/permission.c): one role more may also forbid */
    { .table = "projects" },
    { .table = "project_members" },
    { .table = "project_member_roles", .has_news = true },
    { .table = "roles", .has_news = true },
    { .table = "project_privileges", .has_news = true },
    /* secrets by their place (core/secret/remembered.h): each table knows a name once, whatever comes beside it */
    { .table = "environments" },
    { .table = "folders" },
    { .table = "secrets" },
    { .table = NULL },
};
