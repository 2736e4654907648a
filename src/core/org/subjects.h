/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_ORG_SUBJECTS_H
#define PN_CORE_ORG_SUBJECTS_H

#include "base/str.h"

/* What rules may be about (platform.md §8.2, §8.4): one table, for custom roles and for showing built-in ones. */
struct pn_subject {
    const char *scope, *name;
    const char *actions;    /* separated by spaces */
    const char *conditions; /* wire names, separated by spaces; NULL: none */
};

#define PN_SUBSCRIBE_ACTIONS                                   \
    "subscribe-to-creation-events subscribe-to-update-events " \
    "subscribe-to-deletion-events subscribe-to-import-mutation-events"

extern const struct pn_subject pn_subjects[];
extern const size_t pn_subject_count;

/* NULL when there is none. */
const struct pn_subject *pn_subject_find(const char *scope, struct pn_str name);
/* Whether `word` is one of `words`, which spaces separate. */
bool pn_subject_lists(const char *words, struct pn_str word);

#endif
