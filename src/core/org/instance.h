/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_INSTANCE_H
#define PN_CORE_ORG_INSTANCE_H

#include "base/call.h"
#include "base/secret.h"
#include "core/org/org.h"
#include "core/org/user.h"

/* The instance: what exists once per database (platform.md §3). */
struct pn_instance {
    struct pn_uuid instance_id;
    bool is_initialized;
    int64_t created_ms;
    struct pn_strs admin_identities; /* ids as text */
};
/* Makes the instance's row on the first start. */
bool pn_instance_ensure(struct pn_db *db, struct pn_db_conn *conn, struct pn_err *err) PN_CHECKED;
/* The scope of the key that seals what belongs to no organisation; made when it is first needed. */
bool pn_instance_scope(struct pn_call *call, struct pn_uuid *out, struct pn_err *err) PN_CHECKED;
bool pn_instance_get(struct pn_call *call, struct pn_instance *out, struct pn_err *err) PN_CHECKED;

/*
 * The first administrator, organisation and machine identity, in one transaction; the identity's
 * token never expires. PN_BAD_REQUEST when it has been done before.
 */
struct pn_bootstrap {
    struct pn_user user;
    struct pn_org org;
    struct pn_uuid identity_id;
    struct pn_str token;
};
bool pn_instance_bootstrap(struct pn_call *call, struct pn_str email,
                           const struct pn_secret *password, struct pn_str organization,
                           struct pn_bootstrap *out, struct pn_err *err) PN_CHECKED;

#endif
