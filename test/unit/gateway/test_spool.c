/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "gateway/outbox.h"
#include "gateway/spool.h"
#include "sys/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint8_t key_bytes[32] = { 1, 2, 3 };
static const struct pn_uuid alice = { { 0xa1 } }, bob = { { 0xb0 } };
static sem_t was_synced;

struct bench {
    char directory[64];
    struct pn_secret *key;
    struct pn_spool *spool;
    struct pn_outbox *outbox;
    struct pn_buf event;
};

static void note_sync(void *context, unsigned writer)
{
    (void)context;
    (void)writer;
    (void)sem_post(&was_synced);
}

static void reopen(struct bench *b, size_t segment_bytes, uint64_t max_bytes)
{
    struct pn_spool_config config = { .directory = b->directory,
                                      .key = b->key,
                                      .writers = 2,
                                      .max_bytes = max_bytes,
                                      .segment_bytes = segment_bytes,
                                      .synced = note_sync };
    struct pn_err err = { 0 };

    CHECK_OK(pn_spool_open(&config, &b->spool, &err), err);
    b->outbox = pn_outbox_new(b->spool);
}

static struct bench open_bench(void)
{
    struct bench b = { .event = pn_buf_init(1 << 20) };
    struct pn_err err = { 0 };

    (void)sem_init(&was_synced, 0, 0);
    (void)snprintf(b.directory, sizeof(b.directory), "/tmp/pn-spool-XXXXXX");
    CHECK(mkdtemp(b.directory) != NULL);
    b.key = pn_secret_new(pn_str_of(key_bytes, sizeof(key_bytes)), &err);
    CHECK(b.key != NULL);
    return b;
}

static void close_spool(struct bench *b)
{
    pn_outbox_free(b->outbox);
    pn_spool_close(b->spool);
    b->outbox = NULL;
    b->spool = NULL;
}

static void each_file(struct bench *b, void (*run)(const char *path, void *context), void *context,
                      const char *suffix)
{
    DIR *dir = opendir(b->directory);
    struct dirent *entry;
    char path[512];

    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", b->directory, entry->d_name);
        if (entry->d_name[0] != '.' && pn_str_ends(pn_str_from(path), pn_str_from(suffix)))
            run(path, context);
    }
    (void)closedir(dir);
}

static void remove_file(const char *path, void *context)
{
    (void)context;
    (void)unlink(path);
}

static void count_file(const char *path, void *context)
{
    (void)path;
    (*(int *)context)++;
}

static int count_segments(struct bench *b)
{
    int count = 0;

    each_file(b, count_file, &count, ".seg");
    return count;
}

static void close_bench(struct bench *b)
{
    close_spool(b);
    each_file(b, remove_file, NULL, "");
    CHECK_EQ(rmdir(b->directory), 0);
    pn_secret_free(b->key);
    pn_buf_drop(&b->event);
}

static bool append(struct bench *b, unsigned writer, struct pn_recording *r, const char *text,
                   uint64_t *ticket, struct pn_err *err)
{
    pn_spool_begin(&b->event);
    pn_buf_addf(&b->event, "{\"e\":\"%s\"}", text);
    return pn_spool_append(b->spool, writer, r, PN_SPOOL_REQUEST, &b->event, ticket, err);
}

static void append_many(struct bench *b, unsigned writer, struct pn_recording *r, int count)
{
    char text[32];
    struct pn_err err = { 0 };

    for (int i = 0; i < count; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        CHECK_OK(append(b, writer, r, text, NULL, &err), err);
    }
}

static bool next(struct bench *b, struct pn_batch *batch)
{
    return pn_outbox_next(b->outbox, 0, batch);
}

static void plan(struct bench *b)
{
    struct pn_err err = { 0 };

    pn_outbox_collect(b->outbox);
    CHECK_OK(pn_outbox_plan(b->outbox, &err), err);
}

PN_TEST(events_come_back_in_order_per_session)
{
    struct bench b = open_bench();
    struct pn_recording *r;
    struct pn_batch batch;
    struct pn_err err = { 0 };
    int seen = 0;

    reopen(&b, 0, 1 << 30);
    r = pn_spool_recording(b.spool, alice, 0);
    CHECK_OK(append(&b, 0, r, "a", NULL, &err), err);
    CHECK_OK(append(&b, 1, r, "b", NULL, &err), err); /* another loop, the same session */
    CHECK_OK(append(&b, 0, r, "c", NULL, &err), err);
    pn_spool_release(b.spool, r);
    r = pn_spool_recording(b.spool, bob, 0);
    CHECK_OK(append(&b, 1, r, "x", NULL, &err), err);
    pn_spool_release(b.spool, r);
    plan(&b);
    while (next(&b, &batch)) {
        CHECK_EQ(batch.first, 0);
        if (pn_uuid_eq(batch.session, alice))
            CHECK_STR(batch.body,
                      "[{\"seq\":0,\"e\":\"a\"},{\"seq\":1,\"e\":\"b\"},{\"seq\":2,\"e\":\"c\"}]");
        else
            CHECK_STR(batch.body, "[{\"seq\":0,\"e\":\"x\"}]");
        pn_outbox_acked(b.outbox, &batch);
        seen++;
    }
    CHECK_EQ(seen, 2);
    plan(&b);
    CHECK(!next(&b, &batch));
    CHECK_EQ(pn_outbox_waiting(b.outbox), 0);
    close_bench(&b);
}

static void read_all(const char *path, void *found)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init(64 << 20);
    struct pn_err err = { 0 };

    CHECK_OK(pn_file_read(path, 64 << 20, &bytes, &err), err);
    *(bool *)found |= pn_str_search(pn_buf_str(&bytes), PN_LIT("top secret pod")) >= 0;
    CHECK(pn_file_is_private(path));
}

PN_TEST(files_hold_no_plain_text)
{
    struct bench b = open_bench();
    struct pn_recording *r;
    struct pn_err err = { 0 };
    bool is_found = false;

    reopen(&b, 0, 1 << 30);
    r = pn_spool_recording(b.spool, alice, 0);
    CHECK_OK(append(&b, 0, r, "top secret pod", NULL, &err), err);
    plan(&b);
    each_file(&b, read_all, &is_found, "");
    CHECK(!is_found);
    close_bench(&b);
}

/* kill -9 right after the last append: every event is there, with its number, and numbering goes on. */
PN_TEST(killed_process_loses_nothing)
{
    struct bench b = open_bench();
    struct pn_recording *r;
    struct pn_batch batch;
    int status;
    pid_t child = fork();

    if (child == 0) {
        reopen(&b, 1 << 16, 1 << 30);
        r = pn_spool_recording(b.spool, alice, 0);
        append_many(&b, 0, r, 3000);
        append_many(&b, 1, r, 1000);
        (void)kill(getpid(), SIGKILL);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    reopen(&b, 1 << 16, 1 << 30);
    r = pn_spool_recording(b.spool, alice, 0);
    append_many(&b, 0, r, 1);
    plan(&b);
    CHECK(next(&b, &batch));
    CHECK_EQ(batch.first, 0);
    CHECK_EQ(batch.end, 4001);
    CHECK(pn_str_ends(batch.body, PN_LIT("{\"seq\":4000,\"e\":\"0\"}]")));
    close_bench(&b);
}

/* Killed between sending and noting it: the same boundaries again, though more has come since. */
PN_TEST(boundaries_survive_a_crash)
{
    struct bench b = open_bench();
    struct pn_recording *r;
    struct pn_batch batch;
    uint64_t ends[8], at = 0;
    int fds[2], status;
    pid_t child;

    CHECK_EQ(pipe(fds), 0);
    child = fork();
    if (child == 0) {
        reopen(&b, 0, 1 << 30);
        r = pn_spool_recording(b.spool, alice, 0);
        append_many(&b, 0, r, 60000);
        plan(&b);
        while (next(&b, &batch)) {
            (void)!write(fds[1], &batch.end, sizeof(batch.end));
            pn_outbox_acked(b.outbox, &batch);
        }
        append_many(&b, 0, r, 5);
        (void)kill(getpid(), SIGKILL);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    (void)close(fds[1]);
    reopen(&b, 0, 1 << 30);
    plan(&b);
    while (next(&b, &batch)) {
        uint64_t end = 0;

        CHECK_EQ(batch.first, at);
        CHECK(batch.body.len <= PN_BATCH_MAX_BYTES);
        CHECK_EQ(read(fds[0], &end, sizeof(end)), sizeof(end));
        CHECK_EQ(batch.end, end);
        ends[0] = at = end;
        pn_outbox_acked(b.outbox, &batch);
    }
    CHECK_EQ(ends[0], 60000);
    plan(&b);
    CHECK(next(&b, &batch));
    CHECK_EQ(batch.first, 60000);
    CHECK_EQ(batch.end, 60005);
    (void)close(fds[0]);
    close_bench(&b);
}

PN_TEST(segments_go_when_the_ledger_has_them_home)
{
    struct bench b = open_bench();
    struct pn_recording *r;
    struct pn_batch batch;
    int before;

    reopen(&b, 1 << 14, 1 << 30);
    r = pn_spool_recording(b.spool, alice, INT64_MAX);
    append_many(&b, 0, r, 2000);
    plan(&b);
    before = count_segments(&b);
    CHECK(before > 10);
    while (next(&b, &batch))
        pn_outbox_acked(b.outbox, &batch);
    close_spool(&b);
    reopen(&b, 1 << 14, 1 << 30);
    CHECK(count_segments(&b) >=
          before - 1); /* acknowledged, but not noted: still there (the spare went) */
    plan(&b);
    while (next(&b, &batch))
        pn_outbox_acked(b.outbox, &batch);
    plan(&b);
    close_spool(&b); /* the sync thread deletes before it ends */
    CHECK_EQ(count_segments(&b), 0);
    reopen(&b, 1 << 14, 1 << 30);
    r = pn_spool_recording(b.spool, alice, INT64_MAX);
    append_many(&b, 0, r, 1);
    plan(&b);
    CHECK(next(&b, &batch));
    CHECK_EQ(batch.first, 2000); /* the ledger remembers where the session stood */
    close_bench(&b);
}

struct flip {
    off_t at;
    int hits;
};

static void flip_byte(const char *path, void *flip_)
{
    struct flip *flip = flip_;
    int fd = open(path, O_RDWR);
    uint8_t byte;

    CHECK(fd >= 0);
    CHECK_EQ(pread(fd, &byte, 1, flip->at), 1);
    byte ^= 0x40;
    CHECK_EQ(pwrite(fd, &byte, 1, flip->at), 1);
    (void)close(fd);
    flip->hits++;
}

/* Whatever byte of a record is altered: it does not come back, and the others do. */
PN_TEST(altered_records_are_noticed)
{
    static const off_t places[] = { 64 + 8, 64 + 24, 64 + 32, 64 + 50, 64 + 60 };

    for (size_t i = 0; i < PN_COUNT(places); i++) {
        struct bench b = open_bench();
        struct flip flip = { .at = places[i] };
        struct pn_recording *r;
        struct pn_batch batch;
        int good = 0;

        reopen(&b, 1 << 14, 1 << 30);
        r = pn_spool_recording(b.spool, alice, 0);
        append_many(&b, 0, r, 10);
        close_spool(&b);
        each_file(&b, flip_byte, &flip, "1.seg");
        CHECK_EQ(flip.hits, 1);
        reopen(&b, 1 << 14, 1 << 30);
        plan(&b);
        while (next(&b, &batch)) {
            if (pn_uuid_eq(batch.session, alice)) {
                CHECK(pn_str_search(batch.body, PN_LIT("\"seq\":0,")) < 0);
                CHECK_EQ(batch.first, 1);
                good += (int)(batch.end - batch.first);
            }
            pn_outbox_acked(b.outbox, &batch);
        }
        CHECK_EQ(good, 9);
        close_bench(&b);
    }
}

PN_TEST(another_key_opens_nothing)
{
    struct bench b = open_bench();
    struct pn_recording *r;
    struct pn_batch batch;
    struct pn_err err = { 0 };

    reopen(&b, 1 << 14, 1 << 30);
    r = pn_spool_recording(b.spool, alice, 0);
    append_many(&b, 0, r, 3);
    plan(&b);
    close_spool(&b);
    pn_secret_free(b.key);
    b.key = pn_secret_new(PN_LIT("another key of thirty-two bytes!"), &err);
    reopen(&b, 1 << 14, 1 << 30);
    plan(&b);
    CHECK(!next(&b, &batch));
    close_bench(&b);
}

PN_TEST(full_spool_refuses_requests_and_takes_responses)
{
    struct bench b = open_bench();
    struct pn_recording *r;
    struct pn_err err = { 0 };
    int taken = 0;

    reopen(&b, 1 << 14, 1 << 16);
    r = pn_spool_recording(b.spool, alice, 0);
    while (taken < 100000 && append(&b, 0, r, "some event that fills the spool", NULL, &err))
        taken++;
    CHECK(taken > 100);
    CHECK_EQ(err.code, PN_BUSY);
    pn_err_clear(&err);
    CHECK_FAILS(append(&b, 1, r, "another loop", NULL, &err), err, BUSY);
    pn_spool_begin(&b.event);
    pn_buf_add_text(&b.event, "{\"e\":1}");
    CHECK_OK(pn_spool_append(b.spool, 0, r, PN_SPOOL_RESPONSE, &b.event, NULL, &err), err);
    close_bench(&b);
}

PN_TEST(event_larger_than_a_segment_is_refused)
{
    struct bench b = open_bench();
    struct pn_recording *r;
    struct pn_err err = { 0 };

    reopen(&b, 1 << 12, 1 << 20);
    r = pn_spool_recording(b.spool, alice, 0);
    pn_spool_begin(&b.event);
    while (b.event.len < 5000)
        pn_buf_add_text(&b.event, "xxxxxxxx");
    CHECK_FAILS(pn_spool_append(b.spool, 0, r, PN_SPOOL_REQUEST, &b.event, NULL, &err), err,
                TOO_LARGE);
    close_bench(&b);
}

PN_TEST(strict_waiters_are_told_after_the_sync)
{
    struct bench b = open_bench();
    struct pn_recording *r;
    struct pn_err err = { 0 };
    uint64_t ticket = 0;

    reopen(&b, 0, 1 << 30);
    r = pn_spool_recording(b.spool, alice, 0);
    CHECK_OK(append(&b, 1, r, "a", &ticket, &err), err);
    while (!pn_spool_is_synced(b.spool, 1, ticket)) {
        pn_spool_want_synced(b.spool, 1);
        CHECK_EQ(sem_wait(&was_synced), 0);
    }
    CHECK(!pn_spool_is_synced(b.spool, 1, ticket + 1));
    close_bench(&b);
}

PN_TEST(directory_that_cannot_be_written_is_refused)
{
    struct pn_err err = { 0 };
    struct pn_secret *key = pn_secret_new(pn_str_of(key_bytes, sizeof(key_bytes)), &err);
    struct pn_spool_config config = {
        .directory = "/proc/postern-spool", .key = key, .writers = 1, .max_bytes = 1 << 20
    };
    struct pn_spool *spool;

    CHECK(!pn_spool_open(&config, &spool, &err));
    pn_secret_free(key);
}

PN_TEST(held_sessions_wait_and_dropped_ones_go)
{
    struct bench b = open_bench();
    struct pn_recording *r;
    struct pn_batch batch;

    reopen(&b, 0, 1 << 30);
    r = pn_spool_recording(b.spool, alice, 0);
    append_many(&b, 0, r, 3);
    plan(&b);
    CHECK(pn_outbox_next(b.outbox, 100, &batch));
    pn_outbox_hold(b.outbox, &batch, 200);
    CHECK(!pn_outbox_next(b.outbox, 199, &batch));
    plan(&b);
    CHECK(pn_outbox_next(b.outbox, 200, &batch));
    CHECK_EQ(batch.end, 3);
    pn_outbox_drop(b.outbox, &batch);
    CHECK(!pn_outbox_next(b.outbox, 300, &batch));
    close_bench(&b);
}

struct appender {
    struct bench *b;
    unsigned writer;
    struct pn_recording *recording;
};

static void *run_appender(void *appender_)
{
    struct appender *a = appender_;
    pn_auto(pn_buf_drop) struct pn_buf event = pn_buf_init(4096);

    for (int i = 0; i < 20000; i++) {
        struct pn_err err = { 0 };

        pn_spool_begin(&event);
        pn_buf_addf(&event, "{\"w\":%u,\"i\":%d}", a->writer, i);
        CHECK_OK(pn_spool_append(a->b->spool, a->writer, a->recording, PN_SPOOL_REQUEST, &event,
                                 NULL, &err),
                 err);
    }
    return NULL;
}

PN_TEST(two_loops_and_the_uploader_at_once)
{
    struct bench b = open_bench();
    struct appender appenders[2];
    pthread_t threads[2];
    struct pn_batch batch;
    uint64_t at = 0;

    reopen(&b, 1 << 18, 1 << 30);
    for (unsigned i = 0; i < 2; i++) {
        appenders[i] = (struct appender){ &b, i, pn_spool_recording(b.spool, alice, 0) };
        CHECK_EQ(pthread_create(&threads[i], NULL, run_appender, &appenders[i]), 0);
    }
    while (at < 40000) {
        plan(&b);
        while (next(&b, &batch)) {
            CHECK_EQ(batch.first, at);
            at = batch.end;
            pn_outbox_acked(b.outbox, &batch);
        }
    }
    CHECK_EQ(at, 40000);
    for (unsigned i = 0; i < 2; i++)
        (void)pthread_join(threads[i], NULL);
    close_bench(&b);
}

PN_TEST_MAIN(T(events_come_back_in_order_per_session), T(files_hold_no_plain_text),
             T(killed_process_loses_nothing), T(boundaries_survive_a_crash),
             T(segments_go_when_the_ledger_has_them_home), T(altered_records_are_noticed),
             T(another_key_opens_nothing), T(full_spool_refuses_requests_and_takes_responses),
             T(event_larger_than_a_segment_is_refused), T(strict_waiters_are_told_after_the_sync),
             T(directory_that_cannot_be_written_is_refused),
             T(held_sessions_wait_and_dropped_ones_go), T(two_loops_and_the_uploader_at_once))
