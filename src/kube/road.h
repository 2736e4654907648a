/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_ROAD_H
#define PN_KUBE_ROAD_H

#include "base/buf.h"
#include "kube/reach.h"

/*
 * What server and gateway say to each other when the server calls a cluster through it
 * (doc/protocol/platform-road.md). Text to struct and back, without I/O.
 */
#define PN_ROAD_ALPN "postern-platform/1"
#define PN_ROAD_PATH "/v1/reach"
#define PN_ROAD_MAX_BYTES ((size_t)1 << 20) /* of a message */
#define PN_ROAD_MAX_BODY ((size_t)1 << 20)  /* of a cluster's answer */
#define PN_ROAD_MAX_MS 30000

/* A platform certificate's subject and extension. */
#define PN_ROAD_CN "platform:"
#define PN_ROAD_UNIT "platform"
#define PN_ROAD_OID "1.3.6.1.4.1.12345.100.2"
#define PN_ROAD_EXTENSION "{\"type\":\"platform\"}"

struct pn_road_request {
    struct pn_reach_to to; /* host, ca_pem, is_insecure, as */
    struct pn_reach_request request;
    struct pn_secret *bearer; /* = request.bearer, owned */
};
void pn_road_print_request(const struct pn_reach_to *to, const struct pn_reach_request *request,
                           struct pn_buf *out);
/* PN_BAD_REQUEST, PN_VALIDATION. Texts are the arena's; then drop. */
bool pn_road_parse_request(struct pn_arena *arena, struct pn_str text, struct pn_road_request *out,
                           struct pn_err *err) PN_CHECKED;
void pn_road_drop_request(struct pn_road_request *request);

/* The cluster's answer (gateway_ms filled in); or, with a fault, why there is none, in one sentence. */
void pn_road_print_answer(const struct pn_reach_answer *answer, struct pn_buf *out);
void pn_road_print_fault(enum pn_reach_fault fault, struct pn_str message, int64_t now_ms,
                         struct pn_buf *out);
/*
 * False with *fault, out->gateway_ms and err (the gateway's sentence, with the code that belongs to the fault); or
 * PN_PROTOCOL and PN_REACH_OTHER when it is neither.
 */
bool pn_road_parse_answer(struct pn_arena *arena, struct pn_str text, struct pn_reach_answer *out,
                          enum pn_reach_fault *fault, struct pn_err *err) PN_CHECKED;

#endif
