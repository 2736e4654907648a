/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUDIT_AUDIT_H
#define PN_CORE_AUDIT_AUDIT_H

#include "base/call.h"
#include "db/db.h"

/*
 * The record of a change, written by the same write function as the change: no change without its
 * record. `metadata` is a JSON object; never a secret in it. Each row takes its place in the hash chain (node,
 * sequence, previous hash) as it is written: there is one writer, and a write that fails takes its rows and their
 * places back.
 */
struct pn_audit_event {
    const char *type;                  /* "create-project": platform.md §12.2 */
    struct pn_uuid org_id, project_id; /* zero: none */
    struct pn_str metadata;            /* JSON object, or PN_NONE for {} */
};
#define PN_AUDIT_NODE "main" /* the chain of this database's one server process */
/* `call` gives actor, address, user agent and request id; it must be safe to use on the writer
 * thread while the caller waits (it is: pn_db_write blocks). */
bool pn_audit_write(struct pn_db_conn *tx, const struct pn_call *call,
                    const struct pn_audit_event *event, struct pn_err *err) PN_CHECKED;
/* The same for many rows in one write, for whom the end of the chain is looked up once. */
struct pn_audit_chain {
    struct pn_db_conn *tx;
    int64_t sequence; /* 0: empty */
    uint8_t hash[32];
};
bool pn_audit_chain_end(struct pn_db_conn *tx, struct pn_audit_chain *out, struct pn_err *err)
    PN_CHECKED;
bool pn_audit_chain_add(struct pn_audit_chain *chain, const struct pn_call *call,
                        const struct pn_audit_event *event, struct pn_err *err) PN_CHECKED;
/* Recomputes the chain; PN_INTERNAL names the first row that does not fit. Rows past their retention
 * (core/audit/prune.h) count by the hash they kept, and must be those that the records of it name. */
bool pn_audit_verify(struct pn_db_conn *conn, int64_t *rows, struct pn_err *err) PN_CHECKED;

#endif
