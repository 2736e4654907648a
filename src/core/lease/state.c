/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/state.h"

static const struct {
    const char *name, *status;
    bool is_shown;
    bool may[PN_LEASE_STATES];
} states[PN_LEASE_STATES] = {
    [PN_LEASE_PENDING] = { "pending", .may = { [PN_LEASE_ACTIVE] = true,
                                               [PN_LEASE_CLEANING] = true,
                                               [PN_LEASE_GONE] = true } },
    [PN_LEASE_CLEANING] = { "cleaning", .may = { [PN_LEASE_GONE] = true } },
    [PN_LEASE_ACTIVE] = { "active", .is_shown = true,
                          .may = { [PN_LEASE_REVOKING] = true, [PN_LEASE_GONE] = true } },
    [PN_LEASE_REVOKING] = { "revoking", .is_shown = true,
                            .may = { [PN_LEASE_FAILED] = true, [PN_LEASE_GONE] = true } },
    [PN_LEASE_FAILED] = { "failed", "Failed to delete", .is_shown = true,
                          .may = { [PN_LEASE_REVOKING] = true, [PN_LEASE_GONE] = true } },
    [PN_LEASE_GONE] = { "gone" },
};

const char *pn_lease_state_name(enum pn_lease_state state)
{
    return states[state].name;
}

bool pn_lease_state_parse(struct pn_str name, enum pn_lease_state *out)
{
    for (int i = 0; i < PN_LEASE_STATES; i++) {
        if (!pn_str_is(name, states[i].name))
            continue;
        *out = (enum pn_lease_state)i;
        return true;
    }
    return false;
}

bool pn_lease_state_may(enum pn_lease_state from, enum pn_lease_state to)
{
    return states[from].may[to];
}

bool pn_lease_state_is_shown(enum pn_lease_state state)
{
    return states[state].is_shown;
}

const char *pn_lease_state_status(enum pn_lease_state state)
{
    return states[state].status;
}
