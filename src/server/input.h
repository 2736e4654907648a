/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_INPUT_H
#define PN_SERVER_INPUT_H

#include "server/router.h"

/*
 * Fills a route's one input struct from three places: a path parameter wins over the query, the
 * query over the body; an empty query value counts as absent. All failures are reported at once.
 *
 * Errors:  PN_BAD_REQUEST  the body is not a JSON object
 *          PN_VALIDATION   details: the issues of body and parameters together
 * On failure nothing needs dropping; else pn_shape_drop.
 */
bool pn_input_parse(const struct pn_shape *shape, const struct pn_match *match, struct pn_str body,
                    struct pn_arena *arena, void *out, struct pn_err *err) PN_CHECKED;

#endif
