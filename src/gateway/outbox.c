/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/outbox.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/reader.h"
#include "crypto/aead.h"
#include "gateway/spool_inner.h"
#include "sys/sys.h"

#include <stdio.h>
#include <string.h>

#define LEDGER_MAGIC PN_LIT("PNLEDGR1")
#define LEDGER_MAX_BYTES ((size_t)64 << 20)
/* How far ahead of what is home a number may be: more than any spool holds. */
#define MAX_AHEAD ((uint64_t)1 << 26)
/* For a session whose end an earlier run did not note. */
#define KEEP_UNKNOWN_MS ((int64_t)30 * 86400 * 1000)

struct pn_outbox {
    struct pn_spool *spool;
    char *ledger_path;
    struct pn_recording **recordings; /* of this round */
    size_t count, room, at;
    struct pn_recording *last_found;
    struct pn_segment_window window;
    struct pn_buf body;
};

/* ---- places ---- */

static struct pn_place *place_of(struct pn_recording *recording, uint64_t seq)
{
    uint64_t i = seq - recording->saved;

    return seq >= recording->saved && i < recording->place_count ? &recording->places[i] : NULL;
}

static bool is_there(struct pn_recording *recording, uint64_t seq)
{
    const struct pn_place *place = place_of(recording, seq);

    return place != NULL && place->slot1 != 0;
}

static void make_room(struct pn_recording *recording, size_t count)
{
    size_t room = recording->place_room > 0 ? recording->place_room : 64;

    while (room < count)
        room *= 2;
    if (room > recording->place_room) {
        recording->places =
            pn_heap_grow(recording->places, recording->place_room * sizeof(struct pn_place),
                         room * sizeof(struct pn_place));
        recording->place_room = room;
    }
    if (recording->place_count < count)
        recording->place_count = count;
}

static struct pn_recording *find(struct pn_outbox *outbox, struct pn_uuid session)
{
    if (outbox->last_found == NULL || !pn_uuid_eq(outbox->last_found->session, session)) {
        pthread_mutex_lock(&outbox->spool->lock);
        outbox->last_found = pn_spool_find(outbox->spool, session);
        pthread_mutex_unlock(&outbox->spool->lock);
    }
    return outbox->last_found;
}

static void index_record(struct pn_outbox *outbox, struct pn_segment *segment, uint32_t slot,
                         const struct pn_record *record)
{
    struct pn_recording *recording = find(outbox, record->session);

    if (record->seq < recording->acked)
        return; /* home already; the segment was not deleted in time */
    if (record->seq - recording->saved >= MAX_AHEAD) {
        pn_log(PN_ERROR, "spool-record-damaged", PN_F_TEXT("path", segment->path),
               PN_F_INT("at", record->at));
        return;
    }
    make_room(recording, (size_t)(record->seq - recording->saved) + 1);
    *place_of(recording, record->seq) = (struct pn_place){ slot + 1, (uint32_t)record->at };
    segment->unacked++;
}

/* Files with nothing left to send go; the sync thread deletes them. */
static void let_go(struct pn_outbox *outbox, struct pn_segment *segment)
{
    if (segment->map != NULL || segment->unacked > 0)
        return;
    atomic_store(&segment->is_done, true);
    pn_spool_poke(outbox->spool, true);
}

static void scan(struct pn_outbox *outbox, struct pn_segment *segment, uint32_t slot)
{
    bool is_retired = atomic_load(
        &segment->is_retired); /* before looking: else the last record could be missed */
    struct pn_record record;
    enum pn_segment_found found;

    while ((found = pn_segment_peek(segment, segment->scanned, &record)) == PN_SEGMENT_RECORD) {
        index_record(outbox, segment, slot, &record);
        segment->scanned += record.bytes;
    }
    if (found == PN_SEGMENT_DAMAGE)
        pn_log(PN_ERROR, "spool-segment-damaged", PN_F_TEXT("path", segment->path),
               PN_F_INT("at", segment->scanned));
    if (is_retired) {
        pn_segment_unmap(segment);
        let_go(outbox, segment);
    }
}

static struct pn_segment *segment_in(struct pn_outbox *outbox, uint32_t slot, size_t *end)
{
    struct pn_segment *segment;

    pthread_mutex_lock(&outbox->spool->lock);
    *end = outbox->spool->slot_end;
    segment = slot < *end ? outbox->spool->slots[slot] : NULL;
    pthread_mutex_unlock(&outbox->spool->lock);
    return segment;
}

void pn_outbox_collect(struct pn_outbox *outbox)
{
    size_t end = 1;

    outbox->window.segment = NULL;
    for (uint32_t slot = 0; slot < end; slot++) {
        struct pn_segment *segment = segment_in(outbox, slot, &end);

        /* What is done is the sync thread's; what has no map is indexed. */
        if (segment != NULL && !atomic_load(&segment->is_done) && segment->map != NULL)
            scan(outbox, segment, slot);
    }
}

/* ---- the ledger ---- */

static void print_ledger(struct pn_outbox *outbox, struct pn_buf *out)
{
    size_t entries = 0, at = 0;
    struct pn_str key;
    void *entry;

    for (size_t i = 0; i < outbox->count; i++)
        entries += outbox->recordings[i]->planned > 0;
    pn_buf_add(out, LEDGER_MAGIC);
    pn_buf_add_be(out, entries, 4);
    pthread_mutex_lock(&outbox->spool->lock);
    while (entries > 0 && pn_map_next(outbox->spool->recordings, &at, &key, &entry)) {
        struct pn_recording *recording = entry;

        if (recording->planned == 0)
            continue;
        entries--;
        pn_buf_add(out, key);
        pn_buf_add_be(out, recording->acked, 8);
        pn_buf_add_be(out, recording->planned, 8);
        pn_buf_add_be(out, (uint64_t)recording->keep_until_ms, 8);
    }
    pthread_mutex_unlock(&outbox->spool->lock);
}

static bool write_ledger(struct pn_outbox *outbox, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf plain = pn_buf_init(LEDGER_MAX_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf sealed = pn_buf_init(LEDGER_MAX_BYTES + PN_AEAD_OVERHEAD);

    print_ledger(outbox, &plain);
    if (plain.is_full)
        return pn_fail(err, PN_INTERNAL, "spool: too many sessions for one ledger");
    return pn_aead_seal((const uint8_t *)pn_secret_reveal(outbox->spool->ledger_key).ptr,
                        LEDGER_MAGIC, pn_buf_str(&plain), &sealed, err) &&
           pn_file_write(outbox->ledger_path, pn_buf_str(&sealed), 0600, err);
}

static bool parse_ledger(struct pn_outbox *outbox, struct pn_str plain, struct pn_err *err)
{
    struct pn_reader r = pn_reader_of(plain);
    struct pn_str magic = pn_read_str(&r, LEDGER_MAGIC.len);
    uint32_t entries = pn_read_u32(&r);

    if (!pn_str_eq(magic, LEDGER_MAGIC))
        return pn_fail(err, PN_PROTOCOL, "spool: the ledger is of another version");
    for (uint32_t i = 0; i < entries && !r.is_short; i++) {
        struct pn_str id = pn_read_str(&r, 16);
        struct pn_recording *recording;
        struct pn_uuid session;

        if (r.is_short)
            break;
        memcpy(session.bytes, id.ptr, sizeof(session.bytes));
        recording = find(outbox, session);
        recording->saved = recording->acked = pn_read_u64(&r);
        recording->planned = pn_read_u64(&r);
        recording->keep_until_ms = (int64_t)pn_read_u64(&r);
    }
    if (!pn_read_done(&r))
        return pn_fail(err, PN_PROTOCOL, "spool: the ledger is cut short");
    return true;
}

static bool read_ledger(struct pn_outbox *outbox, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf sealed = pn_buf_init(LEDGER_MAX_BYTES + PN_AEAD_OVERHEAD);
    pn_auto(pn_buf_drop) struct pn_buf plain = pn_buf_init(LEDGER_MAX_BYTES);

    if (!pn_file_exists(outbox->ledger_path))
        return true;
    return pn_file_read(outbox->ledger_path, sealed.max_bytes, &sealed, err) &&
           pn_aead_open((const uint8_t *)pn_secret_reveal(outbox->spool->ledger_key).ptr,
                        LEDGER_MAGIC, pn_buf_str(&sealed), &plain, err) &&
           parse_ledger(outbox, pn_buf_str(&plain), err);
}

/* ---- rounds ---- */

static void list_recordings(struct pn_outbox *outbox)
{
    size_t at = 0;
    struct pn_str key;
    void *recording;

    outbox->count = outbox->at = 0;
    pthread_mutex_lock(&outbox->spool->lock);
    while (pn_map_next(outbox->spool->recordings, &at, &key, &recording)) {
        if (outbox->count == outbox->room) {
            size_t room = outbox->room > 0 ? outbox->room * 2 : 64;

            outbox->recordings = pn_heap_grow(outbox->recordings, outbox->room * sizeof(void *),
                                              room * sizeof(void *));
            outbox->room = room;
        }
        outbox->recordings[outbox->count++] = recording;
    }
    pthread_mutex_unlock(&outbox->spool->lock);
}

/* Everything that is there without a hole, a hole of an earlier run excepted. */
static uint64_t end_of_row(struct pn_recording *recording)
{
    uint64_t seq = recording->planned;

    while (is_there(recording, seq) || seq < recording->gone_before)
        seq++;
    return seq;
}

/* The ledger knows: places are forgotten, and segments that held only such events. */
static void forget_saved(struct pn_outbox *outbox, struct pn_recording *recording)
{
    size_t count = (size_t)(recording->acked - recording->saved), end;

    if (count > recording->place_count)
        count = recording->place_count;
    for (size_t i = 0; i < count; i++) {
        struct pn_segment *segment;

        if (recording->places[i].slot1 == 0)
            continue;
        segment = segment_in(outbox, recording->places[i].slot1 - 1, &end);
        pn_assert(segment != NULL && segment->unacked > 0);
        segment->unacked--;
        let_go(outbox, segment);
    }
    recording->place_count -= count;
    memmove(recording->places, recording->places + count,
            recording->place_count * sizeof(struct pn_place));
    memset(recording->places + recording->place_count, 0, count * sizeof(struct pn_place));
    recording->saved = recording->acked;
}

/* A session that is over for good, with all events home. */
static void forget_recording(struct pn_outbox *outbox, struct pn_recording *recording,
                             int64_t now_ms)
{
    struct pn_str key = pn_str_of(recording->session.bytes, sizeof(recording->session.bytes));
    bool is_over;

    pthread_mutex_lock(&outbox->spool->lock);
    is_over = recording->refs == 0 && recording->keep_until_ms < now_ms &&
              recording->saved == atomic_load(&recording->next_seq);
    if (is_over)
        (void)pn_map_remove(outbox->spool->recordings, key);
    pthread_mutex_unlock(&outbox->spool->lock);
    if (!is_over)
        return;
    if (outbox->last_found == recording)
        outbox->last_found = NULL;
    pn_heap_free(recording->places);
    pn_heap_free(recording);
}

bool pn_outbox_plan(struct pn_outbox *outbox, struct pn_err *err)
{
    bool is_changed = false;

    list_recordings(outbox);
    for (size_t i = 0; i < outbox->count; i++) {
        struct pn_recording *recording = outbox->recordings[i];
        uint64_t end =
            recording->acked == recording->planned ? end_of_row(recording) : recording->planned;

        is_changed |= end != recording->planned || recording->acked != recording->saved;
        recording->planned = end;
    }
    if (is_changed && !write_ledger(outbox, err))
        return pn_within(err, "spool ledger");
    for (size_t i = 0; i < outbox->count; i++) {
        if (outbox->recordings[i]->acked != outbox->recordings[i]->saved)
            forget_saved(outbox, outbox->recordings[i]);
        forget_recording(outbox, outbox->recordings[i], pn_clock_wall_ms());
    }
    list_recordings(outbox);
    return true;
}

/* An event that cannot be opened is as good as missing; the log says so. */
static bool read_event(struct pn_outbox *outbox, struct pn_recording *recording, uint64_t seq)
{
    struct pn_place *place = place_of(recording, seq);
    struct pn_segment *segment;
    struct pn_err err = { 0 };
    size_t end;

    segment = segment_in(outbox, place->slot1 - 1, &end);
    if (pn_segment_read(segment, place->at, recording->session, seq, &outbox->window, &outbox->body,
                        &err))
        return true;
    pn_log(PN_ERROR, "spool-record-damaged", PN_F_INT("seq", seq), PN_F_ERR(&err));
    segment->unacked--;
    *place = (struct pn_place){ 0 };
    let_go(outbox, segment);
    return false;
}

/* From `acked`, as many as fit, up to `planned` or the next hole: a pure function of the ledger. */
static bool fill_batch(struct pn_outbox *outbox, struct pn_recording *recording,
                       struct pn_batch *out)
{
    uint64_t seq = recording->acked;

    pn_buf_clear(&outbox->body);
    pn_buf_add_byte(&outbox->body, '[');
    while (seq < recording->planned && !is_there(recording, seq))
        seq++;
    out->first = seq;
    for (; seq < recording->planned && is_there(recording, seq); seq++) {
        size_t before = outbox->body.len;

        if (seq > out->first)
            pn_buf_add_byte(&outbox->body, ',');
        if (!read_event(outbox, recording, seq) ||
            (seq > out->first && outbox->body.len >= PN_BATCH_MAX_BYTES)) {
            outbox->body.len = before;
            break;
        }
    }
    pn_buf_add_byte(&outbox->body, ']');
    if (seq == out->first) { /* nothing but holes */
        recording->acked = seq;
        return false;
    }
    out->recording = recording;
    out->session = recording->session;
    out->end = seq;
    out->body = pn_buf_str(&outbox->body);
    return true;
}

bool pn_outbox_next(struct pn_outbox *outbox, int64_t now_ms, struct pn_batch *out)
{
    for (; outbox->at < outbox->count; outbox->at++) {
        struct pn_recording *recording = outbox->recordings[outbox->at];

        while (recording->acked < recording->planned && recording->retry_at_ms <= now_ms)
            if (fill_batch(outbox, recording, out))
                return true;
    }
    return false;
}

void pn_outbox_acked(struct pn_outbox *outbox, const struct pn_batch *batch)
{
    (void)outbox;
    batch->recording->acked = batch->end;
    batch->recording->retry_at_ms = 0;
}

void pn_outbox_hold(struct pn_outbox *outbox, const struct pn_batch *batch, int64_t until_ms)
{
    (void)outbox;
    batch->recording->retry_at_ms = until_ms;
}

void pn_outbox_drop(struct pn_outbox *outbox, const struct pn_batch *batch)
{
    (void)outbox;
    batch->recording->acked = batch->recording->planned;
}

uint64_t pn_outbox_waiting(const struct pn_outbox *outbox)
{
    uint64_t waiting = 0;

    for (size_t i = 0; i < outbox->count; i++)
        waiting += outbox->recordings[i]->saved + outbox->recordings[i]->place_count -
                   outbox->recordings[i]->acked;
    return waiting;
}

/* ---- life ---- */

/* New events of a session go on where the earlier run stopped. */
static void continue_recordings(struct pn_outbox *outbox)
{
    list_recordings(outbox);
    for (size_t i = 0; i < outbox->count; i++) {
        struct pn_recording *recording = outbox->recordings[i];
        uint64_t next = recording->saved + recording->place_count;

        if (next < recording->planned)
            next = recording->planned;
        atomic_store(&recording->next_seq, next);
        recording->gone_before = next;
        if (recording->keep_until_ms == 0)
            recording->keep_until_ms = pn_clock_wall_ms() + KEEP_UNKNOWN_MS;
    }
}

struct pn_outbox *pn_outbox_new(struct pn_spool *spool)
{
    struct pn_outbox *outbox = pn_heap_new(sizeof(*outbox));
    size_t len = strlen(spool->directory) + 16;
    struct pn_err why = { 0 };

    outbox->spool = spool;
    outbox->ledger_path = pn_heap_new(len);
    (void)snprintf(outbox->ledger_path, len, "%s/ledger", spool->directory);
    outbox->body = pn_buf_init(4 * PN_BATCH_MAX_BYTES);
    /* Without it events may go twice, which the server refuses; but they are not thrown away. */
    if (!read_ledger(outbox, &why))
        pn_log(PN_ERROR, "spool-ledger-damaged", PN_F_ERR(&why));
    pn_outbox_collect(outbox);
    continue_recordings(outbox);
    return outbox;
}

void pn_outbox_free(struct pn_outbox *outbox)
{
    if (outbox == NULL)
        return;
    pn_buf_drop(&outbox->window.buf);
    pn_buf_drop(&outbox->body);
    pn_heap_free(outbox->recordings);
    pn_heap_free(outbox->ledger_path);
    pn_heap_free(outbox);
}
