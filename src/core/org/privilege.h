/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_PRIVILEGE_H
#define PN_CORE_ORG_PRIVILEGE_H

#include "base/call.h"
#include "json/shape.h"

/*
 * What a machine identity may do in a project beside its roles (platform.md §7.5): rules of its own, for good or for a
 * time. They are a part of its membership: asked after its roles (ability.c), gone with it. Permission identity:read
 * and identity:edit of the project; and who makes, changes or removes one may do all that it allows (and forbids), as
 * well as all that the identity may do there already. Members carry the wire's names.
 */
struct pn_privilege {
    struct pn_uuid id, projectMembershipId, identityId, projectId;
    struct pn_str slug;
    struct pn_str permissions; /* JSON of the rules, as they were sent */
    bool isTemporary;
    struct pn_str temporaryMode, temporaryRange;
    int64_t temporaryAccessStartTime, temporaryAccessEndTime, createdAt, updatedAt;
    int64_t version;
};
#define PN_PRIVILEGE_MAX 32 /* of a membership, those that have run out too */

/* What a request says. Absent texts: a slug that is made up, no change later. */
struct pn_privilege_in {
    struct pn_str slug, permissions;
    bool
        has_term; /* isTemporary says something; else the rest is a change of a term that is there */
    bool isTemporary;
    struct pn_str temporaryRange;
    int64_t temporaryAccessStartTime; /* 0: now, or as it is */
};

bool pn_privilege_list(struct pn_call *call, struct pn_uuid project, struct pn_uuid identity,
                       struct pn_list *out, struct pn_err *err) PN_CHECKED;
/* PN_NOT_FOUND, also where it may not be seen. */
bool pn_privilege_get(struct pn_call *call, struct pn_uuid id, struct pn_privilege *out,
                      struct pn_err *err) PN_CHECKED;
bool pn_privilege_get_by_slug(struct pn_call *call, struct pn_uuid project, struct pn_uuid identity,
                              struct pn_str slug, struct pn_privilege *out, struct pn_err *err)
    PN_CHECKED;

/* Errors: PN_NOT_FOUND (no such member), PN_VALIDATION (rules), PN_BAD_REQUEST (slug taken), PN_BOUNDARY. */
bool pn_privilege_create(struct pn_call *call, struct pn_uuid project, struct pn_uuid identity,
                         const struct pn_privilege_in *in, struct pn_privilege *out,
                         struct pn_err *err) PN_CHECKED;
/* Holds at once; sessions that it no longer allows end. PN_CONFLICT when it was changed meanwhile. */
bool pn_privilege_change(struct pn_call *call, struct pn_uuid id, const struct pn_privilege_in *in,
                         struct pn_privilege *out, struct pn_err *err) PN_CHECKED;
bool pn_privilege_delete(struct pn_call *call, struct pn_uuid id, struct pn_privilege *out,
                         struct pn_err *err) PN_CHECKED;

/*
 * For who would reach through an identity, or touch its membership: may they do all that its privileges allow, those
 * that hold now and those that will? `project` zero: in all projects. PN_BOUNDARY.
 */
bool pn_privilege_permit_held(struct pn_call *call, struct pn_uuid project, struct pn_uuid identity,
                              struct pn_err *err) PN_CHECKED;

#endif
