/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_MOVE_H
#define PN_CORE_SECRET_MOVE_H

#include "core/secret/change.h"

/*
 * Moves shared secrets to another folder (platform.md §10.3), all or none. One whose name is free there
 * keeps its id, versions and personal overrides; with `overwrites`, one whose name is taken becomes the
 * next version of the secret there. The actor may delete and read them here, create (edit) them there:
 * who could move what they may not read, would read it there.
 *
 * Errors:  PN_BAD_REQUEST  names that exist there, without `overwrites`; the same folder
 *          PN_NOT_FOUND    environment, folder, a secret that is not in it
 *          PN_PERMISSION
 * Threads: worker.
 */
struct pn_secrets_move {
    struct pn_uuid project_id;
    struct pn_str from_environment, from_path, to_environment, to_path;
    struct pn_strs ids; /* as text */
    bool overwrites;
};
bool pn_secrets_move(struct pn_call *call, const struct pn_secrets_move *move, struct pn_err *err)
    PN_CHECKED;

#endif
