/* SPDX-License-Identifier: Apache-2.0 */
/* Invitations, by link because there is no mail. Contract: platform.md §6.3. */
#include "base/encode.h"
#include "core/org/names.h"
#include "core/org/org.h"
#include "core/org/project_member.h"
#include "json/settings.h"
#include "server/api/invitation.h"
#include "server/route.h"

#define MAX_PROJECTS 5

struct invite_in {
    struct pn_strs inviteeEmails;
    struct pn_uuid organizationId;
    struct pn_str organizationRoleSlug;
    struct pn_strs projectIds;
    bool grantPamAccess;
};
static const struct pn_field invite_in_fields[] = {
    PN_FIELD(invite_in, inviteeEmails, STRINGS, .required = true, .min = 1,
             .max = PN_ORG_MAX_INVITES, .item_max = 254, .lower = true, .trim = true,
             .check = pn_name_is_email, .rule = "Invalid email"),
    PN_FIELD(invite_in, organizationId, UUID, .required = true),
    PN_FIELD(invite_in, organizationRoleSlug, STRING, .min = 1, .max = 64),
    PN_FIELD(invite_in, projectIds, STRINGS, .max = MAX_PROJECTS, .item_max = 36, .lower = true,
             .trim = true, .doc = "Projects they become members of"),
    PN_FIELD(invite_in, grantPamAccess, BOOL,
             .doc = "There is no such right here but by a project's role"),
};
struct link {
    struct pn_str email, link;
};
static const struct pn_field link_fields[] = {
    PN_FIELD(link, email, STRING),
    PN_FIELD(link, link, STRING),
};
const struct pn_shape pn_invite_link_view = PN_SHAPE_OF(link);

/* What the invited did not get; they are invited nevertheless. */
struct failures {
    struct pn_strs projectIds;
    bool pamAccess;
};
static const struct pn_field failures_fields[] = {
    PN_FIELD(failures, projectIds, STRINGS),
    PN_FIELD(failures, pamAccess, BOOL),
};

struct invite_out {
    struct pn_str message;
    struct pn_list completeInviteLinks;
    struct failures grantFailures;
    bool has_failures;
};
static const struct pn_field invite_out_fields[] = {
    PN_FIELD(invite_out, message, STRING),
    PN_FIELD(invite_out, completeInviteLinks, OBJECTS, .shape = PN_SHAPE(link)),
    PN_FIELD(invite_out, grantFailures, OBJECT, .shape = PN_SHAPE(failures), .omit_empty = true,
             .has_offset = offsetof(struct invite_out, has_failures)),
};

static struct pn_str make_link(struct pn_call *call, struct pn_uuid org_id,
                               const struct pn_org_invite *invite)
{
    pn_auto(pn_buf_drop) struct pn_buf link = pn_buf_init_wiped(4096);

    pn_buf_addf(&link, "%s/signupinvite?token=", call->settings->public_url);
    pn_percent_add(&link, invite->code);
    pn_buf_add_text(&link, "&to=");
    pn_percent_add(&link, invite->email);
    pn_buf_addf(&link, "&organization_id=%s", pn_uuid_format(org_id).text);
    return pn_arena_copy(call->arena, pn_buf_str(&link));
}

struct pn_list pn_invite_links(struct pn_call *call, struct pn_uuid org_id,
                               const struct pn_list *invites)
{
    struct link *links = pn_new(call->arena, struct link, invites->count);
    size_t count = 0;

    for (size_t i = 0; i < invites->count; i++) {
        const struct pn_org_invite *one = (const struct pn_org_invite *)invites->items + i;

        if (!one->is_member)
            links[count++] =
                (struct link){ .email = one->email, .link = make_link(call, org_id, one) };
    }
    return (struct pn_list){ .items = links, .count = count };
}

static bool add_to_project(struct pn_call *call, struct pn_str id, struct pn_strs emails)
{
    static struct pn_str member[] = { PN_LIT_INIT("member") };
    struct pn_err err = { 0 };
    struct pn_uuid project;

    return pn_uuid_parse(id, &project) &&
           pn_project_member_add_missing(call, project, emails, (struct pn_strs){ member, 1 },
                                         &err);
}

static struct failures add_to_projects(struct pn_call *call, const struct invite_in *in)
{
    struct failures f = { .projectIds = { .items =
                                              pn_new(call->arena, struct pn_str, MAX_PROJECTS) },
                          .pamAccess = in->grantPamAccess };

    for (size_t i = 0; i < in->projectIds.count; i++) {
        if (!add_to_project(call, in->projectIds.items[i], in->inviteeEmails))
            f.projectIds.items[f.projectIds.count++] = in->projectIds.items[i];
    }
    return f;
}

static bool invite(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct invite_in *in = in_;
    struct invite_out *out = out_;
    struct pn_list invites;

    if (!pn_org_invite(call, in->organizationId, in->inviteeEmails,
                       in->organizationRoleSlug.len > 0 ? in->organizationRoleSlug
                                                        : PN_LIT("member"),
                       in->projectIds.count > 0, &invites, err))
        return false;
    out->grantFailures = add_to_projects(call, in);
    out->has_failures = out->grantFailures.projectIds.count > 0 || out->grantFailures.pamAccess;
    out->message = PN_LIT("Send the links to the people you have invited");
    out->completeInviteLinks = pn_invite_links(call, in->organizationId, &invites);
    return true;
}

struct again_in {
    struct pn_uuid membershipId;
};
static const struct pn_field again_in_fields[] = {
    PN_FIELD(again_in, membershipId, UUID, .required = true),
};
struct again_out {
    struct link signupToken;
};
static const struct pn_field again_out_fields[] = {
    PN_FIELD(again_out, signupToken, OBJECT, .shape = PN_SHAPE(link)),
};

static bool invite_again(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct again_in *in = in_;
    struct again_out *out = out_;
    struct pn_org_invite again;

    if (!pn_org_invite_again(call, in->membershipId, &again, err))
        return false;
    out->signupToken =
        (struct link){ .email = again.email, .link = make_link(call, call->actor.org_id, &again) };
    return true;
}

struct verify_in {
    struct pn_str email, code, firstName, lastName;
    struct pn_uuid organizationId;
    struct pn_secret *password;
};
static const struct pn_field verify_in_fields[] = {
    PN_FIELD(verify_in, email, STRING, .required = true, .min = 1, .max = 254, .lower = true,
             .trim = true),
    PN_FIELD(verify_in, organizationId, UUID, .required = true),
    PN_FIELD(verify_in, code, STRING, .required = true, .min = 1, .max = 128, .trim = true),
    PN_FIELD(verify_in, password, SECRET, .min = 8, .max = 1024,
             .doc = "Ours: the new account's, or the account's own"),
    PN_FIELD(verify_in, firstName, STRING, .max = 128, .trim = true),
    PN_FIELD(verify_in, lastName, STRING, .max = 128, .trim = true),
};
struct verify_out {
    struct pn_str message;
};
static const struct pn_field verify_out_fields[] = {
    PN_FIELD(verify_out, message, STRING),
};

static bool verify(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct verify_in *in = in_;
    struct verify_out *out = out_;

    out->message = PN_LIT("Successfully joined the organization");
    return pn_org_accept(call, in->organizationId, in->email, in->code, in->password, in->firstName,
                         in->lastName, err);
}

const struct pn_route pn_invitation_routes[] = {
    { PN_POST, "/api/v1/invite-org/signup", .access = PN_BY_PEOPLE,
      .permission = "org member:create", .rate = PN_RATE_WRITE, .audit = "invite-org-member",
      .in = PN_SHAPE(invite_in), .out = PN_SHAPE(invite_out), .handle = invite,
      .doc = "Invites people by link" },
    { PN_POST, "/api/v1/invite-org/signup-resend", .access = PN_BY_PEOPLE,
      .permission = "org member:create", .rate = PN_RATE_WRITE,
      .audit = "resend-org-member-invitation", .in = PN_SHAPE(again_in), .out = PN_SHAPE(again_out),
      .handle = invite_again,
      .doc = "A new link for an open invitation; the old one is worth nothing" },
    { PN_POST, "/api/v1/invite-org/verify", .access = PN_ANYONE, .rate = PN_RATE_LOGIN,
      .lane = PN_LANE_SLOW, .audit = "accept-org-invitation", .in = PN_SHAPE(verify_in),
      .out = PN_SHAPE(verify_out), .handle = verify, .doc = "Accepts an invitation" },
    { 0 },
};
