/* SPDX-License-Identifier: Apache-2.0 */
#include "core/auth/clusters.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/map.h"
#include "core/auth/cluster_keys.h"

#define MAX_VERDICTS 1024
#define MAX_CLUSTERS 64
#define MAX_SOURCES 256 /* counters of client addresses, by hash: two may share one */
#define MAX_PROOFS 1024 /* tokens that were accepted, by hash, per cluster */
#define KEYS_FRESH_MS 300000
#define KEYS_STALE_MS 10000 /* an unknown key is looked for again after this */
#define FETCH_PAUSE_MS 5000
#define SECOND_MS 1000

/* What may be asked in a second, and how much of it is left. */
struct bucket {
    double left;
    int64_t at_ms; /* 0: full */
};

struct verdict_entry {
    struct pn_verdict_key key;
    struct verdict_entry *newer, *older; /* settled ones, for the oldest to go first */
    unsigned waiting;
    bool is_settled, is_listed;
    int64_t until_ms; /* monotonic */
    struct pn_verdict verdict;
};

struct cluster {
    struct pn_cluster_id id;
    int64_t used_ms;
    struct pn_cluster_keys *keys; /* counted; NULL: none */
    int64_t fetched_ms, next_fetch_ms;
    bool is_fetching, is_proven;
    struct bucket rejections, sources[MAX_SOURCES];
    struct pn_verdict_key proofs[MAX_PROOFS];
};

struct pn_clusters {
    pthread_mutex_t mutex;
    pthread_cond_t settled;
    int64_t verdict_ms;
    struct pn_cluster_turns *turns;
    struct pn_map *verdicts; /* key bytes → verdict_entry */
    struct verdict_entry *newest, *oldest;
    struct cluster *clusters[MAX_CLUSTERS];
    size_t cluster_count;
};

struct pn_clusters *pn_clusters_new(int64_t verdict_ms, unsigned most_at_once)
{
    struct pn_clusters *c = pn_heap_new(sizeof(*c));
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->settled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    c->verdict_ms = verdict_ms < PN_VERDICT_MAX_MS ? verdict_ms : PN_VERDICT_MAX_MS;
    c->turns = pn_cluster_turns_new(most_at_once < PN_REJECTS_PER_SOURCE ? most_at_once
                                                                         : PN_REJECTS_PER_SOURCE);
    c->verdicts = pn_map_new();
    return c;
}

static void cluster_free(struct cluster *cluster)
{
    pn_cluster_keys_drop(cluster->keys);
    pn_heap_free(cluster);
}

void pn_clusters_free(struct pn_clusters *c)
{
    struct pn_str key;
    size_t at = 0;
    void *entry;

    if (c == NULL)
        return;
    while (pn_map_next(c->verdicts, &at, &key, &entry))
        pn_heap_free(entry);
    pn_map_free(c->verdicts);
    for (size_t i = 0; i < c->cluster_count; i++)
        cluster_free(c->clusters[i]);
    pn_cluster_turns_free(c->turns);
    pthread_cond_destroy(&c->settled);
    pthread_mutex_destroy(&c->mutex);
    pn_heap_free(c);
}

bool pn_clusters_enter(struct pn_call *call, const struct pn_cluster_place *place,
                       struct pn_err *err)
{
    return call->clusters == NULL ||
           pn_cluster_turns_take(call->clusters->turns, place, call->deadline_ms, err);
}

void pn_clusters_leave(struct pn_call *call, const struct pn_cluster_place *place,
                       bool has_answered)
{
    if (call->clusters != NULL)
        pn_cluster_turns_give(call->clusters->turns, place, has_answered);
}

/* ---- verdicts ---- */

static struct pn_str text_of(const struct pn_verdict_key *key)
{
    return pn_str_of(key->bytes, sizeof(key->bytes));
}

static void unlist(struct pn_clusters *c, struct verdict_entry *e)
{
    if (!e->is_listed)
        return;
    *(e->newer != NULL ? &e->newer->older : &c->newest) = e->older;
    *(e->older != NULL ? &e->older->newer : &c->oldest) = e->newer;
    e->is_listed = false;
}

static void list_newest(struct pn_clusters *c, struct verdict_entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(e->older != NULL ? &e->older->newer : &c->oldest) = e;
    c->newest = e;
    e->is_listed = true;
}

/* Who still waits reads it first and forgets it then. */
static void forget(struct pn_clusters *c, struct verdict_entry *e)
{
    unlist(c, e);
    if (pn_map_get(c->verdicts, text_of(&e->key)) == e)
        (void)pn_map_remove(c->verdicts, text_of(&e->key));
    if (e->waiting == 0)
        pn_heap_free(e);
}

static void make_room(struct pn_clusters *c, int64_t now_ms)
{
    while (c->oldest != NULL &&
           (c->oldest->until_ms <= now_ms || pn_map_count(c->verdicts) >= MAX_VERDICTS))
        forget(c, c->oldest);
}

static bool wait_for(struct pn_clusters *c, struct verdict_entry *e, int64_t deadline_ms)
{
    const struct timespec until = { .tv_sec = deadline_ms / 1000,
                                    .tv_nsec = (deadline_ms % 1000) * 1000000 };

    e->waiting++;
    while (!e->is_settled && pthread_cond_timedwait(&c->settled, &c->mutex, &until) == 0)
        continue;
    e->waiting--;
    return e->is_settled;
}

static bool join(struct pn_clusters *c, const struct pn_verdict_key *key, int64_t deadline_ms,
                 bool *leads, struct pn_verdict *out)
{
    int64_t now_ms = pn_clock_mono_ms();
    struct verdict_entry *e;
    bool is_settled;

    make_room(c, now_ms);
    e = pn_map_get(c->verdicts, text_of(key));
    if (e != NULL && e->is_settled && e->until_ms <= now_ms) {
        forget(c, e);
        e = NULL;
    }
    *leads = e == NULL;
    if (e == NULL) {
        e = pn_heap_new(sizeof(*e));
        e->key = *key;
        (void)pn_map_put(c->verdicts, text_of(key), e);
        return true;
    }
    is_settled = wait_for(c, e, deadline_ms);
    if (is_settled)
        *out = e->verdict;
    if (!e->is_listed && e->is_settled && e->waiting == 0 &&
        pn_map_get(c->verdicts, text_of(key)) != e)
        pn_heap_free(e);
    return is_settled;
}

bool pn_clusters_join(struct pn_clusters *c, const struct pn_verdict_key *key, int64_t deadline_ms,
                      bool *leads, struct pn_verdict *out, struct pn_err *err)
{
    bool done;

    pthread_mutex_lock(&c->mutex);
    done = join(c, key, deadline_ms, leads, out);
    pthread_mutex_unlock(&c->mutex);
    return done || pn_fail(err, PN_TIMEOUT, "The cluster did not answer in time");
}

bool pn_clusters_know(struct pn_clusters *c, const struct pn_verdict_key *key,
                      struct pn_verdict *out)
{
    const struct verdict_entry *e;
    bool is_known;

    pthread_mutex_lock(&c->mutex);
    e = pn_map_get(c->verdicts, text_of(key));
    is_known = e != NULL && e->is_settled && e->until_ms > pn_clock_mono_ms();
    if (is_known)
        *out = e->verdict;
    pthread_mutex_unlock(&c->mutex);
    return is_known;
}

void pn_clusters_settle(struct pn_clusters *c, const struct pn_verdict_key *key,
                        const struct pn_verdict *verdict, int64_t wall_ms)
{
    int64_t left_ms = verdict->is_genuine ? c->verdict_ms : 0;
    struct verdict_entry *e;

    if (verdict->until_ms != 0 && verdict->until_ms - wall_ms < left_ms)
        left_ms = verdict->until_ms - wall_ms;
    pthread_mutex_lock(&c->mutex);
    e = pn_map_get(c->verdicts, text_of(key));
    pn_assert(e != NULL && !e->is_settled);
    e->verdict = *verdict;
    e->verdict.err.details = PN_NONE;
    e->is_settled = true;
    e->until_ms = pn_clock_mono_ms() + left_ms;
    pthread_cond_broadcast(&c->settled);
    if (left_ms > 0)
        list_newest(c, e);
    else
        forget(c, e);
    pthread_mutex_unlock(&c->mutex);
}

/* ---- clusters ---- */

static bool is_same(const struct pn_cluster_id *a, const struct pn_cluster_id *b)
{
    return pn_uuid_eq(a->org, b->org) && pn_hash_equal(pn_str_of(a->bytes, sizeof(a->bytes)),
                                                       pn_str_of(b->bytes, sizeof(b->bytes)));
}

static size_t held_by(const struct pn_clusters *c, struct pn_uuid org)
{
    size_t held = 0;

    for (size_t i = 0; i < c->cluster_count; i++)
        held += pn_uuid_eq(c->clusters[i]->id.org, org);
    return held;
}

/* Of the organisation that has most of them the one that was not used for longest: nobody pushes others out. */
static size_t place_to_empty(const struct pn_clusters *c)
{
    size_t most = 0, at = 0;

    for (size_t i = 0; i < c->cluster_count; i++) {
        size_t held = held_by(c, c->clusters[i]->id.org);

        if (held < most || (held == most && c->clusters[i]->used_ms >= c->clusters[at]->used_ms))
            continue;
        most = held;
        at = i;
    }
    return at;
}

/* Finds or makes it. */
static struct cluster *cluster_of(struct pn_clusters *c, const struct pn_cluster_id *id)
{
    size_t at = 0;

    while (at < c->cluster_count && !is_same(&c->clusters[at]->id, id))
        at++;
    if (at == MAX_CLUSTERS) {
        at = place_to_empty(c);
        cluster_free(c->clusters[at]);
        c->clusters[at] = NULL;
    } else if (at == c->cluster_count) {
        c->clusters[c->cluster_count++] = NULL;
    }
    if (c->clusters[at] == NULL) {
        c->clusters[at] = pn_heap_new(sizeof(struct cluster));
        c->clusters[at]->id = *id;
    }
    c->clusters[at]->used_ms = pn_clock_mono_ms();
    return c->clusters[at];
}

enum pn_keys_say pn_clusters_judge(struct pn_clusters *c, const struct pn_cluster_id *id,
                                   const struct pn_service_token *token, bool must_be_proven)
{
    struct pn_cluster_keys *keys = NULL;
    struct cluster *cluster;
    enum pn_keys_say says;
    bool is_old;

    pthread_mutex_lock(&c->mutex);
    cluster = cluster_of(c, id);
    if (cluster->is_proven || !must_be_proven)
        keys = pn_cluster_keys_hold(cluster->keys);
    is_old = pn_clock_mono_ms() - cluster->fetched_ms > KEYS_STALE_MS;
    pthread_mutex_unlock(&c->mutex);
    if (keys == NULL)
        return PN_KEYS_NOTHING;
    if (pn_cluster_keys_verify(keys, token))
        says = PN_KEYS_GOOD;
    else
        says = is_old && !pn_cluster_keys_know(keys, token->kid) ? PN_KEYS_STALE : PN_KEYS_BAD;
    pn_cluster_keys_drop(keys);
    return says;
}

bool pn_clusters_claim_fetch(struct pn_clusters *c, const struct pn_cluster_id *id, bool is_needed)
{
    int64_t now_ms = pn_clock_mono_ms();
    struct cluster *cluster;
    bool may;

    pthread_mutex_lock(&c->mutex);
    cluster = cluster_of(c, id);
    may = !cluster->is_fetching && now_ms >= cluster->next_fetch_ms &&
          (is_needed || cluster->keys == NULL || now_ms - cluster->fetched_ms > KEYS_FRESH_MS);
    if (may) {
        cluster->is_fetching = true;
        cluster->next_fetch_ms = now_ms + FETCH_PAUSE_MS;
    }
    pthread_mutex_unlock(&c->mutex);
    return may;
}

void pn_clusters_learn(struct pn_clusters *c, const struct pn_cluster_id *id, struct pn_list jwks)
{
    struct pn_cluster_keys *fresh = pn_cluster_keys_new(jwks), *old = NULL;
    struct cluster *cluster;

    pthread_mutex_lock(&c->mutex);
    cluster = cluster_of(c, id);
    cluster->is_fetching = false;
    if (fresh != NULL) {
        old = cluster->keys;
        cluster->keys = fresh;
        cluster->fetched_ms = pn_clock_mono_ms();
    }
    pthread_mutex_unlock(&c->mutex);
    pn_cluster_keys_drop(old);
}

void pn_clusters_prove(struct pn_clusters *c, const struct pn_cluster_id *id,
                       const struct pn_service_token *token)
{
    struct pn_cluster_keys *keys;
    struct cluster *cluster;
    bool agrees;

    pthread_mutex_lock(&c->mutex);
    keys = pn_cluster_keys_hold(cluster_of(c, id)->keys);
    pthread_mutex_unlock(&c->mutex);
    if (keys == NULL)
        return;
    agrees = pn_cluster_keys_verify(keys, token);
    pthread_mutex_lock(&c->mutex);
    cluster = cluster_of(c, id);
    if (cluster->keys == keys)
        cluster->is_proven = agrees;
    pthread_mutex_unlock(&c->mutex);
    pn_cluster_keys_drop(keys);
}

/* ---- rejections ---- */

static void refill(struct bucket *b, double most, int64_t now_ms)
{
    b->left = b->at_ms == 0 ? most : b->left + most * (double)(now_ms - b->at_ms) / SECOND_MS;
    if (b->left > most)
        b->left = most;
    b->at_ms = now_ms;
}

static uint64_t spread(struct pn_str text)
{
    static const uint8_t key[16] = { 0 };

    return pn_map_hash(key, text);
}

static struct pn_verdict_key *proof_place(struct cluster *cluster,
                                          const struct pn_verdict_key *proof)
{
    return &cluster->proofs[spread(text_of(proof)) % MAX_PROOFS];
}

static bool may_ask(struct cluster *cluster, struct pn_str source,
                    const struct pn_verdict_key *proof, int64_t now_ms)
{
    struct bucket *own = &cluster->sources[spread(source) % MAX_SOURCES];

    if (pn_hash_equal(text_of(proof_place(cluster, proof)), text_of(proof)))
        return true;
    refill(&cluster->rejections, PN_REJECTS_PER_SECOND, now_ms);
    refill(own, PN_REJECTS_PER_SOURCE, now_ms);
    if (own->left < 1 || cluster->rejections.left < 1)
        return false;
    own->left -= 1; /* given back unless the cluster rejects */
    cluster->rejections.left -= 1;
    return true;
}

bool pn_clusters_may_ask(struct pn_clusters *c, const struct pn_cluster_id *id,
                         struct pn_str source, const struct pn_verdict_key *proof,
                         struct pn_err *err)
{
    bool may;

    pthread_mutex_lock(&c->mutex);
    may = may_ask(cluster_of(c, id), source, proof, pn_clock_mono_ms());
    pthread_mutex_unlock(&c->mutex);
    return may ||
           pn_fail(err, PN_RATE_LIMITED,
                   "Too many logins with tokens that the cluster rejects. Please try again in"
                   " 1 seconds");
}

void pn_clusters_asked(struct pn_clusters *c, const struct pn_cluster_id *id, struct pn_str source,
                       const struct pn_verdict_key *proof, enum pn_cluster_said said)
{
    struct pn_verdict_key *place;
    struct cluster *cluster;
    bool is_proven;

    pthread_mutex_lock(&c->mutex);
    cluster = cluster_of(c, id);
    place = proof_place(cluster, proof);
    is_proven = pn_hash_equal(text_of(place), text_of(proof));
    if (said != PN_CLUSTER_REJECTED && !is_proven) { /* what may_ask took */
        cluster->rejections.left += 1;
        cluster->sources[spread(source) % MAX_SOURCES].left += 1;
    }
    if (said == PN_CLUSTER_ACCEPTED)
        *place = *proof;
    else if (said == PN_CLUSTER_REJECTED && is_proven)
        *place = (struct pn_verdict_key){ { 0 } };
    pthread_mutex_unlock(&c->mutex);
}
