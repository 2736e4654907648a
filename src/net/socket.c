/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A peer behind a broken network is noticed within 15 s, whether we speak or are silent (below). */
#define KEEPALIVE_IDLE_S 5
#define KEEPALIVE_INTERVAL_S 2
#define KEEPALIVE_PROBES 3
#define CHECK_MS 3000
#define SILENT_MS 10000
#define SILENT_RETRANSMITS 3
#define TUNNEL_UNSENT_BYTES (128 * 1024)

struct socket_stream {
    struct pn_stream stream;
    struct pn_poll *poll;
    struct pn_err *err; /* made when it fails: idle connections must stay small */
    struct pn_timer check;
    int fd;
    bool is_drained;  /* the last recv was short: nothing more until the poll says so */
    bool is_finished; /* FIN sent */
};

static struct socket_stream *socket_of(const struct pn_stream *stream)
{
    return pn_container_of(stream, struct socket_stream, stream);
}

static ssize_t fail(struct socket_stream *socket, int cause)
{
    if (socket->err == NULL) {
        socket->err = pn_heap_new(sizeof(*socket->err));
        if (cause == ECONNRESET || cause == EPIPE)
            (void)pn_fail_cause(socket->err, PN_UNREACHABLE, cause, "the connection was reset");
        else if (cause == ETIMEDOUT)
            (void)pn_fail_cause(socket->err, PN_TIMEOUT, cause, "the peer stopped answering");
        else
            (void)pn_fail_cause(socket->err, PN_UNREACHABLE, cause, "the connection broke: %s",
                                strerror(cause));
    }
    return PN_STREAM_FAILED;
}

static ssize_t socket_read(struct pn_stream *stream, void *out, size_t len)
{
    struct socket_stream *socket = socket_of(stream);
    ssize_t count;

    pn_on_loop(stream->loop);
    if (socket->err != NULL)
        return PN_STREAM_FAILED;
    if (socket->is_drained)
        return PN_STREAM_AGAIN;
    do
        count = recv(socket->fd, out, len, 0);
    while (count < 0 && errno == EINTR);
    if (count < 0 && errno != EAGAIN)
        return fail(socket, errno);
    socket->is_drained = count < 0 || (count > 0 && (size_t)count < len);
    return count < 0 ? PN_STREAM_AGAIN : count;
}

static ssize_t socket_write(struct pn_stream *stream, const void *bytes, size_t len)
{
    struct socket_stream *socket = socket_of(stream);
    ssize_t count;

    pn_on_loop(stream->loop);
    pn_assert(!socket->is_finished);
    if (socket->err != NULL)
        return PN_STREAM_FAILED;
    do
        count = send(socket->fd, bytes, len, MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    if (count >= 0)
        return count;
    return errno == EAGAIN ? PN_STREAM_AGAIN : fail(socket, errno);
}

static bool socket_finish(struct pn_stream *stream)
{
    struct socket_stream *socket = socket_of(stream);

    pn_on_loop(stream->loop);
    if (!socket->is_finished && socket->err == NULL) {
        socket->is_finished = true;
        if (shutdown(socket->fd, SHUT_WR) < 0)
            fail(socket, errno);
    }
    return true;
}

/*
 * Keepalive is silent while bytes wait for their acknowledgement, and the kernel sends those again for a quarter
 * of an hour. TCP_USER_TIMEOUT would end that, but also a connection whose peer lives and does not read: a pager
 * in front of a log. Here nothing at all has come from the peer.
 */
static bool is_peer_gone(int fd, bool *is_tcp)
{
    struct tcp_info info = { 0 };
    socklen_t len = sizeof(info);

    *is_tcp = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0;
    return *is_tcp && info.tcpi_unacked > 0 && info.tcpi_retransmits >= SILENT_RETRANSMITS &&
           info.tcpi_last_ack_recv >= SILENT_MS;
}

static void on_check(struct pn_timer *timer)
{
    struct socket_stream *socket = pn_container_of(timer, struct socket_stream, check);
    bool is_tcp;

    if (is_peer_gone(socket->fd, &is_tcp)) {
        (void)fail(socket, ETIMEDOUT);
        (void)shutdown(socket->fd, SHUT_RDWR); /* the poll tells the owner */
    } else if (is_tcp) {
        pn_timer_start(socket->stream.loop, &socket->check, CHECK_MS);
    }
}

static void socket_want(struct pn_stream *stream, unsigned wants)
{
    pn_poll_want(socket_of(stream)->poll, wants);
}

static void socket_ready(void *socket_, unsigned events)
{
    struct socket_stream *socket = socket_;

    if (events & PN_WANT_READ)
        socket->is_drained = false;
    socket->stream.ready(socket->stream.owner, &socket->stream, events); /* may be its end */
}

static void socket_close(struct pn_stream *stream)
{
    struct socket_stream *socket = socket_of(stream);
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    pn_on_loop(stream->loop);
    if (!socket
             ->is_finished) /* RST instead of FIN: half a message must not look like a whole one */
        setsockopt(socket->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    pn_timer_stop(&socket->check);
    pn_poll_close(socket->poll, socket->fd);
    pn_heap_free(socket->err);
    pn_heap_free(socket);
}

static const struct pn_err *socket_error(const struct pn_stream *stream)
{
    return socket_of(stream)->err;
}

static const struct pn_stream_ops socket_ops = {
    .name = "socket",
    .read = socket_read,
    .write = socket_write,
    .finish = socket_finish,
    .want = socket_want,
    .close = socket_close,
    .error = socket_error,
};

static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value)); /* a socketpair has none of them: fine */
}

bool pn_socket_stream(struct pn_loop *loop, int fd, struct pn_stream **out, struct pn_err *err)
{
    struct socket_stream *socket = pn_heap_new(sizeof(*socket));

    socket->stream.ops = &socket_ops;
    socket->stream.loop = loop;
    socket->fd = fd;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
        !pn_poll_new(loop, fd, socket_ready, socket, &socket->poll, err)) {
        pn_heap_free(socket);
        close(fd);
        return err->code != PN_OK ? false
                                  : pn_fail_cause(err, PN_IO, errno, "not a usable descriptor");
    }
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
    socket->check.run = on_check;
    pn_timer_start(loop, &socket->check, CHECK_MS);
    *out = &socket->stream;
    return true;
}

void pn_socket_tune_tunnel(struct pn_stream *socket)
{
    int fd = socket_of(socket)->fd;

    pn_assert(socket->ops == &socket_ops);
    set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, TUNNEL_UNSENT_BYTES);
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3);
}
