/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_PROJECT_MEMBER_H
#define PN_CORE_ORG_PROJECT_MEMBER_H

#include "base/call.h"
#include "db/db.h"
#include "json/shape.h"

/* Who belongs to a project: people and machine identities alike (platform.md §7.3, §7.4). */
struct pn_project_role {
    struct pn_uuid id;
    struct pn_str role; /* slug */
    struct pn_str word; /* on the wire: the slug, or "custom" */
    struct pn_uuid customRoleId;
    struct pn_str customRoleName, customRoleSlug;
    bool isTemporary;
    struct pn_str temporaryMode, temporaryRange;
    int64_t temporaryAccessStartTime, temporaryAccessEndTime;
};
struct pn_project_member {
    struct pn_uuid id, projectId, userId, identityId;
    struct pn_str name; /* e-mail, or the identity's name */
    struct pn_str firstName, lastName;
    struct pn_list roles;                     /* of pn_project_role */
    struct pn_str project_name, project_type; /* where lists cross projects */
    int64_t createdAt, updatedAt;
    /* Of a machine identity. */
    struct pn_uuid identity_org, identity_project;
    bool hasDeleteProtection;
    struct pn_strs authMethods;
    struct pn_str lastLoginAuthMethod;
    int64_t lastLoginTime;
};
#define PN_PROJECT_MAX_ROLES 20

/* For write functions. */
struct pn_project_join {
    struct pn_uuid id, project_id, user_id, identity_id; /* one of the last two */
    const struct pn_str *roles;
    size_t role_count;
};
bool pn_project_member_insert(struct pn_db_conn *tx, const struct pn_call *call,
                              const struct pn_project_join *join, struct pn_err *err) PN_CHECKED;

enum pn_member_kind { PN_MEMBER_USERS, PN_MEMBER_IDENTITIES };

/* Permission member:read, identities identity:read. Of pn_project_member. */
bool pn_project_member_list(struct pn_call *call, struct pn_uuid project, enum pn_member_kind kind,
                            struct pn_list *out, struct pn_err *err) PN_CHECKED;
/* By membership id or by the id of the user or identity. PN_NOT_FOUND. */
bool pn_project_member_get(struct pn_call *call, struct pn_uuid project, enum pn_member_kind kind,
                           struct pn_uuid id, struct pn_project_member *out, struct pn_err *err)
    PN_CHECKED;
/* The one of that address. Permission member:read. PN_NOT_FOUND. */
bool pn_project_member_get_by_email(struct pn_call *call, struct pn_uuid project,
                                    struct pn_str email, struct pn_project_member *out,
                                    struct pn_err *err) PN_CHECKED;
/*
 * Who administers the organisation takes the administration of one of its projects, member or not.
 * Permission organization-admin-console:access-all-projects; the actor is a person.
 */
bool pn_project_member_take(struct pn_call *call, struct pn_uuid project,
                            struct pn_project_member *out, struct pn_err *err) PN_CHECKED;
/* All of them or none; PN_BAD_REQUEST names who is no member. Permission member:delete. */
bool pn_project_member_remove_users(struct pn_call *call, struct pn_uuid project,
                                    struct pn_strs emails, struct pn_list *out, struct pn_err *err)
    PN_CHECKED;
/*
 * All memberships of a person or machine identity in projects of the actor's organisation; for callers
 * that have checked their permission (org member:read, identity:read).
 */
bool pn_project_member_everywhere(struct pn_call *call, struct pn_uuid of, struct pn_list *out,
                                  struct pn_err *err) PN_CHECKED;
/* The same by the membership's id alone. */
bool pn_project_member_by_id(struct pn_call *call, enum pn_member_kind kind, struct pn_uuid id,
                             struct pn_project_member *out, struct pn_err *err) PN_CHECKED;
/*
 * Who is a member of the organisation, or invited to it, and has one of the addresses. Who is not is invited first, to
 * the role no-access, when the actor may invite (`invites`, of pn_org_invite: their codes); else PN_BAD_REQUEST names them.
 */
bool pn_project_member_add_users(struct pn_call *call, struct pn_uuid project,
                                 struct pn_strs emails, struct pn_strs roles, struct pn_list *out,
                                 struct pn_list *invites, struct pn_err *err) PN_CHECKED;
/*
 * Who gives somebody the way into an account that nobody has claimed (a code, a password) hands out what it has: its
 * roles in the organisation's projects. Its administrators may (access-all-projects). PN_BOUNDARY.
 */
bool pn_project_member_permit_claim(struct pn_call *call, struct pn_str email, struct pn_err *err)
    PN_CHECKED;
/* The same, of all who are in the organisation, for those who are no members of the project yet. */
bool pn_project_member_add_missing(struct pn_call *call, struct pn_uuid project,
                                   struct pn_strs emails, struct pn_strs roles, struct pn_err *err)
    PN_CHECKED;
/* Machine identities of the organisation that could be added: its own are not among them. Permission identity:create. */
struct pn_available {
    struct pn_uuid id;
    struct pn_str name;
};
struct pn_available_page {
    struct pn_str contains; /* in the name, any case; absent: any */
    int64_t offset, limit;
};
bool pn_project_member_available(struct pn_call *call, struct pn_uuid project,
                                 const struct pn_available_page *page, struct pn_list *out,
                                 struct pn_err *err) PN_CHECKED;
bool pn_project_member_add_identity(struct pn_call *call, struct pn_uuid project,
                                    struct pn_uuid identity, const struct pn_project_role *roles,
                                    size_t role_count, struct pn_project_member *out,
                                    struct pn_err *err) PN_CHECKED;
/*
 * The membership of somebody whose rights are about to change, for who may do all that its roles and privileges allow.
 * Permission `action` on people or identities of the project. Errors: PN_NOT_FOUND, PN_PERMISSION, PN_BOUNDARY.
 */
bool pn_project_member_touch(struct pn_call *call, struct pn_uuid project, enum pn_member_kind kind,
                             struct pn_uuid id, const char *action, struct pn_project_member *out,
                             struct pn_err *err) PN_CHECKED;
/* What is given for a time: from `start_ms` (0: now, filled in) for "2h". PN_BAD_REQUEST. */
bool pn_project_member_term(const struct pn_call *call, struct pn_str range, int64_t *start_ms,
                            int64_t *end_ms, struct pn_err *err) PN_CHECKED;
/*
 * For who makes a machine identity in a project: its membership, when the actor may add one with these roles; and, from
 * the write function that has inserted the identity, its rows.
 */
bool pn_project_member_plan(struct pn_call *call, struct pn_uuid project,
                            const struct pn_project_role *roles, size_t role_count,
                            struct pn_project_member *out, struct pn_err *err) PN_CHECKED;
bool pn_project_member_write(struct pn_db_conn *tx, const struct pn_call *call,
                             struct pn_project_member *member, struct pn_err *err) PN_CHECKED;
/* Replaces the roles. Temporary ones carry their range ("2h") and start. */
bool pn_project_member_set_roles(struct pn_call *call, struct pn_uuid project,
                                 enum pn_member_kind kind, struct pn_uuid id,
                                 const struct pn_project_role *roles, size_t role_count,
                                 struct pn_project_member *out, struct pn_err *err) PN_CHECKED;
bool pn_project_member_remove(struct pn_call *call, struct pn_uuid project,
                              enum pn_member_kind kind, struct pn_uuid id,
                              struct pn_project_member *out, struct pn_err *err) PN_CHECKED;

#endif
