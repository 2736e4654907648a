/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_ALLOW_H
#define PN_KUBE_ALLOW_H

#include "base/arena.h"
#include "base/err.h"

/*
 * Lists of allowed namespaces and service account names (identity-auth.md §9): items between commas,
 * each a name or a glob over the whole of it, as picomatch reads globs. An empty list allows everything.
 *
 *     *  **  any text               ?  any character      [a-c^…[:digit:]]  a class; ^ negates
 *     {a,b}  {1..3}  alternatives   (a|b)  @(a|b)  one    +(a) one or more, *(a) any, ?(a) at most one
 *     !(a)  not this here           !item  everything but \x  x itself       "a"  as it stands
 *
 * Matching is a simulated automaton: its time grows with the lengths of glob and value, never faster.
 */
#define PN_ALLOW_MAX_BYTES 4096
#define PN_ALLOW_MAX_VALUE 253 /* the longest name Kubernetes has; longer ones match no glob */

/* Is it a list that the matcher can read? Errors: PN_BAD_REQUEST, naming the item. */
bool pn_allow_check(struct pn_str list, struct pn_err *err) PN_CHECKED;

/* Items that cannot be read, and empty ones, match nothing but themselves. */
bool pn_allow_matches(struct pn_str list, struct pn_str value);

/* Whether the list has items and all of them are negations: it then allows all that nobody thought of. */
bool pn_allow_is_negative(struct pn_str list);

#endif
