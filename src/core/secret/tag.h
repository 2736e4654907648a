/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_TAG_H
#define PN_CORE_SECRET_TAG_H

#include "base/call.h"
#include "json/shape.h"

/* Tags of a project, which its secrets may carry (platform.md §9.2). Wire names. */
struct pn_tag {
    struct pn_uuid id, projectId, createdBy;
    struct pn_str slug, color, name, createdByActorType; /* name: the slug */
    int64_t createdAt, updatedAt;
};
#define PN_TAG_MAX 1000 /* of a project */

/*
 * Permissions tags: create, read, edit, delete; for another slug, or none, also those of below.h about the secrets
 * that carry it. PN_NOT_FOUND, PN_PERMISSION, PN_BAD_REQUEST (slug taken).
 */
bool pn_tag_create(struct pn_call *call, struct pn_uuid project, struct pn_str slug,
                   struct pn_str color, struct pn_tag *out, struct pn_err *err) PN_CHECKED;
/* Slug or color with ptr NULL stay as they are. */
bool pn_tag_update(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                   struct pn_str slug, struct pn_str color, struct pn_tag *out, struct pn_err *err)
    PN_CHECKED;
bool pn_tag_delete(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                   struct pn_tag *out, struct pn_err *err) PN_CHECKED;
bool pn_tag_get(struct pn_call *call, struct pn_uuid project, struct pn_uuid id, struct pn_tag *out,
                struct pn_err *err) PN_CHECKED;
bool pn_tag_get_by_slug(struct pn_call *call, struct pn_uuid project, struct pn_str slug,
                        struct pn_tag *out, struct pn_err *err) PN_CHECKED;
bool pn_tag_list(struct pn_call *call, struct pn_uuid project, struct pn_list *out,
                 struct pn_err *err) PN_CHECKED; /* by slug */

#endif
