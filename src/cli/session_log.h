/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_SESSION_LOG_H
#define PN_CLI_SESSION_LOG_H

#include "cli/command.h"

/*
 * Prints the log of a session: a line per request with discovery folded into one, or every request
 * (`is_raw`); as JSON and YAML an array of {requestId, auditId, method, url, verb, apiGroup,
 * resource, subresource, namespace, name, status, startedAt, durationMs, requestBytes,
 * responseBytes, upgrade}. Errors: those of the calls; PN_TOO_LARGE.
 */
bool pn_session_log_print(struct pn_cli *cli, struct pn_str session_id, bool is_raw,
                          struct pn_err *err) PN_CHECKED;

/* ---- how it is put together ---- */

/* Requests in the order in which they came, each with the response that belongs to it. */
struct pn_session_log;

struct pn_session_log *pn_session_log_new(void);
void pn_session_log_free(struct pn_session_log *log);
void pn_session_log_freep(struct pn_session_log **log);
/* Takes a page of the REST answer ({logs: [event…]}), whose events it refers to from now on. */
void pn_session_log_take(struct pn_session_log *log, struct pn_value *page);
/* Every request, as above. */
void pn_session_log_requests(const struct pn_session_log *log, struct pn_buf *json);
/* An array of {time, verb, resource, name, namespace, status, duration, command}; returns how many were folded. */
size_t pn_session_log_lines(const struct pn_session_log *log, struct pn_buf *json);

#endif
