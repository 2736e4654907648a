/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/road.h"

#include "base/encode.h"
#include "json/shape.h"
#include "json/writer.h"
#include "kube/names.h"

#include <string.h>

#define MAX_CA 262144
#define MAX_SENTENCE_BYTES 256 /* what readers of every version take */
#define MAX_BASE64 ((int64_t)PN_ROAD_MAX_BODY * 2)

/* ---- the request ---- */

static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", NULL };
static const char *const actors[] = { "bearer", "gateway", NULL };
static const enum pn_reach_as actor_as[] = { PN_REACH_AS_BEARER, PN_REACH_AS_GATEWAY };

struct wire_request {
    int as, method;
    struct pn_str host, ca, impersonate, path, contentType, body;
    struct pn_secret *bearer;
    bool insecure, repeatable;
    int64_t timeoutMs, maxBodyBytes;
};
static const struct pn_field wire_request_fields[] = {
    PN_FIELD(wire_request, as, ENUM, .required = true, .names = actors),
    PN_FIELD(wire_request, host, STRING, .max = 2048),
    PN_FIELD(wire_request, ca, STRING, .max = MAX_CA),
    PN_FIELD(wire_request, insecure, BOOL),
    PN_FIELD(wire_request, impersonate, STRING, .max = 512),
    PN_FIELD(wire_request, method, ENUM, .required = true, .names = methods),
    PN_FIELD(wire_request, path, STRING, .required = true, .min = 1, .max = 8192),
    PN_FIELD(wire_request, contentType, STRING, .max = 256),
    PN_FIELD(wire_request, bearer, SECRET, .min = 1, .max = 16384),
    PN_FIELD(wire_request, body, STRING, .max = (int64_t)PN_ROAD_MAX_BYTES),
    PN_FIELD(wire_request, repeatable, BOOL),
    PN_FIELD(wire_request, timeoutMs, INT, .required = true, .min = 1, .max = PN_ROAD_MAX_MS),
    PN_FIELD(wire_request, maxBodyBytes, INT, .required = true, .min = 1,
             .max = (int64_t)PN_ROAD_MAX_BODY),
};
static const struct pn_shape wire_request_shape = PN_SHAPE_OF(wire_request);

static void write_if(struct pn_writer *w, const char *name, struct pn_str value)
{
    if (value.ptr != NULL)
        pn_write_str(w, name, value);
}

void pn_road_print_request(const struct pn_reach_to *to, const struct pn_reach_request *request,
                           struct pn_buf *out)
{
    struct pn_writer w = pn_writer_of(out);

    pn_write_object(&w, NULL);
    pn_write_text(&w, "as", actors[to->as == PN_REACH_AS_GATEWAY]);
    if (to->as == PN_REACH_AS_GATEWAY) {
        write_if(&w, "impersonate", request->impersonate);
    } else {
        pn_write_str(&w, "host", to->host.ptr != NULL ? to->host : PN_LIT(""));
        write_if(&w, "ca", to->ca_pem);
        pn_write_bool(&w, "insecure", to->is_insecure);
        if (request->bearer != NULL)
            pn_write_str(&w, "bearer", pn_secret_reveal(request->bearer));
    }
    pn_write_text(&w, "method", request->method);
    pn_write_str(&w, "path", request->path);
    if (request->content_type != NULL)
        pn_write_text(&w, "contentType", request->content_type);
    if (request->body.ptr != NULL)
        pn_write_base64(&w, "body", request->body);
    pn_write_bool(&w, "repeatable", request->is_repeatable);
    pn_write_int(&w, "timeoutMs", request->timeout_ms);
    pn_write_int(&w, "maxBodyBytes", (int64_t)request->max_body_bytes);
    pn_write_end(&w);
}

static bool decode(struct pn_arena *arena, struct pn_str base64, struct pn_str *out)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init_wiped(PN_ROAD_MAX_BYTES);

    if (!pn_base64_decode(base64, &bytes))
        return false;
    *out = bytes.len > 0 ? pn_arena_copy(arena, pn_buf_str(&bytes)) : PN_LIT("");
    return true;
}

/* Origin-form, and nothing that another parser could read as a host or a second request. */
static bool is_path(struct pn_str path)
{
    return path.ptr[0] == '/' && !pn_str_starts(path, PN_LIT("//")) && pn_str_is_printable(path) &&
           pn_str_find(path, ' ') < 0 && pn_str_find(path, '#') < 0;
}

static bool is_bearer(const struct pn_secret *bearer)
{
    struct pn_str text = pn_secret_reveal(bearer);

    return bearer == NULL || (pn_str_is_printable(text) && pn_str_find(text, ' ') < 0);
}

/* What one of the two ways may not have of the other: it would be left out, and somebody else would act. */
static bool check(const struct wire_request *in, struct pn_err *err)
{
    struct pn_str namespace, name;

    if (!is_path(in->path))
        return pn_fail(err, PN_BAD_REQUEST, "the path is none");
    if (!is_bearer(in->bearer))
        return pn_fail(err, PN_BAD_REQUEST, "the bearer is no token");
    if (in->contentType.ptr != NULL && !pn_str_is_printable(in->contentType))
        return pn_fail(err, PN_BAD_REQUEST, "the content type is none");
    if (in->as == 0)
        return in->impersonate.ptr == NULL ||
               pn_fail(err, PN_BAD_REQUEST, "only the gateway itself can impersonate");
    if (in->host.len > 0 || in->ca.ptr != NULL || in->insecure || in->bearer != NULL)
        return pn_fail(err, PN_BAD_REQUEST, "the gateway acts at its own cluster, as itself");
    return in->impersonate.ptr == NULL ||
           pn_kube_service_account_split(in->impersonate, &namespace, &name) ||
           pn_fail(err, PN_BAD_REQUEST, "nobody of that name can be impersonated");
}

static bool take(struct pn_arena *arena, const struct wire_request *in, struct pn_road_request *out,
                 struct pn_err *err)
{
    *out = (struct pn_road_request){
        .to = { .host = in->host,
                .ca_pem = in->ca,
                .is_insecure = in->insecure,
                .as = actor_as[in->as] },
        .request = { .method = methods[in->method],
                     .path = in->path,
                     .content_type =
                         in->contentType.ptr != NULL ? pn_cstr(arena, in->contentType) : NULL,
                     .bearer = in->bearer,
                     .impersonate = in->impersonate,
                     .timeout_ms = in->timeoutMs,
                     .max_body_bytes = (size_t)in->maxBodyBytes,
                     .is_repeatable = in->repeatable },
        .bearer = in->bearer,
    };
    return in->body.ptr == NULL || decode(arena, in->body, &out->request.body) ||
           pn_fail(err, PN_BAD_REQUEST, "the body is not base64");
}

bool pn_road_parse_request(struct pn_arena *arena, struct pn_str text, struct pn_road_request *out,
                           struct pn_err *err)
{
    struct wire_request in;

    if (!pn_shape_parse(&wire_request_shape, arena, text, &in, err))
        return false;
    if (check(&in, err) && take(arena, &in, out, err))
        return true;
    pn_shape_drop(&wire_request_shape, &in);
    return false;
}

void pn_road_drop_request(struct pn_road_request *request)
{
    pn_secret_freep(&request->bearer);
}

/* ---- the answer ---- */

/* `code` is what the server makes of it. PN_REACH_NO_GATEWAY is not a gateway's to say. */
static const struct {
    enum pn_reach_fault fault;
    const char *name;
    enum pn_code code;
} faults[] = {
    { PN_REACH_BAD_HOST, "bad-host", PN_BAD_REQUEST },
    { PN_REACH_NO_NAME, "no-name", PN_UNREACHABLE },
    { PN_REACH_REFUSED, "refused", PN_UNREACHABLE },
    { PN_REACH_TIMED_OUT, "timed-out", PN_TIMEOUT },
    { PN_REACH_SELF_SIGNED, "self-signed", PN_UNREACHABLE },
    { PN_REACH_BAD_CHAIN, "bad-chain", PN_UNREACHABLE },
    { PN_REACH_OTHER, "other", PN_UNREACHABLE },
    { PN_REACH_GATEWAY_FAULT, "gateway", PN_UNREACHABLE },
};

struct wire_answer {
    int64_t status, retryAfter, time;
    struct pn_str statusText, contentType, body, fault, message, warning;
};
static const struct pn_field wire_answer_fields[] = {
    PN_FIELD(wire_answer, status, INT, .max = 999),
    PN_FIELD(wire_answer, statusText, STRING, .max = 256),
    PN_FIELD(wire_answer, contentType, STRING, .max = 256),
    PN_FIELD(wire_answer, retryAfter, INT, .max = INT32_MAX),
    PN_FIELD(wire_answer, warning, STRING, .max = 512),
    PN_FIELD(wire_answer, body, STRING, .max = MAX_BASE64),
    PN_FIELD(wire_answer, time, TIME),
    PN_FIELD(wire_answer, fault, STRING, .max = 32),
    PN_FIELD(wire_answer, message, STRING, .max = MAX_SENTENCE_BYTES),
};

/* Cut between characters: half of one is no JSON. */
static struct pn_str at_most(struct pn_str text, size_t bytes)
{
    if (text.len <= bytes)
        return text;
    while (bytes > 0 && ((uint8_t)text.ptr[bytes] & 0xc0) == 0x80)
        bytes--;
    return pn_str_slice(text, 0, bytes);
}

void pn_road_print_answer(const struct pn_reach_answer *answer, struct pn_buf *out)
{
    struct pn_writer w = pn_writer_of(out);

    pn_write_object(&w, NULL);
    pn_write_int(&w, "status", answer->status);
    write_if(&w, "statusText", at_most(answer->status_text, 128));
    write_if(&w, "contentType", at_most(answer->content_type, 128));
    pn_write_int(&w, "retryAfter", answer->retry_after_s);
    write_if(&w, "warning", at_most(answer->warning, 256));
    pn_write_time(&w, "time", answer->gateway_ms);
    pn_write_base64(&w, "body", answer->body.ptr != NULL ? answer->body : PN_LIT(""));
    pn_write_end(&w);
}

void pn_road_print_fault(enum pn_reach_fault fault, struct pn_str message, int64_t now_ms,
                         struct pn_buf *out)
{
    struct pn_writer w = pn_writer_of(out);
    const char *name = "other";

    for (size_t i = 0; i < PN_COUNT(faults); i++)
        if (faults[i].fault == fault)
            name = faults[i].name;
    pn_write_object(&w, NULL);
    pn_write_text(&w, "fault", name);
    pn_write_str(&w, "message", at_most(message, MAX_SENTENCE_BYTES));
    pn_write_time(&w, "time", now_ms);
    pn_write_end(&w);
}

static bool take_fault(const struct wire_answer *in, enum pn_reach_fault *fault, struct pn_err *err)
{
    for (size_t i = 0; i < PN_COUNT(faults); i++)
        if (pn_str_is(in->fault, faults[i].name)) {
            *fault = faults[i].fault;
            return pn_fail(err, faults[i].code, "%.*s", PN_ARG(in->message));
        }
    return pn_fail(err, PN_PROTOCOL, "the gateway's answer is of another version");
}

bool pn_road_parse_answer(struct pn_arena *arena, struct pn_str text, struct pn_reach_answer *out,
                          enum pn_reach_fault *fault, struct pn_err *err)
{
    struct wire_answer in;

    *fault = PN_REACH_OTHER;
    if (!pn_shape_parse(PN_SHAPE(wire_answer), arena, text, &in, err))
        return pn_recast(err, PN_PROTOCOL, "the gateway's answer makes no sense");
    *out = (struct pn_reach_answer){ .gateway_ms = in.time };
    if (in.fault.len > 0)
        return take_fault(&in, fault, err);
    *out = (struct pn_reach_answer){ .gateway_ms = in.time,
                                     .status = (int)in.status,
                                     .status_text = in.statusText,
                                     .content_type = in.contentType,
                                     .retry_after_s = in.retryAfter,
                                     .warning = in.warning };
    if (in.status < 100 || in.body.ptr == NULL || !decode(arena, in.body, &out->body))
        return pn_fail(err, PN_PROTOCOL, "the gateway's answer makes no sense");
    *fault = PN_REACH_NO_FAULT;
    return true;
}
