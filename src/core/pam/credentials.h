/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_PAM_CREDENTIALS_H
#define PN_CORE_PAM_CREDENTIALS_H

#include "core/pam/session.h"

/*
 * What a gateway needs to act for a session (doc/protocol/gateway-rest.md G4). The first time, the
 * session becomes active. `token` lives in call->arena, which is wiped.
 */
struct pn_pam_credentials {
    struct pn_str url, ca_certificate, auth_method;
    struct pn_str token;                           /* PN_PAM_BY_TOKEN */
    struct pn_str namespace, service_account_name; /* PN_PAM_BY_GATEWAY */
    bool is_verified;
    int64_t idle_timeout_s; /* 0: none */
    struct pn_pam_session session;
};

/*
 * Errors:  PN_NOT_FOUND    not a session of this gateway (C-107)
 *          PN_BAD_REQUEST  "Session is not active", details {status, reason}
 * Threads: worker.
 */
bool pn_pam_credentials_get(struct pn_call *call, struct pn_uuid session,
                            struct pn_pam_credentials *out, struct pn_err *err) PN_CHECKED;

#endif
