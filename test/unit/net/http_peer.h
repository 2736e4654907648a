/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_NET_HTTP_PEER_H
#define PN_TEST_UNIT_NET_HTTP_PEER_H

/*
 * The other end of an HTTP connection: the code under test runs on a loop thread, the test writes
 * and reads its socket with plain blocking calls that give up after ten seconds.
 */
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http/h2.h"
#include "net/stream.h"

static inline void socket_patience(int fd)
{
    struct timeval patience = { .tv_sec = 10 };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static inline int listen_any(uint16_t *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 64) == 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    socket_patience(fd);
    *port = ntohs(at.sin_port);
    return fd;
}

/* A connected pair over loopback: [0] is the test's. */
static inline void tcp_pair(int fds[2])
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    uint16_t port;
    int listener = listen_any(&port);

    at.sin_port = htons(port);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(connect(fds[0], (struct sockaddr *)&at, sizeof(at)), 0);
    fds[1] = accept(listener, NULL, NULL);
    CHECK(fds[1] >= 0);
    socket_patience(fds[0]);
    close(listener);
}

static inline void say(int fd, const char *text)
{
    CHECK_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The next bytes are exactly these. */
static inline void expect_at(int fd, const char *text, const char *file, int line)
{
    char got[4096];
    size_t len = 0, want = strlen(text);

    assert_true(want < sizeof(got));
    while (len < want) {
        ssize_t n = recv(fd, got + len, want - len, 0);

        if (n <= 0) {
            print_error("%s:%d: wanted \"%s\", the connection ended (%zd) after \"%.*s\"\n", file,
                        line, text, n, (int)len, got);
            _fail(file, line);
        }
        len += (size_t)n;
    }
    check_str(pn_str_of(got, len), text, file, line);
}
#define EXPECT(fd, text) expect_at((fd), (text), __FILE__, __LINE__)

/* Reads up to and with the empty line; the head. */
static inline struct pn_str read_head(int fd)
{
    static char head[8192];
    size_t len = 0;

    while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0) {
        CHECK(len < sizeof(head) && recv(fd, head + len, 1, 0) == 1);
        len++;
    }
    return pn_str_of(head, len);
}

static inline bool has(struct pn_str text, const char *part)
{
    return pn_str_search(text, pn_str_from(part)) >= 0;
}

/* A polite end: FIN. */
static inline void expect_end_at(int fd, const char *file, int line)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);

    if (n == 0)
        return;
    print_error("%s:%d: wanted the end, got %zd (%s)\n", file, line, n,
                n < 0 ? strerror(errno) : "a byte");
    _fail(file, line);
}
#define EXPECT_END(fd) expect_end_at((fd), __FILE__, __LINE__)

/* Whatever comes, the connection is reset in the end. */
static inline bool is_reset(int fd)
{
    char bytes[4096];
    ssize_t n;

    do
        n = recv(fd, bytes, sizeof(bytes), 0);
    while (n > 0);
    return n < 0 && errno == ECONNRESET;
}

/* ---- a thread with a loop, and a way to run a function on it ---- */

struct stage {
    struct pn_loop *loop;
    sem_t news; /* posted by callbacks; await() sleeps on it */
    struct pn_task task;
    void (*run)(void *argument);
    void *argument;
    sem_t has_run;
};

static inline void stage_run(struct pn_task *task)
{
    struct stage *stage = pn_container_of(task, struct stage, task);

    stage->run(stage->argument);
    sem_post(&stage->has_run);
}

static inline void on_stage(struct stage *stage, void (*run)(void *argument), void *argument)
{
    stage->run = run;
    stage->argument = argument;
    pn_loop_post(stage->loop, &stage->task);
    while (sem_wait(&stage->has_run) != 0)
        CHECK_EQ(errno, EINTR);
}

static inline void stage_open(struct stage *stage)
{
    struct pn_err err = { 0 };

    *stage = (struct stage){ .task.run = stage_run };
    sem_init(&stage->news, 0, 0);
    sem_init(&stage->has_run, 0, 0);
    CHECK_OK(pn_loop_new(&stage->loop, &err), err);
    CHECK_OK(pn_loop_start(stage->loop, "stage", &err), err);
}

static inline void stage_close(struct stage *stage)
{
    pn_loop_stop(stage->loop);
    pn_loop_join(stage->loop);
    pn_loop_free(stage->loop);
}

/* Waits until some callback has made *what at least `least`. */
static inline void await_at(struct stage *stage, const int *what, int least, const char *file,
                            int line)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    while (__atomic_load_n(what, __ATOMIC_ACQUIRE) < least)
        if (sem_timedwait(&stage->news, &until) != 0 && errno != EINTR) {
            print_error("%s:%d: waited in vain\n", file, line);
            _fail(file, line);
        }
}
#define AWAIT(stage, what, least) await_at((stage), &(what), (least), __FILE__, __LINE__)

static inline void tell(struct stage *stage, int *what)
{
    __atomic_add_fetch(what, 1, __ATOMIC_RELEASE);
    sem_post(&stage->news);
}

/* How often it was told so far, by another thread. */
static inline int told(const int *what)
{
    return __atomic_load_n(what, __ATOMIC_ACQUIRE);
}

/* ---- an HTTP/2 peer over a blocking socket ---- */

#define PEER_STREAMS 64

struct h2_peer {
    int fd;
    struct pn_h2 *h2;
    bool consumes;
    int pongs, goaways;
    struct {
        int status;
        bool is_ended, is_closed;
        uint32_t code;
        size_t received;
        char body[4096];
        struct pn_str to_send;
        bool may_end;
        char target[64];
    } streams[PEER_STREAMS];
};

static inline bool peer_head(void *p_, int32_t id, void *user PN_UNUSED,
                             const struct pn_http_head *head)
{
    struct h2_peer *p = p_;

    CHECK(id < PEER_STREAMS);
    p->streams[id].status = head->status;
    snprintf(p->streams[id].target, sizeof(p->streams[id].target), "%.*s", PN_ARG(head->target));
    return true;
}

static inline void peer_data(void *p_, int32_t id, void *user PN_UNUSED, const char *bytes,
                             size_t len)
{
    struct h2_peer *p = p_;

    for (size_t i = 0; i < len && p->streams[id].received + i < sizeof(p->streams[id].body); i++)
        p->streams[id].body[p->streams[id].received + i] = bytes[i];
    p->streams[id].received += len;
    if (p->consumes)
        pn_h2_consumed(p->h2, id, len);
}

static inline void peer_end(void *p_, int32_t id, void *user PN_UNUSED)
{
    ((struct h2_peer *)p_)->streams[id].is_ended = true;
}

static inline void peer_close(void *p_, int32_t id, void *user PN_UNUSED, uint32_t code)
{
    ((struct h2_peer *)p_)->streams[id].is_closed = true;
    ((struct h2_peer *)p_)->streams[id].code = code;
}

static inline ptrdiff_t peer_pull(void *p_, int32_t id, void *user PN_UNUSED, char *out, size_t max,
                                  bool *is_end)
{
    struct h2_peer *p = p_;
    struct pn_str *to_send = &p->streams[id].to_send;
    size_t len = to_send->len < max ? to_send->len : max;

    if (len == 0 && !p->streams[id].may_end)
        return PN_H2_PULL_AGAIN;
    if (len > 0)
        memcpy(out, to_send->ptr, len);
    *to_send = pn_str_slice(*to_send, len, to_send->len);
    *is_end = p->streams[id].may_end && to_send->len == 0;
    return (ptrdiff_t)len;
}

static inline void peer_goaway(void *p_, int32_t last PN_UNUSED, uint32_t code PN_UNUSED)
{
    ((struct h2_peer *)p_)->goaways++;
}

static inline void peer_pong(void *p_)
{
    ((struct h2_peer *)p_)->pongs++;
}

static inline struct h2_peer *peer_new(int fd, bool is_server, uint32_t max_streams)
{
    static const struct pn_h2_events events = { peer_head, peer_data,   peer_end, peer_close,
                                                peer_pull, peer_goaway, peer_pong };
    struct pn_h2_config config = { .is_server = is_server,
                                   .max_streams = max_streams,
                                   .stream_window_bytes = 65536,
                                   .connection_window_bytes = 1 << 20 };
    struct h2_peer *p = pn_heap_new(sizeof(*p));
    struct pn_err err = { 0 };

    p->fd = fd;
    p->consumes = true;
    CHECK_OK(pn_h2_new(&config, &events, p, &p->h2, &err), err);
    return p;
}

static inline void peer_free(struct h2_peer *p)
{
    pn_h2_free(p->h2);
    close(p->fd);
    pn_heap_free(p);
}

static inline void peer_flush(struct h2_peer *p)
{
    pn_auto(pn_buf_drop) struct pn_buf wire = pn_buf_init(1 << 22);

    pn_h2_output(p->h2, &wire, SIZE_MAX);
    for (size_t at = 0; at < wire.len;) {
        ssize_t n = send(p->fd, wire.ptr + at, wire.len - at, MSG_NOSIGNAL);

        CHECK(n > 0);
        at += (size_t)n;
    }
}

/* Sends what there is, takes one read. False: the connection ended. */
static inline bool peer_turn(struct h2_peer *p)
{
    static char bytes[65536];
    struct pn_err err = { 0 };
    ssize_t n;

    peer_flush(p);
    n = recv(p->fd, bytes, sizeof(bytes), 0);
    if (n <= 0)
        return false;
    CHECK_OK(pn_h2_input(p->h2, pn_str_of(bytes, (size_t)n), &err), err);
    peer_flush(p);
    return true;
}
#define PEER_UNTIL(p, truth) \
    while (!(truth))         \
    CHECK(peer_turn(p))

static inline int32_t peer_ask(struct h2_peer *p, const char *method, const char *target,
                               bool is_last)
{
    struct pn_http_head head = { .method = pn_str_from(method),
                                 .target = pn_str_from(target),
                                 .authority = PN_LIT("h"),
                                 .content_length = -1,
                                 .is_last = is_last };
    struct pn_err err = { 0 };
    int32_t id = pn_h2_request(p->h2, &head, NULL, &err);

    CHECK(id > 0 && id < PEER_STREAMS);
    return id;
}

static inline struct pn_str peer_body(struct h2_peer *p, int32_t id)
{
    return pn_str_of(p->streams[id].body, p->streams[id].received);
}

#endif
