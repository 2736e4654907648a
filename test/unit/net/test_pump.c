/* SPDX-License-Identifier: Apache-2.0 */
#include "certs.h"
#include "streams.h"

#include "net/pump.h"
#include "net/tls.h"

/* client socket -- [pump of two sockets] -- server socket */
struct world {
    struct pn_loop *loop;
    struct pn_stream *client, *server;
    struct pn_pump *pump;
    struct pn_pump_end end;
    bool is_over;
    int pending;
};

static void on_done(void *world_, const struct pn_pump_end *end)
{
    struct world *w = world_;

    CHECK(!w->is_over);
    w->is_over = true;
    w->end = *end;
    w->pump = NULL;
    if (--w->pending == 0)
        pn_loop_stop(w->loop);
}

static struct world *world_new(struct pn_loop *loop)
{
    struct world *w = pn_heap_new(sizeof(*w));
    struct pn_stream *left[2], *right[2];

    w->loop = loop;
    stream_pair(loop, left);
    stream_pair(loop, right);
    w->client = left[0];
    w->server = right[1];
    w->pump = pn_pump_start(left[1], right[0], on_done, w);
    return w;
}

PN_TEST(bytes_are_counted_and_half_close_passes_both_ways)
{
    struct pn_loop *loop = loop_new();
    struct world *w = world_new(loop);
    struct end a = { .to_send = 4000000, .seed = 1, .peer_seed = 2, .pending = &w->pending };
    struct end b = { .to_send = 77, .seed = 2, .peer_seed = 1, .pending = &w->pending };

    w->pending = 3;
    end_start(&a, w->client);
    end_start(&b, w->server);
    CHECK(loop_run_for(loop, 20000));
    CHECK(w->end.is_clean);
    CHECK_EQ(w->end.a_to_b, 4000000);
    CHECK_EQ(w->end.b_to_a, 77);
    CHECK_EQ(b.received, 4000000);
    CHECK_EQ(a.received, 77);
    CHECK(!a.is_wrong && !b.is_wrong);
    pn_stream_close(a.stream);
    pn_stream_close(b.stream);
    pn_heap_free(w);
    pn_loop_free(loop);
}

PN_TEST(an_abort_on_one_side_is_a_failure_on_the_other)
{
    struct pn_loop *loop = loop_new();
    struct world *w = world_new(loop);
    struct end b = { .is_finished = true, .pending = &w->pending };

    w->pending = 2;
    CHECK_EQ(pn_stream_write(w->client, "half", 4), 4);
    pn_stream_close(w->client);
    end_start(&b, w->server);
    CHECK(loop_run_for(loop, 20000));
    CHECK(!w->end.is_clean);
    CHECK_EQ(w->end.err.code, PN_UNREACHABLE);
    CHECK(b.is_failed && !b.is_ended);
    pn_heap_free(w);
    pn_loop_free(loop);
}

PN_TEST(a_stalled_reader_stops_the_source_and_then_goes_on)
{
    struct pn_loop *loop = loop_new();
    struct world *w = world_new(loop);
    struct end a = { .to_send = 60000000, .seed = 1, .peer_seed = 2, .pending = &w->pending };
    struct end b = { .seed = 2, .peer_seed = 1, .may_not_read = true, .pending = &w->pending };

    w->pending = 3;
    end_start(&a, w->client);
    end_start(&b, w->server);
    loop_until_stalled(loop, &a);
    CHECK(a.sent < 40000000); /* the kernel's buffers, and 64 KiB of ours */
    CHECK(pn_pump_bytes(w->pump, true) > 0);
    CHECK_EQ(pn_pump_bytes(w->pump, false), 0);
    b.may_not_read = false;
    end_wants(&b);
    CHECK(loop_run_for(loop, 20000));
    CHECK_EQ(b.received, 60000000);
    CHECK(!b.is_wrong && w->end.is_clean);
    pn_stream_close(a.stream);
    pn_stream_close(b.stream);
    pn_heap_free(w);
    pn_loop_free(loop);
}

PN_TEST(cancel_aborts_both_and_stays_silent)
{
    struct pn_loop *loop = loop_new();
    struct world *w = world_new(loop);
    int pending = 2;
    struct end a = { .is_finished = true, .pending = &pending },
               b = { .is_finished = true, .pending = &pending };

    end_start(&a, w->client);
    end_start(&b, w->server);
    pn_pump_cancel(w->pump);
    pn_pump_cancel(NULL);
    CHECK(loop_run_for(loop, 20000));
    CHECK(a.is_failed && b.is_failed && !w->is_over);
    pn_heap_free(w);
    pn_loop_free(loop);
}

#define MANY 250 /* four descriptors each: within the usual 1,024 */
PN_TEST(many_pumps_side_by_side)
{
    struct pn_loop *loop = loop_new();
    static struct world *w[MANY];
    static struct end a[MANY], b[MANY];
    int pending = 2 * MANY;

    for (int i = 0; i < MANY; i++) {
        uint8_t seed = (uint8_t)i;

        w[i] = world_new(loop);
        w[i]->pending = 1 << 20;
        a[i] = (struct end){
            .to_send = 20000, .seed = seed, .peer_seed = (uint8_t)(seed + 1), .pending = &pending
        };
        b[i] = (struct end){
            .to_send = 30000, .seed = (uint8_t)(seed + 1), .peer_seed = seed, .pending = &pending
        };
        end_start(&a[i], w[i]->client);
        end_start(&b[i], w[i]->server);
    }
    CHECK(loop_run_for(loop, 20000));
    for (int i = 0; i < MANY; i++) {
        CHECK(!a[i].is_wrong && !b[i].is_wrong);
        CHECK_EQ(a[i].received, 30000);
        CHECK_EQ(b[i].received, 20000);
        pn_pump_cancel(w[i]->pump); /* NULL when it has seen both ends already */
        pn_stream_close(a[i].stream);
        pn_stream_close(b[i].stream);
        pn_heap_free(w[i]);
    }
    pn_loop_free(loop);
}

/* ---- over TLS ---- */

struct tls_world {
    struct pn_loop *loop;
    struct pn_stream *tls[2];
    int waiting;
};

static void on_first(void *world_, struct pn_stream *tls, const struct pn_err *err)
{
    struct tls_world *w = world_;

    CHECK(err == NULL);
    w->tls[0] = tls;
    if (--w->waiting == 0)
        pn_loop_stop(w->loop);
}

static void on_second(void *world_, struct pn_stream *tls, const struct pn_err *err)
{
    struct tls_world *w = world_;

    CHECK(err == NULL);
    w->tls[1] = tls;
    if (--w->waiting == 0)
        pn_loop_stop(w->loop);
}

static void tls_pair(struct pn_loop *loop, struct pn_tls_context *server,
                     struct pn_tls_context *client, struct pn_stream *out[2])
{
    struct tls_world w = { .loop = loop, .waiting = 2 };
    struct pn_stream *lower[2], *ignored;
    struct pn_err err = { 0 };

    stream_pair(loop, lower);
    CHECK_OK(pn_tls_start(client, lower[0], "a.example.com", 5000, on_first, &w, &ignored, &err),
             err);
    CHECK_OK(pn_tls_start(server, lower[1], NULL, 5000, on_second, &w, &ignored, &err), err);
    CHECK(loop_run_for(loop, 20000));
    out[0] = w.tls[0];
    out[1] = w.tls[1];
}

PN_TEST(tls_to_tls_with_half_close)
{
    struct pn_loop *loop = loop_new();
    struct certs certs = certs_new();
    struct pn_cert cert = certs_leaf(&certs, PN_CERT_SERVER, "a.example.com", 600000);
    struct pn_tls_context *server = NULL, *client = NULL;
    struct pn_stream *left[2], *right[2];
    struct world w = { .loop = loop, .pending = 3 };
    struct pn_err err = { 0 };
    const struct pn_tls_settings server_settings = { .is_server = true,
                                                     .chain_pem = cert.pem,
                                                     .key_pem = cert.key };
    const struct pn_tls_settings client_settings = { .trust_pem = certs.root.pem };
    struct end a = { .to_send = 6000000, .seed = 1, .peer_seed = 2, .pending = &w.pending };
    struct end b = { .to_send = 5000000, .seed = 2, .peer_seed = 1, .pending = &w.pending };

    CHECK_OK(pn_tls_context_new(&server_settings, &server, &err), err);
    CHECK_OK(pn_tls_context_new(&client_settings, &client, &err), err);
    tls_pair(loop, server, client, left);
    tls_pair(loop, server, client, right);
    w.pump = pn_pump_start(left[1], right[0], on_done, &w);
    end_start(&a, left[0]);
    end_start(&b, right[1]);
    CHECK(loop_run_for(loop, 30000));
    CHECK(w.end.is_clean && !a.is_wrong && !b.is_wrong);
    CHECK_EQ(w.end.a_to_b, 6000000);
    CHECK_EQ(w.end.b_to_a, 5000000);
    pn_stream_close(a.stream);
    pn_stream_close(b.stream);
    pn_tls_context_free(server);
    pn_tls_context_free(client);
    pn_loop_free(loop);
    pn_secret_free(cert.key);
    certs_free(&certs);
}

PN_TEST_MAIN(T(bytes_are_counted_and_half_close_passes_both_ways),
             T(an_abort_on_one_side_is_a_failure_on_the_other),
             T(a_stalled_reader_stops_the_source_and_then_goes_on),
             T(cancel_aborts_both_and_stays_silent), T(many_pumps_side_by_side),
             T(tls_to_tls_with_half_close))
