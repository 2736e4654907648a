/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_IMPORT_H
#define PN_CORE_SECRET_IMPORT_H

#include "core/secret/place.h"

/*
 * Imports of a folder (platform.md §9.4): the secrets of another folder seen here, wherever no nearer one has
 * their name. They have an order; a later one goes before an earlier one, the folder's own before all.
 */
struct pn_import {
    struct pn_uuid id, folderId, projectId;
    struct pn_uuid fromFolderId, fromEnvironmentId, environmentId;
    struct pn_str importPath, fromEnvironment,
        fromEnvironmentName;                                /* the source: path, slug, name */
    struct pn_str secretPath, environment, environmentName; /* where it is: likewise */
    int64_t position, version, createdAt, updatedAt;
    bool isReplication;
};
#define PN_IMPORT_MAX 100      /* of a folder */
#define PN_IMPORT_MAX_DEPTH 10 /* imports of imports */
#define PN_IMPORT_MAX_ALL \
    1000 /* folders that one read looks into; those of least precedence are cut */

struct pn_import_at {
    struct pn_uuid project_id;
    struct pn_str environment, path;
};
struct pn_import_change {
    struct pn_str environment, path; /* of the source; ptr NULL: as it is */
    int64_t position;                /* 1 is the first; 0: as it is; beyond the end: last */
    bool is_replication;             /* creation only; kept for clients, and nothing else */
};

/*
 * Permissions secret-imports: create, read, edit, delete, with environment and path of the importing folder; and to
 * read the secrets of the source (create, edit). Errors: PN_NOT_FOUND, PN_PERMISSION, PN_BAD_REQUEST (itself, a
 * circle, twice, too many).
 */
bool pn_import_create(struct pn_call *call, const struct pn_import_at *at,
                      const struct pn_import_change *want, struct pn_import *out,
                      struct pn_err *err) PN_CHECKED;
bool pn_import_update(struct pn_call *call, const struct pn_import_at *at, struct pn_uuid id,
                      const struct pn_import_change *want, struct pn_import *out,
                      struct pn_err *err) PN_CHECKED;
bool pn_import_delete(struct pn_call *call, const struct pn_import_at *at, struct pn_uuid id,
                      struct pn_import *out, struct pn_err *err) PN_CHECKED;
bool pn_import_list(struct pn_call *call, const struct pn_import_at *at, struct pn_list *out,
                    struct pn_err *err) PN_CHECKED; /* by position */
bool pn_import_get(struct pn_call *call, struct pn_uuid id, struct pn_import *out,
                   struct pn_err *err) PN_CHECKED;

/*
 * The folders whose secrets a folder sees by its imports and theirs, in order of rising precedence: a list of
 * struct pn_place, each folder once, where it has the most to say. Circles are cut, depth and number bounded. No
 * rights are checked: they are asked per secret.
 */
bool pn_import_places(struct pn_call *call, const struct pn_place *place, struct pn_list *out,
                      struct pn_err *err) PN_CHECKED;

#endif
