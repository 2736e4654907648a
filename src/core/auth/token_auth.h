/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_TOKEN_AUTH_H
#define PN_CORE_AUTH_TOKEN_AUTH_H

#include "core/auth/method.h"

/* Token Auth: access tokens that an administrator makes for an identity (identity-auth.md §10). */
#define PN_TOKEN_AUTH "token-auth"

/* Errors: as pn_auth_method_subject and pn_token_terms_apply; PN_BAD_REQUEST (un)attached. */
bool pn_token_auth_attach(struct pn_call *call, struct pn_uuid identity,
                          const struct pn_token_terms_in *in, struct pn_auth_method *out,
                          struct pn_err *err) PN_CHECKED;
bool pn_token_auth_change(struct pn_call *call, struct pn_uuid identity,
                          const struct pn_token_terms_in *in, struct pn_auth_method *out,
                          struct pn_err *err) PN_CHECKED;
bool pn_token_auth_get(struct pn_call *call, struct pn_uuid identity, struct pn_auth_method *out,
                       struct pn_err *err) PN_CHECKED;
bool pn_token_auth_detach(struct pn_call *call, struct pn_uuid identity, struct pn_auth_method *out,
                          struct pn_err *err) PN_CHECKED;

/* The tokens of it: `grant` is shown once, `out` is what a list shows. PN_NOT_FOUND. */
bool pn_token_auth_create(struct pn_call *call, struct pn_uuid identity, struct pn_str name,
                          struct pn_str slug, struct pn_grant *grant, struct pn_access_token *out,
                          struct pn_err *err) PN_CHECKED;
bool pn_token_auth_list(struct pn_call *call, struct pn_uuid identity, int64_t offset,
                        int64_t limit, struct pn_list *out, struct pn_err *err) PN_CHECKED;
bool pn_token_auth_token(struct pn_call *call, struct pn_uuid token, struct pn_access_token *out,
                         struct pn_err *err) PN_CHECKED;
bool pn_token_auth_rename(struct pn_call *call, struct pn_uuid token, struct pn_str name,
                          struct pn_access_token *out, struct pn_err *err) PN_CHECKED;
bool pn_token_auth_revoke(struct pn_call *call, struct pn_uuid token, struct pn_access_token *out,
                          struct pn_err *err) PN_CHECKED;

#endif
