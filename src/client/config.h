/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_CONFIG_H
#define PN_CLIENT_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/secret.h"

/*
 * Where the CLI finds the server and who it is there: the environment first (POSTERN_DOMAIN,
 * POSTERN_TOKEN, POSTERN_CA_FILE, POSTERN_PROJECT_ID, then the INFISICAL_* names), then what
 * `postern login` stored below XDG_CONFIG_HOME/postern (config.json, and credentials.json with 0600).
 */
struct pn_client_config {
    struct pn_str domain;     /* "https://host:port", without "/api" */
    struct pn_str ca_pem;     /* PN_NONE: the system's CAs */
    struct pn_str project_id; /* PN_NONE: not chosen */
    struct pn_str email;      /* of the stored login */
    struct pn_secret *token;  /* NULL: not logged in */
};

/* Errors: PN_USAGE (no server known, unreadable CA file), PN_IO. Drop with pn_client_config_drop. */
bool pn_client_config_load(struct pn_arena *arena, struct pn_client_config *out, struct pn_err *err)
    PN_CHECKED;
void pn_client_config_drop(struct pn_client_config *config);

/* What a login leaves behind; the token goes to a file of its own with mode 0600. */
bool pn_client_config_store(struct pn_arena *arena, const struct pn_client_config *config,
                            struct pn_err *err) PN_CHECKED;
bool pn_client_config_forget(struct pn_arena *arena, struct pn_err *err) PN_CHECKED;

/* "https://host/api/" and "https://host" are the same server. */
struct pn_str pn_client_domain(struct pn_str text);

#endif
