/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_RELAY_REGISTRY_H
#define PN_RELAY_REGISTRY_H

#include "base/uuid.h"

/*
 * Which gateway has which tunnels, and on which loop each lives. Shared by all loops and the control
 * thread; the tunnels themselves are touched by their loops only.
 */
struct pn_registry;

struct pn_registry_tunnel {
    struct pn_uuid gateway;
    char process[65]; /* as the gateway said: the same for all its tunnels of one process */
    unsigned index;   /* the gateway's loop */
    unsigned loop;    /* ours */
    uint64_t id;      /* set by pn_registry_add; grows: the newest wins */
};

struct pn_registry *pn_registry_new(void);
void pn_registry_free(struct pn_registry *registry);

/* Adds; sets tunnel->id. True when it takes the place of *replaced, which is to be closed on its loop. */
bool pn_registry_add(struct pn_registry *registry, struct pn_registry_tunnel *tunnel,
                     struct pn_registry_tunnel *replaced);
/* True when it was there still. */
bool pn_registry_remove(struct pn_registry *registry, struct pn_uuid gateway, uint64_t id);
/* The newest tunnel of the gateway, but one on `loop` when its process has one there. */
bool pn_registry_find(struct pn_registry *registry, struct pn_uuid gateway, unsigned loop,
                      struct pn_registry_tunnel *out);
/* At most `max` gateways with a tunnel; how many there were room for. */
size_t pn_registry_gateways(struct pn_registry *registry, struct pn_uuid *out, size_t max);
size_t pn_registry_count(struct pn_registry *registry); /* gateways */

#endif
