/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_CREDENTIAL_H
#define PN_CLIENT_CREDENTIAL_H

#include "client/access.h"

/*
 * What `kube login` keeps for kubectl's exec plugin: one file per account (0600, below
 * XDG_CONFIG_HOME/postern/kube) with the session's answer and the wish that opened it. Many kubectl
 * processes at once share it under a file lock, so that one of them opens the next session.
 */

/* Opens a session as wished and stores both; that of an earlier login with the account ends, or `kube logout` would miss it. */
bool pn_credential_login(struct pn_rest *rest, const struct pn_access_wish *wish,
                         struct pn_access *out, struct pn_err *err) PN_CHECKED;

/*
 * The credential of an account: from the file while it is valid (no server is asked), else from a new
 * session when the old one simply ran out. Errors: PN_UNAUTHENTICATED when there was no `kube login`;
 * PN_FORBIDDEN when the session was ended or terminated: the person must log in again, on purpose.
 * `rest_of` makes the client only when it is needed.
 */
typedef bool pn_credential_rest_fn(void *context, struct pn_rest **out, struct pn_err *err);
bool pn_credential_get(struct pn_str account_id, pn_credential_rest_fn *rest_of, void *context,
                       struct pn_access *out, struct pn_err *err) PN_CHECKED;

/*
 * Ends the account's session at the server and removes the files. Errors: PN_UNAUTHENTICATED when
 * there was no `kube login`; those of the call when the server was not told: the files are gone then
 * too.
 */
bool pn_credential_logout(struct pn_rest *rest, struct pn_str account_id, struct pn_err *err)
    PN_CHECKED;

/* Account ids that have a file; into the arena. */
struct pn_strs pn_credential_list(struct pn_arena *arena);
/* "RESOURCE/ACCOUNT" of a stored login, as it was typed; PN_NONE when there is none. */
struct pn_str pn_credential_path(struct pn_arena *arena, struct pn_str account_id);
/* "postern/RESOURCE/ACCOUNT": what its cluster, user and context are called; PN_NONE: there is no login. */
struct pn_str pn_credential_context(struct pn_arena *arena, struct pn_str account_id);
/* Path of the account's kubeconfig, beside its credential. */
const char *pn_credential_kubeconfig(struct pn_arena *arena, struct pn_str account_id);

#endif
