/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_PAM_RULES_H
#define PN_CORE_PAM_RULES_H

#include "base/arena.h"
#include "base/err.h"

/* What names, addresses and paths of Kubernetes access look like. Pure; no I/O. */
#define PN_PAM_NAME_MAX 64
#define PN_PAM_URL_MAX 500
#define PN_PAM_CA_MAX 65536
#define PN_PAM_TOKEN_MAX 8192
#define PN_PAM_REASON_MAX 1000
#define PN_PAM_DURATION_MAX 100
#define PN_PAM_PATH_MAX 600
/* A client that sends this in place of a secret means: keep what is stored. */
#define PN_PAM_UNCHANGED "__INFISICAL_UNCHANGED__"

/* Letters, digits, '.', '_' and '-', beginning with a letter or digit: accounts. */
bool pn_pam_is_account_name(struct pn_str name);
/* One word of printable ASCII: what may stand behind "Bearer ". */
bool pn_pam_is_bearer(struct pn_str token);

/* Of an API server: https, a host, an optional port and path; no user, query or fragment. */
struct pn_pam_url {
    struct pn_str host; /* IPv6 without brackets; borrowed */
    uint16_t port;
    struct pn_str path; /* "" or "/…" without a trailing slash */
};
bool pn_pam_url_parse(struct pn_str url, struct pn_pam_url *out) PN_CHECKED;
/* The same as a rule of a request's field. */
bool pn_pam_is_url(struct pn_str url);

/*
 * "resource/account", one leading slash allowed; everything behind the first slash is the account.
 * PN_BAD_REQUEST with the contract's sentence (§13.3) when a part is empty.
 */
bool pn_pam_path_split(struct pn_str path, struct pn_str *resource, struct pn_str *account,
                       struct pn_err *err) PN_CHECKED;

/* PN_VALIDATION about one field that a shape cannot judge: always false. `path` is "a.b". */
bool pn_pam_invalid(struct pn_arena *arena, const char *path, const char *message,
                    struct pn_err *err);

/* A LIKE pattern (lower case, ESCAPE '\') for texts that contain `search`; "%" without one. */
struct pn_str pn_pam_like(struct pn_arena *arena, struct pn_str search);

#endif
