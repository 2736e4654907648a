/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_ENVELOPE_H
#define PN_SERVER_ENVELOPE_H

#include "base/buf.h"
#include "base/err.h"

/*
 * The one form of every error answer (platform.md §1.3):
 * {"reqId","statusCode","message","error","details"?,"context"?}. What nobody foresaw says a fixed sentence.
 */
void pn_envelope_print(const struct pn_err *err, struct pn_str request_id, struct pn_buf *out);

/* "req-" and 14 alphanumerics. */
#define PN_REQUEST_ID_BYTES 18
void pn_request_id_make(char out[PN_REQUEST_ID_BYTES]);

#endif
