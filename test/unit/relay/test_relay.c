/* SPDX-License-Identifier: Apache-2.0 */
#include "../net/certs.h"
#include "../net/streams.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "crypto/random.h"
#include "json/writer.h"
#include "net/dial.h"
#include "net/tls.h"
#include "net/tunnel.h"
#include "relay/relay.h"

/*
 * A relay with two loops on threads of its own, a server that knows the three calls it makes (plain
 * HTTP, in a thread), and in this thread's loop a gateway and clients that speak TLS to it through the relay.
 */
#define MAX_TUNNELS 4
#define MAX_CLIENTS 200
#define PATIENT_MS 50000 /* for what is not about time, however busy the machine is */

struct home {
    int listening;
    uint16_t port;
    pthread_t thread;
    struct pn_str connect_answer;
    pthread_mutex_t mutex;
    int logins, connects, heartbeats;
    bool refuses_login, is_stopping;
    struct pn_str refused; /* gateway that heartbeats are told to drop */
    char last_heartbeat[2048];
};

struct tunnel_end {
    struct world *world;
    struct pn_stream *tls; /* handshaking */
    struct pn_tunnel *tunnel;
    struct pn_dial *dial;
    unsigned index;
    bool is_lost, has_failed;
    struct pn_err why;
};

struct client {
    struct world *world;
    struct pn_stream *tls;
    struct end end;
    bool has_failed;
};

struct world {
    struct pn_loop *loop;
    struct certs certs;
    struct pn_cert relay_cert, gateway_cert, inner_cert, client_root;
    struct pn_uuid gateway;
    char gateway_name[80], state_dir[64];
    struct home home;
    struct pn_relay *relay;
    struct pn_tls_context *tunnel_tls, *inner_server, *inner_client;
    struct tunnel_end tunnels[MAX_TUNNELS];
    size_t tunnel_count;
    struct client clients[MAX_CLIENTS], servers[MAX_CLIENTS];
    size_t client_count, server_count;
    int pending;
};

/* ---- the server ---- */

static void answer(struct home *h, int fd, const char *request, const char *body)
{
    char head[200], refused[200];
    struct pn_str reply = PN_LIT("{\"message\":\"ok\"}");
    int status = 200;

    pthread_mutex_lock(&h->mutex);
    if (strncmp(request, "POST /api/v2/relays/login ", 26) == 0) {
        h->logins++;
        CHECK(strstr(body, "\"token\":\"rle_once\"") != NULL);
        reply = PN_LIT(
            "{\"accessToken\":\"access\",\"relayId\":\"0198f0c0-0000-7000-8000-000000000001\","
            "\"tokenType\":\"Bearer\"}");
        if (h->refuses_login) {
            status = 401;
            reply = PN_LIT("{\"message\":\"The token has been used or has expired\"}");
        }
    } else if (strncmp(request, "POST /api/v2/relays/connect ", 28) == 0) {
        h->connects++;
        CHECK(strstr(request, "Authorization: Bearer access\r\n") != NULL);
        reply = h->connect_answer;
    } else if (strncmp(request, "POST /api/v2/relays/heartbeat ", 30) == 0) {
        h->heartbeats++;
        (void)snprintf(h->last_heartbeat, sizeof(h->last_heartbeat), "%s", body);
        (void)snprintf(refused, sizeof(refused), "{\"message\":\"ok\",\"refused\":[\"%.*s\"]}",
                       PN_ARG(h->refused));
        reply = h->refused.len > 0 ? pn_str_from(refused) : reply;
    } else {
        status = 404;
    }
    pthread_mutex_unlock(&h->mutex);
    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
                   reply.len);
    CHECK(write(fd, head, strlen(head)) > 0);
    CHECK(write(fd, reply.ptr, reply.len) > 0);
}

static void *home_run(void *home_)
{
    struct home *h = home_;

    for (;;) {
        static char request[16384];
        int fd = accept(h->listening, NULL, NULL);
        size_t len = 0;
        char *end = NULL, *length;

        if (h->is_stopping) {
            close(fd);
            return NULL;
        }
        request[0] = '\0';
        while ((end = strstr(request, "\r\n\r\n")) == NULL ||
               ((length = strstr(request, "Content-Length: ")) != NULL &&
                len < (size_t)(end + 4 - request) + strtoul(length + 16, NULL, 10))) {
            ssize_t got = read(fd, request + len, sizeof(request) - 1 - len);

            if (got <= 0)
                break;
            len += (size_t)got;
            request[len] = '\0';
        }
        if (end != NULL)
            answer(h, fd, request, end + 4);
        close(fd);
    }
}

static void home_start(struct home *h)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    pthread_mutex_init(&h->mutex, NULL);
    h->listening = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bind(h->listening, (struct sockaddr *)&at, len), 0);
    CHECK_EQ(listen(h->listening, 16), 0);
    CHECK_EQ(getsockname(h->listening, (struct sockaddr *)&at, &len), 0);
    h->port = ntohs(at.sin_port);
    CHECK_EQ(pthread_create(&h->thread, NULL, home_run, h), 0);
}

static void home_stop(struct home *h)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons(h->port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    h->is_stopping = true;
    CHECK_EQ(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    pthread_join(h->thread, NULL);
    close(fd);
    close(h->listening);
}

/* ---- the world ---- */

static struct pn_cert gateway_leaf(struct world *w, enum pn_cert_kind kind, bool has_uri)
{
    struct pn_cert cert;
    struct pn_err err = { 0 };
    struct pn_uuid_text id = pn_uuid_format(w->gateway);
    struct pn_str dns = pn_str_from(w->gateway_name);
    struct pn_str uri = pn_arena_printf(w->certs.arena, "urn:postern:gateway:%s", id.text);
    const struct pn_cert_request request = { .kind = kind,
                                             .common_name = pn_str_from(id.text),
                                             .organization = PN_LIT("test"),
                                             .dns = &dns,
                                             .dns_count = 1,
                                             .uris = &uri,
                                             .uri_count = has_uri,
                                             .not_before_ms = pn_clock_wall_ms() - 60000,
                                             .not_after_ms = pn_clock_wall_ms() + 600000 };

    CHECK_OK(pn_x509_issue(w->certs.arena, &request, &w->certs.root, &cert, &err), err);
    return cert;
}

static struct pn_tls_context *context(const struct pn_tls_settings *settings)
{
    struct pn_tls_context *c = NULL;
    struct pn_err err = { 0 };

    CHECK_OK(pn_tls_context_new(settings, &c, &err), err);
    return c;
}

static void use_tunnel_certificate(struct world *w, const struct pn_cert *cert)
{
    static const char *const alpn[] = { PN_TUNNEL_ALPN, NULL };
    const struct pn_tls_settings settings = {
        .chain_pem = cert->pem, .key_pem = cert->key, .trust_pem = w->certs.root.pem, .alpn = alpn
    };

    pn_tls_context_free(w->tunnel_tls);
    w->tunnel_tls = context(&settings);
}

static struct pn_str connect_answer(struct world *w)
{
    static char json[32768];
    struct pn_buf buf = pn_buf_init(sizeof(json));
    struct pn_writer writer = pn_writer_of(&buf);

    pn_write_object(&writer, NULL);
    pn_write_text(&writer, "relayId", "0198f0c0-0000-7000-8000-000000000001");
    pn_write_object(&writer, "pki");
    pn_write_str(&writer, "serverCertificate", w->relay_cert.pem);
    pn_write_str(&writer, "serverPrivateKey", pn_secret_reveal(w->relay_cert.key));
    pn_write_text(&writer, "serverCertificateChain", "");
    pn_write_str(&writer, "clientCertificateChain", w->certs.root.pem);
    pn_write_str(&writer, "relayClientCertificateChain", w->client_root.pem);
    pn_write_end(&writer);
    pn_write_end(&writer);
    memcpy(json, buf.ptr, buf.len);

    struct pn_str answer_text = pn_str_of(json, buf.len);

    pn_buf_drop(&buf);
    return answer_text;
}

static bool start_relay(struct world *w, unsigned max_per_address, struct pn_err *err)
{
    char url[64];
    struct pn_secret *token = pn_secret_new(PN_LIT("rle_once\n"), err);
    struct pn_relay_config config = { .name = PN_LIT("test"),
                                      .listen = PN_LIT("127.0.0.1:0"),
                                      .loops = 2,
                                      .state_dir = w->state_dir,
                                      .enrol_token = token,
                                      .max_per_address = max_per_address };

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", w->home.port);
    config.server_url = pn_str_from(url);

    bool is_started = pn_relay_start(&config, &w->relay, err);

    pn_secret_free(token);
    return is_started;
}

/* The authority of Infisical's own clients: no other certificate of this test is under it. */
static struct pn_cert client_root(struct world *w)
{
    const struct pn_cert_request request = { .kind = PN_CERT_ROOT,
                                             .common_name = PN_LIT("relay clients"),
                                             .not_before_ms = pn_clock_wall_ms() - 60000,
                                             .not_after_ms = pn_clock_wall_ms() + 600000 };
    struct pn_cert cert;
    struct pn_err err = { 0 };

    CHECK_OK(pn_x509_issue(w->certs.arena, &request, NULL, &cert, &err), err);
    return cert;
}

static struct world *world_new(void)
{
    struct world *w = pn_heap_new(sizeof(*w));
    struct pn_uuid_text id;

    w->loop = loop_new();
    w->certs = certs_new();
    w->gateway = pn_random_uuid();
    id = pn_uuid_format(w->gateway);
    (void)snprintf(w->gateway_name, sizeof(w->gateway_name), "%s.gateway.postern.internal",
                   id.text);
    w->relay_cert = certs_leaf(&w->certs, PN_CERT_SERVER, "relay.example.com", 600000);
    w->gateway_cert = gateway_leaf(w, PN_CERT_GATEWAY, true);
    w->client_root = client_root(w);
    use_tunnel_certificate(w, &w->gateway_cert);

    const struct pn_tls_settings inner_server = { .is_server = true,
                                                  .chain_pem = w->gateway_cert.pem,
                                                  .key_pem = w->gateway_cert.key };
    const struct pn_tls_settings inner_client = { .trust_pem = w->certs.root.pem };

    w->inner_server = context(&inner_server);
    w->inner_client = context(&inner_client);
    memcpy(w->state_dir, "/tmp/test-relay-XXXXXX", 23);
    CHECK(mkdtemp(w->state_dir) != NULL);
    w->home.connect_answer = connect_answer(w);
    home_start(&w->home);
    return w;
}

static struct world *world_with_relay(void)
{
    struct world *w = world_new();
    struct pn_err err = { 0 };

    CHECK_OK(start_relay(w, 0, &err), err);
    return w;
}

static void remove_state(struct world *w)
{
    char path[100];

    (void)snprintf(path, sizeof(path), "%s/relay.json", w->state_dir);
    unlink(path);
    (void)snprintf(path, sizeof(path), "%s/lock", w->state_dir);
    unlink(path);
    rmdir(w->state_dir);
}

static void world_free(struct world *w)
{
    for (size_t i = 0; i < w->client_count; i++)
        pn_stream_close(w->clients[i].tls != NULL ? w->clients[i].tls : w->clients[i].end.stream);
    for (size_t i = 0; i < w->server_count; i++)
        pn_stream_close(w->servers[i].tls != NULL ? w->servers[i].tls : w->servers[i].end.stream);
    for (size_t i = 0; i < w->tunnel_count; i++) {
        pn_dial_cancel(w->tunnels[i].dial);
        pn_stream_close(w->tunnels[i].tls);
        pn_tunnel_free(w->tunnels[i].tunnel);
    }
    pn_relay_stop(w->relay);
    home_stop(&w->home);
    pn_tls_context_free(w->tunnel_tls);
    pn_tls_context_free(w->inner_server);
    pn_tls_context_free(w->inner_client);
    pn_loop_free(w->loop);
    pn_secret_free(w->relay_cert.key);
    pn_secret_free(w->gateway_cert.key);
    pn_secret_free(w->client_root.key);
    certs_free(&w->certs);
    remove_state(w);
    pn_heap_free(w);
    CHECK_EQ(pn_secret_pool_used(), 0);
}

/* ---- the gateway ---- */

static void on_inner_server(void *client_, struct pn_stream *tls, const struct pn_err *err)
{
    struct client *c = client_;

    (void)err;
    c->tls = NULL;
    c->has_failed = tls == NULL;
    if (tls != NULL)
        end_start(&c->end, tls);
}

static void on_incoming(void *end_, struct pn_tunnel *tunnel, struct pn_stream *stream,
                        struct pn_str ip)
{
    struct tunnel_end *t = end_;
    struct world *w = t->world;
    struct client *c = &w->servers[w->server_count++];
    struct pn_err err = { 0 };

    (void)tunnel;
    CHECK_STR(ip, "127.0.0.1");
    c->world = w;
    c->end = (struct end){ .to_send = 30000, .seed = 2, .peer_seed = 1, .pending = &w->pending };
    CHECK_OK(
        pn_tls_start(w->inner_server, stream, NULL, PATIENT_MS, on_inner_server, c, &c->tls, &err),
        err);
}

static void on_closed(void *end_, struct pn_tunnel *tunnel, const struct pn_err *why)
{
    struct tunnel_end *t = end_;

    (void)tunnel;
    t->tunnel = NULL;
    t->is_lost = true;
    if (why != NULL)
        t->why = *why;
}

static const struct pn_tunnel_events tunnel_events = { .incoming = on_incoming,
                                                       .closed = on_closed };

static void on_tunnel_tls(void *end_, struct pn_stream *tls, const struct pn_err *failure)
{
    struct tunnel_end *t = end_;
    struct pn_err err = { 0 };

    t->tls = NULL;
    t->has_failed = failure != NULL;
    if (failure == NULL)
        CHECK_OK(
            pn_tunnel_gateway_side(tls, "process", t->index, &tunnel_events, t, &t->tunnel, &err),
            err);
}

static void on_tunnel_dialled(void *end_, struct pn_stream *socket, const struct pn_err *failure)
{
    struct tunnel_end *t = end_;
    struct pn_err err = { 0 };

    CHECK(failure == NULL);
    t->dial = NULL;
    CHECK_OK(pn_tls_start(t->world->tunnel_tls, socket, "relay.example.com", PATIENT_MS,
                          on_tunnel_tls, t, &t->tls, &err),
             err);
}

static struct pn_endpoint relay_at(const struct world *w)
{
    return (struct pn_endpoint){ .host = "127.0.0.1", .port = pn_relay_port(w->relay) };
}

static struct tunnel_end *open_tunnel(struct world *w, unsigned index)
{
    struct tunnel_end *t = &w->tunnels[w->tunnel_count++];
    struct pn_endpoint at = relay_at(w);

    *t = (struct tunnel_end){ .world = w, .index = index };
    t->dial = pn_dial(w->loop, &at, PATIENT_MS, on_tunnel_dialled, t);
    return t;
}

#define WAIT_UNTIL(w, truth) LOOP_UNTIL((w)->loop, truth)

/* ---- clients ---- */

static void on_inner_client(void *client_, struct pn_stream *tls, const struct pn_err *err)
{
    struct client *c = client_;

    (void)err;
    c->tls = NULL;
    c->has_failed = tls == NULL;
    if (tls != NULL)
        end_start(&c->end, tls);
}

static int connect_raw(const struct world *w)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons(pn_relay_port(w->relay)) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK_EQ(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static struct client *open_client(struct world *w, const char *name, uint64_t bytes)
{
    struct client *c = &w->clients[w->client_count++];
    struct pn_err err = { 0 };

    c->world = w;
    c->end = (struct end){ .to_send = bytes, .seed = 1, .peer_seed = 2, .pending = &w->pending };
    CHECK_OK(pn_tls_start(w->inner_client, stream_of(w->loop, connect_raw(w)), name, PATIENT_MS,
                          on_inner_client, c, &c->tls, &err),
             err);
    return c;
}

/* ---- clients with a TLS for the relay around it ---- */

struct leaf {
    const char *common_name, *extension; /* NULL: none */
    const struct pn_cert *issuer;        /* NULL: the clients' */
    bool is_server;
};

static struct pn_cert client_leaf(struct world *w, struct leaf leaf)
{
    const struct pn_cert_extension extension = { "1.3.6.1.4.1.12345.100.3",
                                                 pn_str_from(leaf.extension) };
    const struct pn_cert_request request = {
        .kind = leaf.is_server ? PN_CERT_SERVER : PN_CERT_CLIENT,
        .common_name = pn_str_from(leaf.common_name),
        .extensions = &extension,
        .extension_count = leaf.extension != NULL,
        .not_before_ms = pn_clock_wall_ms() - 60000,
        .not_after_ms = pn_clock_wall_ms() + 600000,
    };
    const struct pn_cert *issuer = leaf.issuer != NULL ? leaf.issuer : &w->client_root;
    struct pn_cert cert;
    struct pn_err err = { 0 };

    CHECK_OK(pn_x509_issue(w->certs.arena, &request, issuer, &cert, &err), err);
    return cert;
}

static void on_outer_client(void *client_, struct pn_stream *tls, const struct pn_err *failure)
{
    struct client *c = client_;
    struct pn_err err = { 0 };

    c->tls = NULL;
    c->has_failed = failure != NULL;
    if (failure == NULL)
        CHECK_OK(pn_tls_start(c->world->inner_client, tls, c->world->gateway_name, PATIENT_MS,
                              on_inner_client, c, &c->tls, &err),
                 err);
}

/* `cert` NULL: without a certificate. */
static struct client *open_outer(struct world *w, const struct pn_cert *cert, uint64_t bytes)
{
    struct pn_tls_settings settings = { .trust_pem = w->certs.root.pem };
    struct client *c = &w->clients[w->client_count++];
    struct pn_tls_context *outer;
    struct pn_err err = { 0 };

    if (cert != NULL) {
        settings.chain_pem = cert->pem;
        settings.key_pem = cert->key;
    }
    outer = context(&settings);
    c->world = w;
    c->end = (struct end){ .to_send = bytes, .seed = 1, .peer_seed = 2, .pending = &w->pending };
    CHECK_OK(pn_tls_start(outer, stream_of(w->loop, connect_raw(w)), "relay.example.com",
                          PATIENT_MS, on_outer_client, c, &c->tls, &err),
             err);
    pn_tls_context_free(outer); /* streams keep theirs */
    return c;
}

/* ---- tests ---- */

/* C-37 too: what is inside is half-closed, and the other direction goes on. */
PN_TEST(infisicals_clients_reach_the_gateway_through_a_tls_of_the_relays)
{
    struct world *w = world_with_relay();
    char id[40];

    (void)open_tunnel(w, 0); /* on one loop or the other: some clients cross */
    WAIT_UNTIL(w, pn_relay_status(w->relay).tunnels == 1);
    (void)snprintf(id, sizeof(id), "%s", pn_uuid_format(w->gateway).text);

    struct pn_cert cert = client_leaf(w, (struct leaf){ id, "{\"name\":\"gw\"}", NULL, false });
    struct pn_cert bare = client_leaf(w, (struct leaf){ .common_name = id });

    w->pending = 2 * 40;
    for (uint64_t i = 0; i < 40; i++)
        (void)open_outer(w, i % 2 == 0 ? &cert : &bare, 1000 * i);
    CHECK(loop_run_for(w->loop, PATIENT_MS));
    CHECK_EQ(w->server_count, 40);
    for (size_t i = 0; i < 40; i++) {
        CHECK(w->clients[i].end.is_ended && w->servers[i].end.is_ended);
        CHECK(!w->clients[i].end.is_wrong && !w->servers[i].end.is_wrong);
        CHECK_EQ(w->clients[i].end.received, 30000);
    }
    pn_secret_free(cert.key);
    pn_secret_free(bare.key);
    world_free(w);
}

/* C-32, C-33, C-35, C-36, and the certificates of everybody else. */
PN_TEST(who_is_no_client_of_a_gateways_gets_nowhere)
{
    struct world *w = world_with_relay();
    char id[40], other[40];
    const struct leaf leaves[] = {
        { "00000000-0000-0000-0000-000000000000", "{\"name\":\"heartbeat\"}", NULL, false },
        { other, "{\"name\":\"gw\"}", NULL, false },
        { id, "{\"name\":", NULL, false },
        { id, "{\"name\":\"gw\"}", NULL, true },
        { id, "{\"name\":\"gw\"}", &w->certs.root, false },
        { "user:x", NULL, NULL, false },
    };

    (void)open_tunnel(w, 0);
    WAIT_UNTIL(w, pn_relay_status(w->relay).tunnels == 1);
    (void)snprintf(id, sizeof(id), "%s", pn_uuid_format(w->gateway).text);
    (void)snprintf(other, sizeof(other), "%s", pn_uuid_format(pn_random_uuid()).text);
    for (size_t i = 0; i < PN_COUNT(leaves); i++) {
        struct pn_cert cert = client_leaf(w, leaves[i]);
        struct client *c = open_outer(w, &cert, 1000);

        WAIT_UNTIL(w, c->has_failed);
        pn_secret_free(cert.key);
    }
    struct client *nobody = open_outer(w, NULL, 1000);
    struct client *gateway = open_outer(w, &w->gateway_cert, 1000);

    WAIT_UNTIL(w, nobody->has_failed && gateway->has_failed);
    CHECK_EQ(w->server_count, 0);
    WAIT_UNTIL(w, pn_relay_status(w->relay).refused == PN_COUNT(leaves) + 2);
    world_free(w);
}

PN_TEST(clients_reach_the_gateway_and_both_ends_see_half_close)
{
    struct world *w = world_with_relay();

    (void)open_tunnel(w, 0);
    (void)open_tunnel(w, 1);
    WAIT_UNTIL(w, pn_relay_status(w->relay).tunnels == 2);
    w->pending = 2 * MAX_CLIENTS;
    for (uint64_t i = 0; i < MAX_CLIENTS; i++)
        (void)open_client(w, w->gateway_name, 1000 * i);
    CHECK(loop_run_for(w->loop, PATIENT_MS));
    CHECK_EQ(w->server_count, MAX_CLIENTS);
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        CHECK(w->clients[i].end.is_ended && w->servers[i].end.is_ended);
        CHECK(!w->clients[i].end.is_wrong && !w->servers[i].end.is_wrong);
        CHECK_EQ(w->clients[i].end.received, 30000);
    }
    CHECK_EQ(pn_relay_status(w->relay).accepted, MAX_CLIENTS);
    WAIT_UNTIL(w, pn_relay_status(w->relay).clients == 0);
    world_free(w);
}

PN_TEST(an_unknown_gateway_gets_no_byte)
{
    struct world *w = world_with_relay();
    struct client *c =
        open_client(w, "0198f0c0-0000-7000-8000-00000000ffff.gateway.postern.internal", 1);
    struct client *other = open_client(w, "www.example.com", 1);

    WAIT_UNTIL(w, c->has_failed && other->has_failed);
    WAIT_UNTIL(w, pn_relay_status(w->relay).refused == 2);
    world_free(w);
}

PN_TEST(what_is_no_client_hello_is_closed)
{
    struct world *w = world_with_relay();
    int fd = connect_raw(w);
    char byte;

    CHECK_EQ(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    CHECK(read(fd, &byte, 1) <= 0);
    close(fd);
    world_free(w);
}

/* C-34 */
PN_TEST(a_hello_in_single_bytes_is_understood_and_silence_is_not_waited_for)
{
    struct world *w = world_with_relay();
    static const uint8_t start[] = { 22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3 };
    struct pollfd silent = { .events = POLLIN };
    int wakes;

    pn_clock_freeze(pn_clock_wall_ms(), pn_clock_mono_ms());
    silent.fd = connect_raw(w);
    for (size_t i = 0; i < sizeof(start); i++)
        CHECK_EQ(write(silent.fd, &start[i], 1), 1);
    CHECK_EQ(poll(&silent, 1, 50), 0); /* no time passes: it is patient */
    for (int i = 0; i < 100 && poll(&silent, 1, 20) == 0; i++) {
        pn_clock_advance(1000);
        wakes = connect_raw(w); /* the loops look at the clock when something happens */
        close(wakes);
    }
    CHECK(silent.revents != 0);
    close(silent.fd);
    pn_clock_release();
    world_free(w);
}

/* Its time never comes here: it is closed because nothing more will. */
PN_TEST(half_a_hello_and_an_end_are_closed_at_once)
{
    struct world *w = world_with_relay();
    static const uint8_t start[] = { 22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3 };
    struct pollfd half = { .events = POLLIN };

    pn_clock_freeze(pn_clock_wall_ms(), pn_clock_mono_ms());
    half.fd = connect_raw(w);
    CHECK_EQ(write(half.fd, start, sizeof(start)), (ssize_t)sizeof(start));
    CHECK_EQ(poll(&half, 1, 50), 0);
    CHECK_EQ(shutdown(half.fd, SHUT_WR), 0);
    CHECK_EQ(poll(&half, 1, PATIENT_MS), 1);
    close(half.fd);
    pn_clock_release();
    world_free(w);
}

PN_TEST(a_users_certificate_opens_no_tunnel)
{
    struct world *w = world_with_relay();
    struct pn_cert user =
        gateway_leaf(w, PN_CERT_CLIENT, false); /* the right common name, but not a gateway's */
    struct tunnel_end *t;

    use_tunnel_certificate(w, &user);
    t = open_tunnel(w, 0);
    WAIT_UNTIL(w, t->is_lost || t->has_failed); /* by an alert, which it sends before it counts */
    WAIT_UNTIL(w, pn_relay_status(w->relay).refused == 1);
    CHECK_EQ(pn_relay_status(w->relay).tunnels, 0);
    pn_secret_free(user.key);
    world_free(w);
}

/* C-30: the relay does not wait for an old tunnel to be found dead. */
PN_TEST(the_newest_tunnel_of_a_key_replaces_the_old_one)
{
    struct world *w = world_with_relay();
    struct tunnel_end *old = open_tunnel(w, 0), *new;

    WAIT_UNTIL(w, pn_relay_status(w->relay).tunnels == 1);
    new = open_tunnel(w, 0);
    WAIT_UNTIL(w, old->is_lost);
    CHECK(!new->is_lost);
    w->pending = 2;
    (void)open_client(w, w->gateway_name, 10);
    CHECK(loop_run_for(w->loop, 20000));
    CHECK_EQ(w->clients[0].end.received, 30000);
    world_free(w);
}

PN_TEST(heartbeats_name_the_gateways_at_once_and_a_restart_does_not_enrol_again)
{
    struct world *w = world_with_relay();
    struct pn_err err = { 0 };
    struct pn_uuid_text id = pn_uuid_format(w->gateway);
    struct tunnel_end *t = open_tunnel(w, 0);
    char path[100];
    struct stat info;

#define HEARD(text)                                                                               \
    (pthread_mutex_lock(&w->home.mutex), is_heard = strstr(w->home.last_heartbeat, text) != NULL, \
     pthread_mutex_unlock(&w->home.mutex), is_heard)
    bool is_heard;

    WAIT_UNTIL(w, HEARD(id.text));
    pn_tunnel_free(pn_take(&t->tunnel));
    WAIT_UNTIL(w, HEARD("[]"));
    (void)snprintf(path, sizeof(path), "%s/relay.json", w->state_dir);
    CHECK_EQ(stat(path, &info), 0);
    CHECK_EQ(info.st_mode & 0777, 0600);
    pn_relay_stop(w->relay);
    w->relay = NULL;
    w->home.refuses_login = true;
    CHECK_OK(start_relay(w, 0, &err), err);
    CHECK_EQ(w->home.logins, 1);
    CHECK_EQ(w->home.connects, 2);
    world_free(w);
}

PN_TEST(the_tunnel_of_a_gateway_that_the_server_refuses_is_closed)
{
    struct world *w = world_with_relay();
    struct pn_uuid_text id = pn_uuid_format(w->gateway);
    struct tunnel_end *t;
    bool is_heard;

    pthread_mutex_lock(&w->home.mutex);
    w->home.refused = PN_LIT("0198f0c0-0000-7000-8000-0000000000ff"); /* not one of the relay's */
    pthread_mutex_unlock(&w->home.mutex);
    t = open_tunnel(w, 0);
    WAIT_UNTIL(w, HEARD(id.text));
    CHECK(!t->is_lost);
    pthread_mutex_lock(&w->home.mutex);
    w->home.refused = pn_str_from(id.text);
    pthread_mutex_unlock(&w->home.mutex);
    (void)open_tunnel(w, 1); /* a change: the server is asked */
    WAIT_UNTIL(w, t->is_lost && w->tunnels[1].is_lost);
    WAIT_UNTIL(w, pn_relay_status(w->relay).tunnels == 0);
    world_free(w);
}

PN_TEST(a_refused_token_is_said_so)
{
    struct world *w = world_new();
    struct pn_err err = { 0 };

    w->home.refuses_login = true;
    CHECK(!start_relay(w, 0, &err));
    CHECK_EQ(err.code, PN_UNAUTHENTICATED);
    CHECK_STR(pn_str_from(err.message), "The token has been used or has expired");
    world_free(w);
}

/* The one of four that the relay has closed; -1 while there is none. Its loops do not accept in order. */
static int closed_of(const int fds[4])
{
    char byte;

    for (int i = 0; i < 4; i++)
        if (recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET)
            return i;
    return -1;
}

PN_TEST(one_address_holds_only_so_many)
{
    struct world *w = world_new();
    struct pn_err err = { 0 };
    int fds[4], held;
    char byte;

    CHECK_OK(start_relay(w, 3, &err), err);
    for (int i = 0; i < 4; i++)
        fds[i] = connect_raw(w);
    WAIT_UNTIL(w, pn_relay_status(w->relay).refused == 1 && closed_of(fds) >= 0);
    held = closed_of(fds) == 0;
    close(fds[held]); /* gives its place back */
    WAIT_UNTIL(w, pn_relay_status(w->relay).refused >= 2);
    fds[held] = connect_raw(w);
    CHECK_EQ(write(fds[held], "\x16", 1), 1);
    CHECK_EQ(recv(fds[held], &byte, 1, MSG_DONTWAIT), -1); /* still open */
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    world_free(w);
}

PN_TEST(stop_waits_for_clients_that_finish)
{
    struct world *w = world_with_relay();
    struct tunnel_end *t = open_tunnel(w, 0);

    WAIT_UNTIL(w, pn_relay_status(w->relay).tunnels == 1);
    pn_relay_stop(w->relay); /* nothing is open: at once */
    w->relay = NULL;
    WAIT_UNTIL(w, t->is_lost);
    CHECK_EQ(t->why.code, PN_OK); /* drained, not broken */
    world_free(w);
}

PN_TEST_MAIN(T(clients_reach_the_gateway_and_both_ends_see_half_close),
             T(an_unknown_gateway_gets_no_byte), T(what_is_no_client_hello_is_closed),
             T(a_hello_in_single_bytes_is_understood_and_silence_is_not_waited_for),
             T(half_a_hello_and_an_end_are_closed_at_once), T(a_users_certificate_opens_no_tunnel),
             T(the_newest_tunnel_of_a_key_replaces_the_old_one),
             T(heartbeats_name_the_gateways_at_once_and_a_restart_does_not_enrol_again),
             T(the_tunnel_of_a_gateway_that_the_server_refuses_is_closed),
             T(a_refused_token_is_said_so), T(one_address_holds_only_so_many),
             T(stop_waits_for_clients_that_finish),
             T(infisicals_clients_reach_the_gateway_through_a_tls_of_the_relays),
             T(who_is_no_client_of_a_gateways_gets_nowhere))
