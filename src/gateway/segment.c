/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/segment.h"

#include "base/clock.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "PNSPOOL1"
#define KIND_EVENT 1
#define WINDOW_BYTES ((size_t)256 * 1024)
#define KEY_INFO "postern spool segment"

struct header {
    char magic[8];
    uint32_t writer, number;
    uint8_t id[16];
    int64_t created_ms;
    uint8_t unused[24];
};
_Static_assert(sizeof(struct header) == PN_SEGMENT_HEADER_BYTES, "layout of the file");

struct record {
    _Atomic uint32_t sealed_len; /* 0: not committed */
    uint32_t kind;
    struct pn_uuid session;
    uint64_t seq;
    uint8_t sealed[]; /* nonce ‖ ciphertext ‖ tag */
};
_Static_assert(sizeof(struct record) == PN_RECORD_HEADER_BYTES, "layout of the file");

/* Everything of the header that is fixed before sealing. */
static struct pn_str associated(const struct record *record)
{
    const char *from = (const char *)&record->kind;

    return pn_str_of(from, PN_RECORD_HEADER_BYTES - sizeof(uint32_t));
}

/* The place in the file: used once under this segment's key. */
static void nonce_of(size_t at, uint8_t nonce[PN_AEAD_NONCE_BYTES])
{
    memset(nonce, 0, PN_AEAD_NONCE_BYTES);
    for (size_t i = 0; i < 8; i++)
        nonce[PN_AEAD_NONCE_BYTES - 1 - i] = (uint8_t)((uint64_t)at >> (8 * i));
}

static size_t padded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

size_t pn_segment_record_bytes(size_t plain_len)
{
    return padded(PN_RECORD_HEADER_BYTES + plain_len + PN_AEAD_OVERHEAD);
}

static bool derive_key(struct pn_segment *segment, const struct pn_secret *spool_key,
                       struct pn_err *err)
{
    uint8_t key[PN_AEAD_KEY_BYTES];

    pn_hash_hkdf(pn_secret_reveal(spool_key), pn_str_of(segment->map, PN_SEGMENT_HEADER_BYTES),
                 PN_LIT(KEY_INFO), key, sizeof(key));
    segment->key = pn_secret_new(pn_str_of(key, sizeof(key)), err);
    pn_wipe(key, sizeof(key));
    return segment->key != NULL;
}

static bool map_file(struct pn_segment *segment, int protection, struct pn_err *err)
{
    void *map = mmap(NULL, segment->bytes, protection, MAP_SHARED, segment->fd, 0);

    if (map == MAP_FAILED)
        return pn_fail_cause(err, PN_IO, errno, "spool: cannot map %s", segment->path);
    segment->map = map;
    return true;
}

static struct pn_segment *segment_at(const char *directory, uint32_t number)
{
    struct pn_segment *segment = pn_heap_new(sizeof(*segment));
    size_t len = strlen(directory) + 16;

    segment->path = pn_heap_new(len);
    segment->number = number;
    segment->fd = -1;
    (void)snprintf(segment->path, len, "%s/%08x.seg", directory, number);
    return segment;
}

static bool make_file(struct pn_segment *segment, struct pn_err *err)
{
    int failure;

    segment->fd = open(segment->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (segment->fd < 0)
        return pn_fail_cause(err, errno == ENOSPC ? PN_BUSY : PN_IO, errno,
                             "spool: cannot create %s", segment->path);
    failure = posix_fallocate(segment->fd, 0, (off_t)segment->bytes);
    if (failure != 0) {
        (void)unlink(segment->path);
        return pn_fail_cause(err, failure == ENOSPC || failure == EDQUOT ? PN_BUSY : PN_IO, failure,
                             "spool: no room for %s", segment->path);
    }
    return map_file(segment, PROT_READ | PROT_WRITE, err);
}

bool pn_segment_new(const char *directory, uint32_t number, unsigned writer, size_t bytes,
                    const struct pn_secret *spool_key, struct pn_segment **out, struct pn_err *err)
{
    struct pn_segment *segment = segment_at(directory, number);
    struct header header = {
        .magic = MAGIC, .writer = writer, .number = number, .created_ms = pn_clock_wall_ms()
    };

    segment->bytes = bytes;
    pn_random_bytes(header.id, sizeof(header.id));
    if (!make_file(segment, err)) {
        pn_segment_free(segment);
        return false;
    }
    memcpy(segment->map, &header, sizeof(header));
    segment->used = segment->scanned = PN_SEGMENT_HEADER_BYTES;
    if (!derive_key(segment, spool_key, err)) {
        pn_segment_delete(segment);
        return false;
    }
    *out = segment;
    return true;
}

static bool open_file(struct pn_segment *segment, struct pn_err *err)
{
    struct stat about;

    segment->fd = open(segment->path, O_RDONLY | O_CLOEXEC);
    if (segment->fd < 0 || fstat(segment->fd, &about) != 0)
        return pn_fail_cause(err, PN_IO, errno, "spool: cannot open %s", segment->path);
    if (about.st_size < (off_t)PN_SEGMENT_HEADER_BYTES || about.st_size > (off_t)1 << 30)
        return pn_fail(err, PN_PROTOCOL, "spool: %s is no segment", segment->path);
    segment->bytes = (size_t)about.st_size;
    if (!map_file(segment, PROT_READ, err))
        return false;
    if (memcmp(segment->map, MAGIC, sizeof(MAGIC) - 1) != 0)
        return pn_fail(err, PN_PROTOCOL, "spool: %s is no segment", segment->path);
    return true;
}

bool pn_segment_open(const char *directory, uint32_t number, const struct pn_secret *spool_key,
                     struct pn_segment **out, struct pn_err *err)
{
    struct pn_segment *segment = segment_at(directory, number);

    if (!open_file(segment, err) || !derive_key(segment, spool_key, err)) {
        pn_segment_free(segment);
        return false;
    }
    segment->is_retired = true;
    segment->used = segment->synced = segment->bytes;
    segment->scanned = PN_SEGMENT_HEADER_BYTES;
    *out = segment;
    return true;
}

void pn_segment_unmap(struct pn_segment *segment)
{
    if (segment->map != NULL)
        (void)munmap(segment->map, segment->bytes);
    segment->map = NULL;
}

void pn_segment_free(struct pn_segment *segment)
{
    if (segment == NULL)
        return;
    pn_segment_unmap(segment);
    if (segment->fd >= 0)
        (void)close(segment->fd);
    pn_secret_free(segment->key);
    pn_heap_free(segment->path);
    pn_heap_free(segment);
}

void pn_segment_delete(struct pn_segment *segment)
{
    (void)unlink(segment->path);
    pn_segment_free(segment);
}

bool pn_segment_has_room(const struct pn_segment *segment, size_t plain_len)
{
    return pn_segment_record_bytes(plain_len) <= segment->bytes - segment->used;
}

void pn_segment_append(struct pn_segment *segment, struct pn_uuid session, uint64_t seq,
                       struct pn_str plain)
{
    size_t at = segment->used;
    struct record *record = (void *)(segment->map + at);
    bool is_sealed;

    record->kind = KIND_EVENT;
    record->session = session;
    record->seq = seq;
    nonce_of(at, record->sealed);
    is_sealed = pn_aead_seal_at((const uint8_t *)pn_secret_reveal(segment->key).ptr, record->sealed,
                                associated(record), plain, record->sealed + PN_AEAD_NONCE_BYTES);
    pn_assert(is_sealed);
    atomic_store_explicit(&record->sealed_len, (uint32_t)(plain.len + PN_AEAD_OVERHEAD),
                          memory_order_release);
    atomic_store_explicit(&segment->used, at + pn_segment_record_bytes(plain.len),
                          memory_order_release);
}

/* Does a header found in a file describe a record that fits there? */
static bool is_plausible(size_t sealed_len, uint32_t kind, size_t room)
{
    return kind == KIND_EVENT && sealed_len >= PN_AEAD_OVERHEAD &&
           sealed_len <= room - PN_RECORD_HEADER_BYTES;
}

enum pn_segment_found pn_segment_peek(const struct pn_segment *segment, size_t at,
                                      struct pn_record *out)
{
    const struct record *record = (const void *)(segment->map + at);
    uint32_t sealed_len;

    if (at > segment->bytes - PN_RECORD_HEADER_BYTES)
        return PN_SEGMENT_NONE;
    sealed_len = atomic_load_explicit(&record->sealed_len, memory_order_acquire);
    if (sealed_len == 0)
        return PN_SEGMENT_NONE;
    if (!is_plausible(sealed_len, record->kind, segment->bytes - at))
        return PN_SEGMENT_DAMAGE;
    *out = (struct pn_record){ record->session, record->seq, at,
                               padded(PN_RECORD_HEADER_BYTES + sealed_len) };
    return PN_SEGMENT_RECORD;
}

static bool fill_window(const struct pn_segment *segment, size_t at, size_t want,
                        struct pn_segment_window *window, struct pn_err *err)
{
    size_t room = want > WINDOW_BYTES ? want : WINDOW_BYTES;
    char *to;
    ssize_t got;

    if (window->segment == segment && at >= window->at && at + want <= window->at + window->buf.len)
        return true;
    window->segment = NULL;
    if (window->buf.max_bytes == 0)
        window->buf = pn_buf_init((size_t)16 << 20);
    pn_buf_clear(&window->buf);
    to = pn_buf_room(&window->buf, room);
    if (to == NULL)
        return pn_fail(err, PN_INTERNAL, "spool: a record of %zu bytes", want);
    got = pread(segment->fd, to, room, (off_t)at);
    if (got < (ssize_t)want)
        return pn_fail_cause(err, PN_IO, errno, "spool: cannot read %s at %zu", segment->path, at);
    pn_buf_grew(&window->buf, (size_t)got);
    window->segment = segment;
    window->at = at;
    return true;
}

/* The record inside the window, all of it. */
static const struct record *record_at(const struct pn_segment *segment, size_t at,
                                      struct pn_segment_window *window, struct pn_err *err)
{
    const struct record *record;
    size_t sealed_len;

    if (!fill_window(segment, at, PN_RECORD_HEADER_BYTES, window, err))
        return NULL;
    record = (const void *)(window->buf.ptr + (at - window->at));
    sealed_len = record->sealed_len;
    if (at + PN_RECORD_HEADER_BYTES > segment->bytes ||
        !is_plausible(sealed_len, record->kind, segment->bytes - at)) {
        (void)pn_fail(err, PN_INTERNAL, "spool: the record at %zu of %s was altered", at,
                      segment->path);
        return NULL;
    }
    if (!fill_window(segment, at, PN_RECORD_HEADER_BYTES + sealed_len, window, err))
        return NULL;
    return (const void *)(window->buf.ptr + (at - window->at));
}

bool pn_segment_read(const struct pn_segment *segment, size_t at, struct pn_uuid session,
                     uint64_t seq, struct pn_segment_window *window, struct pn_buf *out,
                     struct pn_err *err)
{
    const struct record *record = record_at(segment, at, window, err);
    uint8_t nonce[PN_AEAD_NONCE_BYTES];
    struct pn_str sealed;

    if (record == NULL)
        return false;
    sealed = pn_str_of(record->sealed, record->sealed_len);
    nonce_of(at, nonce);
    if (memcmp(nonce, sealed.ptr, sizeof(nonce)) != 0 || record->seq != seq ||
        !pn_uuid_eq(record->session, session))
        return pn_fail(err, PN_INTERNAL, "spool: the record at %zu of %s was altered", at,
                       segment->path);
    if (!pn_aead_open((const uint8_t *)pn_secret_reveal(segment->key).ptr, associated(record),
                      sealed, out, err))
        return pn_within(err, "record at %zu of %s", at, segment->path);
    return true;
}
