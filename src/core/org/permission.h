/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_PERMISSION_H
#define PN_CORE_ORG_PERMISSION_H

#include "base/call.h"
#include "db/db.h"
#include "json/shape.h"

/*
 * Who may do what (platform.md §8). A role is a list of rules: built-in ones are a table (builtin.c), custom
 * ones rows (role.h). Checks raise PN_PERMISSION with details [{action, subject, …}]; objects of another
 * organisation look as if they did not exist (PN_NOT_FOUND) or, where §2.2 says so, 403. The
 * platform itself (PN_ACTOR_PLATFORM) may do everything.
 */
/* In the actor's own organisation: "gateway", "create-gateways". */
bool pn_permit_org(const struct pn_call *call, const char *subject, const char *action,
                   struct pn_err *err) PN_CHECKED;
/*
 * In a project: looks up the actor's memberships (users and identities alike). Errors: PN_NOT_FOUND
 * (no such project in the actor's organisation), PN_PERMISSION ("You are not a member of this project"
 * or names action and subject). The question is about every object of the subject: rules with
 * conditions do not allow it, and forbid it where they are inverted. Who can name the object asks pn_ability_may.
 */
bool pn_permit_project(struct pn_call *call, struct pn_uuid project_id, const char *subject,
                       const char *action, struct pn_err *err) PN_CHECKED;
/*
 * For what is asked for by its id alone: who may not see it is told what they would be told of one that is not there.
 * Other failures stay as they are. False.
 */
#define pn_permit_hide(err, ...) \
    ((err)->code == PN_PERMISSION ? pn_recast((err), PN_NOT_FOUND, __VA_ARGS__) : false)
/* Of a member: roles (PN_PROJECT_MAX_ROLES) and privileges (PN_PRIVILEGE_MAX); more there cannot be. */
#define PN_PERMIT_MAX_ROLES 52

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
 * The actor's rules in a project, those of all its roles that hold now, in the order they were given:
 * loaded once per call, asked as often as there are rows to show. Of all rules that speak of an action the
 * last one decides. Lives in call->arena. Errors: PN_NOT_FOUND, PN_PERMISSION for who is no member.
 */
struct pn_ability;
bool pn_ability_load(struct pn_call *call, struct pn_uuid project_id, const struct pn_ability **out,
                     struct pn_err *err) PN_CHECKED;
bool pn_ability_may(const struct pn_ability *ability, const struct pn_permit_object *object,
                    const char *action);
/* Whether some object of the subject could be allowed: to refuse a list early. */
bool pn_ability_may_some(const struct pn_ability *ability, const char *subject, const char *action);
/* Whether every object of the subject is allowed, whatever it is called. */
bool pn_ability_may_all(const struct pn_ability *ability, const char *subject, const char *action);
/* pn_ability_may_some, or PN_PERMISSION as below. */
bool pn_ability_permit_some(struct pn_call *call, const struct pn_ability *ability,
                            const char *subject, const char *action, struct pn_err *err) PN_CHECKED;
/* pn_ability_may, or PN_PERMISSION with the details clients print. */
bool pn_ability_permit(struct pn_call *call, const struct pn_ability *ability,
                       const struct pn_permit_object *object, const char *action,
                       struct pn_err *err) PN_CHECKED;

/*
 * The privilege boundary (§8.5): nobody hands out more than they hold, and nobody touches who holds more.
 * Errors: PN_BAD_REQUEST (no such role), PN_BOUNDARY with details {missingPermissions}. In a project
 * member:grant-privileges is enough. A zero project: a role of the actor's organisation.
 */
bool pn_permit_grant(struct pn_call *call, struct pn_uuid project_id, struct pn_str role,
                     struct pn_err *err) PN_CHECKED;
bool pn_permit_grant_org(struct pn_call *call, struct pn_str role, struct pn_err *err) PN_CHECKED;
/* Of a refusal about one of an identity's projects; always false. Where the actor is no member, it is PN_BOUNDARY. */
bool pn_permit_elsewhere(struct pn_err *err) PN_CHECKED;
/* The same for rules that are no role yet; `what` as in "create the role". */
struct pn_rules;
bool pn_permit_rules(struct pn_call *call, struct pn_uuid project_id, const struct pn_rules *rules,
                     const char *what, struct pn_str name, struct pn_err *err) PN_CHECKED;
/* What rules forbid may be let go only by who may do it: what only forbids is held like all else. */
bool pn_permit_release(struct pn_call *call, struct pn_uuid project_id,
                       const struct pn_rules *rules, const char *what, struct pn_str name,
                       struct pn_err *err) PN_CHECKED;

#endif
