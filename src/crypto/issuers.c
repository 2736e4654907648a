/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/issuers.h"

#include <pthread.h>
#include <string.h>

struct kept {
    struct pn_issuer *issuer; /* NULL: a free place */
    struct pn_uuid scope;
    char *source;
    size_t source_len;
    uint64_t used; /* when: the count of uses */
};

struct pn_issuers {
    pthread_mutex_t mutex;
    struct kept kept[PN_ISSUERS_MAX];
    uint64_t uses;
};

struct pn_issuers *pn_issuers_new(void)
{
    struct pn_issuers *issuers = pn_heap_new(sizeof(*issuers));

    pthread_mutex_init(&issuers->mutex, NULL);
    return issuers;
}

static void drop(struct kept *kept)
{
    pn_issuer_free(kept->issuer);
    pn_heap_free(kept->source);
    *kept = (struct kept){ 0 };
}

void pn_issuers_free(struct pn_issuers *issuers)
{
    if (issuers == NULL)
        return;
    for (size_t i = 0; i < PN_ISSUERS_MAX; i++)
        drop(&issuers->kept[i]);
    pthread_mutex_destroy(&issuers->mutex);
    pn_heap_free(issuers);
}

static struct kept *find(struct pn_issuers *issuers, struct pn_str source)
{
    for (size_t i = 0; i < PN_ISSUERS_MAX; i++) {
        struct kept *kept = &issuers->kept[i];

        if (kept->issuer != NULL && pn_str_eq(pn_str_of(kept->source, kept->source_len), source))
            return kept;
    }
    return NULL;
}

struct pn_issuer *pn_issuers_get(struct pn_issuers *issuers, struct pn_str source)
{
    struct pn_issuer *issuer = NULL;
    struct kept *kept;

    pthread_mutex_lock(&issuers->mutex);
    kept = find(issuers, source);
    if (kept != NULL) {
        kept->used = ++issuers->uses;
        issuer = pn_issuer_hold(kept->issuer);
    }
    pthread_mutex_unlock(&issuers->mutex);
    return issuer;
}

/* A free one, or the one that was not used for longest. */
static struct kept *make_place(struct pn_issuers *issuers)
{
    struct kept *oldest = &issuers->kept[0];

    for (size_t i = 1; i < PN_ISSUERS_MAX; i++)
        if (issuers->kept[i].used < oldest->used)
            oldest = &issuers->kept[i];
    drop(oldest);
    return oldest;
}

void pn_issuers_put(struct pn_issuers *issuers, struct pn_uuid scope, struct pn_str source,
                    struct pn_issuer *issuer)
{
    pthread_mutex_lock(&issuers->mutex);
    if (find(issuers, source) == NULL) { /* else another thread was first */
        struct kept *kept = make_place(issuers);

        *kept = (struct kept){ .issuer = pn_issuer_hold(issuer),
                               .scope = scope,
                               .source = pn_heap_new(source.len + 1),
                               .source_len = source.len,
                               .used = ++issuers->uses };
        memcpy(kept->source, source.ptr, source.len);
    }
    pthread_mutex_unlock(&issuers->mutex);
}

void pn_issuers_forget(struct pn_issuers *issuers, struct pn_uuid scope)
{
    pthread_mutex_lock(&issuers->mutex);
    for (size_t i = 0; i < PN_ISSUERS_MAX; i++)
        if (issuers->kept[i].issuer != NULL && pn_uuid_eq(issuers->kept[i].scope, scope))
            drop(&issuers->kept[i]);
    pthread_mutex_unlock(&issuers->mutex);
}
