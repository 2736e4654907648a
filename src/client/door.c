/* SPDX-License-Identifier: Apache-2.0 */
#include "client/door.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/uuid.h"
#include "net/tls.h"
#include "sys/sys.h"

#define SUFFIX ".local.postern.internal"
#define HELLO_MS 10000
#define MAX_CALLERS 256
#define RETRY_MS 5 /* while the other session's queue is full; twice as long each time */

/* A connection until it is known whom it is for. */
struct caller {
    struct pn_door *door;
    int fd;
    struct pn_poll *poll;
    struct pn_timer deadline, retry;
    int64_t retry_ms;
    struct pn_uuid wanted;
    struct caller *next, **at;
};

struct pn_door {
    struct pn_loop *loop;
    struct pn_listener *listener;
    struct pn_uuid session;
    char *directory; /* NULL: nothing is shared */
    char *path;      /* of our own socket */
    int handed;      /* connections that others got for us; -1 */
    struct pn_poll *poll;
    struct caller *callers;
    size_t caller_count;
    pn_accept_fn *accepted;
    void *owner;
};

struct pn_str pn_door_name(struct pn_arena *arena, struct pn_str session_id)
{
    return pn_arena_printf(arena, "%.*s" SUFFIX, PN_ARG(session_id));
}

/* Where the session's process takes what is handed over. */
static bool socket_path(const struct pn_door *door, struct pn_uuid session, char *out, size_t size)
{
    return (size_t)snprintf(out, size, "%s/%s.sock", door->directory,
                            pn_uuid_format(session).text) < size;
}

/* ---- whom it is for ---- */

static int caller_free(struct caller *caller)
{
    int fd = caller->fd;

    *caller->at = caller->next;
    if (caller->next != NULL)
        caller->next->at = caller->at;
    caller->door->caller_count--;
    pn_timer_stop(&caller->deadline);
    pn_timer_stop(&caller->retry);
    pn_poll_close(caller->poll, -1);
    pn_heap_free(caller);
    return fd;
}

static void take_in(struct caller *caller)
{
    struct pn_door *door = caller->door;
    int fd = caller_free(caller);

    door->accepted(door->owner, fd, PN_LIT("127.0.0.1"));
}

static void hand_over(struct caller *caller)
{
    char path[4096];

    if (socket_path(caller->door, caller->wanted, path, sizeof path) &&
        pn_handover_send(path, caller->fd) == PN_HANDOVER_LATER) {
        pn_timer_start(caller->door->loop, &caller->retry, caller->retry_ms);
        caller->retry_ms *= 2;
        return;
    }
    close(caller_free(caller)); /* theirs, or nobody's */
}

static void on_retry(struct pn_timer *timer)
{
    hand_over(pn_container_of(timer, struct caller, retry));
}

static void on_deadline(struct pn_timer *timer)
{
    close(caller_free(pn_container_of(timer, struct caller, deadline)));
}

static bool names_session(const char *server_name, struct pn_uuid *session)
{
    struct pn_str name = pn_str_from(server_name);

    return pn_str_ends(name, PN_LIT(SUFFIX)) &&
           pn_uuid_parse(pn_str_slice(name, 0, name.len - (sizeof(SUFFIX) - 1)), session);
}

static void guide(struct caller *caller, const struct pn_hello *hello)
{
    pn_poll_want(caller->poll, 0);
    if (names_session(hello->server_name, &caller->wanted) &&
        !pn_uuid_eq(caller->wanted, caller->door->session))
        hand_over(caller);
    else
        take_in(caller);
}

static void on_bytes(void *caller_, unsigned events PN_UNUSED)
{
    struct caller *caller = caller_;
    struct pn_hello hello;
    const char *why;

    switch (pn_tls_peek_socket(caller->door->loop, caller->fd, "h2", &hello, &why)) {
    case PN_HELLO_MORE: return;
    case PN_HELLO_BAD: close(caller_free(caller)); return;
    case PN_HELLO_DONE: guide(caller, &hello); return;
    }
}

/* Whoever has been silent for longest: a flood of callers that say nothing does not shut out those who speak at once. */
static void drop_oldest(struct pn_door *door)
{
    struct caller *oldest = door->callers;

    while (oldest->next != NULL)
        oldest = oldest->next;
    close(caller_free(oldest));
}

static void on_accepted(void *door_, int fd, struct pn_str peer_ip)
{
    struct pn_door *door = door_;
    struct caller *caller;
    struct pn_err err = { 0 };

    if (door->directory == NULL) {
        door->accepted(door->owner, fd, peer_ip);
        return;
    }
    caller = pn_heap_new(sizeof *caller);
    if (!pn_poll_new(door->loop, fd, on_bytes, caller, &caller->poll, &err)) {
        pn_heap_free(caller);
        close(fd);
        return;
    }
    if (door->caller_count == MAX_CALLERS)
        drop_oldest(door);
    caller->door = door;
    caller->fd = fd;
    caller->at = &door->callers;
    caller->next = door->callers;
    if (caller->next != NULL)
        caller->next->at = &caller->next;
    door->callers = caller;
    door->caller_count++;
    caller->deadline.run = on_deadline;
    caller->retry.run = on_retry;
    caller->retry_ms = RETRY_MS;
    pn_timer_start(door->loop, &caller->deadline, HELLO_MS);
    pn_poll_want(caller->poll, PN_POLL_READ);
}

/* ---- from others ---- */

/* Only who may write into the directory can send: this user. What is sent may still be anything. */
static void on_handed(void *door_, unsigned events PN_UNUSED)
{
    struct pn_door *door = door_;
    int fd;

    while ((fd = pn_handover_take(door->handed)) >= 0) {
        struct sockaddr_storage peer = { 0 };
        socklen_t len = sizeof peer;

        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.ss_family == AF_INET)
            door->accepted(door->owner, fd, PN_LIT("127.0.0.1"));
        else
            close(fd);
    }
}

static bool open_socket(struct pn_door *door, struct pn_err *err)
{
    char path[4096];

    if (!socket_path(door, door->session, path, sizeof path))
        return pn_fail(err, PN_IO, "the runtime directory's path is too long");
    door->handed = pn_handover_open(path, err);
    if (door->handed < 0)
        return false;
    door->path = pn_heap_copy(path);
    if (!pn_poll_new(door->loop, door->handed, on_handed, door, &door->poll, err))
        return false;
    pn_poll_want(door->poll, PN_POLL_READ);
    return true;
}

/* ---- life ---- */

bool pn_door_open(struct pn_loop *loop, const struct pn_door_config *config, struct pn_door **out,
                  struct pn_err *err)
{
    const struct pn_endpoint at = { .host = "127.0.0.1", .port = config->port };
    struct pn_door *door = pn_heap_new(sizeof *door);
    bool is_shared = config->directory != NULL;

    *door = (struct pn_door){
        .loop = loop, .handed = -1, .accepted = config->accepted, .owner = config->owner
    };
    if (is_shared)
        door->directory = pn_heap_copy(config->directory);
    if (!pn_uuid_parse(config->session_id, &door->session))
        pn_fail(err, PN_UPSTREAM, "the session's id is none");
    else if ((!is_shared || open_socket(door, err)) &&
             (is_shared ? pn_listen_shared : pn_listen)(loop, &at, on_accepted, door,
                                                        &door->listener, err)) {
        *out = door;
        return true;
    }
    pn_door_close(door);
    return false;
}

uint16_t pn_door_port(const struct pn_door *door)
{
    return pn_listener_port(door->listener);
}

/* Its last turn: who has said whom it is for goes there, if that is another session; nobody else is served. */
static void see_off(struct caller *caller)
{
    struct pn_hello hello;
    const char *why;
    char path[4096];

    if (pn_tls_peek_socket(caller->door->loop, caller->fd, "h2", &hello, &why) == PN_HELLO_DONE &&
        names_session(hello.server_name, &caller->wanted) &&
        !pn_uuid_eq(caller->wanted, caller->door->session) &&
        socket_path(caller->door, caller->wanted, path, sizeof path))
        (void)pn_handover_send(path, caller->fd);
    close(caller_free(caller));
}

void pn_door_close(struct pn_door *door)
{
    if (door == NULL)
        return;
    if (door->directory != NULL && door->listener != NULL)
        pn_listener_empty(door->listener);
    pn_listener_close(door->listener);
    while (door->callers != NULL)
        see_off(door->callers);
    if (door->path != NULL)
        (void)unlink(door->path);
    if (door->poll != NULL)
        pn_poll_close(door->poll, door->handed);
    else if (door->handed >= 0)
        close(door->handed);
    pn_heap_free(door->directory);
    pn_heap_free(door->path);
    pn_heap_free(door);
}
