/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_SERVER_H
#define PN_SERVER_SERVER_H

#include "base/call.h"
#include "json/settings.h"

/* The control plane: REST API over TLS, database, jobs. */
struct pn_server;

struct pn_server_config {
    const struct pn_settings *settings; /* outlives the server */
};

/* Opens the database, migrates, listens, serves in threads of its own; returns when requests are answered. */
bool pn_server_start(const struct pn_server_config *config, struct pn_server **out,
                     struct pn_err *err) PN_CHECKED;
/* Stops accepting, lets what runs finish (settings->drain_timeout), closes the database. */
void pn_server_stop(struct pn_server *server);
/* Ends its own connections through gateways, before relay and gateway of the same process stop. */
void pn_server_hang_up(struct pn_server *server);

uint16_t pn_server_port(const struct pn_server *server);
const char *pn_server_url(const struct pn_server *server);     /* https://HOST:PORT */
const char *pn_server_ca_file(const struct pn_server *server); /* "" when certificates were given */

/*
 * Recomputes the hash chain of the record in settings->data; a server may be running there. PN_INTERNAL
 * names the first row that does not fit.
 */
bool pn_server_verify_audit(const struct pn_settings *settings, int64_t *rows, struct pn_err *err)
    PN_CHECKED;

/*
 * Runs `run` with a call as the platform itself: set-up of --dev, tests. On a connection of its own;
 * blocks. Not on a loop.
 */
bool pn_server_call(struct pn_server *server,
                    bool (*run)(struct pn_call *call, void *context, struct pn_err *err),
                    void *context, struct pn_err *err) PN_CHECKED;

#endif
