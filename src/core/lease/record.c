/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/record.h"

#include "core/audit/reads.h"
#include "json/writer.h"

#define MAX_BYTES ((size_t)64 << 10)

struct pn_lease_event pn_lease_event_of(const char *type, const struct pn_lease_scope *scope,
                                        const struct pn_dynamic_secret *secret,
                                        const struct pn_lease *lease)
{
    return (struct pn_lease_event){ .type = type,
                                    .project_id = scope->place.project_id,
                                    .environment = scope->place.environment,
                                    .path = scope->place.path,
                                    .name = secret != NULL ? secret->name : PN_NONE,
                                    .secret_id =
                                        secret != NULL ? secret->id : (struct pn_uuid){ { 0 } },
                                    .lease = lease,
                                    .count = -1 };
}

struct pn_lease_event pn_lease_event_alone(const char *type, const struct pn_lease *lease)
{
    return (struct pn_lease_event){ .type = type,
                                    .org_id = lease->org_id,
                                    .project_id = lease->project_id,
                                    .environment = lease->environment,
                                    .path = lease->path,
                                    .name = lease->name,
                                    .secret_id = lease->dynamicSecretId,
                                    .lease = lease,
                                    .count = -1 };
}

static void write_text(struct pn_writer *w, const char *name, struct pn_str text)
{
    if (text.ptr != NULL)
        pn_write_str(w, name, text);
}

static void write_object(struct pn_writer *w, const struct pn_lease_object *object)
{
    pn_write_object(w, NULL);
    pn_write_text(w, "kind", pn_lease_kinds[object->kind]);
    write_text(w, "namespace", object->namespace);
    pn_write_str(w, "name", object->name);
    write_text(w, "uid", object->uid);
    pn_write_end(w);
}

static void write_removed(struct pn_writer *w, const struct pn_orphan *orphans, size_t count)
{
    pn_write_array(w, "removedObjects");
    for (size_t i = 0; i < count; i++)
        write_object(w, &orphans[i].object);
    pn_write_end(w);
}

static void write_abandoned(struct pn_writer *w, const struct pn_lease_plan *plan)
{
    pn_write_array(w, "abandonedObjects");
    for (size_t i = 0; i < plan->object_count; i++) {
        if (!plan->objects[i].is_gone)
            write_object(w, &plan->objects[i]);
    }
    pn_write_end(w);
}

static void write_lease(struct pn_writer *w, const struct pn_lease *lease)
{
    pn_write_uuid(w, "leaseId", lease->id);
    pn_write_str(w, "externalEntityId", lease->externalEntityId);
    pn_write_time(w, "expireAt", lease->expireAt);
    write_text(w, "status", lease->status);
    write_text(w, "namespace", lease->plan.namespace);
    write_text(w, "tokenId", lease->jti);
}

static void print(struct pn_buf *json, const struct pn_lease_event *event)
{
    struct pn_writer w = pn_writer_of(json);

    pn_write_object(&w, NULL);
    if (event->name.ptr != NULL) {
        pn_write_str(&w, "dynamicSecretName", event->name);
        pn_write_uuid(&w, "dynamicSecretId", event->secret_id);
        pn_write_text(&w, "dynamicSecretType", "kubernetes");
    }
    pn_write_str(&w, "environment", event->environment);
    pn_write_str(&w, "secretPath", event->path);
    if (event->lease != NULL)
        write_lease(&w, event->lease);
    if (event->count >= 0)
        pn_write_int(&w, "count", event->count);
    if (event->has_forced)
        pn_write_bool(&w, "isForced", event->is_forced);
    if (event->changed != NULL) {
        pn_write_array(&w, "updatedFields");
        for (size_t i = 0; i < event->changed->count; i++)
            pn_write_str(&w, NULL, event->changed->items[i]);
        pn_write_end(&w);
    }
    if (event->has_abandoned && event->lease != NULL)
        write_abandoned(&w, &event->lease->plan);
    if (event->orphan_count > 0)
        write_removed(&w, event->orphans, event->orphan_count);
    write_text(&w, "requestedBy", event->requester);
    write_text(&w, "warning", event->warning);
    write_text(&w, "reason", event->reason);
    pn_write_end(&w);
    pn_assert(!json->is_full);
}

static struct pn_audit_event audit_of(const struct pn_call *call,
                                      const struct pn_lease_event *event, const struct pn_buf *json)
{
    return (struct pn_audit_event){ .type = event->type,
                                    .org_id = pn_uuid_is_zero(event->org_id) ? call->actor.org_id
                                                                             : event->org_id,
                                    .project_id = event->project_id,
                                    .metadata = pn_buf_str(json) };
}

bool pn_lease_record(struct pn_db_conn *tx, const struct pn_call *call,
                     const struct pn_lease_event *event, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_BYTES);
    struct pn_audit_event audit;

    print(&json, event);
    audit = audit_of(call, event, &json);
    return pn_audit_write(tx, call, &audit, err);
}

bool pn_lease_record_read(struct pn_call *call, const struct pn_lease_event *event,
                          struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_BYTES);
    struct pn_audit_event audit;

    print(&json, event);
    audit = audit_of(call, event, &json);
    return pn_audit_read(call, &audit, err);
}
