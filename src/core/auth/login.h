/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_LOGIN_H
#define PN_CORE_AUTH_LOGIN_H

#include "base/call.h"
#include "base/secret.h"

/*
 * How a person logs in (platform.md §4.2). A login makes a session (a row); the token names it, with
 * an organisation once one is selected, so that one UPDATE ends every token of the session.
 */
#define PN_LOGIN_SESSION_MS \
    (INT64_C(10) * 24 * 3600 * 1000) /* the CLI never refreshes: this is the login's life */
#define PN_LOGIN_MFA_MS (INT64_C(5) * 60 * 1000) /* to look at the app and type */
#define PN_LOGIN_MAX_FAILURES 10
#define PN_LOGIN_LOCK_MS (INT64_C(5) * 60 * 1000)
#define PN_LOGIN_FORGET_MS \
    (INT64_C(15) * 60 * 1000) /* failures are forgotten after this long without another */

/*
 * Unknown people and wrong passwords cost the same and are answered alike: also the lock, which counts
 * per address typed. Blocks for the password hash (27 ms).
 *
 * Errors:  PN_BAD_REQUEST  wrong
 *          PN_FORBIDDEN    locked after PN_LOGIN_MAX_FAILURES failures
 * Threads: worker, slow lane.
 */
bool pn_login_password(struct pn_call *call, struct pn_str email, const struct pn_secret *password,
                       struct pn_str *token, struct pn_err *err) PN_CHECKED;
/* For a browser: the refresh token that goes with the access token just made, and how long both last. */
bool pn_login_refresh_token(struct pn_call *call, struct pn_uuid org_id, struct pn_str *refresh,
                            int64_t *expires_ms, struct pn_err *err) PN_CHECKED;
/*
 * A new access token for a refresh token; `org_id` is the organisation that was selected, or zero.
 * PN_UNAUTHENTICATED when the session is over.
 */
bool pn_login_refresh(struct pn_call *call, struct pn_str refresh, struct pn_str *token,
                      struct pn_uuid *org_id, struct pn_err *err) PN_CHECKED;
/* The same without a login: whoever asks for a password elsewhere counts failures here too. */
bool pn_login_check(struct pn_call *call, struct pn_str email, const struct pn_secret *password,
                    struct pn_err *err) PN_CHECKED;
/*
 * PN_FORBIDDEN when the actor is no member. Where the session has still to show a second factor (core/auth/mfa.h), the
 * token is good for that only.
 */
bool pn_login_select_org(struct pn_call *call, struct pn_uuid org_id, struct pn_str *token,
                         bool *needs_mfa, struct pn_err *err) PN_CHECKED;
/* A token of the actor's session without an organisation. */
bool pn_login_leave_org(struct pn_call *call, struct pn_str *token, struct pn_err *err) PN_CHECKED;
/* Ends the actor's session: every token of it fails from the next request on. */
bool pn_login_end(struct pn_call *call, struct pn_err *err) PN_CHECKED;
/* Deletes sessions, tokens and counters that are over. For the jobs thread. */
bool pn_login_sweep(struct pn_call *call, struct pn_err *err) PN_CHECKED;

#endif
