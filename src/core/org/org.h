/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_ORG_H
#define PN_CORE_ORG_ORG_H

#include "base/call.h"
#include "base/secret.h"
#include "db/db.h"
#include "json/shape.h"

/* Organisations, their members and invitations (platform.md §6). Members carry the wire's names. */
struct pn_org {
    struct pn_uuid id;
    struct pn_str name, slug;
    bool enforceMfa; /* of people: core/auth/mfa.h */
    int64_t createdAt, updatedAt;
    struct pn_str userRole; /* the actor's, in lists */
};

/* Organisations the actor is an accepted member of; of pn_org. */
bool pn_org_list(struct pn_call *call, struct pn_list *out, struct pn_err *err) PN_CHECKED;
/* The actor's own organisation, whose id the client repeats; PN_FORBIDDEN for another one (§2.2). */
bool pn_org_get(struct pn_call *call, struct pn_uuid id, struct pn_org *out, struct pn_err *err)
    PN_CHECKED;
/* One the actor belongs to, also when it is not the one of the token; PN_NOT_FOUND for every other. */
bool pn_org_get_by_slug(struct pn_call *call, struct pn_str slug, struct pn_org *out,
                        struct pn_err *err) PN_CHECKED;
/* The actor (a user) becomes its admin. */
bool pn_org_create(struct pn_call *call, struct pn_str name, struct pn_org *out, struct pn_err *err)
    PN_CHECKED;
/*
 * Name or slug with ptr NULL and enforce_mfa < 0 stay as they are. Permission settings:edit; a person who asks all
 * for a second factor has shown one (PN_BAD_REQUEST).
 */
bool pn_org_change(struct pn_call *call, struct pn_uuid id, struct pn_str name, struct pn_str slug,
                   int enforce_mfa, struct pn_org *out, struct pn_err *err) PN_CHECKED;
/*
 * The actor's own, by its administrator (a person); protected projects do not hold it up. Live sessions
 * end first, then everything in it goes: projects, members, machine identities, gateways, relays, keys.
 * `token` is one of the actor's login without an organisation. Errors: PN_FORBIDDEN.
 */
bool pn_org_delete(struct pn_call *call, struct pn_uuid id, struct pn_org *out,
                   struct pn_str *token, struct pn_err *err) PN_CHECKED;
/* Deletes its rows and ends its sessions. For write functions. */
bool pn_org_erase(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_org *org,
                  struct pn_err *err) PN_CHECKED;
/* Inserts the rows of an organisation: itself and its key. For write functions. */
bool pn_org_insert(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_org *org,
                   struct pn_err *err) PN_CHECKED;

struct pn_org_member {
    struct pn_uuid id, orgId, userId;
    struct pn_uuid roleId; /* of a custom role */
    struct pn_str role, status, inviteEmail;
    bool isActive;
    int64_t createdAt;
    struct pn_str email, firstName, lastName;
    bool isEmailVerified;
};
bool pn_org_members(struct pn_call *call, struct pn_uuid org_id, struct pn_list *out,
                    struct pn_err *err) PN_CHECKED;
bool pn_org_member_get(struct pn_call *call, struct pn_uuid org_id, struct pn_uuid id,
                       struct pn_org_member *out, struct pn_err *err) PN_CHECKED;
/*
 * Role with ptr NULL and is_active < 0 stay. The last admin can be neither demoted nor removed. PN_CONFLICT: somebody
 * else has just given another role, which the boundary was not asked about.
 */
bool pn_org_member_change(struct pn_call *call, struct pn_uuid org_id, struct pn_uuid id,
                          struct pn_str role, int is_active, struct pn_org_member *out,
                          struct pn_err *err) PN_CHECKED;
bool pn_org_member_delete(struct pn_call *call, struct pn_uuid org_id, struct pn_uuid id,
                          struct pn_org_member *out, struct pn_err *err) PN_CHECKED;
/* All of them or none. */
bool pn_org_members_delete(struct pn_call *call, struct pn_uuid org_id, const struct pn_uuid *ids,
                           size_t count, struct pn_list *out, struct pn_err *err) PN_CHECKED;
/* The actor's own, in the organisation of the token; a person's. */
bool pn_org_member_own(struct pn_call *call, struct pn_org_member *out, struct pn_err *err)
    PN_CHECKED;
/* Of any organisation, for callers that have checked their right. PN_NOT_FOUND. */
bool pn_org_member_find(struct pn_call *call, struct pn_uuid org_id, struct pn_uuid id,
                        struct pn_org_member *out, struct pn_err *err) PN_CHECKED;
/* For write functions: takes the membership away, with those of projects. PN_BAD_REQUEST: the last administrator's. */
bool pn_org_member_erase(struct pn_db_conn *tx, const struct pn_call *call,
                         const struct pn_org_member *member, struct pn_err *err) PN_CHECKED;
/* For write functions: an accepted member, or one invited (`user` zero: by address alone). */
struct pn_org_join {
    struct pn_uuid id, org_id, user_id;
    struct pn_str role, invite_email;
    struct pn_str invite_hash; /* PN_NONE: accepted at once */
    int64_t invite_expires_ms;
};
bool pn_org_join(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_org_join *join,
                 struct pn_err *err) PN_CHECKED;

/* An invitation; without mail its link is shown to the inviter, once. */
struct pn_org_invite {
    struct pn_str email, code;
    bool is_member; /* was one already: no code */
};
#define PN_ORG_MAX_INVITES 100
#define PN_ORG_INVITE_MS (INT64_C(7) * 24 * 3600 * 1000)
/*
 * `has_accounts`: who has no account gets one without a password, so that a project can have them as members. Permission
 * member:create. Errors: PN_BOUNDARY: the role, or what an unclaimed account has in projects, is not the actor's to give.
 */
bool pn_org_invite(struct pn_call *call, struct pn_uuid org_id, struct pn_strs emails,
                   struct pn_str role, bool has_accounts, struct pn_list *out, struct pn_err *err)
    PN_CHECKED; /* of pn_org_invite */
/*
 * A new code for an open invitation of the actor's organisation, good for as long as a new one; the
 * old code is worth nothing from then on. Permission member:create. Errors: PN_NOT_FOUND;
 * PN_BOUNDARY as of a new one; PN_BAD_REQUEST when it has been accepted.
 */
bool pn_org_invite_again(struct pn_call *call, struct pn_uuid membership, struct pn_org_invite *out,
                         struct pn_err *err) PN_CHECKED;
/*
 * Accepts an invitation by its code. Who has no account yet gives a password (NULL: PN_BAD_REQUEST)
 * and gets one; who has one gives its password. Errors: PN_BAD_REQUEST, one sentence for all that does not fit.
 */
bool pn_org_accept(struct pn_call *call, struct pn_uuid org_id, struct pn_str email,
                   struct pn_str code, const struct pn_secret *password, struct pn_str first_name,
                   struct pn_str last_name, struct pn_err *err) PN_CHECKED;

#endif
