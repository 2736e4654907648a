/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_CORE_CLUSTER_H
#define PN_TEST_UNIT_CORE_CLUSTER_H

/* A cluster behind call->reach that answers by a script and remembers what it was asked. */
#include "check.h"

#include <stdio.h>

#include "base/call.h"
#include "base/clock.h"
#include "kube/reach.h"

#define CLUSTER_MAX 64

struct cluster_answer {
    const char *method, *path; /* of the request: begins so; NULL: any */
    int status;                /* 0: `fault` instead */
    enum pn_reach_fault fault;
    const char *body, *warning;
    int64_t retry_after_s;
    int times; /* how often it is given; 0: always */
};
struct cluster_asked {
    char method[8], path[512], body[4096], bearer[64];
    enum pn_reach_as as;
};
struct cluster {
    struct pn_reach_port port;
    struct cluster_answer answers[CLUSTER_MAX];
    size_t answer_count;
    struct cluster_asked asked[CLUSTER_MAX];
    size_t asked_count;
};

static inline void cluster_keep(char *to, size_t size, struct pn_str from)
{
    CHECK(from.len < size);
    memcpy(to, from.len > 0 ? from.ptr : "", from.len);
    to[from.len] = '\0';
}

static inline bool cluster_matches(const struct cluster_answer *a,
                                   const struct pn_reach_request *request)
{
    return a->times >= 0 && (a->method == NULL || strcmp(a->method, request->method) == 0) &&
           (a->path == NULL || pn_str_starts(request->path, pn_str_from(a->path)));
}

static inline bool cluster_send(const struct pn_reach_port *port, struct pn_call *call,
                                const struct pn_reach_to *to,
                                const struct pn_reach_request *request, struct pn_reach_answer *out,
                                enum pn_reach_fault *fault, struct pn_err *err)
{
    struct cluster *c = pn_container_of(port, struct cluster, port);
    struct cluster_asked *asked = &c->asked[c->asked_count++];

    CHECK(c->asked_count < CLUSTER_MAX);
    CHECK_EQ(request->timeout_ms, 3000);
    cluster_keep(asked->method, sizeof(asked->method), pn_str_from(request->method));
    cluster_keep(asked->path, sizeof(asked->path), request->path);
    cluster_keep(asked->body, sizeof(asked->body), request->body);
    cluster_keep(asked->bearer, sizeof(asked->bearer), pn_secret_reveal(request->bearer));
    asked->as = to->as;
    for (size_t i = 0; i < c->answer_count; i++) {
        struct cluster_answer *a = &c->answers[i];

        if (!cluster_matches(a, request))
            continue;
        if (a->times > 0 && --a->times == 0)
            a->times = -1;
        *fault = a->fault;
        if (a->status == 0)
            return pn_fail(err, PN_UNREACHABLE, "the road is out");
        *out = (struct pn_reach_answer){ .status = a->status,
                                         .content_type = PN_LIT("application/json"),
                                         .body = pn_arena_copy(call->arena, pn_str_from(a->body)),
                                         .warning = pn_str_from(a->warning),
                                         .retry_after_s = a->retry_after_s };
        return true;
    }
    fail_msg("nobody expects %s %s", asked->method, asked->path);
    return false;
}

static inline void cluster_says(struct cluster *c, struct cluster_answer answer)
{
    CHECK(c->answer_count < CLUSTER_MAX);
    c->port.send = cluster_send;
    c->answers[c->answer_count++] = answer;
}

static inline void cluster_was_asked(const struct cluster *c, size_t index, const char *method,
                                     const char *path)
{
    CHECK(index < c->asked_count);
    assert_string_equal(c->asked[index].method, method);
    if (strncmp(c->asked[index].path, path, strlen(path)) != 0)
        fail_msg("wanted %s, got %s", path, c->asked[index].path);
}

#endif
