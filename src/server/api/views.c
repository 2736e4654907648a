/* SPDX-License-Identifier: Apache-2.0 */
#include "server/api/views.h"

#include "core/org/org.h"
#include "core/org/project.h"
#include "core/org/project_member.h"
#include "core/org/user.h"
#include "server/api/terms.h"

/* A member under another name than the struct's. */
#define AS(type, member, what, as, ...)                                                          \
    {                                                                                            \
        .name = as, .kind = PN_KIND_##what, .offset = offsetof(struct type, member), __VA_ARGS__ \
    }

static const struct pn_field pn_user_fields[] = {
    PN_FIELD(pn_user, id, UUID),         PN_FIELD(pn_user, email, STRING),
    PN_FIELD(pn_user, username, STRING), PN_FIELD(pn_user, firstName, STRING),
    PN_FIELD(pn_user, lastName, STRING), PN_FIELD(pn_user, superAdmin, BOOL),
    PN_FIELD(pn_user, createdAt, TIME),
};
const struct pn_shape pn_user_view = PN_SHAPE_OF(pn_user);

static const struct pn_field pn_org_fields[] = {
    PN_FIELD(pn_org, id, UUID),
    PN_FIELD(pn_org, name, STRING),
    PN_FIELD(pn_org, slug, STRING),
    PN_FIELD(pn_org, enforceMfa, BOOL),
    PN_FIELD(pn_org, createdAt, TIME),
    PN_FIELD(pn_org, updatedAt, TIME),
    PN_FIELD(pn_org, userRole, STRING, .omit_empty = true),
};
const struct pn_shape pn_org_view = PN_SHAPE_OF(pn_org);

static const struct pn_field pn_environment_fields[] = {
    PN_FIELD(pn_environment, id, UUID),
    PN_FIELD(pn_environment, name, STRING),
    PN_FIELD(pn_environment, slug, STRING),
};
static const struct pn_shape environment_view = PN_SHAPE_OF(pn_environment);

static const struct pn_field pn_project_fields[] = {
    PN_FIELD(pn_project, id, UUID),
    AS(pn_project, id, UUID, "_id"), /* the CLI's init reads this one */
    PN_FIELD(pn_project, name, STRING),
    PN_FIELD(pn_project, description, STRING),
    PN_FIELD(pn_project, type, STRING),
    PN_FIELD(pn_project, slug, STRING),
    PN_FIELD(pn_project, orgId, UUID),
    AS(pn_project, orgId, UUID, "organization"), /* lists of an organization call it so */
    PN_FIELD(pn_project, autoCapitalization, BOOL),
    PN_FIELD(pn_project, hasDeleteProtection, BOOL),
    PN_FIELD(pn_project, auditLogsRetentionDays, INT,
             .has_offset = offsetof(struct pn_project, has_auditLogsRetentionDays)),
    PN_FIELD(pn_project, createdAt, TIME),
    PN_FIELD(pn_project, updatedAt, TIME),
    PN_FIELD(pn_project, environments, OBJECTS, .shape = &environment_view),
};
const struct pn_shape pn_project_view = PN_SHAPE_OF(pn_project);

static const struct pn_field pn_project_role_fields[] = {
    PN_FIELD(pn_project_role, id, UUID),
    AS(pn_project_role, word, STRING, "role"),
    PN_FIELD(pn_project_role, customRoleId, UUID, .omit_empty = true),
    PN_FIELD(pn_project_role, customRoleName, STRING, .omit_empty = true),
    PN_FIELD(pn_project_role, customRoleSlug, STRING, .omit_empty = true),
    PN_FIELD(pn_project_role, isTemporary, BOOL),
    PN_FIELD(pn_project_role, temporaryMode, STRING),
    PN_FIELD(pn_project_role, temporaryRange, STRING),
    PN_FIELD(pn_project_role, temporaryAccessStartTime, TIME),
    PN_FIELD(pn_project_role, temporaryAccessEndTime, TIME),
};
const struct pn_shape pn_project_role_view = PN_SHAPE_OF(pn_project_role);

static const struct pn_field pn_person_fields[] = {
    PN_FIELD(pn_person, id, UUID),         PN_FIELD(pn_person, email, STRING),
    PN_FIELD(pn_person, username, STRING), PN_FIELD(pn_person, firstName, STRING),
    PN_FIELD(pn_person, lastName, STRING), PN_FIELD(pn_person, isEmailVerified, BOOL),
};
static const struct pn_shape person_view = PN_SHAPE_OF(pn_person);

static const struct pn_field pn_org_member_shown_fields[] = {
    PN_FIELD(pn_org_member_shown, id, UUID),
    PN_FIELD(pn_org_member_shown, orgId, UUID),
    PN_FIELD(pn_org_member_shown, userId, UUID),
    PN_FIELD(pn_org_member_shown, role, STRING),
    PN_FIELD(pn_org_member_shown, status, STRING),
    PN_FIELD(pn_org_member_shown, inviteEmail, STRING),
    PN_FIELD(pn_org_member_shown, isActive, BOOL),
    PN_FIELD(pn_org_member_shown, createdAt, TIME),
    PN_FIELD(pn_org_member_shown, user, OBJECT, .shape = &person_view),
    PN_FIELD(pn_org_member_shown, roleId, UUID),
    PN_FIELD(pn_org_member_shown, customRoleSlug, STRING, .omit_empty = true),
};
const struct pn_shape pn_org_member_view = PN_SHAPE_OF(pn_org_member_shown);

static const struct pn_field pn_machine_fields[] = {
    PN_FIELD(pn_machine, id, UUID),
    PN_FIELD(pn_machine, name, STRING),
    PN_FIELD(pn_machine, orgId, UUID),
    PN_FIELD(pn_machine, projectId, UUID),
    PN_FIELD(pn_machine, authMethods, STRINGS),
    PN_FIELD(pn_machine, hasDeleteProtection, BOOL),
};
static const struct pn_shape machine_view = PN_SHAPE_OF(pn_machine);

static const struct pn_field pn_project_named_fields[] = {
    PN_FIELD(pn_project_named, id, UUID),
    PN_FIELD(pn_project_named, name, STRING),
    PN_FIELD(pn_project_named, type, STRING),
};
static const struct pn_shape project_named_view = PN_SHAPE_OF(pn_project_named);

static const struct pn_field pn_project_member_shown_fields[] = {
    PN_FIELD(pn_project_member_shown, id, UUID),
    PN_FIELD(pn_project_member_shown, projectId, UUID),
    PN_FIELD(pn_project_member_shown, userId, UUID, .omit_empty = true),
    PN_FIELD(pn_project_member_shown, identityId, UUID, .omit_empty = true),
    PN_FIELD(pn_project_member_shown, createdAt, TIME),
    PN_FIELD(pn_project_member_shown, updatedAt, TIME),
    PN_FIELD(pn_project_member_shown, roles, OBJECTS, .shape = &pn_project_role_view),
    PN_FIELD(pn_project_member_shown, user, OBJECT, .shape = &person_view, .omit_empty = true,
             .has_offset = offsetof(struct pn_project_member_shown, has_user)),
    PN_FIELD(pn_project_member_shown, identity, OBJECT, .shape = &machine_view, .omit_empty = true,
             .has_offset = offsetof(struct pn_project_member_shown, has_identity)),
    PN_FIELD(pn_project_member_shown, project, OBJECT, .shape = &project_named_view,
             .omit_empty = true,
             .has_offset = offsetof(struct pn_project_member_shown, has_project)),
    PN_FIELD(pn_project_member_shown, lastLoginAuthMethod, STRING, .omit_empty = true),
    PN_FIELD(pn_project_member_shown, lastLoginTime, TIME, .omit_empty = true),
};
const struct pn_shape pn_project_member_view = PN_SHAPE_OF(pn_project_member_shown);

struct pn_org_member_shown pn_org_member_show(const struct pn_org_member *m)
{
    return (struct pn_org_member_shown){
        .id = m->id,
        .orgId = m->orgId,
        .userId = m->userId,
        .role = pn_uuid_is_zero(m->roleId) ? m->role : PN_LIT("custom"),
        .roleId = m->roleId,
        .customRoleSlug = pn_uuid_is_zero(m->roleId) ? PN_NONE : m->role,
        .status = m->status,
        .inviteEmail = m->inviteEmail,
        .isActive = m->isActive,
        .createdAt = m->createdAt,
        .user = { .id = m->userId,
                  .email = m->email,
                  .username = m->email,
                  .firstName = m->firstName,
                  .lastName = m->lastName,
                  .isEmailVerified = m->isEmailVerified },
    };
}

struct pn_project_member_shown pn_project_member_show(const struct pn_project_member *m)
{
    bool is_user = !pn_uuid_is_zero(m->userId);

    return (struct pn_project_member_shown){
        .id = m->id,
        .projectId = m->projectId,
        .userId = m->userId,
        .identityId = m->identityId,
        .createdAt = m->createdAt,
        .updatedAt = m->updatedAt,
        .roles = m->roles,
        .has_user = is_user,
        .has_identity = !is_user,
        .user = { .id = m->userId,
                  .email = m->name,
                  .username = m->name,
                  .firstName = m->firstName,
                  .lastName = m->lastName,
                  .isEmailVerified = true },
        .has_project = m->project_name.ptr != NULL,
        .identity = { .id = m->identityId,
                      .orgId = m->identity_org,
                      .projectId = m->identity_project,
                      .name = m->name,
                      .hasDeleteProtection = m->hasDeleteProtection,
                      .authMethods = m->authMethods },
        .project = { .id = m->projectId, .name = m->project_name, .type = m->project_type },
        .lastLoginAuthMethod = m->lastLoginAuthMethod,
        .lastLoginTime = m->lastLoginTime,
    };
}

struct pn_list pn_org_members_show(struct pn_arena *arena, struct pn_list members)
{
    struct pn_org_member_shown *shown = pn_new(arena, struct pn_org_member_shown, members.count);
    const struct pn_org_member *from = members.items;

    for (size_t i = 0; i < members.count; i++)
        shown[i] = pn_org_member_show(&from[i]);
    return (struct pn_list){ .items = shown, .count = members.count };
}

struct pn_list pn_project_members_show(struct pn_arena *arena, struct pn_list members)
{
    struct pn_project_member_shown *shown =
        pn_new(arena, struct pn_project_member_shown, members.count);
    const struct pn_project_member *from = members.items;

    for (size_t i = 0; i < members.count; i++)
        shown[i] = pn_project_member_show(&from[i]);
    return (struct pn_list){ .items = shown, .count = members.count };
}

static const struct pn_field pn_grant_out_fields[] = {
    PN_FIELD(pn_grant_out, accessToken, STRING),
    PN_FIELD(pn_grant_out, expiresIn, INT),
    PN_FIELD(pn_grant_out, accessTokenMaxTTL, INT),
    PN_FIELD(pn_grant_out, tokenType, STRING),
};
const struct pn_shape pn_grant_view = PN_SHAPE_OF(pn_grant_out);

struct pn_grant_out pn_grant_show(const struct pn_grant *grant)
{
    return (struct pn_grant_out){ .accessToken = grant->accessToken,
                                  .tokenType = PN_LIT("Bearer"),
                                  .expiresIn = grant->expiresIn,
                                  .accessTokenMaxTTL = grant->accessTokenMaxTTL };
}
