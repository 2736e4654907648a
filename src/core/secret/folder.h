/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_FOLDER_H
#define PN_CORE_SECRET_FOLDER_H

#include "core/secret/place.h"

/* Folders of environments (platform.md §9.3). Wire names. (pn_folder_… is the CLI.) */
struct pn_folder {
    struct pn_uuid id, envId, parentId, projectId;
    struct pn_str name, path, description, environment; /* environment: its slug */
    struct pn_str envName;
    struct pn_str relativePath; /* of recursive lists: below the folder that was asked for */
    int64_t version, createdAt, updatedAt, lastSecretModified;
    bool isReserved; /* always false: kept for clients of the contract */
};
#define PN_FOLDER_MAX_NAME 255
#define PN_FOLDER_MAX_BATCH 100

bool pn_folders_is_name(
    struct pn_str text); /* letters, digits, '-', '_': usable as pn_field.check */

/* Where a folder is: its environment, and the path of its parent. */
struct pn_folder_at {
    struct pn_uuid project_id;
    struct pn_str environment, path;
};
struct pn_folder_change {
    struct pn_folder_at at;
    struct pn_uuid id;
    struct pn_str name, description; /* ptr NULL: as it is */
    bool has_description;
};

/*
 * Permissions secret-folders: create, read, edit, delete, with environment and the parent's path. Errors:
 * PN_NOT_FOUND (environment, parent, folder), PN_PERMISSION, PN_BAD_REQUEST (name taken, too deep).
 */
bool pn_folders_create(struct pn_call *call, const struct pn_folder_at *at, struct pn_str name,
                       struct pn_str description, struct pn_folder *out, struct pn_err *err)
    PN_CHECKED;
/* All of them or none; in the order they are given. What is below a renamed folder moves along, and is asked about (below.h). */
bool pn_folders_update(struct pn_call *call, const struct pn_folder_change *changes, size_t count,
                       struct pn_list *out, struct pn_err *err) PN_CHECKED;
/* By id, or by name below at->path; everything in it goes too, and is asked about. */
bool pn_folders_delete(struct pn_call *call, const struct pn_folder_at *at,
                       struct pn_str id_or_name, struct pn_folder *out, struct pn_err *err)
    PN_CHECKED;
/* Those right below at->path, by name; recursive: all below, parents first. Those the actor may not see are left out. */
bool pn_folders_list(struct pn_call *call, const struct pn_folder_at *at, bool is_recursive,
                     int64_t modified_since_ms, struct pn_list *out, struct pn_err *err) PN_CHECKED;
bool pn_folders_get(struct pn_call *call, struct pn_uuid id, struct pn_folder *out,
                    struct pn_err *err) PN_CHECKED;
/* at->path is the folder's own. */
bool pn_folders_get_by_path(struct pn_call *call, const struct pn_folder_at *at,
                            struct pn_folder *out, struct pn_err *err) PN_CHECKED;

#endif
