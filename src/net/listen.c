/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "net/dial.h"
#include "net/resolve.h"

#define BACKLOG 1024
#define ACCEPTS_PER_WAKE_UP 64
#define PAUSE_MS 100

struct pn_listener {
    struct pn_loop *loop;
    struct pn_poll *poll;
    struct pn_timer pause;
    pn_accept_fn *accepted;
    void *owner;
    int fd;
    bool *is_gone; /* set while accepting: the owner may close us from inside its callback */
};

static struct pn_str ip_text(const struct sockaddr_storage *peer, char out[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
    const void *address = &v4->sin_addr;
    int family = peer->ss_family;

    if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        address = &v6->sin6_addr.s6_addr[12];
        family = AF_INET;
    } else if (family == AF_INET6) {
        address = &v6->sin6_addr;
    }
    return pn_str_from(inet_ntop(family, address, out, INET6_ADDRSTRLEN));
}

static bool is_out_of_something(int cause)
{
    return cause == EMFILE || cause == ENFILE || cause == ENOBUFS || cause == ENOMEM;
}

/* How it went: one was accepted; there is none, or no place for one; the owner has closed us. */
enum outcome { ACCEPTED, NONE, GONE };

static enum outcome accept_one(struct pn_listener *listener, const bool *is_gone)
{
    struct sockaddr_storage peer = { 0 };
    socklen_t len = sizeof(peer);
    char text[INET6_ADDRSTRLEN];
    int fd = accept4(listener->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0 && is_out_of_something(errno)) {
        pn_poll_want(listener->poll, 0);
        pn_timer_start(listener->loop, &listener->pause, PAUSE_MS);
        return NONE;
    }
    if (fd < 0)
        return errno == EAGAIN ? NONE : ACCEPTED; /* that one has gone again: ECONNABORTED */
    listener->accepted(listener->owner, fd, ip_text(&peer, text));
    return *is_gone ? GONE : ACCEPTED;
}

static void accept_some(struct pn_listener *listener, int most)
{
    enum outcome outcome = ACCEPTED;
    bool is_gone = false;

    listener->is_gone = &is_gone;
    for (int i = 0; i < most && outcome == ACCEPTED; i++)
        outcome = accept_one(listener, &is_gone);
    if (outcome != GONE)
        listener->is_gone = NULL;
}

static void on_acceptable(void *listener, unsigned events PN_UNUSED)
{
    accept_some(listener, ACCEPTS_PER_WAKE_UP);
}

void pn_listener_empty(struct pn_listener *listener)
{
    accept_some(listener, BACKLOG);
}

static void on_pause_over(struct pn_timer *timer)
{
    pn_poll_want(pn_container_of(timer, struct pn_listener, pause)->poll, PN_POLL_READ);
}

static bool start(struct pn_loop *loop, int fd, pn_accept_fn *accepted, void *owner,
                  struct pn_listener **out, struct pn_err *err)
{
    struct pn_listener *listener = pn_heap_new(sizeof(*listener));

    pn_on_loop(loop);
    *listener = (struct pn_listener){
        .loop = loop, .accepted = accepted, .owner = owner, .fd = fd, .pause.run = on_pause_over
    };
    if (!pn_poll_new(loop, fd, on_acceptable, listener, &listener->poll, err)) {
        close(fd);
        pn_heap_free(listener);
        return false;
    }
    pn_poll_want(listener->poll, PN_POLL_READ);
    *out = listener;
    return true;
}

static int bind_to(const struct pn_addresses *addresses, bool is_shared, struct pn_err *err)
{
    const struct sockaddr *address = &addresses->list[0].at.any;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, off = 0;

    if (fd < 0) {
        (void)pn_fail_cause(err, PN_IO, errno, "no socket: %s", strerror(errno));
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)); /* [::] means everywhere */
    if (is_shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind(fd, address, addresses->list[0].len) < 0 || listen(fd, BACKLOG) < 0) {
        (void)pn_fail_cause(err, errno == EADDRINUSE ? PN_CONFLICT : PN_IO, errno, "%s",
                            strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

static bool listen_at(struct pn_loop *loop, const struct pn_endpoint *at, bool is_shared,
                      pn_accept_fn *accepted, void *owner, struct pn_listener **out,
                      struct pn_err *err)
{
    struct pn_addresses addresses;
    struct pn_endpoint local = *at;

    if (strcmp(at->host, "localhost") == 0)
        memcpy(local.host, "127.0.0.1", sizeof("127.0.0.1"));
    if (!pn_resolve_literal(&local, &addresses))
        return pn_fail(err, PN_USAGE,
                       "an address to listen on is an IP address, not a name: \"%s\"", at->host);

    int fd = bind_to(&addresses, is_shared, err);

    if (fd < 0)
        return pn_recast(err, err->code, "cannot listen on %s port %u: %s", at->host, at->port,
                         strerror(err->cause));
    return start(loop, fd, accepted, owner, out, err);
}

bool pn_listen(struct pn_loop *loop, const struct pn_endpoint *at, pn_accept_fn *accepted,
               void *owner, struct pn_listener **out, struct pn_err *err)
{
    return listen_at(loop, at, false, accepted, owner, out, err);
}

bool pn_listen_shared(struct pn_loop *loop, const struct pn_endpoint *at, pn_accept_fn *accepted,
                      void *owner, struct pn_listener **out, struct pn_err *err)
{
    return listen_at(loop, at, true, accepted, owner, out, err);
}

bool pn_listen_also(struct pn_loop *loop, int first_fd, pn_accept_fn *accepted, void *owner,
                    struct pn_listener **out, struct pn_err *err)
{
    int fd = fcntl(first_fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return pn_fail_cause(err, PN_IO, errno, "cannot share a listening socket: %s",
                             strerror(errno));
    return start(loop, fd, accepted, owner, out, err);
}

uint16_t pn_listener_port(const struct pn_listener *listener)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = { 0 };
    socklen_t len = sizeof(at);

    if (getsockname(listener->fd, &at.any, &len) < 0)
        return 0;
    return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

int pn_listener_fd(const struct pn_listener *listener)
{
    return listener->fd;
}

void pn_listener_close(struct pn_listener *listener)
{
    if (listener == NULL)
        return;
    if (listener->is_gone != NULL)
        *listener->is_gone = true;
    pn_timer_stop(&listener->pause);
    pn_poll_close(listener->poll, listener->fd);
    pn_heap_free(listener);
}
