/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_JOB_OPERATE_H
#define PN_CORE_JOB_OPERATE_H

#include "core/job/job.h"

/*
 * What an operator of the instance sees of jobs, and may do: look, and have one tried now. For its administrators;
 * PN_FORBIDDEN for everybody else.
 */
#define PN_JOB_MAX_LISTED 1000

/* A list of struct pn_job_row: failing ones first, then by due time. */
bool pn_job_look(struct pn_call *call, bool is_failing_only, int64_t limit, struct pn_list *out,
                 struct pn_err *err) PN_CHECKED;
/* Due now, whatever it failed with; a run in progress goes on. Errors: PN_NOT_FOUND; PN_BAD_REQUEST: it has not failed. */
bool pn_job_retry(struct pn_call *call, struct pn_str kind, struct pn_uuid id,
                  struct pn_job_row *out, struct pn_err *err) PN_CHECKED;

#endif
