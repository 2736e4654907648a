/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_ROLE_H
#define PN_CORE_ORG_ROLE_H

#include "base/call.h"
#include "db/db.h"
#include "json/shape.h"

/*
 * Custom roles of organisations (platform.md §6.4) and projects (§7.5), listed beside the built-in ones.
 * Members hold a role by its slug. `project` zero: the actor's organisation. Permission: role:read, :create,
 * :edit, :delete; and nobody makes, changes or removes a role that allows more than they may do.
 */
struct pn_role {
    struct pn_uuid id, orgId, projectId;
    struct pn_str name, slug, description;
    struct pn_str permissions; /* JSON of the rules, as they were sent */
    int64_t version, createdAt, updatedAt;
    bool is_builtin;
};
/* Absent texts: an empty role when it is made, no change later. */
struct pn_role_new {
    struct pn_str slug, name, description, permissions;
};
#define PN_ROLE_MAX 500 /* custom ones of an organisation or project */

bool pn_role_list(struct pn_call *call, struct pn_uuid project, struct pn_list *out,
                  struct pn_err *err) PN_CHECKED;
/* PN_NOT_FOUND */
bool pn_role_get(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                 struct pn_role *out, struct pn_err *err) PN_CHECKED;
bool pn_role_get_by_slug(struct pn_call *call, struct pn_uuid project, struct pn_str slug,
                         struct pn_role *out, struct pn_err *err) PN_CHECKED;
/* The one that the actor has in the organisation, whoever may see roles. PN_NOT_FOUND when it is gone. */
bool pn_role_own(struct pn_call *call, struct pn_role *out, struct pn_err *err) PN_CHECKED;
/* The custom role of some project, for paths that name the role alone. PN_NOT_FOUND, also where it may not be seen. */
bool pn_role_get_alone(struct pn_call *call, struct pn_uuid id, struct pn_role *out,
                       struct pn_err *err) PN_CHECKED;

/* Errors: PN_VALIDATION for rules that are not understood, PN_BAD_REQUEST for a slug that is taken, PN_BOUNDARY. */
bool pn_role_create(struct pn_call *call, struct pn_uuid project, const struct pn_role_new *in,
                    struct pn_role *out, struct pn_err *err) PN_CHECKED;
/* Holds at once: members keep the role under a new slug too, and sessions it no longer allows end. */
bool pn_role_change(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                    const struct pn_role_new *in, struct pn_role *out, struct pn_err *err)
    PN_CHECKED;
/* PN_BAD_REQUEST while somebody holds it, or is invited with it. */
bool pn_role_delete(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                    struct pn_role *out, struct pn_err *err) PN_CHECKED;

/*
 * For write functions that store a slug: the role is still there (somebody may have deleted it since it
 * was checked). `scope` is "org" or "project". PN_BAD_REQUEST. Threads: writer.
 */
bool pn_role_require(struct pn_db_conn *tx, const char *scope, struct pn_uuid scope_id,
                     struct pn_str slug, struct pn_err *err) PN_CHECKED;

#endif
