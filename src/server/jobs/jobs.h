/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_JOBS_JOBS_H
#define PN_SERVER_JOBS_JOBS_H

#include "base/call.h"

struct pn_metrics;

/*
 * What happens because time passes, by one table (jobs.c): rows of `jobs` that are due (core/job/job.h) are
 * claimed and run by threads of their own, two crews: for what needs rows alone, and for what calls clusters.
 *
 * Fair by organisation and place: each place in turn, so that one with ten thousand due rows holds up no other; a place
 * that did not answer last time has one run at a time until it does, and all such places of an organisation have a
 * quarter of the threads, so that dead clusters hold few and nobody's hold up another's (places.h).
 */
struct pn_jobs;

struct pn_jobs_config {
    struct pn_db *db;
    struct pn_keyring *keyring;
    const struct pn_settings *settings;
    const struct pn_reach_port *reach;
    struct pn_metrics *metrics;
};
bool pn_jobs_start(const struct pn_jobs_config *config, struct pn_jobs **out, struct pn_err *err)
    PN_CHECKED;
/* Waits for the runs in progress; what is left is due at the next start. */
void pn_jobs_stop(struct pn_jobs *jobs);

#endif
