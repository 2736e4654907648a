/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_WATCHED_H
#define PN_CORE_WATCHED_H

#include "db/db.h"

/* The tables that call->cache has rows of, for pn_db_config.watched: one list, so that none is forgotten. */
extern const struct pn_watch pn_core_watched[];

#endif
