/* SPDX-License-Identifier: Apache-2.0 */
#include "core/audit/reads.h"

#include <string.h>

#include "base/log.h"
#include "json/settings.h"

#define CROWDED 2000 /* of the 4,096 writes that may wait */

/* What the writer needs when the call is over: one piece of memory, texts behind the struct. */
struct read_event {
    struct pn_call call;
    struct pn_audit_event event;
};

static size_t texts_bytes(const struct pn_call *call, const struct pn_audit_event *event)
{
    return call->actor.name.len + call->request_id.len + call->ip.len + call->user_agent.len +
           event->metadata.len;
}

static struct pn_str move_text(char **to, struct pn_str text)
{
    char *at = *to;

    if (text.len == 0)
        return text.ptr != NULL ? PN_LIT("") : PN_NONE;
    memcpy(at, text.ptr, text.len);
    *to += text.len;
    return pn_str_of(at, text.len);
}

static struct read_event *keep(const struct pn_call *call, const struct pn_audit_event *event)
{
    struct read_event *kept = pn_heap_new(sizeof(*kept) + texts_bytes(call, event));
    char *text = (char *)(kept + 1);

    kept->event = *event;
    kept->event.metadata = move_text(&text, event->metadata);
    kept->call = (struct pn_call){ .now_ms = call->now_ms,
                                   .actor = { .kind = call->actor.kind,
                                              .id = call->actor.id,
                                              .org_id = call->actor.org_id,
                                              .name = move_text(&text, call->actor.name) },
                                   .request_id = move_text(&text, call->request_id),
                                   .ip = move_text(&text, call->ip),
                                   .user_agent = move_text(&text, call->user_agent) };
    return kept;
}

static bool write_events(struct pn_db_conn *tx, void *const *events, size_t count,
                         struct pn_err *err)
{
    struct pn_audit_chain chain;

    if (!pn_audit_chain_end(tx, &chain, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct read_event *kept = events[i];

        if (!pn_audit_chain_add(&chain, &kept->call, &kept->event, err))
            return false;
    }
    return true;
}

static bool write_event(struct pn_db_conn *tx, void *event, struct pn_err *err)
{
    return write_events(tx, &event, 1, err);
}

static void written(void *context, const struct pn_err *err)
{
    struct read_event *kept = context;

    if (err != NULL)
        pn_log(PN_ERROR, "audit-read-lost", PN_F_TEXT("event", kept->event.type),
               PN_F_STR("reqId", kept->call.request_id), PN_F_ERR(err));
    pn_heap_free(kept);
}

/*
 * Whether the caller waits: because it is told to, or because the writer has fallen so far behind that
 * its queue would be full soon. Then readers go at its pace, which serves them better than refusals.
 */
static bool has_to_wait(const struct pn_call *call)
{
    return (call->settings != NULL && strcmp(call->settings->audit_reads, "durable") == 0) ||
           pn_db_stats(call->db).queue_now >= CROWDED;
}

bool pn_audit_read(struct pn_call *call, const struct pn_audit_event *event, struct pn_err *err)
{
    struct read_event *kept = keep(call, event);
    bool done;

    if (has_to_wait(call)) {
        done = pn_db_may_wait(call->conn, err) && pn_db_write(call->db, write_event, kept, err);
        pn_heap_free(kept);
        return done;
    }
    if (pn_db_write_together(call->db, write_events, kept, written, err))
        return true;
    pn_heap_free(kept);
    return false;
}
