/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_API_INVITATION_H
#define PN_SERVER_API_INVITATION_H

#include "base/call.h"
#include "json/shape.h"

/* What all routes that invite people share. */
extern const struct pn_shape pn_invite_link_view;

/* Of pn_invite_link_view: one for each of `invites` (pn_org_invite) that is no member. */
struct pn_list pn_invite_links(struct pn_call *call, struct pn_uuid org_id,
                               const struct pn_list *invites);

#endif
