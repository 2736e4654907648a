/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLI_SESSION_LOG_H
#define PN_CLI_SESSION_LOG_H

#include "cli/command.h"

/*
 * Prints the log of a session: a line per request with discovery folded into one, or every request
 * (`is_raw`); as JSON and YAML an array of {requestId, auditId, method, url, verb, apiGroup,
 * resource, subresource, namespace, name, status, startedAt, durationMs, requestBytes,
 * responseBytes, upgrade}.
 */
bool pn_session_log_print(struct pn_cli *cli, struct pn_str session_id, bool is_raw,
                          struct pn_err *err) PN_CHECKED;

#endif
