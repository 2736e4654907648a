/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SCOPE_H
#define PN_CORE_SCOPE_H

#include "base/call.h"
#include "crypto/keyring.h"
#include "db/db.h"

/*
 * Sealed columns: each organisation and project has a key in the keyring; its wrapped form is a row
 * of `scope_keys`. Loads the key when this process has not seen the scope yet.
 */
bool pn_scope_create(struct pn_db_conn *tx, struct pn_keyring *keyring, struct pn_uuid scope,
                     struct pn_err *err) PN_CHECKED;
bool pn_scope_ready(struct pn_db_conn *conn, struct pn_keyring *keyring, struct pn_uuid scope,
                    struct pn_err *err) PN_CHECKED;

/* All migrations, in order: one file per feature in core/migrations, embedded at build time. */
extern const struct pn_migration pn_core_migrations[];
extern const size_t pn_core_migration_count;

#endif
