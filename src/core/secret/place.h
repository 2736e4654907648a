/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_PLACE_H
#define PN_CORE_SECRET_PLACE_H

#include "base/call.h"
#include "db/db.h"
#include "json/shape.h"

/*
 * Where secrets, imports and dynamic secrets live: a folder of an environment of a project. Folders are
 * rows; every environment has a root, "/". Paths are absolute, without trailing slash but for the root.
 */
struct pn_place {
    struct pn_uuid project_id, environment_id, folder_id;
    struct pn_str environment; /* slug */
    struct pn_str path;        /* normalised */
};

/* "a/b/", "/a//b", "": "/a/b", "/a/b", "/". PN_BAD_REQUEST for "..", control characters, over 4 KiB. */
bool pn_place_path(struct pn_call *call, struct pn_str path, struct pn_str *out, struct pn_err *err)
    PN_CHECKED;

/*
 * Finds environment and folder; the caller has checked that the actor may see the project. PN_NOT_FOUND
 * names what is missing as the contract does. `conn` is call->conn or, in a write, its transaction.
 */
bool pn_place_find(struct pn_call *call, struct pn_db_conn *conn, struct pn_uuid project_id,
                   struct pn_str environment, struct pn_str path, struct pn_place *out,
                   struct pn_err *err) PN_CHECKED;
/* The same from a folder's id, in the actor's organisation; out->folder_id is zero when there is none. */
bool pn_place_of_folder(struct pn_call *call, struct pn_db_conn *conn, struct pn_uuid folder_id,
                        struct pn_place *out, struct pn_err *err) PN_CHECKED;
/* All folders below it, at most 20 levels deep, parents before children: a list of struct pn_place. */
#define PN_PLACE_MAX_DEPTH 20
bool pn_place_below(struct pn_call *call, const struct pn_place *place, struct pn_list *out,
                    struct pn_err *err) PN_CHECKED;
/* In a write that changes secrets of the folder, and watched rows of no other project: when they changed last. */
bool pn_place_touch(struct pn_db_conn *tx, const struct pn_place *place, int64_t now_ms,
                    struct pn_err *err) PN_CHECKED;
/* The root of a new environment, in the write that makes it. */
bool pn_place_create_root(struct pn_db_conn *tx, struct pn_uuid environment_id, int64_t now_ms,
                          struct pn_err *err) PN_CHECKED;

#endif
