/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_API_VIEWS_H
#define PN_SERVER_API_VIEWS_H

#include "base/err.h"
#include "json/shape.h"

/* How objects that several resources show look on the wire; of the core structs of the same name. */
extern const struct pn_shape pn_user_view;           /* struct pn_user */
extern const struct pn_shape pn_me_view;             /* struct pn_me */
extern const struct pn_shape pn_org_view;            /* struct pn_org */
extern const struct pn_shape pn_project_view;        /* struct pn_project */
extern const struct pn_shape pn_project_role_view;   /* struct pn_project_role */
extern const struct pn_shape pn_org_member_view;     /* struct pn_org_member_shown */
extern const struct pn_shape pn_project_member_view; /* struct pn_project_member_shown */

/* Core keeps the person's members beside the membership's; the wire nests them. */
struct pn_person {
    struct pn_uuid id;
    struct pn_str email, username, firstName, lastName;
    bool isEmailVerified;
};
struct pn_org_member;
struct pn_org_member_shown {
    struct pn_uuid id, orgId, userId, roleId;
    struct pn_str role, customRoleSlug, status, inviteEmail; /* role: the slug, or "custom" */
    bool isActive;
    int64_t createdAt;
    struct pn_person user;
};
struct pn_org_member_shown pn_org_member_show(const struct pn_org_member *member);

struct pn_machine {
    struct pn_uuid id, orgId, projectId;
    struct pn_str name;
    bool hasDeleteProtection;
    struct pn_strs authMethods;
};
struct pn_project_named {
    struct pn_uuid id;
    struct pn_str name, type;
};
struct pn_project_member;
struct pn_project_member_shown {
    struct pn_uuid id, projectId, userId, identityId;
    int64_t createdAt, updatedAt;
    struct pn_list roles;
    bool has_user, has_identity, has_project;
    struct pn_person user;
    struct pn_machine identity;
    struct pn_project_named project;
    struct pn_str lastLoginAuthMethod;
    int64_t lastLoginTime;
};
struct pn_project_member_shown pn_project_member_show(const struct pn_project_member *member);
/* Roles in a request: of pn_role_item_view. PN_BAD_REQUEST for a time that is none. */
extern const struct pn_shape pn_role_item_view;
struct pn_project_role;
bool pn_role_items_read(struct pn_arena *arena, const struct pn_list *from,
                        struct pn_project_role **out, struct pn_err *err) PN_CHECKED;
/* Lists: from core structs to shown ones. */
struct pn_list pn_org_members_show(struct pn_arena *arena, struct pn_list members);
struct pn_list pn_project_members_show(struct pn_arena *arena, struct pn_list members);

#endif
