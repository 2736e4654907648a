/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_GATEWAY_H
#define PN_GATEWAY_GATEWAY_H

#include "base/err.h"
#include "base/secret.h"
#include "base/uuid.h"

/*
 * The gateway: ends the client's TLS, authorises, records, injects the account's credential, speaks to
 * the API server (doc/protocol/gateway-pipeline.md). Runs on threads of its own.
 */
struct pn_gateway;

struct pn_gateway_config {
    struct pn_str server_url;    /* https://host[:port] */
    struct pn_str server_ca_pem; /* absent: the system's CAs */
    struct pn_str name;          /* for the log */
    const struct pn_secret
        *enrol_token;         /* one-time; NULL when `state_dir` holds an access token already */
    const char *state_dir;    /* made 0700; access token, lock and spool live there */
    struct pn_str relay_name; /* absent: every relay the server names */
    /* "host:port" for clients without a relay; absent: none; port 0: a free one */
    struct pn_str listen;
    struct pn_str direct_address; /* "host:port" to tell clients; absent: what `listen` became */
    const char *pod_directory;    /* of its own pod identity; NULL: where Kubernetes puts it */
    unsigned loops;               /* 0: one */
    bool is_recording_strict;     /* a request waits until its record is on disk */
    uint64_t spool_max_bytes;     /* 0: 1 GiB */
};

/*
 * Starts. Enrols with the token unless that very token was used before from this directory, and connects
 * once; a server that cannot be reached yet is tried again in the background, with back-off.
 *
 * Errors:  PN_USAGE, PN_IO       the configuration, the directory (in use, not writable)
 *          PN_UNAUTHENTICATED …  the server refuses token or gateway: its sentence
 * Threads: a worker or main; blocks for 10 s at most.
 */
bool pn_gateway_start(const struct pn_gateway_config *config, struct pn_gateway **out,
                      struct pn_err *err) PN_CHECKED;
/*
 * Stops: no new connections, running requests get 10 s, then everything is reset; the last events are
 * uploaded if the server answers, otherwise they stay in the spool. Blocks. NULL is fine.
 */
void pn_gateway_stop(struct pn_gateway *gateway);

struct pn_gateway_status {
    struct pn_uuid id;
    bool is_connected;    /* has certificates, and the server answered the last call */
    uint16_t listen_port; /* 0: not listening */
    unsigned tunnels;     /* open now */
    unsigned sessions;    /* held now */
    uint64_t requests;    /* forwarded so far */
    uint64_t spool_bytes, events_waiting;
    int64_t certificate_expires_ms;
};
struct pn_gateway_status pn_gateway_status(struct pn_gateway *gateway);

#endif
