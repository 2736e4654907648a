/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_REST_H
#define PN_CLIENT_REST_H

#include "base/buf.h"
#include "client/config.h"
#include "json/value.h"

/*
 * Calls of the server's REST API: JSON in and out, the error envelope turned into a pn_err whose
 * code, message and name are the server's; err->details is JSON text, valid until the next call.
 * Blocking; not shared between threads.
 */
struct pn_rest;

#define PN_REST_TIMEOUT_MS 30000

/* Errors: PN_USAGE (no server known, not a URL, http:// to another machine). */
bool pn_rest_new(const struct pn_client_config *config, struct pn_rest **out, struct pn_err *err)
    PN_CHECKED;
void pn_rest_free(struct pn_rest *rest);
void pn_rest_freep(struct pn_rest **rest);
/* From now on as this bearer (copied); NULL: none. */
bool pn_rest_has_token(const struct pn_rest *rest, const struct pn_secret *token);
bool pn_rest_set_token(struct pn_rest *rest, const struct pn_secret *token, struct pn_err *err)
    PN_CHECKED;
/* How long each later call may take; PN_REST_TIMEOUT_MS at first. */
void pn_rest_set_timeout(struct pn_rest *rest, int64_t timeout_ms);

/*
 * `path` below "/api" ("/v1/projects"), `body` JSON or PN_NONE. *reply (may be NULL) is the parsed
 * answer, the caller's to free; the answer to an empty one is NULL. Errors: the server's kinds;
 * PN_UNREACHABLE with what to check; PN_UNAUTHENTICATED also for a token that has expired (the
 * message then says how to log in).
 */
bool pn_rest_call(struct pn_rest *rest, const char *method, struct pn_str path, struct pn_str body,
                  struct pn_value **reply, struct pn_err *err) PN_CHECKED;

/* Appends "?name=value" or "&name=value", percent-encoded; an empty value adds nothing. */
void pn_rest_query(struct pn_buf *path, const char *name, struct pn_str value);

#endif
