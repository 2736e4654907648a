/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_EVENT_CHANGE_H
#define PN_CORE_EVENT_CHANGE_H

#include "base/call.h"
#include "json/shape.h"

/* What rows of the audit log say has been done to a project's secrets, as the events of platform.md §13. */
enum pn_event { PN_EVENT_CREATE, PN_EVENT_UPDATE, PN_EVENT_DELETE, PN_EVENT_IMPORT, PN_EVENTS };

struct pn_event_kind {
    const char *name;   /* "secret:create" */
    const char *action; /* what it takes to hear of it, of PN_EVENT_SUBJECT */
};
extern const struct pn_event_kind pn_event_kinds[PN_EVENTS];
#define PN_EVENT_SUBJECT "secret-event-subscriptions"

/* The rows that tell of one; letter for letter the condition of the index audit_log_changes, by which they are found. */
#define PN_CHANGE_CONDITION                                                 \
    "event_type IN ('create-secret', 'create-secrets', 'update-secret', "   \
    "'update-secrets', 'delete-secret', 'delete-secrets', 'move-secrets', " \
    "'create-secret-import', 'update-secret-import', 'delete-secret-import')"

struct pn_change {
    enum pn_event event;
    struct pn_uuid secret_id; /* zero: what a folder sees by its imports */
    struct pn_str key, environment, path;
};
struct pn_changes {
    int64_t sequence; /* of the row; 0: there is none */
    int64_t at_ms;
    struct pn_list list; /* of struct pn_change */
};

/*
 * The first row from `sequence` on that tells of a change, in call->arena. Personal overrides are their owner's own.
 * With `has_imports` a change in a folder is also one of the folders that import it, as they do now.
 */
bool pn_change_next(struct pn_call *call, struct pn_uuid project_id, int64_t sequence,
                    bool has_imports, struct pn_changes *out, struct pn_err *err) PN_CHECKED;
/* The sequence that the next row will have at the earliest. */
bool pn_change_end(struct pn_call *call, int64_t *out, struct pn_err *err) PN_CHECKED;

#endif
