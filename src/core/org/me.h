/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_ME_H
#define PN_CORE_ORG_ME_H

#include "base/call.h"
#include "json/shape.h"

/* What a person sees and changes of themselves (platform.md §18). Members carry the wire's names. */
struct pn_me {
    struct pn_uuid id;
    struct pn_str email, username, firstName, lastName;
    bool isEmailVerified, isMfaEnabled, superAdmin;
    struct pn_strs mfaMethods, authMethods;
    struct pn_str selectedMfaMethod;
    int64_t createdAt, updatedAt, encryptionVersion;
};
bool pn_me_get(struct pn_call *call, struct pn_me *out, struct pn_err *err) PN_CHECKED;
bool pn_me_rename(struct pn_call *call, struct pn_str first_name, struct pn_str last_name,
                  struct pn_me *out, struct pn_err *err) PN_CHECKED;

/* Logins that are not over, the newest first; `isCurrent`: the one that asks. */
struct pn_me_session {
    struct pn_uuid id, userId;
    struct pn_str ip, userAgent;
    bool isCurrent;
    int64_t accessVersion, createdAt, expiresAt;
};
#define PN_ME_MAX_SESSIONS 200
bool pn_me_sessions(struct pn_call *call, struct pn_list *out, struct pn_err *err) PN_CHECKED;
/* Ends one of them (PN_NOT_FOUND when it is somebody else's), or all with a zero id, the caller's too. */
bool pn_me_end_sessions(struct pn_call *call, struct pn_uuid id, struct pn_err *err) PN_CHECKED;

#endif
