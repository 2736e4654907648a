/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_AUTH_CLUSTERS_H
#define PN_CORE_AUTH_CLUSTERS_H

#include "base/call.h"
#include "core/auth/cluster_turns.h"
#include "crypto/hash.h"
#include "json/shape.h"
#include "kube/service_token.h"

/*
 * What a server process remembers of clusters, so that each token is asked about once and junk not at
 * all (identity-auth.md D11, D12): verdicts for some seconds, public keys for some minutes, and how many
 * rejections each cluster was asked for. All of it is bounded, none is a source of truth: a verdict is
 * kept under the version of its configuration and never outlives its token. Thread-safe.
 */
struct pn_clusters;

#define PN_VERDICT_MAX_MS 30000

/* verdict_ms 0: verdicts are shared by who waits for them, and then forgotten. `most_at_once`: workers at
 * one cluster at a time, and no more than one address may ask about unknown tokens: honest logins that come from one
 * address at once would be refused otherwise, as if they were junk. */
struct pn_clusters *pn_clusters_new(int64_t verdict_ms, unsigned most_at_once);
void pn_clusters_free(struct pn_clusters *clusters);

/*
 * A turn at a place (cluster_turns.h) for the length of a call: who was let in leaves again, and says whether somebody
 * there spoke. Where nothing is remembered (call->clusters NULL) all come in.
 */
bool pn_clusters_enter(struct pn_call *call, const struct pn_cluster_place *place,
                       struct pn_err *err) PN_CHECKED;
void pn_clusters_leave(struct pn_call *call, const struct pn_cluster_place *place,
                       bool has_answered);

/* ---- verdicts ---- */

struct pn_verdict {
    char namespace[256], name[256], uid[64], pod[256];
    struct pn_err err; /* code PN_OK: accepted; details are not kept */
    bool is_genuine;   /* the cluster or its keys vouch for the token, let in or not: may be kept */
    int64_t until_ms;  /* wall clock: end of the token; 0: not known */
};

struct pn_verdict_key {
    uint8_t bytes[PN_SHA256_BYTES];
};

/*
 * Junk is shared by who waits for it, and forgotten: it is without number, and would push out what is not.
 *
 * One asks, the others wait: true with *leads means that the caller must find the verdict and settle
 * it; true without, that `out` holds it. Errors: PN_TIMEOUT when the leader was not done in time.
 */
bool pn_clusters_join(struct pn_clusters *clusters, const struct pn_verdict_key *key,
                      int64_t deadline_ms, bool *leads, struct pn_verdict *out, struct pn_err *err)
    PN_CHECKED;
/* Is there one already? Then nobody is asked, and nobody waited for. */
bool pn_clusters_know(struct pn_clusters *clusters, const struct pn_verdict_key *key,
                      struct pn_verdict *out);
void pn_clusters_settle(struct pn_clusters *clusters, const struct pn_verdict_key *key,
                        const struct pn_verdict *verdict, int64_t wall_ms);

/* ---- keys ---- */

enum pn_keys_say {
    PN_KEYS_NOTHING, /* there are none, or they were never seen to agree with the cluster */
    PN_KEYS_GOOD,    /* the signature is of one of them */
    PN_KEYS_BAD,     /* it is not */
    PN_KEYS_STALE,   /* not of those we have, which are old enough to fetch again first */
};

/*
 * A cluster, as an organisation reaches it: pn_kubernetes_road's members hashed. Two organisations that reach the same
 * one share nothing of what is remembered: what one learns, uses up or breaks is its own.
 */
struct pn_cluster_id {
    struct pn_uuid org;
    uint8_t bytes[PN_SHA256_BYTES];
};

/* `must_be_proven`: keys count only when a token that the cluster accepted was signed by one of them. */
enum pn_keys_say pn_clusters_judge(struct pn_clusters *clusters, const struct pn_cluster_id *id,
                                   const struct pn_service_token *token, bool must_be_proven);
/* May the caller fetch the keys now? At most one does, and not again at once when it fails. */
bool pn_clusters_claim_fetch(struct pn_clusters *clusters, const struct pn_cluster_id *id,
                             bool is_needed);
/* What it brought; of struct pn_kube_jwk. Count 0: nothing usable, what we had stays. */
void pn_clusters_learn(struct pn_clusters *clusters, const struct pn_cluster_id *id,
                       struct pn_list keys);
/* The cluster accepted this token: do the keys agree? */
void pn_clusters_prove(struct pn_clusters *clusters, const struct pn_cluster_id *id,
                       const struct pn_service_token *token);

/* ---- rejections ---- */

#define PN_REJECTS_PER_SECOND 50
#define PN_REJECTS_PER_SOURCE 10 /* of one client address, so that one cannot use up all */

enum pn_cluster_said {
    PN_CLUSTER_SILENT,   /* no answer: about the road, not about the token */
    PN_CLUSTER_REJECTED, /* any answer that does not vouch for the token, a refused reviewer's too */
    PN_CLUSTER_ACCEPTED,
};

/*
 * May the cluster be asked about a token that nothing is known of? Afterwards say how it went. A token
 * that was accepted before is not counted (`proof`: a hash of it). Errors: PN_RATE_LIMITED.
 */
bool pn_clusters_may_ask(struct pn_clusters *clusters, const struct pn_cluster_id *id,
                         struct pn_str source, const struct pn_verdict_key *proof,
                         struct pn_err *err) PN_CHECKED;
void pn_clusters_asked(struct pn_clusters *clusters, const struct pn_cluster_id *id,
                       struct pn_str source, const struct pn_verdict_key *proof,
                       enum pn_cluster_said said);

#endif
