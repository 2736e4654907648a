/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_OPENAPI_H
#define PN_SERVER_OPENAPI_H

#include "base/buf.h"
#include "base/err.h"

/* The declared routes and shapes as an OpenAPI 3.0 document, indented; the same bytes for the same routes. */
bool pn_openapi_print(struct pn_buf *out, struct pn_err *err) PN_CHECKED;

#endif
