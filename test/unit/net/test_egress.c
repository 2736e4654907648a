/* SPDX-License-Identifier: Apache-2.0 */
#include "streams.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "net/egress.h"
#include "net/resolve.h"

/* ---- the settings ---- */

static struct pn_egress *egress_of(const char *proxy, const char *no_proxy)
{
    struct pn_egress *egress = NULL;
    struct pn_err err = { 0 };

    CHECK_OK(pn_egress_parse(pn_str_from(proxy), pn_str_from(no_proxy), &egress, &err), err);
    return egress;
}

static bool is_proxied(const char *no_proxy, const char *host, uint16_t port)
{
    struct pn_egress *egress = egress_of("http://proxy.example:3128", no_proxy);
    struct pn_endpoint to = { .port = port };
    bool is;

    snprintf(to.host, sizeof to.host, "%s", host);
    is = pn_egress_proxy(egress, &to) != NULL;
    pn_egress_free(egress);
    return is;
}

PN_TEST(a_proxy_is_a_url_with_or_without_its_parts)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        const char *credentials; /* base64 */
    } good[] = {
        { "http://proxy.example:3128", "proxy.example", 3128, NULL },
        { "HTTP://proxy.example:3128/", "proxy.example", 3128, NULL },
        { "proxy.example", "proxy.example", 80, NULL },
        { "  10.0.0.1:8080 ", "10.0.0.1", 8080, NULL },
        { "http://[2001:db8::1]:8080", "2001:db8::1", 8080, NULL },
        { "http://ada:s3cret@proxy.example:1", "proxy.example", 1, "YWRhOnMzY3JldA==" },
        { "ada:a%40b%3Ac@proxy.example:1", "proxy.example", 1, "YWRhOmFAYjpj" },
        { "http://ada:p@ss:word@proxy.example:1", "proxy.example", 1, "YWRhOnBAc3M6d29yZA==" },
        { "http://ada@proxy.example:1", "proxy.example", 1, "YWRhOg==" },
        { "http://:@proxy.example:1", "proxy.example", 1, NULL },
    };
    const struct pn_endpoint to = { .host = "kube.example", .port = 6443 };

    for (size_t i = 0; i < PN_COUNT(good); i++) {
        struct pn_egress *egress = egress_of(good[i].text, "");
        const struct pn_endpoint *proxy = pn_egress_proxy(egress, &to);
        pn_auto(pn_buf_drop) struct pn_buf ask = pn_buf_init_wiped(PN_EGRESS_MAX_BYTES);
        char wanted[200] = "\r\n\r\n";

        CHECK_STR(pn_str_from(proxy->host), good[i].host);
        CHECK_EQ(proxy->port, good[i].port);
        pn_egress_ask(egress, &to, &ask);
        CHECK(pn_str_starts(pn_buf_str(&ask), PN_LIT("CONNECT kube.example:6443 HTTP/1.1\r\n"
                                                     "Host: kube.example:6443\r\n")));
        if (good[i].credentials != NULL)
            snprintf(wanted, sizeof wanted, "\r\nProxy-Authorization: Basic %s\r\n\r\n",
                     good[i].credentials);
        CHECK(pn_str_ends(pn_buf_str(&ask), pn_str_from(wanted)));
        CHECK((pn_str_search(pn_buf_str(&ask), PN_LIT("Authorization")) >= 0) ==
              (good[i].credentials != NULL));
        pn_egress_free(egress);
    }
}

PN_TEST(what_is_no_proxy_is_refused_without_its_text)
{
    static const char *const bad[] = {
        "https://ada:s3cret@proxy.example", /* TLS to the proxy itself is not spoken */
        "socks5://ada:s3cret@proxy.example:1080",
        "http://ada:s3cret@",
        "http://ada:s3cret@proxy.example:0",
        "http://ada:s3cret@proxy.example:99999",
        "http://ada:s3cret@proxy.example/path",
        "http://ada:s3cret@proxy example",
        "http://ada:s3cret%zz@proxy.example",
        "http://a%3Ab:s3cret@proxy.example",
        "http://ada:s3cret%@proxy.example",
        "http://ada:s3cret@proxy.example\r\nX-Evil: 1",
        "http://",
        "/",
    };
    struct pn_egress *egress = NULL;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(bad); i++) {
        CHECK(!pn_egress_parse(pn_str_from(bad[i]), PN_NONE, &egress, &err));
        CHECK_EQ(err.code, PN_USAGE);
        CHECK(strstr(err.message, "s3cret") == NULL && strstr(err.trace, "s3cret") == NULL);
        pn_err_clear(&err);
    }
}

PN_TEST(lists_and_urls_have_an_end)
{
    static char list[70000], proxy[5000];
    struct pn_egress *egress = NULL;
    struct pn_err err = { 0 };

    memset(list, 'a', sizeof list - 1);
    CHECK_FAILS(pn_egress_parse(PN_LIT("proxy"), pn_str_from(list), &egress, &err), err, USAGE);
    memset(list, ',', 2000);
    list[2000] = '\0';
    CHECK_FAILS(pn_egress_parse(PN_LIT("proxy"), pn_str_from(list), &egress, &err), err, USAGE);
    memset(proxy, 'a', sizeof proxy - 1);
    CHECK_FAILS(pn_egress_parse(pn_str_from(proxy), PN_NONE, &egress, &err), err, USAGE);
}

PN_TEST(no_proxy_is_read_as_go_reads_it)
{
    static const struct {
        const char *list, *host;
        uint16_t port;
        bool is_proxied;
    } cases[] = {
        /* a name is it and what is below it */
        { "example.com", "example.com", 443, false },
        { "example.com", "kube.example.com", 443, false },
        { "example.com", "EXAMPLE.com", 443, false },
        { "Example.COM", "example.com.", 443, false },
        { "example.com.", "example.com", 443, false },
        { "example.com", "badexample.com", 443, true },
        { "example.com", "example.com.evil.org", 443, true },
        { "example.com", "com", 443, true },
        /* a dot or a star before it: only what is below */
        { ".example.com", "kube.example.com", 443, false },
        { ".example.com", "example.com", 443, true },
        { "*.example.com", "a.b.example.com", 443, false },
        { "*.example.com", "example.com", 443, true },
        { "kube*.example.com", "kube1.example.com", 443, true },
        /* with a port */
        { "example.com:6443", "example.com", 6443, false },
        { "example.com:6443", "example.com", 443, true },
        { "10.0.0.1:6443", "10.0.0.1", 6443, false },
        { "10.0.0.1:6443", "10.0.0.1", 443, true },
        { "[2001:db8::1]:6443", "2001:db8::1", 6443, false },
        { "[2001:db8::1]:6443", "2001:db8::1", 443, true },
        { "example.com:x", "example.com", 443, true },
        { "example.com:0", "example.com", 443, true },
        { ":443", "example.com", 443, true },
        /* addresses and networks; never of a name */
        { "10.0.0.1", "10.0.0.1", 443, false },
        { "10.0.0.1", "10.0.0.10", 443, true },
        { "10.0.0.0/8", "10.200.1.2", 6443, false },
        { "10.0.0.0/8", "11.0.0.1", 6443, true },
        { "10.0.0.0/8", "::ffff:10.0.0.1", 6443, false },
        { "10.0.0.0/33", "10.0.0.1", 443, true },
        { "2001:db8::/32", "2001:db8:1::1", 443, false },
        { "2001:db8::1", "2001:0db8:0::1", 443, false },
        { "2001:db8::/32", "2001:db9::1", 443, true },
        { "10.0.0.0/8", "ten.example", 443, true },
        { "0.0.0.1", "1.example", 443, true },
        /* everything */
        { "*", "example.com", 443, false },
        { "a.example, * ", "10.0.0.1", 443, false },
        /* lists */
        { "a.example , b.example,,", "b.example", 443, false },
        { " a.example", "a.example", 443, false },
        { "a.example b.example", "b.example", 443, true },
        { "", "example.com", 443, true },
        { ",,", "example.com", 443, true },
        { ".", "example.com", 443, true },
        { "http://example.com", "example.com", 443, true },
        /* loopback is never proxied */
        { "", "localhost", 8443, false },
        { "", "LOCALHOST.", 8443, false },
        { "", "db.localhost", 8443, false },
        { "", "notlocalhost", 8443, true },
        { "", "127.0.0.1", 8443, false },
        { "", "127.200.0.1", 8443, false },
        { "", "::1", 8443, false },
        { "", "::ffff:127.0.0.1", 8443, false },
        { "", "128.0.0.1", 8443, true },
    };

    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        if (is_proxied(cases[i].list, cases[i].host, cases[i].port) != cases[i].is_proxied)
            fail_msg("NO_PROXY=%s, %s:%u: proxied %d", cases[i].list, cases[i].host, cases[i].port,
                     !cases[i].is_proxied);
    }
}

PN_TEST(without_a_proxy_everything_goes_directly)
{
    struct pn_egress *egress = egress_of("", "nonsense");
    const struct pn_endpoint to = { .host = "kube.example", .port = 6443 };

    CHECK(pn_egress_proxy(egress, &to) == NULL);
    pn_egress_free(egress);
}

PN_TEST(an_ipv6_address_is_asked_for_in_brackets)
{
    struct pn_egress *egress = egress_of("proxy", "");
    const struct pn_endpoint to = { .host = "2001:db8::1", .port = 6443 };
    pn_auto(pn_buf_drop) struct pn_buf ask = pn_buf_init_wiped(PN_EGRESS_MAX_BYTES);

    pn_egress_ask(egress, &to, &ask);
    CHECK(pn_str_starts(pn_buf_str(&ask), PN_LIT("CONNECT [2001:db8::1]:6443 HTTP/1.1\r\n"
                                                 "Host: [2001:db8::1]:6443\r\n")));
    pn_egress_free(egress);
}

/* ---- a proxy, good and bad: what it answers is decided by the name it is asked for ---- */

static const struct script {
    const char *host, *answer;
    bool is_slow;   /* byte by byte */
    bool is_silent; /* stays, and says nothing more */
    enum pn_code code;
    const char *says; /* part of the message */
} scripts[] = {
    { .host = "open.test", .answer = "HTTP/1.1 200 Connection established\r\n\r\n" },
    { .host = "old.test", .answer = "HTTP/1.0 200 OK\r\nVia: x\r\n\r\n" },
    { .host = "slow.test", .answer = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", .is_slow = true },
    { .host = "length.test", .answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" },
    { .host = "interim.test",
      .answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" },
    { .host = "forbidden.test",
      .answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\n<evil>",
      .code = PN_UNREACHABLE,
      .says = "refuses the way to forbidden.test (403)" },
    { .host = "wants.test",
      .answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
      .code = PN_UNREACHABLE,
      .says = "wants a user and a password" },
    { .host = "down.test",
      .answer = "HTTP/1.1 502 Bad Gateway\r\n\r\n",
      .code = PN_UNREACHABLE,
      .says = "cannot reach down.test (502)" },
    { .host = "redirect.test",
      .answer = "HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\n\r\n",
      .code = PN_UNREACHABLE,
      .says = "refuses the way" },
    { .host = "switch.test",
      .answer = "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
      .code = PN_PROTOCOL,
      .says = "switches protocols" },
    { .host = "early.test",
      .answer = "HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03",
      .code = PN_PROTOCOL,
      .says = "speaks before" },
    { .host = "ssh.test",
      .answer = "SSH-2.0-OpenSSH_9.2\r\n\r\n",
      .code = PN_PROTOCOL,
      .says = "not HTTP" },
    { .host = "fold.test",
      .answer = "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
      .code = PN_PROTOCOL,
      .says = "not HTTP" },
    { .host = "endless.test", .answer = NULL, .code = PN_PROTOCOL, .says = "is no HTTP proxy" },
    { .host = "interims.test",
      .answer = "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\n"
                "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\n"
                "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\n",
      .is_silent = true,
      .code = PN_PROTOCOL,
      .says = "never comes to the point" },
    { .host = "hangup.test", .answer = "", .code = PN_UNREACHABLE, .says = "hung up" },
    { .host = "half.test", .answer = "HTTP/1.1 20", .code = PN_UNREACHABLE, .says = "hung up" },
    { .host = "silent.test",
      .answer = "",
      .is_silent = true,
      .code = PN_TIMEOUT,
      .says = "the proxy of HTTPS_PROXY did not answer in time" },
};

static struct {
    int fd;
    atomic_uint asked;
} fake;

static const struct script *script_of(const char *request)
{
    for (size_t i = 0; i < PN_COUNT(scripts); i++) {
        if (strncmp(request + strlen("CONNECT "), scripts[i].host, strlen(scripts[i].host)) == 0)
            return &scripts[i];
    }
    return NULL;
}

static void say(int fd, const struct script *script)
{
    size_t len = script->answer != NULL ? strlen(script->answer) : 0;
    size_t step = script->is_slow ? 1 : len;

    for (size_t at = 0; at < len; at += step)
        (void)!send(fd, script->answer + at, step, MSG_NOSIGNAL);
    if (script->answer == NULL) {
        (void)!send(fd, "HTTP/1.1 200 OK\r\n", 17, MSG_NOSIGNAL);
        while (send(fd, "A: bbbbbbbbbbbbbbbb\r\n", 21, MSG_NOSIGNAL) > 0)
            continue;
    }
}

/* One connection at a time: what was let through comes back as it is. */
static void *run_proxy(void *unused)
{
    for (;;) {
        int fd = accept(fake.fd, NULL, NULL);
        char request[2048] = "";
        size_t len = 0;
        ssize_t got;
        const struct script *script;

        while (strstr(request, "\r\n\r\n") == NULL &&
               (got = recv(fd, request + len, sizeof request - 1 - len, 0)) > 0)
            len += (size_t)got;
        fake.asked++;
        script = script_of(request);
        if (script != NULL && strstr(request, "Basic YWRhOnMzY3JldA==") != NULL) {
            say(fd, script);
            while ((script->code == PN_OK || script->is_silent) &&
                   (got = recv(fd, request, sizeof request, 0)) > 0)
                (void)!send(fd, request, (size_t)got, MSG_NOSIGNAL);
        }
        close(fd);
    }
    return unused;
}

static int start_proxy(void **state)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    pthread_t thread;
    char setting[64];

    (void)state;
    fake.fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fake.fd, (struct sockaddr *)&at, len) != 0 || listen(fake.fd, 8) != 0 ||
        getsockname(fake.fd, (struct sockaddr *)&at, &len) != 0)
        return -1;
    snprintf(setting, sizeof setting, "http://ada:s3cret@127.0.0.1:%u", ntohs(at.sin_port));
    setenv("https_proxy", setting, 1);
    unsetenv("HTTPS_PROXY");
    setenv("NO_PROXY", "192.0.2.0/24", 1);
    return pthread_create(&thread, NULL, run_proxy, NULL);
}

/* ---- through it ---- */

struct outcome {
    struct pn_loop *loop;
    struct pn_stream *stream;
    struct pn_err err;
    char echoed[8];
};

static void on_echo(void *outcome_, struct pn_stream *stream, unsigned events)
{
    struct outcome *outcome = outcome_;

    (void)events;
    if (pn_stream_read(stream, outcome->echoed, sizeof outcome->echoed - 1) != PN_STREAM_AGAIN)
        pn_loop_stop(outcome->loop);
}

static void on_dialled(void *outcome_, struct pn_stream *stream, const struct pn_err *err)
{
    struct outcome *outcome = outcome_;

    outcome->stream = stream;
    if (err != NULL)
        outcome->err = *err;
    pn_loop_stop(outcome->loop);
}

static void check_failure(const struct script *script, const struct pn_err *err)
{
    if (err->code != script->code || strstr(err->message, script->says) == NULL)
        fail_msg("%s: %d %s", script->host, err->code, err->message);
    CHECK(strstr(err->message, "evil") == NULL && strstr(err->message, "s3cret") == NULL);
}

static struct pn_endpoint endpoint_of(const struct script *script)
{
    struct pn_endpoint to = { .port = 6443 };

    snprintf(to.host, sizeof to.host, "%s", script->host);
    return to;
}

PN_TEST(of_an_answer_of_nothing_more_is_wanted)
{
    const struct pn_endpoint to = { .host = "kube.example.com", .port = 6443 };
    struct pn_err err = { 0 };

    CHECK_EQ(pn_egress_answer(PN_NONE, &to, &err), PN_EGRESS_MORE);
    CHECK_EQ(pn_egress_answer(PN_LIT(""), &to, &err), PN_EGRESS_MORE);
    CHECK_EQ(err.code, PN_OK);
}

PN_TEST(a_loop_dials_through_every_proxy)
{
    for (size_t i = 0; i < PN_COUNT(scripts); i++) {
        struct outcome outcome = { .loop = loop_new() };
        struct pn_endpoint to = endpoint_of(&scripts[i]);

        (void)pn_dial(outcome.loop, &to, scripts[i].code == PN_TIMEOUT ? 50 : 5000, on_dialled,
                      &outcome);
        CHECK(loop_run_for(outcome.loop, 20000));
        CHECK((outcome.stream != NULL) == (scripts[i].code == PN_OK));
        if (outcome.stream == NULL) {
            check_failure(&scripts[i], &outcome.err);
        } else {
            CHECK_EQ(pn_stream_write(outcome.stream, "ping", 4), 4);
            pn_stream_set_owner(outcome.stream, on_echo, &outcome);
            pn_stream_want(outcome.stream, PN_WANT_READ);
            CHECK(loop_run_for(outcome.loop, 20000));
            CHECK_STR(pn_str_from(outcome.echoed), "ping");
            pn_stream_close(outcome.stream);
        }
        pn_loop_free(outcome.loop);
    }
}

PN_TEST(a_worker_dials_through_every_proxy)
{
    for (size_t i = 0; i < PN_COUNT(scripts); i++) {
        struct pn_err err = { 0 };
        struct pn_endpoint to = endpoint_of(&scripts[i]);
        int64_t until_ms = pn_clock_mono_ms() + (scripts[i].code == PN_TIMEOUT ? 50 : 20000);
        bool is_resolved = false;
        int fd = pn_dial_blocking(&to, until_ms, NULL, &is_resolved, &err);

        CHECK(is_resolved); /* the proxy was */
        CHECK((fd >= 0) == (scripts[i].code == PN_OK));
        if (fd >= 0)
            close(fd);
        else
            check_failure(&scripts[i], &err);
    }
}

PN_TEST(cancelled_in_the_conversation_it_stays_silent)
{
    struct outcome outcome = { .loop = loop_new() };
    const struct pn_endpoint to = { .host = "silent.test", .port = 1 };
    unsigned asked = fake.asked;
    struct pn_dial *dial = pn_dial(outcome.loop, &to, 5000, on_dialled, &outcome);

    while (fake.asked == asked)
        CHECK(!loop_run_for(outcome.loop, 5));
    pn_dial_cancel(dial);
    CHECK(!loop_run_for(outcome.loop, 20));
    CHECK(outcome.stream == NULL && outcome.err.code == PN_OK);
    pn_loop_free(outcome.loop);
}

static bool refuse_all(void *calls, const struct pn_addresses *addresses, struct pn_err *err)
{
    CHECK_EQ(addresses->count, 1);
    ++*(int *)calls;
    return pn_fail(err, PN_BAD_REQUEST, "not there");
}

/* An address is an address, through whatever it is asked for; of a name the proxy knows more than we. */
PN_TEST(addresses_are_checked_before_a_proxy_is_asked)
{
    int calls = 0;
    const struct pn_dial_guard guard = { refuse_all, &calls };
    const struct pn_endpoint literal = { .host = "169.254.169.254", .port = 80 };
    const struct pn_endpoint name = { .host = "open.test", .port = 80 };
    const int64_t until_ms = pn_clock_mono_ms() + 20000;
    unsigned asked = fake.asked;
    struct pn_err err = { 0 };
    bool is_resolved = true;
    int fd;

    CHECK_EQ(pn_dial_blocking(&literal, until_ms, &guard, &is_resolved, &err), -1);
    CHECK_EQ(err.code, PN_BAD_REQUEST);
    CHECK(!is_resolved);
    CHECK_EQ(fake.asked, asked);
    fd = pn_dial_blocking(&name, until_ms, &guard, NULL, &err);
    CHECK(fd >= 0);
    close(fd);
    CHECK_EQ(calls, 1);
}

PN_TEST(what_no_proxy_lists_is_not_asked_for)
{
    const struct pn_endpoint listed = { .host = "192.0.2.1", .port = 1 };
    unsigned asked = fake.asked;
    struct pn_err err = { 0 };

    CHECK_EQ(pn_dial_blocking(&listed, pn_clock_mono_ms() + 30, NULL, NULL, &err), -1);
    CHECK_EQ(fake.asked, asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_proxy_is_a_url_with_or_without_its_parts),
        T(what_is_no_proxy_is_refused_without_its_text),
        T(lists_and_urls_have_an_end),
        T(no_proxy_is_read_as_go_reads_it),
        T(without_a_proxy_everything_goes_directly),
        T(an_ipv6_address_is_asked_for_in_brackets),
        T(of_an_answer_of_nothing_more_is_wanted),
        T(a_loop_dials_through_every_proxy),
        T(a_worker_dials_through_every_proxy),
        T(cancelled_in_the_conversation_it_stays_silent),
        T(addresses_are_checked_before_a_proxy_is_asked),
        T(what_no_proxy_lists_is_not_asked_for),
    };

    return check_run(tests, PN_COUNT(tests), start_proxy, NULL);
}
