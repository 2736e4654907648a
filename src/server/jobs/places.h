/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_JOBS_PLACES_H
#define PN_SERVER_JOBS_PLACES_H

#include "core/job/job.h"

/*
 * How many runs are at each place of each organisation now, and whether it answers: how many more may go there. Pure;
 * the caller has the lock. A place that nobody is at and that answered is forgotten. Two organisations that name the
 * same cluster have a place each: what one learns or holds is its own.
 */
struct pn_job_places;
struct pn_job_place;
#define PN_JOBS_PER_THREAD 2 /* claimed ahead, so that no thread waits for the next look */

struct pn_job_places *pn_job_places_new(void);
void pn_job_places_free(struct pn_job_places *places);
/* Forgets places where nobody is and that answered; silent ones too when there are too many to remember. */
void pn_job_places_tidy(struct pn_job_places *places);
/* Never NULL; lives until the next tidying, and as long as somebody is there. */
struct pn_job_place *pn_job_places_find(struct pn_job_places *places,
                                        const struct pn_job_where *where);

/*
 * Of `threads` threads, all but two for an organisation, and for a place of it that answers; one for a place that does
 * not, and a quarter for all such places of an organisation. The server itself (the empty name) has no limit.
 */
size_t pn_job_place_room(const struct pn_job_place *place, size_t threads);
/* Time to look for more: what came free one by one is claimed in one write, not in one each. */
bool pn_job_place_is_half_empty(const struct pn_job_place *place, size_t threads);
void pn_job_place_entered(struct pn_job_place *place);
void pn_job_place_left(struct pn_job_place *place, bool has_answered);
/* Who entered did not go there after all: nothing is learned of it. */
void pn_job_place_unentered(struct pn_job_place *place);

#endif
