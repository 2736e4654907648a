/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_RELAY_PORT_H
#define PN_RELAY_PORT_H

#include "net/dial.h"
#include "relay/registry.h"
#include "relay/relay_home.h"

/*
 * The client port on one loop: peeks at each ClientHello, passes clients on to the tunnel of the gateway
 * they name, ends TLS for tunnels only. All functions but the counters belong to its loop.
 */
struct pn_port;

/* What all loops of a relay share. */
struct pn_port_shared {
    struct pn_registry *registry;
    struct pn_port **ports; /* by loop; complete before the first loop runs */
    struct pn_addresses_open *addresses;
    void (*changed)(void *context); /* a tunnel came or went; any thread */
    void *context;
    unsigned tunnels, clients;  /* open now; atomic */
    uint64_t accepted, refused; /* clients so far; atomic */
};

/* How many connections each client address has open; shared by the loops. */
struct pn_addresses_open *pn_addresses_open_new(unsigned max_per_address);
void pn_addresses_open_free(struct pn_addresses_open *addresses);

/* In main, before the loop runs. `first_fd` < 0: listens at `at`; else shares that listening socket. */
bool pn_port_new(struct pn_loop *loop, unsigned index, struct pn_port_shared *shared,
                 const struct pn_endpoint *at, int first_fd, struct pn_port **out,
                 struct pn_err *err) PN_CHECKED;
/* In main, after the loop has stopped. */
void pn_port_free(struct pn_port *port);
int pn_port_fd(const struct pn_port *port);
uint16_t pn_port_number(const struct pn_port *port);

/* Any thread: certificates for tunnels from now on. */
void pn_port_identify(struct pn_port *port, struct pn_relay_identity *identity);
/* Any thread: closes the gateway's tunnels, with what runs in them. */
void pn_port_expel(struct pn_port *port, struct pn_uuid gateway);
/* Any thread: takes no more clients, drains tunnels, and stops the loop when all is over or after `grace_ms`. */
void pn_port_stop(struct pn_port *port, int64_t grace_ms);

#endif
