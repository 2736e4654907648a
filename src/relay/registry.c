/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/registry.h"

#include <pthread.h>
#include <string.h>

#include "base/map.h"

struct entry {
    struct pn_registry_tunnel tunnel;
    struct entry *next; /* newest first */
};

struct gateway {
    struct entry *entries;
};

struct pn_registry {
    pthread_mutex_t mutex;
    struct pn_map *gateways; /* by the bytes of the id */
    uint64_t last_id;
};

static struct pn_str key_of(const struct pn_uuid *gateway)
{
    return pn_str_of(gateway->bytes, sizeof(gateway->bytes));
}

struct pn_registry *pn_registry_new(void)
{
    struct pn_registry *registry = pn_heap_new(sizeof(*registry));

    pthread_mutex_init(&registry->mutex, NULL);
    registry->gateways = pn_map_new();
    return registry;
}

void pn_registry_free(struct pn_registry *registry)
{
    size_t at = 0;
    struct pn_str key;
    void *value;

    if (registry == NULL)
        return;
    while (pn_map_next(registry->gateways, &at, &key, &value)) {
        struct gateway *gateway = value;

        while (gateway->entries != NULL) {
            struct entry *entry = gateway->entries;

            gateway->entries = entry->next;
            pn_heap_free(entry);
        }
        pn_heap_free(gateway);
    }
    pn_map_free(registry->gateways);
    pthread_mutex_destroy(&registry->mutex);
    pn_heap_free(registry);
}

static bool is_same_key(const struct pn_registry_tunnel *a, const struct pn_registry_tunnel *b)
{
    return a->index == b->index && strcmp(a->process, b->process) == 0;
}

bool pn_registry_add(struct pn_registry *registry, struct pn_registry_tunnel *tunnel,
                     struct pn_registry_tunnel *replaced)
{
    struct entry *added = pn_heap_new(sizeof(*added));
    bool has_replaced = false;

    pthread_mutex_lock(&registry->mutex);

    struct gateway *gateway = pn_map_get(registry->gateways, key_of(&tunnel->gateway));

    if (gateway == NULL) {
        gateway = pn_heap_new(sizeof(*gateway));
        pn_map_put(registry->gateways, key_of(&tunnel->gateway), gateway);
    }
    for (struct entry **at = &gateway->entries; *at != NULL; at = &(*at)->next)
        if (is_same_key(&(*at)->tunnel, tunnel)) {
            struct entry *old = *at;

            *replaced = old->tunnel;
            *at = old->next;
            pn_heap_free(old);
            has_replaced = true;
            break;
        }
    tunnel->id = ++registry->last_id;
    added->tunnel = *tunnel;
    added->next = gateway->entries;
    gateway->entries = added;
    pthread_mutex_unlock(&registry->mutex);
    return has_replaced;
}

bool pn_registry_remove(struct pn_registry *registry, struct pn_uuid id_of, uint64_t id)
{
    bool has_removed = false;

    pthread_mutex_lock(&registry->mutex);

    struct gateway *gateway = pn_map_get(registry->gateways, key_of(&id_of));

    for (struct entry **at = gateway != NULL ? &gateway->entries : NULL; at != NULL && *at != NULL;
         at = &(*at)->next)
        if ((*at)->tunnel.id == id) {
            struct entry *old = *at;

            *at = old->next;
            pn_heap_free(old);
            has_removed = true;
            break;
        }
    if (has_removed && gateway->entries == NULL) {
        pn_map_remove(registry->gateways, key_of(&id_of));
        pn_heap_free(gateway);
    }
    pthread_mutex_unlock(&registry->mutex);
    return has_removed;
}

bool pn_registry_find(struct pn_registry *registry, struct pn_uuid id, unsigned loop,
                      struct pn_registry_tunnel *out)
{
    pthread_mutex_lock(&registry->mutex);

    const struct gateway *gateway = pn_map_get(registry->gateways, key_of(&id));
    const struct entry *newest = gateway != NULL ? gateway->entries : NULL, *best = newest;

    for (const struct entry *entry = newest; entry != NULL; entry = entry->next)
        if (entry->tunnel.loop == loop &&
            strcmp(entry->tunnel.process, newest->tunnel.process) == 0) {
            best = entry;
            break;
        }
    if (best != NULL)
        *out = best->tunnel;
    pthread_mutex_unlock(&registry->mutex);
    return best != NULL;
}

size_t pn_registry_gateways(struct pn_registry *registry, struct pn_uuid *out, size_t max)
{
    size_t at = 0, count = 0;
    struct pn_str key;
    void *value;

    pthread_mutex_lock(&registry->mutex);
    while (count < max && pn_map_next(registry->gateways, &at, &key, &value))
        memcpy(out[count++].bytes, key.ptr, key.len);
    pthread_mutex_unlock(&registry->mutex);
    return count;
}

size_t pn_registry_count(struct pn_registry *registry)
{
    pthread_mutex_lock(&registry->mutex);

    size_t count = pn_map_count(registry->gateways);

    pthread_mutex_unlock(&registry->mutex);
    return count;
}
