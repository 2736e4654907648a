/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_BELOW_H
#define PN_CORE_SECRET_BELOW_H

#include "core/secret/place.h"

/*
 * Rights to all that a name stands over. Conditions of rules speak of environments, paths and tags: who renames one
 * changes what the rules of everybody say of each secret it reaches, and who deletes one deletes what is below. So
 * that is asked as if it were done one by one, in the write that does it (README.md, "Renaming is changing").
 *
 * Who has the right without conditions is asked once. Others are asked row by row, over PN_BELOW_MAX secrets not at all.
 *
 * Errors:  PN_PERMISSION   with details, unless the actor may not know of the secret
 *          PN_BAD_REQUEST  too many to ask about
 * Threads: writer.
 */
#define PN_BELOW_MAX 10000

/* `folder` and what is below it get another path, or another slug of their environment. */
bool pn_below_may_move(const struct pn_call *call, struct pn_db_conn *tx,
                       const struct pn_place *folder, struct pn_str to_environment,
                       struct pn_str to_path, struct pn_err *err) PN_CHECKED;
bool pn_below_may_delete(const struct pn_call *call, struct pn_db_conn *tx,
                         const struct pn_place *folder, struct pn_err *err) PN_CHECKED;
/* The tag gets another slug; PN_NONE: it goes. */
bool pn_below_may_retag(const struct pn_call *call, struct pn_db_conn *tx, struct pn_uuid project,
                        struct pn_uuid tag, struct pn_str slug, struct pn_err *err) PN_CHECKED;

#endif
