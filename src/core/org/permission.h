/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_PERMISSION_H
#define PN_CORE_ORG_PERMISSION_H

#include "base/call.h"
#include "db/db.h"
#include "json/shape.h"

/*
 * What a role may do: one table (permission.c) of built-in roles, subjects and actions (platform.md
 * §8.2–§8.4). Checks raise PN_PERMISSION with details [{action, subject, …}]; objects of another
 * organisation look as if they did not exist (PN_NOT_FOUND) or, where §2.2 says so, 403. The
 * platform itself (PN_ACTOR_PLATFORM) may do everything.
 */
/* In the actor's own organisation: "gateway", "create-gateways". */
bool pn_permit_org(const struct pn_call *call, const char *subject, const char *action,
                   struct pn_err *err) PN_CHECKED;
/*
 * In a project: looks up the actor's memberships (users and identities alike). Errors: PN_NOT_FOUND
 * (no such project in the actor's organisation), PN_PERMISSION ("You are not a member of this project"
 * or names action and subject).
 */
bool pn_permit_project(struct pn_call *call, struct pn_uuid project_id, const char *subject,
                       const char *action, struct pn_err *err) PN_CHECKED;
/* The same lookup alone: is the actor a member, and with which roles? */
#define PN_PERMIT_MAX_ROLES 32
bool pn_permit_roles(struct pn_call *call, struct pn_uuid project_id, struct pn_strs *out,
                     struct pn_err *err) PN_CHECKED;

/*
 * Rules with conditions (§8.1). What is asked about is an object: a subject with the values that
 * conditions may name; absent ones match no condition.
 */
struct pn_permit_pair {
    struct pn_str key, value;
};
struct pn_permit_object {
    const char *subject; /* "secrets" */
    struct pn_str environment, secretPath, secretName;
    struct pn_strs secretTags; /* slugs */
    struct pn_list metadata;   /* of struct pn_permit_pair */
    struct pn_str identityId, name, resourceName, accountName, accountPath;
};
/*
 * The actor's rules in a project, those of all its roles that hold now, in order: loaded once per call,
 * asked as often as there are rows to show. Lives in call->arena. Errors: as pn_permit_project.
 */
struct pn_ability;
bool pn_ability_load(struct pn_call *call, struct pn_uuid project_id, const struct pn_ability **out,
                     struct pn_err *err) PN_CHECKED;
bool pn_ability_may(const struct pn_ability *ability, const struct pn_permit_object *object,
                    const char *action);
/* Whether some object of the subject could be allowed: to refuse a list early. */
bool pn_ability_may_some(const struct pn_ability *ability, const char *subject, const char *action);
/* pn_ability_may, or PN_PERMISSION with the details clients print. */
bool pn_ability_permit(struct pn_call *call, const struct pn_ability *ability,
                       const struct pn_permit_object *object, const char *action,
                       struct pn_err *err) PN_CHECKED;

bool pn_permit_role_exists(const char *scope, struct pn_str slug); /* scope "org" or "project" */
bool pn_permit_role_may(const char *scope, struct pn_str role, const char *subject,
                        const char *action);
/* Does `role` allow everything that `other` does? */
bool pn_permit_role_covers(const char *scope, struct pn_str role, struct pn_str other);
/*
 * The privilege boundary (§8.5): nobody hands out more than they hold. PN_BOUNDARY.
 */
bool pn_permit_grant(struct pn_call *call, struct pn_uuid project_id, struct pn_str role,
                     struct pn_err *err) PN_CHECKED;
bool pn_permit_grant_org(const struct pn_call *call, struct pn_str role, struct pn_err *err)
    PN_CHECKED;

#endif
