/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_JOBS_JOBS_H
#define PN_SERVER_JOBS_JOBS_H

#include "base/call.h"

/*
 * What happens because time passes: one thread that runs each row of a table when it is due. A job
 * finds its work in the database, so that a missed or repeated run does no harm.
 */
struct pn_jobs;

struct pn_jobs_config {
    struct pn_db *db;
    struct pn_keyring *keyring;
    const struct pn_settings *settings;
};
bool pn_jobs_start(const struct pn_jobs_config *config, struct pn_jobs **out, struct pn_err *err)
    PN_CHECKED;
/* Waits for the job that runs. */
void pn_jobs_stop(struct pn_jobs *jobs);

#endif
