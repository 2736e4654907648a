/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_SESSION_LOG_H
#define PN_CLI_SESSION_LOG_H

#include "cli/command.h"

/*
 * Prints the log of a session: the commands, reconstructed (kube/command.h), discovery folded; or every request
 * (`is_raw`), as JSON and YAML an array of {requestId, auditId, method, url, verb, apiGroup, resource,
 * subresource, namespace, name, status, startedAt, durationMs, requestBytes, responseBytes, upgrade}.
 * `is_followed`: each as it is over, a line at a time (JSON and YAML: an object a line), until the session is.
 * Errors: those of the calls; PN_TOO_LARGE.
 */
bool pn_session_log_print(struct pn_cli *cli, struct pn_str session_id, bool is_raw,
                          bool is_followed, struct pn_err *err) PN_CHECKED;

/* ---- how it is put together ---- */

/* Requests in the order in which they came, each with the response that belongs to it. */
struct pn_session_log;

struct pn_session_log *pn_session_log_new(void);
void pn_session_log_free(struct pn_session_log *log);
void pn_session_log_freep(struct pn_session_log **log);
/* Takes what it needs of a page of the REST answer ({logs: [event…]}). */
void pn_session_log_take(struct pn_session_log *log, const struct pn_value *page);
/*
 * Lets go of what was over at that time, as its whole command was: of a kubectl that goes on all its requests
 * stay, unless there are too many. How many requests are held.
 */
void pn_session_log_forget(struct pn_session_log *log, int64_t quiet_since_ms);
size_t pn_session_log_held(const struct pn_session_log *log);
/* Every request, as above. */
void pn_session_log_requests(const struct pn_session_log *log, struct pn_buf *json);
/*
 * An array of {time, command, isVerbClaimed, verb, resource, name, namespace, status, duration, objects, requests,
 * requestBytes, responseBytes}; returns how many requests were folded.
 */
size_t pn_session_log_commands(const struct pn_session_log *log, struct pn_buf *json);

#endif
