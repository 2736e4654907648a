/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUDIT_PRUNE_H
#define PN_CORE_AUDIT_PRUNE_H

#include "base/call.h"
#include "db/db.h"

/*
 * How the audit log forgets without breaking its chain. A project may say for how many days its rows
 * are kept; rows of the organisation alone, and of projects that say nothing, stay for good. An older
 * row loses everything that it told (who, what, from where) and keeps its place, time and hash, so that
 * the chain over it still verifies. Each batch is itself on record, in a row of the organisation: how
 * many, before when, and the digest of their hashes. A row emptied by anybody else is in no such record.
 */
#define PN_AUDIT_PRUNED "prune-audit-logs"

/* Empties what is due at call->now_ms, in bounded batches. For the jobs thread. */
bool pn_audit_prune(struct pn_call *call, struct pn_err *err) PN_CHECKED;

/* For pn_audit_verify: do the emptied rows fit this record? Adds their number to *rows. */
bool pn_audit_check_pruned(struct pn_db_conn *conn, struct pn_arena *arena, struct pn_str metadata,
                           int64_t *rows, struct pn_err *err) PN_CHECKED;

#endif
