/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/spool.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "gateway/spool_inner.h"
#include "sys/sys.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_SEGMENT_BYTES ((size_t)4 << 20)
#define SYNC_MS 50
#define MAX_WRITERS 64
/* What responses may use above the limit, so that a request let through is on record to its end. */
#define RESERVE_BYTES ((uint64_t)64 << 20)
/* `{"seq":` and 20 digits. */
#define HEADROOM 27
#define SEQ_MEMBER "{\"seq\":"

/* ---- events ---- */

void pn_spool_begin(struct pn_buf *event)
{
    static const char room[HEADROOM + 1] = "                           ";

    pn_buf_clear(event);
    pn_buf_add_bytes(event, room, HEADROOM);
}

/* Puts the number right in front of what was built; the rest of the room stays outside the slice. */
static struct pn_str finish_event(struct pn_buf *event, uint64_t seq)
{
    char *to = event->ptr + HEADROOM;

    *to = ','; /* was the object's brace */
    do
        *--to = (char)('0' + seq % 10);
    while ((seq /= 10) > 0);
    to -= sizeof(SEQ_MEMBER) - 1;
    memcpy(to, SEQ_MEMBER, sizeof(SEQ_MEMBER) - 1);
    return pn_str_of(to, event->len - (size_t)(to - event->ptr));
}

/* ---- segments ---- */

static size_t free_slot(const struct pn_spool *spool)
{
    size_t slot = 0;

    while (slot < spool->slot_end && spool->slots[slot] != NULL)
        slot++;
    return slot;
}

static bool keep_segment(struct pn_spool *spool, struct pn_segment *segment)
{
    size_t slot;

    pthread_mutex_lock(&spool->lock);
    slot = free_slot(spool);
    if (slot < PN_SPOOL_MAX_SEGMENTS) {
        spool->slots[slot] = segment;
        if (slot == spool->slot_end)
            spool->slot_end++;
    }
    pthread_mutex_unlock(&spool->lock);
    return slot < PN_SPOOL_MAX_SEGMENTS;
}

static uint32_t take_number(struct pn_spool *spool)
{
    uint32_t number;

    pthread_mutex_lock(&spool->lock);
    number = spool->next_number++;
    pthread_mutex_unlock(&spool->lock);
    return number;
}

/* A new segment that nobody reads yet. Any thread. */
static struct pn_segment *make_segment(struct pn_spool *spool, unsigned writer, struct pn_err *err)
{
    struct pn_segment *segment;

    atomic_fetch_add(&spool->bytes, spool->segment_bytes);
    if (pn_segment_new(spool->directory, take_number(spool), writer, spool->segment_bytes,
                       spool->key, &segment, err))
        return segment;
    atomic_fetch_sub(&spool->bytes, spool->segment_bytes);
    return NULL;
}

static void delete_segment(struct pn_spool *spool, struct pn_segment *segment)
{
    atomic_fetch_sub(&spool->bytes, segment->bytes);
    pn_segment_delete(segment);
}

static bool may_grow(const struct pn_spool *spool, enum pn_spool_kind kind)
{
    uint64_t limit = spool->max_bytes + (kind == PN_SPOOL_RESPONSE ? RESERVE_BYTES : 0);

    return atomic_load(&spool->bytes) + spool->segment_bytes <= limit;
}

/* The next segment of a writer: the spare one, or one made here and now. */
static struct pn_segment *next_segment(struct pn_spool *spool, unsigned writer,
                                       enum pn_spool_kind kind, struct pn_err *err)
{
    struct pn_segment *spare = atomic_exchange(&spool->lanes[writer].spare, NULL);

    if (spare != NULL)
        return spare;
    if (!may_grow(spool, kind)) {
        (void)pn_fail(err, PN_BUSY, "the recording spool is full");
        return NULL;
    }
    return make_segment(spool, writer, err);
}

static bool rotate(struct pn_spool *spool, unsigned writer, enum pn_spool_kind kind,
                   struct pn_err *err)
{
    struct pn_writer_lane *lane = &spool->lanes[writer];
    struct pn_segment *next = next_segment(spool, writer, kind, err);

    if (next == NULL)
        return false;
    if (!keep_segment(spool, next)) {
        delete_segment(spool, next);
        return pn_fail(err, PN_BUSY, "the recording spool is full");
    }
    if (lane->current != NULL)
        atomic_store(&lane->current->is_retired, true);
    lane->current = next;
    atomic_store(&lane->wants_spare, true);
    return true;
}

/* ---- append ---- */

void pn_spool_poke(struct pn_spool *spool, bool is_urgent)
{
    pthread_mutex_lock(&spool->sync_lock);
    spool->is_urgent |= is_urgent;
    pthread_cond_signal(&spool->sync_wake);
    pthread_mutex_unlock(&spool->sync_lock);
}

bool pn_spool_append(struct pn_spool *spool, unsigned writer, struct pn_recording *recording,
                     enum pn_spool_kind kind, struct pn_buf *event, uint64_t *ticket,
                     struct pn_err *err)
{
    struct pn_writer_lane *lane = &spool->lanes[writer];
    uint64_t seq, number;

    if (atomic_load_explicit(&spool->is_broken, memory_order_relaxed))
        return pn_fail(err, PN_IO, "the recording spool has failed; see the gateway's log");
    if (event->is_full ||
        pn_segment_record_bytes(event->len) > spool->segment_bytes - PN_SEGMENT_HEADER_BYTES)
        return pn_fail(err, PN_TOO_LARGE, "the request is too large to record");
    if ((lane->current == NULL || !pn_segment_has_room(lane->current, event->len)) &&
        !rotate(spool, writer, kind, err))
        return false;
    seq = atomic_fetch_add(&recording->next_seq, 1);
    pn_segment_append(lane->current, recording->session, seq, finish_event(event, seq));
    number = atomic_fetch_add(&lane->appended, 1) + 1;
    if (ticket != NULL)
        *ticket = number;
    if (!atomic_exchange(&spool->is_dirty, true))
        pn_spool_poke(spool, false); /* once per sync, not per event */
    return true;
}

bool pn_spool_is_synced(const struct pn_spool *spool, unsigned writer, uint64_t ticket)
{
    return atomic_load(&spool->lanes[writer].synced) >= ticket;
}

void pn_spool_want_synced(struct pn_spool *spool, unsigned writer)
{
    if (!atomic_exchange(&spool->lanes[writer].wants_notice, true))
        pn_spool_poke(spool, true);
}

/* ---- sync thread ---- */

static void fail_spool(struct pn_spool *spool, const struct pn_segment *segment, int cause)
{
    if (!atomic_exchange(&spool->is_broken, true))
        pn_log(PN_ERROR, "spool-failed", PN_F_TEXT("path", segment->path),
               PN_F_TEXT("cause", strerror(cause)));
}

/* True when it may go from its slot: all its records are home. */
static bool sync_segment(struct pn_spool *spool, struct pn_segment *segment)
{
    size_t used = atomic_load_explicit(&segment->used, memory_order_acquire);

    if (atomic_load(&segment->is_done))
        return true;
    if (used > segment->synced) {
        if (fdatasync(segment->fd) != 0)
            fail_spool(spool, segment, errno);
        segment->synced = used;
    }
    return false;
}

static void sync_segments(struct pn_spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    for (size_t slot = 0; slot < spool->slot_end; slot++) {
        struct pn_segment *segment = spool->slots[slot];

        if (segment == NULL)
            continue;
        pthread_mutex_unlock(&spool->lock);
        if (!sync_segment(spool, segment))
            segment = NULL;
        pthread_mutex_lock(&spool->lock);
        if (segment != NULL) {
            spool->slots[slot] = NULL;
            delete_segment(spool, segment);
        }
    }
    while (spool->slot_end > 0 && spool->slots[spool->slot_end - 1] == NULL)
        spool->slot_end--;
    pthread_mutex_unlock(&spool->lock);
}

/* What was appended before the sync began is safe after it. */
static void sync_once(struct pn_spool *spool)
{
    uint64_t before[MAX_WRITERS];

    atomic_store(&spool->is_dirty, false);
    for (unsigned i = 0; i < spool->lane_count; i++)
        before[i] = atomic_load(&spool->lanes[i].appended);
    sync_segments(spool);
    for (unsigned i = 0; i < spool->lane_count && !atomic_load(&spool->is_broken); i++)
        atomic_store(&spool->lanes[i].synced, before[i]);
    for (unsigned i = 0; i < spool->lane_count; i++)
        if (atomic_exchange(&spool->lanes[i].wants_notice, false) && spool->synced != NULL)
            spool->synced(spool->context, i);
}

/* Opening files is not a loop's work: one segment is ready before it is needed. */
static void make_spares(struct pn_spool *spool)
{
    for (unsigned i = 0; i < spool->lane_count; i++) {
        struct pn_segment *spare, *expected = NULL;
        struct pn_err err = { 0 };

        if (!atomic_load(&spool->lanes[i].wants_spare) || !may_grow(spool, PN_SPOOL_REQUEST))
            continue;
        spare = make_segment(spool, i, &err);
        if (spare == NULL) {
            pn_log(PN_WARN, "spool-no-room", PN_F_ERR(&err));
            continue;
        }
        atomic_store(&spool->lanes[i].wants_spare, false);
        if (!atomic_compare_exchange_strong(&spool->lanes[i].spare, &expected, spare))
            delete_segment(spool, spare);
    }
}

static struct timespec after_ms(int64_t ms)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Sleeps until something was appended, then for what is left of the group's 50 ms. */
static bool wait_for_work(struct pn_spool *spool)
{
    bool goes_on;

    pthread_mutex_lock(&spool->sync_lock);
    while (!spool->is_stopping && !spool->is_urgent && !atomic_load(&spool->is_dirty))
        pthread_cond_wait(&spool->sync_wake, &spool->sync_lock);
    if (!spool->is_stopping && !spool->is_urgent) {
        struct timespec until = after_ms(SYNC_MS);

        while (!spool->is_stopping && !spool->is_urgent &&
               pthread_cond_timedwait(&spool->sync_wake, &spool->sync_lock, &until) == 0)
            ;
    }
    spool->is_urgent = false;
    goes_on = !spool->is_stopping;
    pthread_mutex_unlock(&spool->sync_lock);
    return goes_on;
}

static void *run_sync(void *spool_)
{
    struct pn_spool *spool = spool_;

    while (wait_for_work(spool)) {
        sync_once(spool);
        make_spares(spool);
    }
    sync_once(spool);
    return NULL;
}

/* ---- recordings ---- */

static struct pn_str key_of(const struct pn_uuid *session)
{
    return pn_str_of(session->bytes, sizeof(session->bytes));
}

struct pn_recording *pn_spool_find(struct pn_spool *spool, struct pn_uuid session)
{
    struct pn_recording *recording = pn_map_get(spool->recordings, key_of(&session));

    if (recording == NULL) {
        recording = pn_heap_new(sizeof(*recording));
        recording->session = session;
        (void)pn_map_put(spool->recordings, key_of(&session), recording);
    }
    return recording;
}

struct pn_recording *pn_spool_recording(struct pn_spool *spool, struct pn_uuid session,
                                        int64_t keep_until_ms)
{
    struct pn_recording *recording;

    pthread_mutex_lock(&spool->lock);
    recording = pn_spool_find(spool, session);
    recording->refs++;
    if (recording->keep_until_ms < keep_until_ms)
        recording->keep_until_ms = keep_until_ms;
    pthread_mutex_unlock(&spool->lock);
    return recording;
}

void pn_spool_release(struct pn_spool *spool, struct pn_recording *recording)
{
    if (recording == NULL)
        return;
    pthread_mutex_lock(&spool->lock);
    pn_assert(recording->refs > 0);
    recording->refs--;
    pthread_mutex_unlock(&spool->lock);
}

void pn_recording_touch(struct pn_recording *recording, int64_t now_ms)
{
    atomic_store_explicit(&recording->active_ms, now_ms, memory_order_relaxed);
}

int64_t pn_recording_active(const struct pn_recording *recording)
{
    return atomic_load_explicit(&recording->active_ms, memory_order_relaxed);
}

bool pn_recording_ends_now(struct pn_recording *recording)
{
    return !atomic_exchange(&recording->has_ended, true);
}

/* ---- open and close ---- */

static bool probe_directory(struct pn_spool *spool, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(4096);

    if (!pn_dir_make(spool->directory, 0700, err))
        return pn_within(err, "spool directory");
    pn_buf_addf(&path, "%s/probe", spool->directory);
    if (!pn_file_write(pn_buf_cstr(&path), PN_LIT("ok"), 0600, err) ||
        !pn_file_remove(pn_buf_cstr(&path), err))
        return pn_within(err, "the spool directory is not writable");
    return true;
}

/* Segments by number; the index is the outbox's. */
static bool open_segments(struct pn_spool *spool, struct pn_err *err)
{
    DIR *dir = opendir(spool->directory);
    struct dirent *entry;

    if (dir == NULL)
        return pn_fail_cause(err, PN_IO, errno, "spool: cannot list %s", spool->directory);
    while ((entry = readdir(dir)) != NULL) {
        struct pn_segment *segment;
        struct pn_err why = { 0 };
        char *end;
        unsigned long number = strtoul(entry->d_name, &end, 16);

        if (end != entry->d_name + 8 || strcmp(end, ".seg") != 0)
            continue;
        if (number >= spool->next_number)
            spool->next_number = (uint32_t)number + 1;
        if (!pn_segment_open(spool->directory, (uint32_t)number, spool->key, &segment, &why)) {
            pn_log(PN_ERROR, "spool-segment-unreadable", PN_F_TEXT("name", entry->d_name),
                   PN_F_ERR(&why));
            continue;
        }
        atomic_fetch_add(&spool->bytes, segment->bytes);
        if (!keep_segment(spool, segment))
            pn_segment_free(segment);
    }
    (void)closedir(dir);
    return true;
}

static bool derive_ledger_key(struct pn_spool *spool, struct pn_err *err)
{
    uint8_t key[PN_AEAD_KEY_BYTES];

    pn_hash_hkdf(pn_secret_reveal(spool->key), PN_NONE, PN_LIT("postern spool ledger"), key,
                 sizeof(key));
    spool->ledger_key = pn_secret_new(pn_str_of(key, sizeof(key)), err);
    pn_wipe(key, sizeof(key));
    return spool->ledger_key != NULL;
}

static bool start_sync(struct pn_spool *spool, struct pn_err *err)
{
    int failure = pthread_create(&spool->sync_thread, NULL, run_sync, spool);

    if (failure != 0)
        return pn_fail_cause(err, PN_INTERNAL, failure, "spool: cannot start a thread");
    (void)pthread_setname_np(spool->sync_thread, "pn-spool");
    return true;
}

static void free_spool(struct pn_spool *spool)
{
    size_t at = 0;
    struct pn_str key;
    void *recording;

    for (unsigned i = 0; i < spool->lane_count; i++)
        if (atomic_load(&spool->lanes[i].spare) != NULL)
            delete_segment(spool, atomic_load(&spool->lanes[i].spare));
    for (size_t slot = 0; slot < spool->slot_end; slot++)
        pn_segment_free(spool->slots[slot]);
    while (pn_map_next(spool->recordings, &at, &key, &recording)) {
        pn_heap_free(((struct pn_recording *)recording)->places);
        pn_heap_free(recording);
    }
    pn_map_free(spool->recordings);
    pn_secret_free(spool->key);
    pn_secret_free(spool->ledger_key);
    (void)pthread_mutex_destroy(&spool->lock);
    (void)pthread_mutex_destroy(&spool->sync_lock);
    (void)pthread_cond_destroy(&spool->sync_wake);
    pn_heap_free(spool->lanes);
    pn_heap_free(spool->directory);
    pn_heap_free(spool);
}

bool pn_spool_open(const struct pn_spool_config *config, struct pn_spool **out, struct pn_err *err)
{
    struct pn_spool *spool = pn_heap_new(sizeof(*spool));
    pthread_condattr_t clock;

    pn_assert(config->writers > 0 && config->writers <= MAX_WRITERS);
    spool->directory = pn_heap_copy(config->directory);
    spool->max_bytes = config->max_bytes;
    spool->segment_bytes =
        config->segment_bytes > 0 ? config->segment_bytes : DEFAULT_SEGMENT_BYTES;
    spool->synced = config->synced;
    spool->context = config->context;
    spool->lane_count = config->writers;
    spool->lanes = pn_heap_new(config->writers * sizeof(*spool->lanes));
    spool->recordings = pn_map_new();
    spool->next_number = 1;
    (void)pthread_mutex_init(&spool->lock, NULL);
    (void)pthread_mutex_init(&spool->sync_lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&spool->sync_wake, &clock);
    (void)pthread_condattr_destroy(&clock);
    spool->key = pn_secret_copy(config->key, err);
    if (spool->key == NULL || !derive_ledger_key(spool, err) || !probe_directory(spool, err) ||
        !open_segments(spool, err) || !start_sync(spool, err)) {
        free_spool(spool);
        return false;
    }
    *out = spool;
    return true;
}

void pn_spool_close(struct pn_spool *spool)
{
    if (spool == NULL)
        return;
    pthread_mutex_lock(&spool->sync_lock);
    spool->is_stopping = true;
    pthread_cond_signal(&spool->sync_wake);
    pthread_mutex_unlock(&spool->sync_lock);
    (void)pthread_join(spool->sync_thread, NULL);
    free_spool(spool);
}

struct pn_spool_status pn_spool_status(struct pn_spool *spool)
{
    return (struct pn_spool_status){ .bytes = atomic_load(&spool->bytes),
                                     .max_bytes = spool->max_bytes,
                                     .is_broken = atomic_load(&spool->is_broken) };
}
