/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/fetch.h"
#include "reach/reach.h"
#include "reach/guard.h"

/* ---- which addresses are never called ---- */

static bool may_call(const char *allowed, const char *host, uint16_t port)
{
    struct pn_net_list nets;
    struct pn_reach_guard guard;
    struct pn_endpoint at = { .port = port };
    struct pn_addresses addresses;
    struct pn_err err = { 0 };
    bool may;

    CHECK_OK(pn_net_list_parse(pn_str_from(allowed), &nets, &err), err);
    pn_reach_guard_init(&guard, &nets);
    guard.ports[guard.port_count++] = 8200;
    snprintf(at.host, sizeof(at.host), "%s", host);
    CHECK(pn_resolve_literal(&at, &addresses));
    may = pn_reach_guard_check(&guard, &addresses, &err);
    CHECK(may || (err.code == PN_BAD_REQUEST && strchr(err.message, '.') == NULL &&
                  strchr(err.message, ':') == NULL)); /* no address is named */
    return may;
}

static const char *const never[] = {
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "::",
    "fe80::1",
    "febf::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    /* the same in IPv6's clothes */
    "::ffff:169.254.169.254",
    "::ffff:0:169.254.169.254", /* RFC 2765 */
    "::169.254.169.254",        /* RFC 4291, compatible */
    "64:ff9b::a9fe:a9fe",       /* NAT64, RFC 6052 */
    "64:ff9b::6464:64c8",       /* and not link-local alone */
    "64:ff9b::a83f:8110",
    "64:ff9b::",
    "64:ff9b::e000:1",
    "64:ff9b:1::a9fe:a9fe", /* NAT64 of the site, RFC 8215: where the address lies is not known */
    "64:ff9b:1:a9fe:a9:fe00::",
    "64:ff9b:1:ffff::1",
    "2002:a9fe:a9fe::1", /* 6to4 */
    "2002:a00:1::1",
    "2001::1", /* Teredo */
    "2001:0:a9fe:a9fe::5601:5601",
    "192.88.99.1",
};
static const char *const loopback[] = { "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1",
                                        "64:ff9b::7f00:1" };

PN_TEST(addresses_that_are_no_clusters_are_refused)
{
    static const char *const fine[] = { "10.0.0.1",       "192.168.1.1",  "172.16.0.1",
                                        "192.0.2.1",      "fd12::1",      "2001:db8::1",
                                        "100.64.0.10",    "169.253.0.1",  "2001:1::1",
                                        "64:ff9b::a00:1", "64:ff9b:2::1", "64:ff9a::a9fe:a9fe" };

    for (size_t i = 0; i < PN_COUNT(never); i++) {
        CHECK(!may_call("", never[i], 443));
        CHECK(!may_call("127.0.0.0/8,::1,10.0.0.0/8", never[i], 443));
    }
    for (size_t i = 0; i < PN_COUNT(fine); i++)
        CHECK(may_call("", fine[i], 443));
}

PN_TEST(this_machine_is_called_where_the_operator_says_so)
{
    for (size_t i = 0; i < PN_COUNT(loopback); i++) {
        CHECK(!may_call("", loopback[i], 443));
        CHECK(may_call("127.0.0.0/8,::1", loopback[i], 443));
        CHECK(!may_call("127.0.0.0/8,::1", loopback[i], 8200)); /* but not ourselves */
    }
    CHECK(may_call("127.0.0.1", "127.0.0.1", 443));
    CHECK(!may_call("127.0.0.1", "127.0.0.2", 443));
    CHECK(!may_call("127.0.0.1", "::1", 443));
    CHECK(may_call("", "192.0.2.1", 8200)); /* somebody else's port of the same number */
    CHECK(may_call("64:ff9b:1::/48", "64:ff9b:1::a00:1", 443)); /* who runs one knows its layout */
}

/* ---- requests ---- */

static struct pn_reacher *reacher;
static struct pn_call call;
static struct pn_reach_answer answer;
static enum pn_reach_fault fault;
static struct pn_err err;

static int set_up(void **state)
{
    struct pn_net_list nets;

    (void)state;
    err = (struct pn_err){ 0 };
    CHECK_OK(pn_net_list_parse(PN_LIT("127.0.0.0/8"), &nets, &err), err);
    reacher = pn_reacher_new(&(struct pn_reacher_config){ .allowed = &nets });
    call = (struct pn_call){ .arena = pn_arena_new(1 << 20),
                             .deadline_ms = pn_clock_mono_ms() + 60000,
                             .reach = pn_reacher_port(reacher) };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pn_reacher_free(reacher);
    pn_arena_free(call.arena);
    return 0;
}

static bool get(const char *host, int64_t timeout_ms)
{
    const struct pn_reach_to to = { .host = pn_str_from(host) };
    const struct pn_reach_request request = { .method = "GET",
                                              .path = PN_LIT("/version"),
                                              .timeout_ms = timeout_ms };

    return pn_reach(&call, &to, &request, &answer, &fault, &err);
}

/* A server of plain HTTP that counts its connections. */
struct stub {
    int listening;
    char url[64];
    const char *answer; /* NULL: never any */
    bool hangs_up;      /* after the first answer: then it waits for the client to do so too */
    unsigned connections;
    sem_t ends;
    pthread_t thread;
};

static void *serve(void *stub_)
{
    struct stub *s = stub_;
    char request[4096];

    for (;;) {
        int fd = accept(s->listening, NULL, NULL);

        if (fd < 0)
            return NULL;
        s->connections++;
        while (read(fd, request, sizeof(request)) > 0)
            if ((s->answer != NULL && write(fd, s->answer, strlen(s->answer)) < 0) ||
                (s->hangs_up && shutdown(fd, SHUT_WR) < 0))
                break;
        close(fd);
        sem_post(&s->ends);
    }
}

static void stub_start(struct stub *s)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    CHECK_EQ(sem_init(&s->ends, 0, 0), 0);
    s->listening = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bind(s->listening, (struct sockaddr *)&at, len), 0);
    CHECK_EQ(listen(s->listening, 8), 0);
    CHECK_EQ(getsockname(s->listening, (struct sockaddr *)&at, &len), 0);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", ntohs(at.sin_port));
    CHECK_EQ(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stub_stop(struct stub *s)
{
    shutdown(s->listening, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listening);
}

PN_TEST(the_connection_is_kept_for_the_next_request)
{
    struct stub s = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain"
                                "\r\nRetry-After: 7\r\nWarning: 299 - \"shortened\"\r\n\r\nok" };

    stub_start(&s);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(get(s.url, 0), err);
        CHECK_EQ(answer.status, 200);
        CHECK_STR(answer.body, "ok");
        CHECK_STR(answer.content_type, "text/plain");
        CHECK_EQ(answer.retry_after_s, 7);
        CHECK_STR(answer.warning, "shortened");
        CHECK_EQ(fault, PN_REACH_NO_FAULT);
    }
    CHECK_EQ(s.connections, 1);
    pn_reacher_free(reacher);
    reacher = NULL;
    stub_stop(&s);
}

PN_TEST(a_connection_that_nobody_uses_for_long_is_closed)
{
    struct stub s = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" };
    struct timespec soon;

    pn_clock_freeze(1000, 1000000);
    call.deadline_ms = 10000000;
    stub_start(&s);
    CHECK_OK(get(s.url, 0), err);
    pn_clock_advance(PN_FETCH_MAX_IDLE_MS - 1);
    CHECK_OK(get(s.url, 0), err);
    CHECK_EQ(s.connections, 1);
    pn_clock_advance(PN_FETCH_MAX_IDLE_MS);
    CHECK_EQ(clock_gettime(CLOCK_REALTIME, &soon), 0);
    soon.tv_sec += 20;
    CHECK_EQ(sem_timedwait(&s.ends, &soon), 0); /* without anybody asking */
    CHECK_OK(get(s.url, 0), err);
    CHECK_EQ(s.connections, 2);
    pn_clock_release();
    pn_reacher_free(reacher);
    reacher = NULL;
    stub_stop(&s);
}

/* Else a relay that stops would wait for it as for one that is busy. */
PN_TEST(a_connection_that_the_other_side_ends_is_closed)
{
    struct stub s = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                      .hangs_up = true };
    struct timespec soon;

    pn_clock_freeze(1000, 1000000); /* it never grows old */
    call.deadline_ms = 10000000;
    stub_start(&s);
    CHECK_OK(get(s.url, 0), err);
    CHECK_EQ(clock_gettime(CLOCK_REALTIME, &soon), 0);
    soon.tv_sec += 20;
    CHECK_EQ(sem_timedwait(&s.ends, &soon), 0); /* without anybody asking */
    CHECK_OK(get(s.url, 0), err);
    CHECK_EQ(s.connections, 2);
    pn_clock_release();
    pn_reacher_free(reacher);
    reacher = NULL;
    stub_stop(&s);
}

PN_TEST(kh18_a_redirect_is_an_answer)
{
    struct stub s = { .answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                                "Content-Length: 0\r\n\r\n" };

    stub_start(&s);
    CHECK_OK(get(s.url, 0), err);
    CHECK_EQ(answer.status, 302);
    CHECK_STR(answer.status_text, "Found");
    pn_reacher_free(reacher);
    reacher = NULL;
    stub_stop(&s);
}

PN_TEST(kh19_too_large_an_answer_is_none)
{
    struct stub s = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\nx" };

    stub_start(&s);
    CHECK_FAILS(get(s.url, 0), err, TOO_LARGE);
    CHECK_EQ(fault, PN_REACH_OTHER);
    stub_stop(&s);
}

PN_TEST(kh20_silence_runs_into_the_deadline)
{
    struct stub s = { .answer = NULL };

    stub_start(&s);
    CHECK_FAILS(get(s.url, 50), err, TIMEOUT);
    CHECK_EQ(fault, PN_REACH_TIMED_OUT);
    stub_stop(&s);
}

PN_TEST(causes_are_told_apart)
{
    struct stub s = { .answer = "nonsense\r\n\r\n" };
    char url[80];

    stub_start(&s);
    CHECK_FAILS(get(s.url, 20000), err, PROTOCOL);
    CHECK_EQ(fault, PN_REACH_OTHER);
    pn_reacher_own(reacher, (uint16_t)strtoul(strrchr(s.url, ':') + 1, NULL, 10));
    snprintf(url, sizeof(url), "%s/other", s.url); /* not the connection from before */
    CHECK_FAILS(get(url, 20000), err, BAD_REQUEST);
    CHECK_EQ(fault, PN_REACH_BAD_HOST);
    stub_stop(&s);
    CHECK_FAILS(get("http://169.254.169.254", 1000), err, BAD_REQUEST);
    CHECK_EQ(fault, PN_REACH_BAD_HOST);
    CHECK_FAILS(get("https://", 1000), err, BAD_REQUEST);
    CHECK_EQ(fault, PN_REACH_BAD_HOST);
    CHECK_FAILS(get("http://127.0.0.1:1", 20000), err, UNREACHABLE);
    CHECK_EQ(fault, PN_REACH_REFUSED);
    CHECK_FAILS(get("http://does-not-exist.invalid", 20000), err, UNREACHABLE);
    CHECK_EQ(fault, PN_REACH_NO_NAME);
}

PN_TEST(a_gateway_is_never_left_out)
{
    struct pn_reach_to to = { .host = PN_LIT("http://127.0.0.1:1"), .as = PN_REACH_AS_GATEWAY };
    const struct pn_reach_request request = { .method = "GET", .path = PN_LIT("/version") };

    CHECK_FAILS(pn_reach(&call, &to, &request, &answer, &fault, &err), err, UNREACHABLE);
    CHECK_EQ(fault, PN_REACH_NO_GATEWAY);
    to.as = PN_REACH_AS_BEARER;
    to.pool_id.bytes[0] = 1;
    CHECK_FAILS(pn_reach(&call, &to, &request, &answer, &fault, &err), err, UNREACHABLE);
    CHECK_EQ(fault, PN_REACH_NO_GATEWAY);
}

#define REACH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

PN_TEST_MAIN(T(addresses_that_are_no_clusters_are_refused),
             T(this_machine_is_called_where_the_operator_says_so),
             REACH_TEST(the_connection_is_kept_for_the_next_request),
             REACH_TEST(a_connection_that_nobody_uses_for_long_is_closed),
             REACH_TEST(a_connection_that_the_other_side_ends_is_closed),
             REACH_TEST(kh18_a_redirect_is_an_answer), REACH_TEST(kh19_too_large_an_answer_is_none),
             REACH_TEST(kh20_silence_runs_into_the_deadline), REACH_TEST(causes_are_told_apart),
             REACH_TEST(a_gateway_is_never_left_out))
