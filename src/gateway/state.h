/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_STATE_H
#define PN_GATEWAY_STATE_H

#include "base/err.h"
#include "base/secret.h"
#include "base/uuid.h"

/*
 * What a gateway keeps between runs, in a directory of its own (0700): the access token that enrolment
 * gave (gateway.json, 0600, with the digest of the one-time token it was had for), a lock, the spool.
 * Certificates and keys are asked for anew at every start.
 */
struct pn_state {
    char *directory;
    int lock_fd;
    struct pn_secret *access_token; /* NULL: not enrolled */
    struct pn_uuid gateway_id;
    uint8_t used_digest[32]; /* of the one-time token */
};

/* PN_BUSY: another gateway runs on this directory. PN_IO, PN_PROTOCOL (gateway.json is damaged). */
bool pn_state_open(const char *directory, struct pn_state *out, struct pn_err *err) PN_CHECKED;
void pn_state_close(struct pn_state *state);
/* Was the stored access token had for this one-time token? A missing one (NULL) means: whatever there is. */
bool pn_state_is_enrolled_with(const struct pn_state *state, const struct pn_secret *one_time);
/* Keeps a fresh enrolment; takes `access_token`. */
bool pn_state_save(struct pn_state *state, const struct pn_secret *one_time,
                   struct pn_secret *access_token, struct pn_uuid gateway_id, struct pn_err *err)
    PN_CHECKED;

#endif
