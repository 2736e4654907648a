/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_PAM_ACCESS_H
#define PN_CORE_PAM_ACCESS_H

#include "base/call.h"
#include "json/shape.h"

/*
 * Opening a session (contract pam-gateway.md §1.3, §13): resolve the account, decide, sign the client's
 * certificate, store the session.
 */

/* Which account: one of the four forms, the first that is there. */
struct pn_pam_access_wish {
    struct pn_str path; /* "resource/account" */
    struct pn_str resource_name, account_name;
    struct pn_str account_path; /* the same as path, of an older client */
    struct pn_uuid account_id;
    struct pn_uuid project_id;      /* zero: every project of the organisation */
    struct pn_str duration, reason; /* PN_NONE or "" for none */
};

struct pn_pam_access {
    struct pn_uuid session_id, account_id, project_id, gateway_id;
    struct pn_str resource_name, account_name, auth_method;
    struct pn_str namespace, service_account_name; /* where the account names them */
    struct pn_strs relays;                         /* host:port */
    struct pn_str direct_address, server_name;
    struct pn_str certificate, key, server_chain; /* PEM; certificate: leaf and intermediate */
    /* For Infisical's own client, whose outer TLS a relay ends; PN_NONE where there is no relay. */
    struct pn_str relay_certificate, relay_key, relay_chain;
    int64_t expires_ms;
};

/*
 * Permissions: pam-accounts:access in the account's project. The certificate is signed before the
 * session is stored, so a failure leaves nothing behind (C-80).
 *
 * Errors:  PN_BAD_REQUEST  path, duration, no gateway or none connected, an ambiguous path
 *          PN_NOT_FOUND    no such account, or none this caller may see (the same words)
 *          PN_PERMISSION   may see it, may not open sessions
 * Threads: worker.
 */
bool pn_pam_access_open(struct pn_call *call, const struct pn_pam_access_wish *wish,
                        struct pn_pam_access *out, struct pn_err *err) PN_CHECKED;

#endif
