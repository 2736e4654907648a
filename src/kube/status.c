/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/status.h"

#include "base/buf.h"
#include "json/writer.h"

#define MAX_STATUS_BYTES ((size_t)16 * 1024)

/* apimachinery: pkg/apis/meta/v1/types.go, StatusReason. */
static const struct {
    int code;
    const char *reason;
} reasons[] = {
    { 400, "BadRequest" },         { 401, "Unauthorized" },
    { 403, "Forbidden" },          { 404, "NotFound" },
    { 405, "MethodNotAllowed" },   { 408, "Timeout" },
    { 409, "Conflict" },           { 413, "RequestEntityTooLarge" },
    { 429, "TooManyRequests" },    { 431, "BadRequest" },
    { 500, "InternalError" },      { 502, "InternalError" },
    { 503, "ServiceUnavailable" }, { 504, "Timeout" },
};

const char *pn_kube_reason(int code)
{
    for (size_t i = 0; i < PN_COUNT(reasons); i++)
        if (reasons[i].code == code)
            return reasons[i].reason;
    return "";
}

struct pn_str pn_kube_status(struct pn_arena *arena, int code, struct pn_str message)
{
    pn_auto(pn_buf_drop) struct pn_buf buf = pn_buf_init(MAX_STATUS_BYTES);
    struct pn_writer w = pn_writer_of(&buf);

    pn_write_object(&w, NULL);
    pn_write_text(&w, "kind", "Status");
    pn_write_text(&w, "apiVersion", "v1");
    pn_write_object(&w, "metadata");
    pn_write_end(&w);
    pn_write_text(&w, "status", "Failure");
    pn_write_str(&w, "message", pn_str_slice(message, 0, 1024));
    pn_write_text(&w, "reason", pn_kube_reason(code));
    pn_write_int(&w, "code", code);
    pn_write_end(&w);
    pn_buf_add_byte(&buf, '\n');
    return pn_arena_copy(arena, pn_buf_str(&buf));
}

struct pn_http_head pn_kube_status_head(struct pn_arena *arena, int code, int retry_after_s,
                                        struct pn_str body)
{
    struct pn_http_head head = { .status = code,
                                 .content_length = (int64_t)body.len,
                                 .is_last = body.len == 0 };

    head.fields = pn_new(arena, struct pn_http_field, 3);
    head.fields[head.count++] =
        (struct pn_http_field){ PN_LIT("content-type"), PN_LIT("application/json") };
    head.fields[head.count++] =
        (struct pn_http_field){ PN_LIT("cache-control"), PN_LIT("no-cache, private") };
    if (retry_after_s > 0)
        head.fields[head.count++] =
            (struct pn_http_field){ PN_LIT("retry-after"),
                                    pn_arena_printf(arena, "%d", retry_after_s) };
    return head;
}

static bool is_discovery(const struct pn_http_head *request)
{
    return pn_str_search(pn_http_field_get(request, "accept"), PN_LIT("g=apidiscovery.k8s.io")) >=
           0;
}

struct pn_kube_reply pn_kube_reply(struct pn_arena *arena, const struct pn_http_head *request,
                                   int code, int retry_after_s, struct pn_str message)
{
    bool is_text = is_discovery(request);
    struct pn_kube_reply reply = { .body = is_text ? pn_arena_copy(arena, message)
                                                   : pn_kube_status(arena, code, message) };

    reply.head = pn_kube_status_head(arena, code, retry_after_s, reply.body);
    if (is_text)
        reply.head.fields[0].value = PN_LIT("text/plain; charset=utf-8");
    return reply;
}

/*
 * A cluster that cannot be reached is a bad gateway (§16): our own availability is not in question. What
 * the gateway lacks of its own, such as a pod's identity, is 503 (pam-gateway C-87).
 */
int pn_kube_code(const struct pn_err *err)
{
    switch (err->code) {
    case PN_UNREACHABLE:
    case PN_PROTOCOL: return 502;
    case PN_IO: return 503;
    default: return pn_code_status(err->code);
    }
}
