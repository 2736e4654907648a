/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUDIT_READS_H
#define PN_CORE_AUDIT_READS_H

#include "core/audit/audit.h"

/*
 * The record of a read. With the setting audit-reads = queued (the default) it enters the writer's
 * bounded queue before the answer and does not wait for its commit: a crash loses at most that queue.
 * With durable it waits, and also while the writer is far behind.
 *
 * Errors:  PN_BUSY  the queue is full: the read is refused, not done unrecorded
 * Threads: worker.
 */
bool pn_audit_read(struct pn_call *call, const struct pn_audit_event *event, struct pn_err *err)
    PN_CHECKED;

#endif
