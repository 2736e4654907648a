/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_LEASE_ROW_H
#define PN_CORE_LEASE_ROW_H

#include "core/lease/lease.h"
#include "db/db.h"

/* The SQL of leases, their configurations and their dynamic secrets; nothing here decides. */

/* ---- configurations ---- */

struct pn_config_row {
    struct pn_uuid id, dynamic_secret_id, org_id, gateway_id, pool_id;
    struct pn_str inputs, sealed_token;
    int64_t created_ms;
};
/* Seals the token under the organisation's key, for the row `id`. PN_NONE without one. */
bool pn_config_seal(struct pn_call *call, struct pn_uuid org, struct pn_uuid id,
                    const struct pn_secret *token, struct pn_str *out, struct pn_err *err)
    PN_CHECKED;
bool pn_config_insert(struct pn_db_conn *tx, const struct pn_config_row *row, struct pn_err *err)
    PN_CHECKED;
/* Reads and opens it: `out` is dropped by the caller. PN_INTERNAL when there is no such row. */
bool pn_config_open(struct pn_call *call, struct pn_uuid id, struct pn_lease_config *out,
                    struct pn_err *err) PN_CHECKED;
/* The id of the newest version of the same dynamic secret's inputs; zero when there is none. */
bool pn_config_newest(struct pn_db_conn *conn, struct pn_uuid dynamic_secret, struct pn_uuid *out,
                      struct pn_err *err) PN_CHECKED;
/* Those of a dynamic secret that neither it nor a lease refers to any more. */
bool pn_config_prune(struct pn_db_conn *tx, struct pn_uuid dynamic_secret, struct pn_err *err)
    PN_CHECKED;

/* ---- dynamic secrets ---- */

/* The column `metadata`: a list of struct pn_permit_pair. */
bool pn_dynamic_metadata_read(struct pn_arena *arena, struct pn_str column, struct pn_list *out,
                              struct pn_err *err) PN_CHECKED;
bool pn_dynamic_row_find(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid folder,
                         struct pn_str name, struct pn_dynamic_secret *out, bool *is_there,
                         struct pn_err *err) PN_CHECKED;
bool pn_dynamic_row_get(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid id,
                        struct pn_dynamic_secret *out, bool *is_there, struct pn_err *err)
    PN_CHECKED;
bool pn_dynamic_row_list(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid folder,
                         struct pn_list *out, struct pn_err *err) PN_CHECKED;
bool pn_dynamic_row_insert(struct pn_db_conn *tx, const struct pn_dynamic_secret *row,
                           struct pn_err *err) PN_CHECKED;
/* All that may change; false with PN_CONFLICT when its version is not the one before. */
bool pn_dynamic_row_update(struct pn_db_conn *tx, const struct pn_dynamic_secret *row,
                           struct pn_err *err) PN_CHECKED;
bool pn_dynamic_row_set_status(struct pn_db_conn *tx, struct pn_uuid id, const char *status,
                               struct pn_str details, struct pn_err *err) PN_CHECKED;
bool pn_dynamic_row_delete(struct pn_db_conn *tx, struct pn_uuid id, struct pn_err *err) PN_CHECKED;

/* ---- leases ---- */

bool pn_lease_row_find(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_uuid id,
                       struct pn_lease *out, bool *is_there, struct pn_err *err) PN_CHECKED;
/* Of a dynamic secret, at most `limit`, oldest first, without intents. */
bool pn_lease_row_list(struct pn_db_conn *conn, struct pn_arena *arena,
                       struct pn_uuid dynamic_secret, int64_t limit, struct pn_list *out,
                       struct pn_err *err) PN_CHECKED;
bool pn_lease_row_count(struct pn_db_conn *conn, struct pn_uuid dynamic_secret, int64_t *out,
                        struct pn_err *err) PN_CHECKED;
bool pn_lease_row_insert(struct pn_db_conn *tx, const struct pn_lease *row, struct pn_err *err)
    PN_CHECKED;
/* State, plan, times and details as `row` has them now. */
bool pn_lease_row_update(struct pn_db_conn *tx, const struct pn_lease *row, struct pn_err *err)
    PN_CHECKED;
bool pn_lease_row_delete(struct pn_db_conn *tx, struct pn_uuid id, struct pn_err *err) PN_CHECKED;

/* The plan as JSON, for the row; and the other way. */
struct pn_str pn_lease_plan_print(struct pn_arena *arena, const struct pn_lease_plan *plan);
bool pn_lease_plan_read(struct pn_arena *arena, struct pn_str json, struct pn_lease_plan *out,
                        struct pn_err *err) PN_CHECKED;

#endif
