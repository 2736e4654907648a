/* SPDX-License-Identifier: Apache-2.0 */
/* The shared local port, with callers that are none. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "check.h"
#include "client/door.h"
#include "sys/sys.h"

#define MINE "01a20591-b4b3-7a63-bac2-af80c2884fb1"
#define THEIRS "01a20591-0000-7000-8000-000000000000"
#define GONE "01a20591-0000-7000-8000-00000000dead"
#define SUFFIX ".local.postern.internal"

/* Two doors on one loop: the kernel does not care whose they are. */
struct world {
    struct pn_loop *loop;
    struct pn_door *doors[2];
    unsigned served[2];
    char directory[32];
    char first[8]; /* bytes that the last one served began with */
};

static void serve(struct world *w, int which, int fd)
{
    w->served[which]++;
    CHECK(recv(fd, w->first, sizeof w->first, MSG_PEEK) > 0);
    close(fd);
    pn_loop_stop(w->loop);
}

static void mine(void *world, int fd, struct pn_str peer)
{
    CHECK_STR(peer, "127.0.0.1");
    serve(world, 0, fd);
}

static void theirs(void *world, int fd, struct pn_str peer)
{
    CHECK_STR(peer, "127.0.0.1");
    serve(world, 1, fd);
}

static void up(struct world *w)
{
    struct pn_door_config config = { .session_id = PN_LIT(MINE), .accepted = mine, .owner = w };
    struct pn_err err = { 0 };

    *w = (struct world){ .directory = "/tmp/pn-door-XXXXXX" };
    CHECK(mkdtemp(w->directory) != NULL);
    config.directory = w->directory;
    CHECK_OK(pn_loop_new(&w->loop, &err), err);
    CHECK_OK(pn_door_open(w->loop, &config, &w->doors[0], &err), err);
    config.port = pn_door_port(w->doors[0]);
    config.session_id = PN_LIT(THEIRS);
    config.accepted = theirs;
    CHECK_OK(pn_door_open(w->loop, &config, &w->doors[1], &err), err);
}

static void down(struct world *w)
{
    pn_door_close(w->doors[0]);
    pn_door_close(w->doors[1]);
    pn_door_close(NULL);
    CHECK_EQ(rmdir(w->directory), 0);
    pn_loop_free(w->loop);
}

static void over(struct pn_timer *timer)
{
    pn_loop_stop(timer->loop);
}

/* Until somebody was served, or for so long. */
static void turn(struct world *w, int64_t ms)
{
    struct pn_timer timer = { .run = over };

    pn_timer_start(w->loop, &timer, ms);
    pn_loop_run(w->loop);
    pn_timer_stop(&timer);
}

static int call(const struct world *w)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(pn_door_port(w->doors[0])),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK_EQ(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

/* A ClientHello with that server_name; NULL: without one. */
static struct pn_buf hello(const char *name)
{
    struct pn_buf out = pn_buf_init(1024);
    size_t len = name != NULL ? strlen(name) : 0, extensions = name != NULL ? len + 9 : 0;
    size_t body = 2 + 32 + 1 + 4 + 2 + 2 + extensions;

    pn_buf_add_bytes(&out, "\x16\x03\x01", 3);
    pn_buf_add_be(&out, body + 4, 2);
    pn_buf_add_byte(&out, 1);
    pn_buf_add_be(&out, body, 3);
    pn_buf_add_be(&out, 0x0303, 2);
    for (int i = 0; i < 32; i++)
        pn_buf_add_byte(&out, 7);
    pn_buf_add_bytes(&out, "\0\0\x02\x13\x01\x01\0", 7);
    pn_buf_add_be(&out, extensions, 2);
    if (name != NULL) {
        pn_buf_add_be(&out, 0, 2);
        pn_buf_add_be(&out, len + 5, 2);
        pn_buf_add_be(&out, len + 3, 2);
        pn_buf_add_byte(&out, 0);
        pn_buf_add_be(&out, len, 2);
        pn_buf_add_text(&out, name);
    }
    return out;
}

static bool is_closed(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);

    return got == 0 || (got < 0 && errno == ECONNRESET);
}

PN_TEST(each_hello_comes_to_the_session_that_it_names)
{
    struct world w;

    up(&w);
    for (unsigned i = 0; i < 40; i++) {
        pn_auto(pn_buf_drop) struct pn_buf bytes = hello(i % 2 == 0 ? MINE SUFFIX : THEIRS SUFFIX);
        int fd = call(&w);

        CHECK_EQ(send(fd, bytes.ptr, bytes.len, 0), (ssize_t)bytes.len);
        while (w.served[0] + w.served[1] == i)
            turn(&w, 20000);
        CHECK_EQ(w.served[0], i / 2 + 1);
        CHECK_EQ(w.served[1], (i + 1) / 2);
        CHECK_EQ(memcmp(w.first, bytes.ptr, sizeof w.first), 0); /* unread */
        close(fd);
    }
    down(&w);
}

PN_TEST(a_hello_in_pieces_is_waited_for)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = hello(THEIRS SUFFIX);
    struct world w;
    int fd;

    up(&w);
    fd = call(&w);
    for (size_t i = 0; i < bytes.len; i++) {
        CHECK_EQ(send(fd, bytes.ptr + i, 1, 0), 1);
        if (i % 16 == 0)
            turn(&w, 2);
        CHECK_EQ(w.served[0] + w.served[1], 0);
    }
    while (w.served[1] == 0)
        turn(&w, 20000);
    CHECK_EQ(w.served[0], 0);
    close(fd);
    down(&w);
}

PN_TEST(whoever_names_no_session_is_served_where_they_came)
{
    static const char *const names[] = {
        NULL,  "localhost", "x" SUFFIX, "../" MINE SUFFIX, MINE ".local.postern.internal.evil",
        SUFFIX
    };
    struct world w;

    up(&w);
    for (unsigned i = 0; i < PN_COUNT(names); i++) {
        pn_auto(pn_buf_drop) struct pn_buf bytes = hello(names[i]);
        int fd = call(&w);

        CHECK_EQ(send(fd, bytes.ptr, bytes.len, 0), (ssize_t)bytes.len);
        for (int turns = 0; w.served[0] + w.served[1] == i && !is_closed(fd) && turns < 1000;
             turns++)
            turn(&w, 20);
        if (names[i] != NULL && strchr(names[i], '/') != NULL)
            w.served[0]++; /* no host name at all: closed */
        CHECK_EQ(w.served[0] + w.served[1], i + 1);
        close(fd);
    }
    down(&w);
}

PN_TEST(what_is_no_hello_or_for_nobody_is_closed)
{
    pn_auto(pn_buf_drop) struct pn_buf gone = hello(GONE SUFFIX);
    const struct pn_str lines[] = { PN_LIT("GET / HTTP/1.1\r\n\r\n"),
                                    PN_LIT("\x16\x03\x01\xff\xff"), pn_buf_str(&gone) };
    struct world w;

    up(&w);
    for (size_t i = 0; i < PN_COUNT(lines); i++) {
        int fd = call(&w), turns = 0;

        CHECK_EQ(send(fd, lines[i].ptr, lines[i].len, 0), (ssize_t)lines[i].len);
        while (!is_closed(fd) && turns++ < 1000)
            turn(&w, 20);
        CHECK(turns < 1000);
        close(fd);
    }
    CHECK_EQ(w.served[0] + w.served[1], 0);
    down(&w);
}

/* Nothing more will come: it is not looked at again and again until its time is up. */
PN_TEST(half_a_hello_and_an_end_are_closed_at_once)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = hello(MINE SUFFIX);
    struct world w;
    int fd, turns = 0;

    up(&w);
    fd = call(&w);
    CHECK_EQ(send(fd, bytes.ptr, bytes.len - 1, 0), (ssize_t)bytes.len - 1);
    turn(&w, 20);
    CHECK_EQ(shutdown(fd, SHUT_WR), 0);
    while (!is_closed(fd) && turns++ < 100)
        turn(&w, 20);
    CHECK(turns < 100);
    CHECK_EQ(w.served[0] + w.served[1], 0);
    close(fd);
    down(&w);
}

/* The kernel has given it connections that are the others': they are not lost with it. */
PN_TEST(a_session_that_ends_takes_no_others_connections_with_it)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = hello(THEIRS SUFFIX);
    struct world w;
    int fds[10], turns = 0; /* as many as a queue of handed connections takes */

    up(&w);
    for (size_t i = 0; i < PN_COUNT(fds); i++) { /* about half of them wait at the first door */
        fds[i] = call(&w);
        CHECK_EQ(send(fds[i], bytes.ptr, bytes.len, 0), (ssize_t)bytes.len);
    }
    pn_door_close(w.doors[0]);
    w.doors[0] = NULL;
    while (w.served[1] < PN_COUNT(fds) && turns++ < 2000)
        turn(&w, 20);
    CHECK_EQ(w.served[1], PN_COUNT(fds));
    CHECK_EQ(w.served[0], 0);
    for (size_t i = 0; i < PN_COUNT(fds); i++)
        close(fds[i]);
    down(&w);
}

/* Another user of the machine may hold connections and say nothing: who speaks is served all the same. */
PN_TEST(silent_callers_shut_nobody_out)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = hello(MINE SUFFIX);
    struct world w;
    int silent[600], fd, turns = 0;

    up(&w);
    for (size_t i = 0; i < PN_COUNT(silent); i++) {
        silent[i] = call(&w);
        if (i % 50 == 0)
            turn(&w, 1);
    }
    turn(&w, 50);
    fd = call(&w);
    CHECK_EQ(send(fd, bytes.ptr, bytes.len, 0), (ssize_t)bytes.len);
    while (w.served[0] == 0 && !is_closed(fd) && turns++ < 1000)
        turn(&w, 20);
    CHECK_EQ(w.served[0], 1);
    for (size_t i = 0; i < PN_COUNT(silent); i++)
        close(silent[i]);
    close(fd);
    down(&w);
}

/* Who may write into the directory is this user; what they hand over may still be nonsense. */
PN_TEST(only_connections_are_taken)
{
    char path[128];
    int pair[2];
    struct world w;

    up(&w);
    snprintf(path, sizeof path, "%s/" MINE ".sock", w.directory);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQ(pn_handover_send(path, pair[0]), PN_HANDOVER_DONE);
    CHECK_EQ(pn_handover_send(path, STDERR_FILENO), PN_HANDOVER_DONE);
    turn(&w, 50);
    CHECK_EQ(w.served[0], 0);
    close(pair[0]);
    CHECK(is_closed(pair[1])); /* ours was the last copy */
    close(pair[1]);
    CHECK_EQ(pn_handover_send("/tmp/no-such-directory/x.sock", STDERR_FILENO), PN_HANDOVER_NOBODY);
    CHECK_EQ(pn_handover_send("x.sock", STDERR_FILENO), PN_HANDOVER_NOBODY);
    down(&w);
}

/* Of two at once the first is taken; the other does not stay open here. */
PN_TEST(a_second_descriptor_stays_with_nobody)
{
    char directory[] = "/tmp/pn-door-XXXXXX";
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = { .bytes = { 0 } };
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    struct iovec iov = { (char[]){ 0 }, 1 };
    struct msghdr message = { .msg_name = &name,
                              .msg_namelen = sizeof name,
                              .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control.bytes };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    struct pn_err err = { 0 };
    int fd, from = socket(AF_UNIX, SOCK_DGRAM, 0), pair[2];

    CHECK(mkdtemp(directory) != NULL);
    snprintf(name.sun_path, sizeof name.sun_path, "%s/a.sock", directory);
    fd = pn_handover_open(name.sun_path, &err);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(header), (int[]){ pair[0], pair[0] }, 2 * sizeof(int));
    CHECK_EQ(sendmsg(from, &message, 0), 1);
    close(pair[0]);
    close(pn_handover_take(fd));
    CHECK(is_closed(pair[1])); /* no copy is left */
    close(pair[1]);
    close(from);
    close(fd);
    CHECK_EQ(unlink(name.sun_path), 0);
    CHECK_EQ(rmdir(directory), 0);
}

PN_TEST(a_full_queue_says_later)
{
    char directory[] = "/tmp/pn-door-XXXXXX", path[128];
    struct pn_err err = { 0 };
    int fd, sent = 0, taken = 0, got;

    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/a.sock", directory);
    fd = pn_handover_open(path, &err);
    CHECK(fd >= 0);
    while (sent < 100000 && pn_handover_send(path, STDERR_FILENO) == PN_HANDOVER_DONE)
        sent++;
    CHECK(sent > 0 && sent < 100000);
    CHECK_EQ(pn_handover_send(path, STDERR_FILENO), PN_HANDOVER_LATER);
    while ((got = pn_handover_take(fd)) >= 0) {
        close(got);
        taken++;
    }
    CHECK_EQ(taken, sent);
    close(fd);
    CHECK_EQ(pn_handover_send(path, STDERR_FILENO), PN_HANDOVER_NOBODY); /* it died */
    fd = pn_handover_open(path, &err);                                   /* its successor */
    CHECK(fd >= 0);
    close(fd);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(rmdir(directory), 0);
}

PN_TEST(a_port_of_another_program_is_a_conflict)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    int other = socket(AF_INET, SOCK_STREAM, 0);
    struct pn_door_config config = { .session_id = PN_LIT(GONE), .accepted = mine };
    struct pn_door *door;
    struct pn_err err = { 0 };
    struct world w;

    up(&w);
    CHECK(bind(other, (struct sockaddr *)&at, len) == 0 && listen(other, 1) == 0);
    CHECK_EQ(getsockname(other, (struct sockaddr *)&at, &len), 0);
    config.port = ntohs(at.sin_port);
    config.directory = w.directory;
    CHECK_FAILS(pn_door_open(w.loop, &config, &door, &err), err, CONFLICT);
    config.port = 0;
    config.directory = "/tmp/no-such-directory";
    CHECK_FAILS(pn_door_open(w.loop, &config, &door, &err), err, IO);
    close(other);
    down(&w);
}

PN_TEST_MAIN(T(each_hello_comes_to_the_session_that_it_names), T(a_hello_in_pieces_is_waited_for),
             T(whoever_names_no_session_is_served_where_they_came),
             T(what_is_no_hello_or_for_nobody_is_closed),
             T(half_a_hello_and_an_end_are_closed_at_once),
             T(a_session_that_ends_takes_no_others_connections_with_it),
             T(silent_callers_shut_nobody_out), T(only_connections_are_taken),
             T(a_second_descriptor_stays_with_nobody), T(a_full_queue_says_later),
             T(a_port_of_another_program_is_a_conflict))
