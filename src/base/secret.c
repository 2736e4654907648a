/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

/*
 * The pool is one mapping cut into chunks that lie end to end, each a header and its bytes. Free
 * chunks are found first fit by walking the headers; neighbours that are free are joined on the way.
 */

#define GRANULE ((size_t)32)

enum chunk_state { CHUNK_FREE = 0x46524545, CHUNK_USED = 0x55534544 };

struct pn_secret {
    size_t bytes; /* of the chunk, header included; a multiple of GRANULE */
    size_t len;   /* of the secret */
    enum chunk_state state;
    char data[];
};

static struct {
    pthread_mutex_t lock;
    char *base;
    size_t bytes, used;
    size_t first_free; /* no chunk before this offset is free */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct pn_secret *chunk_at(size_t offset)
{
    return (struct pn_secret *)(void *)(pool.base + offset);
}

/* Locks the pool into memory; the soft limit is raised as far as the hard one allows. */
static void lock_pool(char *base, size_t bytes)
{
    struct rlimit limit;

    if (mlock(base, bytes) == 0)
        return;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && mlock(base, bytes) == 0)
            return;
    }
    pn_log(PN_WARN, "secret-pool-not-locked", PN_F_INT("bytes", bytes), PN_F_INT("errno", errno));
}

/* With the lock held. */
static bool make_pool(size_t bytes, struct pn_err *err)
{
    size_t rounded = (bytes + 4095) & ~(size_t)4095;
    char *base;

    pn_assert(bytes > 0 && rounded >= bytes);
    base = mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return pn_fail_cause(err, PN_BUSY, errno, "no memory for the pool of secrets");
    if (madvise(base, rounded, MADV_DONTDUMP) != 0) {
        int cause = errno;

        munmap(base, rounded);
        return pn_fail_cause(err, PN_INTERNAL, cause,
                             "the pool of secrets would appear in core dumps");
    }
    lock_pool(base, rounded);
    pool.base = base;
    pool.bytes = rounded;
    *chunk_at(0) = (struct pn_secret){ .bytes = rounded, .state = CHUNK_FREE };
    return true;
}

bool pn_secret_pool_init(size_t bytes, struct pn_err *err)
{
    bool is_made;

    pthread_mutex_lock(&pool.lock);
    pn_assert(pool.base == NULL);
    is_made = make_pool(bytes, err);
    pthread_mutex_unlock(&pool.lock);
    return is_made;
}

/* Joins the free chunks that follow `chunk` to it. */
static void join_next(struct pn_secret *chunk)
{
    size_t end = (size_t)((char *)chunk - pool.base) + chunk->bytes;

    while (end < pool.bytes && chunk_at(end)->state == CHUNK_FREE) {
        struct pn_secret *next = chunk_at(end);

        chunk->bytes += next->bytes;
        end += next->bytes;
        *next = (struct pn_secret){ 0 };
    }
}

static void split(struct pn_secret *chunk, size_t need)
{
    if (chunk->bytes - need < 2 * GRANULE)
        return;
    *(struct pn_secret *)(void *)((char *)chunk + need) =
        (struct pn_secret){ .bytes = chunk->bytes - need, .state = CHUNK_FREE };
    chunk->bytes = need;
}

/* With the lock held: a chunk of at least `need` bytes, or NULL. */
static struct pn_secret *take_chunk(size_t need)
{
    bool passed_free = false;

    for (size_t at = pool.first_free; at < pool.bytes; at += chunk_at(at)->bytes) {
        struct pn_secret *chunk = chunk_at(at);

        if (chunk->state != CHUNK_FREE)
            continue;
        join_next(chunk);
        if (chunk->bytes < need) {
            passed_free = true;
            continue;
        }
        split(chunk, need);
        chunk->state = CHUNK_USED;
        pool.used += chunk->bytes;
        if (!passed_free)
            pool.first_free = at + chunk->bytes;
        return chunk;
    }
    return NULL;
}

struct pn_secret *pn_secret_new(struct pn_str bytes, struct pn_err *err)
{
    struct pn_secret *secret = NULL;
    bool has_pool;

    pthread_mutex_lock(&pool.lock);
    has_pool = pool.base != NULL || make_pool(PN_SECRET_POOL_BYTES, err);
    if (has_pool && bytes.len < pool.bytes)
        secret = take_chunk((sizeof(*secret) + bytes.len + GRANULE - 1) & ~(GRANULE - 1));
    if (secret != NULL) {
        secret->len = bytes.len;
        if (bytes.len > 0)
            memcpy(secret->data, bytes.ptr, bytes.len);
    }
    pthread_mutex_unlock(&pool.lock);
    if (has_pool && secret == NULL)
        pn_fail(err, PN_BUSY, "too many secrets are in use; try again later");
    return secret;
}

struct pn_secret *pn_secret_copy(const struct pn_secret *secret, struct pn_err *err)
{
    return pn_secret_new(pn_secret_reveal(secret), err);
}

void pn_secret_free(struct pn_secret *secret)
{
    size_t at;

    if (secret == NULL)
        return;
    pthread_mutex_lock(&pool.lock);
    pn_assert(secret->state == CHUNK_USED);
    pn_wipe(secret->data, secret->bytes - sizeof(*secret));
    secret->len = 0;
    secret->state = CHUNK_FREE;
    pool.used -= secret->bytes;
    at = (size_t)((char *)secret - pool.base);
    if (at < pool.first_free)
        pool.first_free = at;
    pthread_mutex_unlock(&pool.lock);
}

void pn_secret_freep(struct pn_secret **secret)
{
    pn_secret_free(*secret);
    *secret = NULL;
}

struct pn_str pn_secret_reveal(const struct pn_secret *secret)
{
    return secret != NULL ? pn_str_of(secret->data, secret->len) : PN_NONE;
}

size_t pn_secret_len(const struct pn_secret *secret)
{
    return secret != NULL ? secret->len : 0;
}

bool pn_secret_eq(const struct pn_secret *a, struct pn_str b)
{
    struct pn_str bytes = pn_secret_reveal(a);
    volatile unsigned difference = 0;

    if (a == NULL || bytes.len != b.len)
        return false;
    for (size_t i = 0; i < b.len; i++)
        difference = difference | (unsigned)((uint8_t)bytes.ptr[i] ^ (uint8_t)b.ptr[i]);
    return difference == 0;
}

size_t pn_secret_pool_used(void)
{
    size_t used;

    pthread_mutex_lock(&pool.lock);
    used = pool.used;
    pthread_mutex_unlock(&pool.lock);
    return used;
}
