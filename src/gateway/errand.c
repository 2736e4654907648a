/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/errand.h"

#include "base/clock.h"
#include "base/log.h"
#include "json/writer.h"
#include "kube/road.h"
#include "loop/lane.h"
#include "reach/reach.h"

#define THREADS 8
#define QUEUE 256
#define BODY_MS 10000
#define ARENA_BYTES ((size_t)8 << 20)
#define MAX_ANSWER_BYTES (2 * PN_ROAD_MAX_BODY)

struct pn_errands {
    struct pn_lane *lane;
    struct pn_reacher *reacher;
};

/* One request. The loop's; while its job runs a thread has it, and the loop only `exchange`. */
struct errand {
    struct pn_job job;   /* to a thread */
    struct pn_task done; /* and back */
    struct pn_worker *worker;
    struct pn_exchange *exchange; /* NULL: who asked has left */
    struct pn_timer late;
    int64_t asked_ms; /* who asked counts the time from then on, in the queue too */
    struct pn_buf body;
    int status;
    struct pn_buf answer;
};

/* ---- life ---- */

bool pn_errands_new(const char *pod_directory, struct pn_errands **out, struct pn_err *err)
{
    struct pn_errands *errands = pn_heap_new(sizeof(*errands));
    struct pn_net_list allowed;
    const struct pn_reacher_config reach = { .pod_directory = pod_directory, .allowed = &allowed };
    const struct pn_lane_config lane = { .name = "errand", .threads = THREADS, .queue_max = QUEUE };

    /* Who runs a gateway puts it beside its cluster, often on the same machine. */
    if (!pn_net_list_parse(PN_LIT("127.0.0.0/8,::1"), &allowed, err)) {
        pn_heap_free(errands);
        return false;
    }
    errands->reacher = pn_reacher_new(&reach);
    if (!pn_lane_new(&lane, &errands->lane, err)) {
        pn_errands_free(errands);
        return false;
    }
    *out = errands;
    return true;
}

void pn_errands_own(struct pn_errands *errands, uint16_t port)
{
    pn_reacher_own(errands->reacher, port);
}

void pn_errands_free(struct pn_errands *errands)
{
    if (errands == NULL)
        return;
    pn_lane_free(errands->lane);
    pn_reacher_free(errands->reacher);
    pn_heap_free(errands);
}

static void free_errand(struct errand *errand)
{
    pn_timer_stop(&errand->late);
    pn_buf_drop(&errand->body);
    pn_buf_drop(&errand->answer);
    pn_heap_free(errand);
}

/* ---- answering ---- */

static void answer(struct errand *errand)
{
    struct pn_http_field type = { PN_LIT("content-type"), PN_LIT("application/json") };
    struct pn_http_head head = { .status = errand->status, .fields = &type, .count = 1 };

    if (errand->exchange != NULL)
        pn_exchange_answer(errand->exchange, &head, pn_buf_str(&errand->answer));
    free_errand(errand);
}

static void refuse(struct errand *errand, int status, const char *message)
{
    struct pn_writer w;

    errand->status = status;
    pn_buf_clear(&errand->answer);
    w = pn_writer_of(&errand->answer);
    pn_write_object(&w, NULL);
    pn_write_text(&w, "message", message);
    pn_write_end(&w);
    answer(errand);
}

static void abandon(struct errand *errand)
{
    pn_stream_close(&errand->exchange->body);
    free_errand(errand);
}

/* ---- on a thread ---- */

static void print_fault(struct errand *errand, const struct pn_road_request *request,
                        enum pn_reach_fault fault, const struct pn_err *err)
{
    if (request->to.as == PN_REACH_AS_SERVER && fault == PN_REACH_BAD_HOST)
        fault = PN_REACH_GATEWAY_FAULT; /* the pod's identity, not the caller's host */
    pn_log(PN_INFO, "errand-failed", PN_F_STR("host", request->to.host), PN_F_ERR(err));
    pn_road_print_fault(fault, pn_str_from(err->message), pn_clock_wall_ms(), &errand->answer);
}

static void run_request(struct errand *errand, struct pn_arena *arena,
                        struct pn_road_request *request)
{
    const struct pn_reach_port *port = pn_reacher_port(errand->worker->shared->errands->reacher);
    struct pn_call call = { .arena = arena,
                            .now_ms = pn_clock_wall_ms(),
                            .deadline_ms = errand->asked_ms + request->request.timeout_ms,
                            .reach = port };
    struct pn_reach_answer reply;
    enum pn_reach_fault fault;
    struct pn_err err = { 0 };

    if (pn_clock_mono_ms() >= call.deadline_ms) { /* nobody waits for it any more */
        (void)pn_fail(&err, PN_TIMEOUT, "the gateway had too much to do");
        print_fault(errand, request, PN_REACH_TIMED_OUT, &err);
        return;
    }
    if (request->to.as == PN_REACH_AS_GATEWAY)
        request->to.as = PN_REACH_AS_SERVER; /* "the server's own pod" is here: ours */
    if (!pn_reach(&call, &request->to, &request->request, &reply, &fault, &err)) {
        print_fault(errand, request, fault, &err);
        return;
    }
    reply.gateway_ms = pn_clock_wall_ms();
    pn_road_print_answer(&reply, &errand->answer);
}

static void run(struct pn_job *job, void *unused)
{
    struct errand *errand = pn_container_of(job, struct errand, job);
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    struct pn_road_request request;
    struct pn_err err = { 0 };

    (void)unused;
    errand->status = 200;
    if (pn_road_parse_request(arena, pn_buf_str(&errand->body), &request, &err)) {
        run_request(errand, arena, &request);
        pn_road_drop_request(&request);
    } else {
        errand->status = 400;
        pn_road_print_fault(PN_REACH_OTHER, pn_str_from(err.message), pn_clock_wall_ms(),
                            &errand->answer);
    }
    pn_loop_post(errand->worker->loop, &errand->done);
}

static void on_run(struct pn_task *task)
{
    answer(pn_container_of(task, struct errand, done));
}

/* ---- on the loop ---- */

/* Nothing is wanted of the stream while the job runs: this is the news that it has failed. */
static void on_left(void *errand_, struct pn_stream *stream, unsigned events)
{
    struct errand *errand = errand_;

    (void)events;
    pn_stream_close(stream);
    errand->exchange = NULL;
}

static void submit(struct errand *errand)
{
    pn_timer_stop(&errand->late);
    errand->job.run = run;
    errand->done.run = on_run;
    pn_stream_set_owner(&errand->exchange->body, on_left, errand);
    if (!pn_lane_submit(errand->worker->shared->errands->lane, &errand->job))
        refuse(errand, 503, "the gateway has too much to do");
}

static void on_late(struct pn_timer *timer)
{
    abandon(pn_container_of(timer, struct errand, late));
}

static void read_body(void *errand_, struct pn_stream *stream, unsigned events)
{
    struct errand *errand = errand_;
    char *scratch = pn_loop_scratch(errand->worker->loop);
    ssize_t got;

    (void)events;
    while ((got = pn_stream_read(stream, scratch, PN_LOOP_SCRATCH_BYTES)) > 0)
        if (!pn_buf_add_bytes(&errand->body, scratch, (size_t)got)) {
            pn_stream_want(stream, 0);
            refuse(errand, 413, "the request is too large");
            return;
        }
    if (got == PN_STREAM_AGAIN) {
        pn_stream_want(stream, PN_WANT_READ);
        return;
    }
    pn_stream_want(stream, 0);
    if (got == 0)
        submit(errand);
    else
        abandon(errand);
}

void pn_errand_begin(void *worker_, struct pn_exchange *exchange)
{
    struct pn_worker *worker = worker_;
    struct errand *errand = pn_heap_new(sizeof(*errand));

    errand->worker = worker;
    errand->exchange = exchange;
    errand->asked_ms = pn_clock_mono_ms();
    errand->body = pn_buf_init_wiped(PN_ROAD_MAX_BYTES);
    errand->answer = pn_buf_init_wiped(MAX_ANSWER_BYTES);
    if (!pn_str_is(exchange->request->target, PN_ROAD_PATH)) {
        refuse(errand, 404, "there is nothing of that name");
        return;
    }
    if (pn_str_is(exchange->request->method, "GET")) { /* a sign of life */
        refuse(errand, 200, "here");
        return;
    }
    if (!pn_str_is(exchange->request->method, "POST")) {
        refuse(errand, 405, "errands are posted");
        return;
    }
    errand->late.run = on_late;
    pn_timer_start(worker->loop, &errand->late, BODY_MS);
    pn_stream_set_owner(&exchange->body, read_body, errand);
    read_body(errand, &exchange->body, 0);
}
