/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_MERGE_H
#define PN_CLIENT_MERGE_H

#include "client/kubeconfig.h"

/*
 * Sessions in the person's own kubeconfig (`--merge`): a cluster, a user and a context more, and the context
 * switched; every other byte stays. Under kubectl's lock ("<file>.lock"), written whole or not at all; while
 * a session is in it nobody but its owner may read it, afterwards its mode is what it was. What the file was is remembered below XDG_CONFIG_HOME/postern/merge (0600): when the last session
 * leaves, and nobody else has changed the file meanwhile, it is that again to the byte; else only our lines
 * are taken out, and the context goes back if it is still ours. Sessions may leave in any order.
 */

/* The first file of $KUBECONFIG, else ~/.kube/config; NULL when there is no home. */
const char *pn_merge_target(struct pn_arena *arena);

/*
 * `pid` 0: until pn_merge_remove; else the entry counts as left over when that process is gone, and the
 * next pn_merge_add takes it out. Errors: PN_USAGE: the file cannot be changed safely (not YAML, a symbolic
 * link to nowhere, read-only, another user's, our names in it although we are not), and is as it was;
 * PN_TIMEOUT: somebody holds the lock; PN_IO.
 */
bool pn_merge_add(const char *path, const struct pn_kubeconfig *config, int64_t pid,
                  struct pn_err *err) PN_CHECKED;
/* From every file that has it; none is fine. Errors: those of pn_merge_add; the entries stay then. */
bool pn_merge_remove(struct pn_str name, int64_t pid, struct pn_err *err) PN_CHECKED;

#endif
