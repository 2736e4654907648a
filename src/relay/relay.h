/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_RELAY_RELAY_H
#define PN_RELAY_RELAY_H

#include "base/err.h"
#include "base/secret.h"
#include "base/uuid.h"

/*
 * The relay: joins clients to gateways by the name in their ClientHello (doc/protocol/tunnel.md). It
 * holds its own TLS key, for tunnels, and no key to any byte between client and gateway. Runs on
 * threads of its own.
 */
struct pn_relay;

struct pn_relay_config {
    struct pn_str server_url;    /* https://host[:port] */
    struct pn_str server_ca_pem; /* absent: the system's CAs */
    struct pn_str name;          /* for the log */
    const struct pn_secret
        *enrol_token;         /* one-time; NULL when `state_dir` holds an access token already */
    const char *state_dir;    /* made 0700; the access token lives there */
    struct pn_str listen;     /* "address:port" of the client port; port 0: a free one */
    unsigned loops;           /* 0: one */
    unsigned max_per_address; /* open connections of one client address; 0: 4,096 */
};

/*
 * Starts: listens, enrols with the token unless that very token was used before from this directory, and
 * asks the server for certificates; a server that cannot be reached yet is tried again in the
 * background, with back-off.
 *
 * Errors:  PN_USAGE, PN_BAD_REQUEST, PN_IO, PN_CONFLICT  the configuration, the directory, the port
 *          PN_UNAUTHENTICATED …  the server refuses the token or the relay: its sentence
 * Threads: a worker or main; blocks for 10 s at most.
 */
bool pn_relay_start(const struct pn_relay_config *config, struct pn_relay **out, struct pn_err *err)
    PN_CHECKED;
/*
 * Stops: no new connections, gateways are told to go elsewhere, open clients get 10 s, then they are
 * reset. Blocks. NULL is fine.
 */
void pn_relay_stop(struct pn_relay *relay);

uint16_t pn_relay_port(const struct pn_relay *relay);

struct pn_relay_status {
    struct pn_uuid id;
    bool is_connected;          /* has certificates, and the server answered the last call */
    unsigned tunnels, clients;  /* open now */
    uint64_t accepted, refused; /* clients so far */
    int64_t certificate_expires_ms;
};
struct pn_relay_status pn_relay_status(struct pn_relay *relay);

#endif
