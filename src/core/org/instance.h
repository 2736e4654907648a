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
    int64_t created_ms, updated_ms;
    struct pn_strs admin_identities;   /* ids as text */
    struct pn_str consent, page_frame; /* PN_NONE: none */
    struct pn_uuid default_org;        /* zero: none */
    struct pn_str default_org_slug;
};
/* Makes the instance's row on the first start. */
bool pn_instance_ensure(struct pn_db *db, struct pn_db_conn *conn, struct pn_err *err) PN_CHECKED;
/* The scope of the key that seals what belongs to no organisation; made when it is first needed. */
bool pn_instance_scope(struct pn_call *call, struct pn_uuid *out, struct pn_err *err) PN_CHECKED;
/* Its id alone: what its objects elsewhere are known by. */
bool pn_instance_id(struct pn_db_conn *conn, struct pn_uuid *out, struct pn_err *err) PN_CHECKED;
bool pn_instance_get(struct pn_call *call, struct pn_instance *out, struct pn_err *err) PN_CHECKED;

/*
 * The first administrator and organisation, in one transaction, and for automation a machine identity
 * whose token never expires. PN_BAD_REQUEST when it has been done before.
 */
struct pn_instance_first {
    struct pn_str email, first_name, last_name, organization;
    const struct pn_secret *password;
    bool has_identity;
};
struct pn_bootstrap {
    struct pn_user user;
    struct pn_org org;
    struct pn_uuid identity_id; /* zero: none was asked for */
    struct pn_str token;
};
bool pn_instance_bootstrap(struct pn_call *call, const struct pn_instance_first *first,
                           struct pn_bootstrap *out, struct pn_err *err) PN_CHECKED;

/*
 * What an administrator of the instance says to those who come to log in. There is no mail, and a password is the only
 * way in: other values of the rest are refused with a reason. Texts with ptr NULL stay; empty ones are taken away.
 */
struct pn_instance_change {
    struct pn_str consent, page_frame;
    struct pn_uuid default_org; /* with has_default_org: zero takes it away */
    bool has_default_org;
};
bool pn_instance_configure(struct pn_call *call, const struct pn_instance_change *change,
                           struct pn_err *err) PN_CHECKED;

#endif
