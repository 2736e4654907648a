/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_EVENT_H
#define PN_GATEWAY_EVENT_H

#include "base/buf.h"
#include "base/uuid.h"
#include "http/head.h"
#include "kube/requestinfo.h"

/*
 * Events as the server stores them (doc/protocol/gateway-rest.md, "Events"). Values that give access
 * (Authorization, cookies, bearer sub-protocols, …) never enter one; long ones are cut.
 */
struct pn_event_request {
    struct pn_str id;  /* also the Audit-ID */
    bool is_forwarded; /* false: refused here, there is no Audit-ID */
    const struct pn_http_head *head;
    struct pn_str url;                  /* target without the account's prefix */
    const struct pn_request_info *info; /* NULL: the path could not be read */
    struct pn_str upgrade;              /* what will be asked for; PN_NONE */
    struct pn_arena *arena;             /* scratch */
};
void pn_event_request(struct pn_buf *out, const struct pn_event_request *event);

struct pn_event_response {
    struct pn_str id;
    bool is_forwarded;
    struct pn_str headers; /* from pn_event_headers; PN_NONE: {} */
    int status;            /* 0: none was sent */
    int64_t duration_ms;
    uint64_t request_bytes, response_bytes;
    bool is_upgraded;
    struct pn_str upgrade, error;
};
void pn_event_response(struct pn_buf *out, const struct pn_event_response *event);

void pn_event_session_end(struct pn_buf *out, struct pn_str id, struct pn_str reason);

/* The headers of a response worth recording, as a JSON object. */
void pn_event_headers(struct pn_buf *out, const struct pn_http_head *head);

#endif
