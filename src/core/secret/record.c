/* SPDX-License-Identifier: Apache-2.0 */
#include "core/secret/record.h"

#include "core/audit/audit.h"
#include "core/audit/reads.h"
#include "json/writer.h"

#include <stdlib.h>

#define MAX_BYTES ((size_t)512 << 10)
#define ROW_BYTES ((size_t)256 << 10) /* from here on a list goes on in the next row */

static void write_item(struct pn_writer *w, const struct pn_secret_item *item)
{
    pn_write_uuid(w, "secretId", item->id);
    pn_write_str(w, "secretKey", item->secretKey);
    pn_write_int(w, "secretVersion", item->version);
    if (item->type == PN_SECRETS_PERSONAL)
        pn_write_text(w, "type", "personal");
}

/* What was not said is the root. */
static struct pn_str path_of(const struct pn_secrets_event *event)
{
    return event->path.len > 0 ? event->path : PN_LIT("/");
}

static void begin(struct pn_writer *w, struct pn_buf *json, const struct pn_secrets_event *event)
{
    pn_buf_clear(json);
    *w = pn_writer_of(json);
    pn_write_object(w, NULL);
    pn_write_str(w, "environment", event->environment);
    pn_write_str(w, "secretPath", path_of(event));
}

static struct pn_audit_event audit_of(const struct pn_call *call,
                                      const struct pn_secrets_event *event,
                                      const struct pn_buf *json)
{
    pn_assert(!json->is_full);
    return (struct pn_audit_event){ .type = event->type,
                                    .org_id = call->actor.org_id,
                                    .project_id = event->project_id,
                                    .metadata = pn_buf_str(json) };
}

static bool record_single(struct pn_db_conn *tx, const struct pn_call *call,
                          const struct pn_secrets_event *event, struct pn_buf *json,
                          struct pn_err *err)
{
    struct pn_audit_event audit;
    struct pn_writer w;

    begin(&w, json, event);
    write_item(&w, event->items.items);
    pn_write_end(&w);
    audit = audit_of(call, event, json);
    return pn_audit_write(tx, call, &audit, err);
}

/* As many of the items from *at on as one row takes. */
static struct pn_audit_event list_some(const struct pn_call *call,
                                       const struct pn_secrets_event *event, size_t *at,
                                       struct pn_buf *json)
{
    const struct pn_secret_item *items = event->items.items;
    struct pn_writer w;

    begin(&w, json, event);
    pn_write_array(&w, "secrets");
    while (*at < event->items.count && json->len < ROW_BYTES) {
        const struct pn_secret_item *item = &items[(*at)++];

        pn_write_object(&w, NULL);
        write_item(&w, item);
        if (!pn_str_eq(item->secretPath, path_of(event)))
            pn_write_str(&w, "secretPath", item->secretPath);
        pn_write_end(&w);
    }
    pn_write_end(&w);
    pn_write_end(&w);
    return audit_of(call, event, json);
}

bool pn_secrets_record(struct pn_db_conn *tx, const struct pn_call *call,
                       const struct pn_secrets_event *event, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_BYTES);
    size_t at = 0;

    if (event->items.count == 0)
        return true; /* a batch that ignores what is not there, and found nothing */
    if (event->is_single)
        return record_single(tx, call, event, &json, err);
    while (at < event->items.count) {
        const struct pn_audit_event audit = list_some(call, event, &at, &json);

        if (!pn_audit_write(tx, call, &audit, err))
            return false;
    }
    return true;
}

bool pn_secrets_record_read(struct pn_call *call, const struct pn_secrets_event *event,
                            struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_BYTES);
    struct pn_audit_event audit;
    struct pn_writer w;

    begin(&w, &json, event);
    if (event->is_single)
        write_item(&w, event->items.items);
    else
        pn_write_int(&w, "numberOfSecrets", (int64_t)event->items.count);
    pn_write_end(&w);
    audit = audit_of(call, event, &json);
    return pn_audit_read(call, &audit, err);
}

static int compare_places(const void *a_, const void *b_)
{
    const struct pn_secret_item *a = a_, *b = b_;
    int by_environment = pn_str_cmp(a->environment, b->environment);

    return by_environment != 0 ? by_environment : pn_str_cmp(a->secretPath, b->secretPath);
}

/* Those of one folder: one by its name, like any read, several in as many rows as they take. */
static bool record_place(struct pn_call *call, struct pn_secret_item *items, size_t count,
                         struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_BYTES);
    const struct pn_secrets_event event = { .type = count == 1 ? "get-secret" : "get-secrets",
                                            .project_id = items->workspace,
                                            .environment = items->environment,
                                            .path = items->secretPath,
                                            .items = { .items = items, .count = count },
                                            .is_single = count == 1 };

    if (event.is_single)
        return pn_secrets_record_read(call, &event, err);
    for (size_t at = 0; at < count;) {
        const struct pn_audit_event audit = list_some(call, &event, &at, &json);

        if (!pn_audit_read(call, &audit, err))
            return false;
    }
    return true;
}

bool pn_secrets_record_referred(struct pn_call *call, struct pn_list items, struct pn_err *err)
{
    struct pn_secret_item *all = items.items;

    if (items.count > 1)
        qsort(all, items.count, sizeof(*all), compare_places);
    for (size_t from = 0, to; from < items.count; from = to) {
        for (to = from + 1; to < items.count && compare_places(&all[from], &all[to]) == 0;)
            to++;
        if (!record_place(call, &all[from], to - from, err))
            return false;
    }
    return true;
}

bool pn_secrets_record_move(struct pn_db_conn *tx, const struct pn_call *call,
                            struct pn_uuid project_id, const struct pn_place *from,
                            const struct pn_place *to, struct pn_list items, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_BYTES);
    const struct pn_secrets_event event = { .type = "move-secrets", .project_id = project_id };
    const struct pn_secret_item *item = items.items;
    struct pn_writer w = pn_writer_of(&json);
    struct pn_audit_event audit;

    pn_write_object(&w, NULL);
    pn_write_str(&w, "sourceEnvironment", from->environment);
    pn_write_str(&w, "sourceSecretPath", from->path);
    pn_write_str(&w, "destinationEnvironment", to->environment);
    pn_write_str(&w, "destinationSecretPath", to->path);
    pn_write_array(&w, "secretIds");
    for (size_t i = 0; i < items.count; i++)
        pn_write_uuid(&w, NULL, item[i].id);
    pn_write_end(&w);
    pn_write_end(&w);
    audit = audit_of(call, &event, &json);
    return pn_audit_write(tx, call, &audit, err);
}
