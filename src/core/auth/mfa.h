/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_MFA_H
#define PN_CORE_AUTH_MFA_H

#include "base/call.h"
#include "db/db.h"
#include "json/shape.h"

/*
 * The second factor of people: codes of an authenticator app (crypto/totp.h) and recovery codes
 * (platform.md §4.3). It is asked for where an organisation is selected, of who has one that is on and of everybody in
 * an organisation that enforces it; what it proves belongs to the login session (core/auth/README.md).
 */
#define PN_MFA_METHOD "totp"
#define PN_MFA_RECOVERY_CODES 10
#define PN_MFA_RECOVERY_CODE_CHARS 8
#define PN_MFA_MAX_FAILURES 5                   /* then locked for … */
#define PN_MFA_LOCK_MS (INT64_C(5) * 60 * 1000) /* … this long, doubled each time … */
#define PN_MFA_LONGEST_LOCK_MS (INT64_C(24) * 3600 * 1000) /* … up to this, until a code is right */

struct pn_mfa {
    bool isVerified;
    int64_t recoveryCodesLeft;
};
/* The actor's own. Errors: PN_NOT_FOUND none; PN_BAD_REQUEST one that was never confirmed. */
bool pn_mfa_get(struct pn_call *call, struct pn_mfa *out, struct pn_err *err) PN_CHECKED;

/* Shown once, here: nothing reads them back. */
struct pn_mfa_new {
    struct pn_str otpUrl; /* "otpauth://totp/…" */
    struct pn_strs recoveryCodes;
};
/* A secret for the actor's app, in place of one that was never confirmed. PN_BAD_REQUEST when there is one already. */
bool pn_mfa_register(struct pn_call *call, struct pn_mfa_new *out, struct pn_err *err) PN_CHECKED;
/* The app shows this code: the second factor is on, and shown by this session. PN_BAD_REQUEST: it is not of now. */
bool pn_mfa_confirm(struct pn_call *call, struct pn_str code, struct pn_err *err) PN_CHECKED;

/* What only a session that has shown the second factor may do, or else PN_FORBIDDEN. */
bool pn_mfa_renew_codes(struct pn_call *call, struct pn_strs *out, struct pn_err *err) PN_CHECKED;
bool pn_mfa_remove(struct pn_call *call, struct pn_err *err) PN_CHECKED;
/* On needs a second factor that is confirmed (PN_BAD_REQUEST), off a session that has shown it. */
bool pn_mfa_switch(struct pn_call *call, bool is_on, struct pn_err *err) PN_CHECKED;

/*
 * The actor (PN_ACTOR_MFA) shows a code and is logged in to the organisation that was selected, as a user. A code is
 * good once; wrong ones lock. Errors: PN_FORBIDDEN with err->reason "mfa_invalid", or "mfa_expired" while it is locked.
 */
bool pn_mfa_verify(struct pn_call *call, struct pn_str code, struct pn_str *token,
                   struct pn_err *err) PN_CHECKED;
bool pn_mfa_recover(struct pn_call *call, struct pn_str code, struct pn_str *token,
                    struct pn_err *err) PN_CHECKED;

/*
 * Before a person's write that no organisation's rights stand over: who has a second factor that is on, or is in an
 * organisation that enforces it, has shown it in this session. PN_FORBIDDEN. Threads: writer.
 */
bool pn_mfa_require(struct pn_db_conn *tx, const struct pn_call *call, struct pn_err *err)
    PN_CHECKED;

/* For who has lost app and codes: another administrator of the instance takes it away. The own one as pn_mfa_remove. */
bool pn_mfa_reset(struct pn_call *call, struct pn_uuid user, struct pn_err *err) PN_CHECKED;

#endif
