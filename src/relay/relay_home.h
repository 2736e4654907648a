/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_RELAY_RELAY_HOME_H
#define PN_RELAY_RELAY_HOME_H

#include "base/arena.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/uuid.h"

/*
 * The server as the relay sees it, and what the relay keeps between runs: L1–L3 of
 * doc/protocol/gateway-rest.md, and relay.json (0600) in a directory of its own (0700) with the access
 * token and the digest of the one-time token it was had for. One thread's, not a loop's.
 *
 * Errors of all calls: what the server said, by its status; PN_UNREACHABLE or PN_TIMEOUT when it did not
 * answer; PN_PROTOCOL when it is not our server.
 */
struct pn_relay_home;

/* Opens directory and connection. PN_BUSY: another relay runs on this directory. */
bool pn_relay_home_new(struct pn_str url, struct pn_str ca_pem, const char *state_dir,
                       struct pn_relay_home **out, struct pn_err *err) PN_CHECKED;
void pn_relay_home_free(struct pn_relay_home *home);
/* Is the failure one that trying again may cure? */
bool pn_relay_home_is_away(const struct pn_err *err);

/*
 * L1: trades the one-time token for an access token and keeps that. Does nothing when the stored one was
 * had for this very token, so that a restart with the same token works. NULL: whatever is stored.
 * Errors: PN_USAGE (no token at all).
 */
bool pn_relay_home_enrol(struct pn_relay_home *home, const struct pn_secret *one_time,
                         struct pn_err *err) PN_CHECKED;
struct pn_uuid pn_relay_home_id(const struct pn_relay_home *home); /* zero before enrolment */

/* What a relay is for a day. Immutable, counted, shared by the loops. */
struct pn_relay_identity {
    unsigned references; /* atomic */
    struct pn_arena *arena;
    struct pn_str chain; /* leaf, intermediate */
    struct pn_secret *key;
    struct pn_str gateway_trust, client_trust; /* client_trust: PN_NONE, the server has none */
    int64_t not_before_ms, not_after_ms;
};
struct pn_relay_identity *pn_relay_identity_hold(struct pn_relay_identity *identity);
void pn_relay_identity_free(struct pn_relay_identity *identity);

/* L2 */
bool pn_relay_home_connect(struct pn_relay_home *home, struct pn_relay_identity **out,
                           struct pn_err *err) PN_CHECKED;
/* L3. `gateways` become those that the server refuses, *count their number. */
bool pn_relay_home_heartbeat(struct pn_relay_home *home, struct pn_uuid *gateways, size_t *count,
                             struct pn_err *err) PN_CHECKED;

#endif
