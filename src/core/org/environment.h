/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_ENVIRONMENT_H
#define PN_CORE_ORG_ENVIRONMENT_H

#include "base/call.h"
#include "json/shape.h"

/* Environments of a project (platform.md §9.1), in an order that people choose. Wire names. */
struct pn_environment_row {
    struct pn_uuid id, projectId;
    struct pn_str name, slug;
    int64_t position, createdAt, updatedAt;
};
#define PN_ENVIRONMENT_MAX 100 /* of a project */

struct pn_environment_change {
    struct pn_str name, slug; /* ptr NULL: as it is */
    int64_t position;         /* 1 is the first; 0: as it is, or last; beyond the end: last */
};

/*
 * Permissions environments: create, read, edit, delete. Errors: PN_NOT_FOUND, PN_PERMISSION,
 * PN_BAD_REQUEST (slug taken, too many). Deleting one deletes what is in it, in the same
 * write; that, and another slug, is asked about (core/secret/below.h).
 */
bool pn_environment_create(struct pn_call *call, struct pn_uuid project,
                           const struct pn_environment_change *want, struct pn_environment_row *out,
                           struct pn_err *err) PN_CHECKED;
bool pn_environment_update(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                           const struct pn_environment_change *want, struct pn_environment_row *out,
                           struct pn_err *err) PN_CHECKED;
bool pn_environment_delete(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                           struct pn_environment_row *out, struct pn_err *err) PN_CHECKED;
/* `project` zero: whichever of the actor's organisation it is in. */
bool pn_environment_get(struct pn_call *call, struct pn_uuid project, struct pn_uuid id,
                        struct pn_environment_row *out, struct pn_err *err) PN_CHECKED;
bool pn_environment_get_by_slug(struct pn_call *call, struct pn_uuid project, struct pn_str slug,
                                struct pn_environment_row *out, struct pn_err *err) PN_CHECKED;
bool pn_environment_list(struct pn_call *call, struct pn_uuid project, struct pn_list *out,
                         struct pn_err *err) PN_CHECKED;

#endif
