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
 * What was stored belongs to the server it came from and is not used with another one.
 */
struct pn_client_config {
    struct pn_str domain;     /* "https://host:port", without "/api"; PN_NONE: no server is known */
    struct pn_str ca_file;    /* absolute; PN_NONE: the system's CAs */
    struct pn_str ca_pem;     /* what it holds */
    struct pn_str project_id; /* PN_NONE: not chosen */
    struct pn_str email;      /* of the stored login */
    struct pn_secret *token;  /* NULL: not logged in */
    const char *token_name;   /* the variable that gave the token; NULL: a stored login did */
};

/*
 * `domain` goes before environment and file; PN_NONE: not given. Drop with pn_client_config_drop.
 * Errors: PN_USAGE (unreadable CA file, damaged or public files), PN_IO.
 */
bool pn_client_config_load(struct pn_arena *arena, struct pn_str domain,
                           struct pn_client_config *out, struct pn_err *err) PN_CHECKED;
void pn_client_config_drop(struct pn_client_config *config);

/* What a login leaves behind; the token goes to a file of its own with mode 0600. */
bool pn_client_config_store(struct pn_arena *arena, const struct pn_client_config *config,
                            struct pn_err *err) PN_CHECKED;
bool pn_client_config_forget(struct pn_arena *arena, struct pn_err *err) PN_CHECKED;

/* A PEM file of CAs, and its absolute path. Errors: PN_USAGE. */
bool pn_client_config_read_ca(struct pn_arena *arena, struct pn_client_config *config,
                              struct pn_str path, struct pn_err *err) PN_CHECKED;

/* "https://host/api/" and "https://host" are the same server. */
struct pn_str pn_client_domain(struct pn_str text);

#endif
