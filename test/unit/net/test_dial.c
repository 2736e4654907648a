/* SPDX-License-Identifier: Apache-2.0 */
#include "streams.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "net/dial.h"

PN_TEST(endpoints_parse)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        { "example.com:8443", "example.com", 8443 },
        { "example.com", "example.com", 99 },
        { "10.0.0.1:1", "10.0.0.1", 1 },
        { "[::1]:443", "::1", 443 },
        { "[fe80::1]", "fe80::1", 99 },
        { "a_b.svc:0", "a_b.svc", 0 },
        { "host.:65535", "host.", 65535 },
        { "localhost", "localhost", 99 },
        { "1password.com", "1password.com", 99 },
    };
    struct pn_endpoint endpoint;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(good); i++) {
        CHECK_OK(pn_endpoint_parse(pn_str_from(good[i].text), 99, &endpoint, &err), err);
        CHECK_STR(pn_str_from(endpoint.host), good[i].host);
        CHECK_EQ(endpoint.port, good[i].port);
    }
}

PN_TEST(broken_endpoints_are_refused)
{
    static const char *const bad[] = {
        "",           ":1",   "a:",      "a:65536",     "a:-1",      "a: 1",      "a:1:2",
        "::1",        "[::1", "[::1]x",  "[1.2.3.4]:1", "[]:1",      "a b:1",     "a..b",
        ".a",         "-a",   "a-",      "1.2.3",       "1.2.3.4.5", "256.1.1.1", "0x7f.1",
        "2130706433", "a/b",  "x:@evil", ".",           "a\0b",
    };
    struct pn_endpoint endpoint;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(bad) - 1; i++)
        CHECK_FAILS(pn_endpoint_parse(pn_str_from(bad[i]), 99, &endpoint, &err), err, BAD_REQUEST);
    CHECK_FAILS(pn_endpoint_parse(PN_LIT("a\0b"), 99, &endpoint, &err), err, BAD_REQUEST);
}

PN_TEST(urls_parse)
{
    struct pn_url url;
    struct pn_err err = { 0 };

    CHECK_OK(pn_url_parse(PN_LIT("https://kube.example.com:6443/k8s/clusters/c-1/"), &url, &err),
             err);
    CHECK(url.is_tls);
    CHECK_STR(pn_str_from(url.endpoint.host), "kube.example.com");
    CHECK_EQ(url.endpoint.port, 6443);
    CHECK_STR(url.prefix, "/k8s/clusters/c-1");
    CHECK_OK(pn_url_parse(PN_LIT("HTTP://[::1]/"), &url, &err), err);
    CHECK(!url.is_tls);
    CHECK_EQ(url.endpoint.port, 80);
    CHECK_STR(url.prefix, "");
    CHECK_OK(pn_url_parse(PN_LIT("https://a"), &url, &err), err);
    CHECK_EQ(url.endpoint.port, 443);
}

PN_TEST(broken_urls_are_refused)
{
    static const char *const bad[] = {
        "",
        "a",
        "ftp://a",
        "https:/a",
        "https://",
        "https:///x",
        "https://u@a",
        "https://a?x",
        "https://a#x",
        "https://a:0",
        "https://a:b",
        "https://a/ b",
        "https://a\\b",
        "https://x:@evil/",
        "https://a/\x7f",
    };
    struct pn_url url;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(pn_url_parse(pn_str_from(bad[i]), &url, &err), err, BAD_REQUEST);
}

/* A name of this machine; where nobody gave it one, an address that only the resolver can read. */
static const char *own_name(void)
{
    struct addrinfo *found = NULL;

    if (getaddrinfo("localhost", NULL, NULL, &found) != 0)
        return "127.1";
    freeaddrinfo(found);
    return "localhost";
}

struct world {
    struct pn_loop *loop;
    struct pn_listener *listener;
    struct pn_endpoint at;
    int accepted_fds[256];
    size_t accepted;
    size_t stop_at;
    char peer_ip[64];
    struct pn_stream *dialled;
    struct pn_err err;
    int calls;
};

static void on_accepted(void *world_, int fd, struct pn_str peer_ip)
{
    struct world *w = world_;

    CHECK(w->accepted < PN_COUNT(w->accepted_fds));
    w->accepted_fds[w->accepted++] = fd;
    memcpy(w->peer_ip, peer_ip.ptr, peer_ip.len);
    if (w->accepted == w->stop_at)
        pn_loop_stop(w->loop);
}

static void on_dialled(void *world_, struct pn_stream *socket, const struct pn_err *err)
{
    struct world *w = world_;

    CHECK((socket == NULL) == (err != NULL));
    w->calls++;
    w->dialled = socket;
    if (err != NULL)
        w->err = *err;
    if (w->stop_at == 0)
        pn_loop_stop(w->loop);
}

static struct world world_new(void)
{
    struct world w = { .loop = loop_new(), .at = { .host = "127.0.0.1" } };

    return w;
}

static void listen_on(struct world *w)
{
    CHECK_OK(pn_listen(w->loop, &w->at, on_accepted, w, &w->listener, &w->err), w->err);
    w->at.port = pn_listener_port(w->listener);
    CHECK(w->at.port != 0);
}

static void world_free(struct world *w)
{
    for (size_t i = 0; i < w->accepted; i++)
        close(w->accepted_fds[i]);
    pn_stream_close(w->dialled);
    pn_listener_close(w->listener);
    pn_loop_free(w->loop);
}

PN_TEST(dial_reaches_the_listener)
{
    struct world w = world_new();

    listen_on(&w);
    w.stop_at = 1;
    (void)pn_dial(w.loop, &w.at, 5000, on_dialled, &w);
    CHECK_EQ(w.calls, 0); /* never from inside */
    CHECK(loop_run_for(w.loop, 20000));
    w.stop_at = 0;
    if (w.calls == 0)
        CHECK(loop_run_for(w.loop, 20000));
    CHECK(w.dialled != NULL);
    CHECK_STR(pn_str_from(w.peer_ip), "127.0.0.1");
    world_free(&w);
}

PN_TEST(a_name_is_resolved_on_the_lane_and_the_next_address_is_tried)
{
    struct world w = world_new();

    listen_on(&w);
    /* Where ::1 comes first, nobody listens. */
    snprintf(w.at.host, sizeof(w.at.host), "%s", own_name());
    (void)pn_dial(w.loop, &w.at, 5000, on_dialled, &w);
    CHECK(loop_run_for(w.loop, 20000));
    CHECK(w.dialled != NULL);
    world_free(&w);
}

PN_TEST(a_refused_connection_says_so_without_the_address)
{
    struct world w = world_new();

    listen_on(&w);
    pn_listener_close(w.listener);
    w.listener = NULL;
    (void)pn_dial(w.loop, &w.at, 5000, on_dialled, &w);
    CHECK(loop_run_for(w.loop, 20000));
    CHECK_EQ(w.err.code, PN_UNREACHABLE);
    CHECK_EQ(w.err.cause, ECONNREFUSED);
    CHECK_STR(pn_str_from(w.err.message), "the server refused the connection");
    CHECK(strstr(w.err.trace, "127.0.0.1") != NULL);
    world_free(&w);
}

PN_TEST(a_dial_ends_at_its_deadline)
{
    struct world w = world_new();
    int listening = socket(AF_INET, SOCK_STREAM, 0), first = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    /* A backlog of one that is full: the kernel drops further SYNs. */
    CHECK_EQ(bind(listening, (struct sockaddr *)&at, len), 0);
    CHECK_EQ(listen(listening, 0), 0);
    CHECK_EQ(getsockname(listening, (struct sockaddr *)&at, &len), 0);
    CHECK_EQ(connect(first, (struct sockaddr *)&at, len), 0);
    w.at.port = ntohs(at.sin_port);
    (void)pn_dial(w.loop, &w.at, 30, on_dialled, &w);
    CHECK(loop_run_for(w.loop, 20000));
    CHECK_EQ(w.err.code, PN_TIMEOUT);
    CHECK_EQ(w.calls, 1);

    struct pn_err err = { 0 };

    CHECK_EQ(pn_dial_blocking(&w.at, pn_clock_mono_ms() + 30, NULL, NULL, &err), -1);
    CHECK_EQ(err.code, PN_TIMEOUT);
    close(first);
    close(listening);
    world_free(&w);
}

PN_TEST(cancelled_dials_stay_silent_in_every_phase)
{
    struct world w = world_new();
    struct pn_endpoint name = { .port = 1 };

    snprintf(name.host, sizeof(name.host), "%s", own_name());
    listen_on(&w);
    pn_dial_cancel(pn_dial(w.loop, &w.at, 5000, on_dialled, &w));
    pn_dial_cancel(pn_dial(w.loop, &name, 5000, on_dialled, &w)); /* while it resolves */
    pn_dial_cancel(NULL);
    CHECK(!loop_run_for(w.loop, 20));
    CHECK_EQ(w.calls, 0);
    world_free(&w);
}

PN_TEST(blocking_dial_connects_and_refuses)
{
    struct world w = world_new();
    struct pn_err err = { 0 };
    struct pn_endpoint name;

    listen_on(&w);

    int fd = pn_dial_blocking(&w.at, pn_clock_mono_ms() + 20000, NULL, NULL, &err);
    int sends_at_once = 0;

    CHECK(fd >= 0);
    CHECK_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &sends_at_once,
                        &(socklen_t){ sizeof(sends_at_once) }),
             0);
    CHECK_EQ(sends_at_once, 1);
    close(fd);
    name = w.at;
    snprintf(name.host, sizeof(name.host), "%s", own_name());
    fd = pn_dial_blocking(&name, pn_clock_mono_ms() + 20000, NULL, NULL, &err);
    CHECK(fd >= 0);
    close(fd);
    pn_listener_close(w.listener);
    w.listener = NULL;
    CHECK_EQ(pn_dial_blocking(&w.at, pn_clock_mono_ms() + 20000, NULL, NULL, &err), -1);
    CHECK_EQ(err.code, PN_UNREACHABLE);
    world_free(&w);
}

PN_TEST(an_unknown_name_is_named)
{
    struct pn_err err = { 0 };
    const struct pn_endpoint name = { .host = "nobody.invalid", .port = 1 };

    CHECK_EQ(pn_dial_blocking(&name, pn_clock_mono_ms() + 8000, NULL, NULL, &err), -1);
    CHECK(err.code == PN_UNREACHABLE || err.code == PN_TIMEOUT);
    CHECK(strstr(err.message, "the name nobody.invalid") != NULL);
}

PN_TEST(a_taken_port_is_a_conflict)
{
    struct world w = world_new();
    struct pn_listener *second = NULL;

    listen_on(&w);
    CHECK_FAILS(pn_listen(w.loop, &w.at, on_accepted, &w, &second, &w.err), w.err, CONFLICT);
    world_free(&w);
}

PN_TEST(two_listeners_share_a_socket)
{
    struct world w = world_new();
    struct pn_listener *second = NULL;

    listen_on(&w);
    CHECK_OK(pn_listen_also(w.loop, pn_listener_fd(w.listener), on_accepted, &w, &second, &w.err),
             w.err);
    pn_listener_close(w.listener); /* the other goes on */
    w.listener = second;
    w.stop_at = 1;
    (void)pn_dial(w.loop, &w.at, 5000, on_dialled, &w);
    CHECK(loop_run_for(w.loop, 20000));
    world_free(&w);
}

/* Out of descriptors: connections wait in the backlog, nothing spins, and all are served afterwards. */
PN_TEST(running_out_of_descriptors_pauses_and_recovers)
{
    struct world w = world_new();
    struct rlimit before, tight;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int clients[20];

    listen_on(&w);
    at.sin_port = htons(w.at.port);
    for (size_t i = 0; i < PN_COUNT(clients); i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        CHECK_EQ(connect(clients[i], (struct sockaddr *)&at, sizeof(at)), 0);
    }

    int highest = dup(0);

    close(highest);
    getrlimit(RLIMIT_NOFILE, &before);
    tight = before;
    tight.rlim_cur = (rlim_t)highest + 5;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
    LOOP_UNTIL(w.loop, w.accepted == 5);
    CHECK(!loop_run_for(w.loop, 50));
    CHECK_EQ(w.accepted, 5);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    w.stop_at = PN_COUNT(clients);
    CHECK(loop_run_for(w.loop, 20000));
    CHECK_EQ(w.accepted, PN_COUNT(clients));
    for (size_t i = 0; i < PN_COUNT(clients); i++)
        close(clients[i]);
    world_free(&w);
}

PN_TEST_MAIN(T(endpoints_parse), T(broken_endpoints_are_refused), T(urls_parse),
             T(broken_urls_are_refused), T(dial_reaches_the_listener),
             T(a_name_is_resolved_on_the_lane_and_the_next_address_is_tried),
             T(a_refused_connection_says_so_without_the_address), T(a_dial_ends_at_its_deadline),
             T(cancelled_dials_stay_silent_in_every_phase), T(blocking_dial_connects_and_refuses),
             T(an_unknown_name_is_named), T(a_taken_port_is_a_conflict),
             T(two_listeners_share_a_socket), T(running_out_of_descriptors_pauses_and_recovers))
