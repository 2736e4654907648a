/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_ROW_H
#define PN_CORE_SECRET_ROW_H

#include "core/secret/secret.h"

/* The rows of secrets, their versions and their tags: SQL and nothing else. */

/* Columns of `secrets s`, as pn_secrets_read_row reads them from column 0 on. */
#define PN_SECRETS_COLUMNS                                                               \
    "s.id, s.project_id, s.folder_id, s.user_id, s.name, s.version, s.sealed_value, "    \
    "s.sealed_comment, s.sealed_note, s.sealed_metadata, s.has_tags, s.skip_multiline, " \
    "s.reminder_days, s.actor_type, s.actor_id, s.actor_name, s.created_ms, s.updated_ms"
void pn_secrets_read_row(struct pn_query *q, struct pn_arena *arena, const struct pn_place *place,
                         struct pn_secret_item *out);
/* Loads the project's key, opens the metadata and brings the tags: what permissions are asked with. */
bool pn_secrets_fill(struct pn_call *call, struct pn_db_conn *conn, struct pn_secret_item *item,
                     struct pn_err *err) PN_CHECKED;
/* Tags of those that may have some, ordered by slug. */
bool pn_secrets_load_tags(struct pn_call *call, struct pn_db_conn *conn, struct pn_list items,
                          struct pn_err *err) PN_CHECKED;

/*
 * Writes the row as `item` is, its sealed columns included, and the version it now has. PN_BAD_REQUEST
 * when the name is taken. Threads: writer.
 */
bool pn_secrets_insert(struct pn_db_conn *tx, const struct pn_secret_item *item, struct pn_err *err)
    PN_CHECKED;
bool pn_secrets_update(struct pn_db_conn *tx, const struct pn_secret_item *item, struct pn_err *err)
    PN_CHECKED;
/* Replaces the secret's tags by item->tags. */
bool pn_secrets_write_tags(struct pn_db_conn *tx, const struct pn_secret_item *item,
                           struct pn_err *err) PN_CHECKED;
/* A shared secret takes its personal overrides with it. */
bool pn_secrets_remove(struct pn_db_conn *tx, const struct pn_secret_item *item, struct pn_err *err)
    PN_CHECKED;
/* Personal overrides follow the shared secret to another name or folder. */
bool pn_secrets_move_overrides(struct pn_db_conn *tx, const struct pn_secret_item *from,
                               struct pn_uuid folder_id, struct pn_str name, struct pn_err *err)
    PN_CHECKED;

#endif
