/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_IDENTITY_IDENTITY_H
#define PN_CORE_IDENTITY_IDENTITY_H

#include "base/call.h"
#include "json/shape.h"

/*
 * Machine identities (identity-auth.md §3, platform.md §5.1). Members carry the wire's names. One that belongs to a
 * project has no role in the organisation and is no member of another project; rights over it are the project's, and
 * the organisation's count for nothing (§2). Who may not read identities there is told that it does not exist.
 */
struct pn_identity_metadata {
    struct pn_uuid id;
    struct pn_str key, value;
};
#define PN_IDENTITY_MAX_METADATA 100

struct pn_identity {
    struct pn_uuid id, orgId, projectId; /* projectId zero: the organisation's */
    struct pn_str name, role; /* of the organisation: a built-in role's slug, or a custom one's */
    bool isInstanceAdmin, hasDeleteProtection;
    int64_t createdAt, updatedAt;
    struct pn_uuid roleId; /* zero: built in */
    struct pn_str role_name, role_description, role_rules;
    struct pn_str lastLoginAuthMethod;
    int64_t lastLoginTime;
    /* Where a function says so. */
    struct pn_list metadata; /* of pn_identity_metadata */
    struct pn_strs authMethods, activeLockoutAuthMethods;
};

/* What a request says; texts with ptr NULL stay as they are, or their default. */
struct pn_identity_in {
    struct pn_str name, role; /* default role: no-access */
    bool hasDeleteProtection, has_protection;
    struct pn_list metadata; /* of pn_identity_metadata without ids: replaces all */
    bool has_metadata;
};

/*
 * Nobody creates, changes or deletes an identity that may do more than they may themselves, in the
 * organisation, in any project (unless they hold identity:grant-privileges) or in the instance.
 *
 * Errors:  PN_PERMISSION, PN_BOUNDARY
 *          PN_NOT_FOUND    not of the actor's organisation
 *          PN_BAD_REQUEST  no such role; protected against deletion
 *          PN_CONFLICT     somebody else has just given it another role: the boundary was not asked about that one
 */
bool pn_identity_make(struct pn_call *call, const struct pn_identity_in *in,
                      struct pn_identity *out, struct pn_err *err) PN_CHECKED;
bool pn_identity_edit(struct pn_call *call, struct pn_uuid id, const struct pn_identity_in *in,
                      struct pn_identity *out, struct pn_err *err) PN_CHECKED;
bool pn_identity_delete(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                        struct pn_err *err) PN_CHECKED;
/*
 * Makes one that belongs to `project`, and a member of it with these roles (none: no-access). Permission identity:create
 * of the project.
 */
struct pn_project_role;
bool pn_identity_make_in(struct pn_call *call, struct pn_uuid project,
                         const struct pn_identity_in *in, const struct pn_project_role *roles,
                         size_t role_count, struct pn_identity *out, struct pn_err *err) PN_CHECKED;
/* The identity, where the actor may do `action` to it: by the organisation's right, or its project's. PN_NOT_FOUND. */
bool pn_identity_permit(struct pn_call *call, struct pn_uuid id, const char *action,
                        struct pn_identity *out, struct pn_err *err) PN_CHECKED;
/* The same for who names the project: one that is not its own is not there, whatever they may do elsewhere. */
bool pn_identity_permit_in(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                           const char *action, struct pn_identity *out, struct pn_err *err)
    PN_CHECKED;
/* In the actor's organisation, for callers that have checked their permission. PN_NOT_FOUND. */
bool pn_identity_find(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                      struct pn_err *err) PN_CHECKED;
/* The same with the permission identity:read, metadata and methods. */
bool pn_identity_get(struct pn_call *call, struct pn_uuid id, struct pn_identity *out,
                     struct pn_err *err) PN_CHECKED;

enum pn_identity_order {
    PN_IDENTITY_BY_NAME,
    PN_IDENTITY_BY_NAME_DOWN,
    PN_IDENTITY_BY_ROLE,
    PN_IDENTITY_BY_ROLE_DOWN
};
struct pn_identity_search {
    struct pn_uuid project;      /* its own; zero: the organisation's own */
    struct pn_str contains;      /* in the name, any case; absent: any */
    struct pn_str name, role;    /* equal; absent: any */
    struct pn_strs names, roles; /* one of them; none: any */
    enum pn_identity_order order;
    int64_t offset, limit;
};
#define PN_IDENTITY_MAX_LISTED 1000
/* Permission identity:read, of the project or the organisation. Of pn_identity, with metadata and methods; `total` without the window. */
bool pn_identity_list(struct pn_call *call, const struct pn_identity_search *search,
                      struct pn_list *out, int64_t *total, struct pn_err *err) PN_CHECKED;

#endif
