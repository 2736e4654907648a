/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trail.h"

#include "json/writer.h"

#define MAX_METADATA_BYTES ((size_t)64 << 10)

bool pn_trail_write(struct pn_db_conn *tx, const struct pn_call *call, const struct pn_trail *trail,
                    struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_METADATA_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    for (size_t i = 0; i < PN_COUNT(trail->fields) && trail->fields[i].name != NULL; i++)
        if (trail->fields[i].value.ptr != NULL)
            pn_write_str(&w, trail->fields[i].name, trail->fields[i].value);
    pn_write_end(&w);
    pn_assert(!json.is_full);
    return pn_audit_write(
        tx, call,
        &(struct pn_audit_event){
            .type = trail->type,
            .org_id = pn_uuid_is_zero(trail->org_id) ? call->actor.org_id : trail->org_id,
            .project_id = trail->project_id,
            .metadata = pn_buf_str(&json),
        },
        err);
}
