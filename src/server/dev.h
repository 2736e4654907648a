/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_DEV_H
#define PN_SERVER_DEV_H

#include "server/server.h"

#define PN_DEV_EMAIL "admin@dev.postern.local"

/*
 * What `--dev` sets up beyond an empty server: an administrator, and project, gateway and relay, each
 * named "dev". The first start writes DATA/dev/admin.json (0600: e-mail, password, ids and the
 * administrator's machine token), from which later starts read the ids, and DATA/dev/password (0600)
 * for `postern login --password-file`.
 */
struct pn_dev {
    struct pn_uuid project_id, gateway_id, relay_id;
    struct pn_actor admin; /* the machine identity whose token admin.json holds */
};
/*
 * Before the server starts: a first start that was killed half way left nothing that anybody could
 * use, so it begins again.
 */
bool pn_dev_prepare(const struct pn_settings *settings, struct pn_err *err) PN_CHECKED;
/* PN_USAGE when the directory was set up without --dev. */
bool pn_dev_setup(struct pn_server *server, const struct pn_settings *settings, struct pn_dev *out,
                  struct pn_err *err) PN_CHECKED;

/* Tells the server where its relay listens; port 0: on this host, the port is not known yet. */
bool pn_dev_place_relay(struct pn_server *server, const struct pn_dev *dev, const char *host,
                        uint16_t port, struct pn_err *err) PN_CHECKED;
/* One-time tokens; the caller frees. */
bool pn_dev_gateway_token(struct pn_server *server, const struct pn_dev *dev,
                          struct pn_secret **out, struct pn_err *err) PN_CHECKED;
bool pn_dev_relay_token(struct pn_server *server, const struct pn_dev *dev, struct pn_secret **out,
                        struct pn_err *err) PN_CHECKED;
/* Does the server know of a tunnel of its gateway? */
bool pn_dev_is_connected(struct pn_server *server, const struct pn_dev *dev);

#endif
