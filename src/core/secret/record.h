/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_RECORD_H
#define PN_CORE_SECRET_RECORD_H

#include "core/secret/secret.h"

/* Audit rows about secrets (platform.md §12.2): which, by whom, never what is in them. */
struct pn_secrets_event {
    const char *type; /* "create-secret" */
    struct pn_uuid project_id;
    struct pn_str environment, path;
    struct pn_list items; /* of struct pn_secret_item */
    bool is_single;       /* the one item at the top, not a list */
};

/* Of a change, in its write. A list that does not fit one row goes on in the next. */
bool pn_secrets_record(struct pn_db_conn *tx, const struct pn_call *call,
                       const struct pn_secrets_event *event, struct pn_err *err) PN_CHECKED;
/* Of a read: "get-secret", or "get-secrets" with their number. */
bool pn_secrets_record_read(struct pn_call *call, const struct pn_secrets_event *event,
                            struct pn_err *err) PN_CHECKED;
/*
 * Of values that were read because others refer to them, where they lie: a row for each folder, that names them. Sorts
 * `items`, of struct pn_secret_item.
 */
bool pn_secrets_record_referred(struct pn_call *call, struct pn_list items, struct pn_err *err)
    PN_CHECKED;
bool pn_secrets_record_move(struct pn_db_conn *tx, const struct pn_call *call,
                            struct pn_uuid project_id, const struct pn_place *from,
                            const struct pn_place *to, struct pn_list items, struct pn_err *err)
    PN_CHECKED;

#endif
