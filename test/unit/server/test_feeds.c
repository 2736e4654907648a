/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that do not end, over real connections and a clock that the test moves. */
#include "core/secrets.h"
#include "net/http_peer.h"

#include "core/auth/login.h"
#include "core/org/org.h"
#include "server/feeds.h"
#include "server/routes.h"

#define PATH "/api/v1/events/subscribe/project-events"

struct world {
    struct home *h;
    struct stage stage;
    struct pn_router *router;
    struct pn_lane *lane;
    struct pn_settings *settings;
    struct pn_metrics metrics;
    struct pn_dispatcher *dispatcher;
    struct pn_feeds *feeds;
    struct pn_http_server *http;
    struct pn_project project;
    struct pn_call admin;
    struct pn_str token; /* of the admin, as a person */
    int next_fd;
    bool next_is_h2;
};

static struct world w;

static void make_server(void *none)
{
    struct pn_dispatch_parts parts = { .loop = w.stage.loop,
                                       .router = w.router,
                                       .settings = w.settings,
                                       .db = w.h->db,
                                       .keyring = w.h->keyring,
                                       .cache = w.h->cache,
                                       .metrics = &w.metrics,
                                       .fast = w.lane,
                                       .slow = w.lane };
    struct pn_http_server_config config = { .request = pn_dispatch,
                                            .error_body = pn_dispatch_error_body };

    (void)none;
    parts.feeds = w.feeds = pn_feeds_new(&parts);
    config.context = w.dispatcher = pn_dispatcher_new(&parts);
    w.http = pn_http_server_new(w.stage.loop, &config);
}

static void world_start(struct home *h, size_t queue_max)
{
    const struct pn_lane_config lane = { .name = "fast",
                                         .threads = 2,
                                         .queue_max = queue_max,
                                         .worker_new = pn_dispatch_worker_new,
                                         .worker_free = pn_dispatch_worker_free,
                                         .context = h->db };
    struct pn_err err = { 0 };

    w = (struct world){ .h = h };
    CHECK_OK(
        pn_settings_load(&(struct pn_settings_source){ .file_name = "none" }, &w.settings, &err),
        err);
    w.admin = home_person(h, "admin@acme.test");
    w.project = home_project(h, &w.admin, "p");
    CHECK_OK(home_login(h, "admin@acme.test", HOME_PASSWORD, &w.token, &err), err);
    {
        struct pn_call call = home_as(h, w.token);

        CHECK_OK(pn_login_select_org(&call, h->first.org.id, &w.token, &(bool){ false }, &err),
                 err);
    }
    CHECK_OK(pn_router_new(pn_route_tables, &w.router, &err), err);
    CHECK_OK(pn_lane_new(&lane, &w.lane, &err), err);
    stage_open(&w.stage);
    on_stage(&w.stage, make_server, NULL);
}

static void halt(void *none)
{
    (void)none;
    pn_loop_stop(w.stage.loop);
}

/* In the order of pn_server_stop. */
static void world_stop(void)
{
    on_stage(&w.stage, halt, NULL);
    pn_loop_join(w.stage.loop);
    pn_feeds_stop(w.feeds);
    pn_lane_free(w.lane);
    pn_dispatcher_free(w.dispatcher);
    pn_http_server_free(w.http);
    pn_loop_free(w.stage.loop);
    pn_feeds_free(w.feeds);
    pn_router_free(w.router);
    pn_settings_free(w.settings);
    CHECK_EQ(atomic_load(&w.metrics.subscriptions), 0);
}

static void serve(void *none)
{
    struct pn_stream *stream;
    struct pn_err err = { 0 };

    (void)none;
    CHECK_OK(pn_socket_stream(w.stage.loop, w.next_fd, &stream, &err), err);
    (void)pn_http_serve(w.http, stream, w.next_is_h2, PN_LIT("192.0.2.7"), NULL);
}

static int dial(bool is_h2, int buffer_bytes)
{
    int fds[2];

    tcp_pair(fds);
    if (buffer_bytes > 0) {
        setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
        setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
    }
    w.next_fd = fds[1];
    w.next_is_h2 = is_h2;
    on_stage(&w.stage, serve, NULL);
    return fds[0];
}

static struct pn_str body_of(const char *events)
{
    return pn_arena_printf(w.h->arena, "{\"projectId\":\"%s\",\"register\":%s}",
                           pn_uuid_format(w.project.id).text, events);
}

#define CREATED "[{\"event\":\"secret:create\"}]"

static void ask_h1(int fd, struct pn_str token, const char *events)
{
    const struct pn_str body = body_of(events);

    say(fd, pn_arena_printf(w.h->arena,
                            "POST " PATH " HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %.*s\r\n"
                            "Content-Length: %zu\r\n\r\n%.*s",
                            PN_ARG(token), body.len, PN_ARG(body))
                .ptr);
}

static int subscribe(struct pn_str token, int buffer_bytes)
{
    int fd = dial(false, buffer_bytes);
    struct pn_str head;

    ask_h1(fd, token, CREATED);
    head = read_head(fd);
    CHECK(pn_str_starts(head, PN_LIT("HTTP/1.1 200")));
    CHECK(has(head, "\r\ncontent-type: text/event-stream\r\n"));
    return fd;
}

static void put(const char *name)
{
    w.admin.now_ms = pn_clock_wall_ms();
    (void)vault_put(&w.admin, w.project.id, "/", name, "v");
}

/* One chunk. */
static struct pn_str read_chunk(int fd)
{
    char size[16], end[2];
    size_t len = 0, got = 0;
    char *bytes;

    do
        CHECK(len < sizeof(size) && recv(fd, &size[len], 1, 0) == 1);
    while (size[len++] != '\n');
    len = strtoul(size, NULL, 16);
    bytes = pn_new(w.h->arena, char, len + 1);
    while (got < len) {
        ssize_t n = recv(fd, bytes + got, len - got, 0);

        CHECK(n > 0);
        got += (size_t)n;
    }
    CHECK_EQ(recv(fd, end, 2, MSG_WAITALL), 2);
    return pn_str_of(bytes, len);
}

static void look_around(void *none)
{
    (void)none;
}

/* Due timers run in the next turn of the loop. */
static void pass(int64_t ms)
{
    pn_clock_advance(ms);
    on_stage(&w.stage, look_around, NULL);
    on_stage(&w.stage, look_around, NULL);
}

static long long live(void)
{
    return atomic_load(&w.metrics.subscriptions);
}

static void await_none(void)
{
    for (int64_t until = time(NULL) + 10; live() > 0 && time(NULL) < until;)
        sched_yield();
    CHECK_EQ(live(), 0);
}

/* ---- the cases ---- */

HOME_TEST(it_says_something_every_fifteen_seconds)
{
    int fd;

    world_start(h, 16);
    fd = subscribe(w.token, 0);
    for (int i = 0; i < 20; i++) {
        pass(PN_FEED_PING_MS);
        CHECK_STR(read_chunk(fd), "event: ping\n\n");
    }
    put("A");
    CHECK(has(read_chunk(fd), "\"secretKey\":\"A\""));
    CHECK_EQ(live(), 1);
    close(fd);
    await_none();
    world_stop();
}

HOME_TEST(the_same_over_http2)
{
    struct h2_peer *p;
    struct pn_http_field fields[1];
    struct pn_http_head head = { .method = PN_LIT("POST"),
                                 .target = PN_LIT(PATH),
                                 .authority = PN_LIT("h"),
                                 .fields = fields,
                                 .count = 1,
                                 .content_length = -1 };
    struct pn_err err = { 0 };
    int32_t id;

    world_start(h, 16);
    p = peer_new(dial(true, 0), false, 100);
    fields[0] = (struct pn_http_field){ PN_LIT("authorization"),
                                        pn_arena_printf(h->arena, "Bearer %.*s", PN_ARG(w.token)) };
    id = pn_h2_request(p->h2, &head, NULL, &err);
    CHECK(id > 0);
    p->streams[id].to_send = body_of(CREATED);
    p->streams[id].may_end = true;
    pn_h2_resume(p->h2, id);
    PEER_UNTIL(p, p->streams[id].status != 0);
    CHECK_EQ(p->streams[id].status, 200);
    put("A");
    PEER_UNTIL(p, has(peer_body(p, id), "\"secretKey\":\"A\""));
    pass(PN_FEED_PING_MS);
    PEER_UNTIL(p, has(peer_body(p, id), "event: ping\n\n"));
    CHECK(!p->streams[id].is_ended);
    peer_free(p);
    await_none();
    world_stop();
}

/* Of each change, in order; to the last of them. */
static void read_changes(int fd, size_t count)
{
    for (size_t found = 0; found < count;) {
        struct pn_str rest = read_chunk(fd);
        int64_t at;

        for (; (at = pn_str_search(rest, PN_LIT("\"secretKey\""))) >= 0; found++)
            rest = pn_str_slice(rest, (size_t)at + 1, rest.len);
    }
}

HOME_TEST(a_reader_who_never_reads_is_cut)
{
    struct pn_secrets_change changes[500];
    struct pn_secrets_batch batch;
    struct pn_list out;
    struct pn_err err = { 0 };
    int deaf, fd;

    world_start(h, 16);
    deaf = subscribe(w.token, 4096);
    fd = subscribe(w.token, 0);
    batch = vault_batch(w.project.id, "dev", "/", changes);
    batch.count = PN_COUNT(changes);
    batch.is_single = false;
    for (size_t i = 0; i < PN_COUNT(changes); i++)
        changes[i] =
            (struct pn_secrets_change){ .secretKey = pn_arena_printf(h->arena, "K%0200zu", i),
                                        .secretValue = PN_LIT("v") };
    CHECK_OK(pn_secrets_create(&w.admin, &batch, &out, &err), err);
    read_changes(fd, PN_COUNT(changes));
    CHECK_EQ(live(), 2);
    close(fd);
    for (int64_t until = time(NULL) + 20; live() > 0 && time(NULL) < until;)
        pass(1000);
    CHECK_EQ(live(), 0);
    CHECK(is_reset(deaf));
    close(deaf);
    world_stop();
}

HOME_TEST(it_ends_with_its_token)
{
    int fd;
    struct pn_str last;

    world_start(h, 16);
    fd = subscribe(w.token, 0);
    pass(PN_LOGIN_SESSION_MS);
    last = read_chunk(fd);
    CHECK(pn_str_starts(last, PN_LIT("event: error\ndata: {\"message\":\"Your token has expired")));
    CHECK_EQ(read_chunk(fd).len, 0); /* a clean end */
    await_none();
    close(fd);
    world_stop();
}

/* No clock is moved: the change itself is what it is told by. */
static void check_ends(struct home *h, const char *sql)
{
    int fd = subscribe(w.token, 0);
    struct home_other change = { .db = h->db, .sql = sql };
    struct pn_err err = { 0 };

    put(pn_arena_printf(h->arena, "K%d", fd).ptr);
    CHECK(has(read_chunk(fd), "event: secret:create"));
    CHECK_OK(pn_db_write(h->db, home_change, &change, &err), err);
    CHECK(pn_str_starts(read_chunk(fd), PN_LIT("event: error\n")));
    CHECK_EQ(read_chunk(fd).len, 0);
    await_none();
    close(fd);
}

HOME_TEST(it_ends_when_a_second_factor_is_asked_for)
{
    world_start(h, 16);
    check_ends(h, "UPDATE orgs SET enforce_mfa = 1");
    world_stop();
}

HOME_TEST(it_ends_when_the_session_is_revoked)
{
    world_start(h, 16);
    check_ends(h, "UPDATE login_sessions SET is_revoked = 1");
    world_stop();
}

HOME_TEST(it_ends_when_the_person_leaves_the_project)
{
    world_start(h, 16);
    check_ends(h, "UPDATE project_member_roles SET role = 'no-access'");
    world_stop();
}

HOME_TEST(it_ends_with_its_project)
{
    world_start(h, 16);
    check_ends(h, "DELETE FROM projects WHERE 1 = 1");
    world_stop();
}

/* A lane that takes one job at a time: whoever finds no room comes again. */
HOME_TEST(all_are_told_when_workers_are_few)
{
    int fds[PN_FEEDS_PER_ACTOR];

    world_start(h, 1);
    for (size_t i = 0; i < PN_COUNT(fds); i++)
        fds[i] = subscribe(w.token, 0);
    put("A");
    for (size_t i = 0; i < PN_COUNT(fds); i++) {
        struct pollfd news = { .fd = fds[i], .events = POLLIN };

        for (int patience = 1000; patience > 0 && poll(&news, 1, 10) == 0; patience--)
            pass(10);
        CHECK(has(read_chunk(fds[i]), "\"secretKey\":\"A\""));
    }
    for (size_t i = 0; i < PN_COUNT(fds); i++)
        close(fds[i]);
    await_none();
    world_stop();
}

HOME_TEST(clients_that_leave_at_any_moment_leave_nothing_behind)
{
    world_start(h, 64);
    for (int round = 0; round < 60; round++) {
        int fd = dial(false, 0);

        ask_h1(fd, w.token, CREATED);
        if (round % 3 > 0)
            (void)read_head(fd);
        if (round % 3 > 1)
            put(pn_arena_printf(h->arena, "K%d", round).ptr);
        close(fd);
        await_none();
    }
    world_stop();
}

static void drain(void *none)
{
    (void)none;
    pn_http_server_drain(w.http);
    pn_feeds_drain(w.feeds);
}

HOME_TEST(a_server_that_drains_ends_them_cleanly)
{
    int fds[3];

    world_start(h, 16);
    for (size_t i = 0; i < PN_COUNT(fds); i++)
        fds[i] = subscribe(w.token, 0);
    on_stage(&w.stage, drain, NULL);
    for (size_t i = 0; i < PN_COUNT(fds); i++) {
        CHECK_EQ(read_chunk(fds[i]).len, 0);
        EXPECT_END(fds[i]);
        close(fds[i]);
    }
    await_none();
    world_stop();
}

HOME_TEST(a_server_that_stops_at_once_breaks_them_off)
{
    int fd;

    world_start(h, 16);
    fd = subscribe(w.token, 0);
    put("A"); /* perhaps a worker looks just now */
    world_stop();
    close(fd);
}

PN_TEST_MAIN(T(it_says_something_every_fifteen_seconds), T(the_same_over_http2),
             T(a_reader_who_never_reads_is_cut), T(it_ends_with_its_token),
             T(it_ends_when_a_second_factor_is_asked_for), T(it_ends_when_the_session_is_revoked),
             T(it_ends_when_the_person_leaves_the_project), T(it_ends_with_its_project),
             T(all_are_told_when_workers_are_few),
             T(clients_that_leave_at_any_moment_leave_nothing_behind),
             T(a_server_that_drains_ends_them_cleanly),
             T(a_server_that_stops_at_once_breaks_them_off))
