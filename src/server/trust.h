/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_TRUST_H
#define PN_SERVER_TRUST_H

#include "base/arena.h"
#include "crypto/keyring.h"
#include "json/settings.h"

/*
 * What the server keeps in its data directory: the root key (0600, made on the first start unless
 * given) and, unless certificates are given, its own CA and a leaf for its address, renewed when it
 * has used two thirds of its life or the address has changed. `ca_file` verifies the server.
 */
struct pn_trust {
    struct pn_str chain_pem;
    struct pn_secret *key_pem;
    const char *ca_file; /* path; "" when certificates are given */
};

/* Reads or makes the root key. PN_USAGE when a given key is no key or its file is not private. */
bool pn_trust_keyring(struct pn_arena *arena, const struct pn_settings *settings,
                      struct pn_keyring **out, struct pn_err *err) PN_CHECKED;
/* Reads or makes the certificates; `host` is what the server listens on. */
bool pn_trust_certificates(struct pn_arena *arena, const struct pn_settings *settings,
                           struct pn_str host, struct pn_trust *out, struct pn_err *err) PN_CHECKED;
void pn_trust_drop(struct pn_trust *trust);

#endif
