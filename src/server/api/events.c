/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of a project's secrets as server-sent events. Contract: platform.md §13. */
#include "core/event/subscription.h"
#include "server/route.h"

struct place {
    struct pn_str environmentSlug, secretPath;
};
static const struct pn_field place_fields[] = {
    PN_FIELD(place, environmentSlug, STRING, .max = 64, .doc = "Every environment without it"),
    PN_FIELD(place, secretPath, STRING, .max = 512,
             .doc = "A folder, / without it, or a pattern: /a/** is /a and all below it"),
};
struct registered {
    int event;
    struct place conditions;
    bool has_conditions;
};
static const char *const event_names[] = { "secret:create", "secret:update", "secret:delete",
                                           "secret:import-mutation", NULL }; /* enum pn_event */
static const struct pn_field registered_fields[] = {
    PN_FIELD(registered, event, ENUM, .required = true, .names = event_names),
    PN_FIELD(registered, conditions, OBJECT, .shape = PN_SHAPE(place), .is_nullable = true,
             .has_offset = offsetof(struct registered, has_conditions),
             .doc = "The whole project without them"),
};
struct subscribe_in {
    struct pn_uuid projectId;
    struct pn_list reg;
};
/* clang-format off */
static const struct pn_field subscribe_in_fields[] = {
    PN_FIELD(subscribe_in, projectId, UUID, .required = true),
    { .name = "register", .kind = PN_KIND_OBJECTS, .offset = offsetof(struct subscribe_in, reg),
      .shape = PN_SHAPE(registered), .required = true, .min = 1, .max = PN_SUBSCRIPTION_MAX_EVENTS },
};
/* clang-format on */

static bool subscribe(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct subscribe_in *in = in_;
    const struct registered *items = in->reg.items;
    struct pn_subscription_event *events =
        pn_new(call->arena, struct pn_subscription_event, in->reg.count);

    (void)out;
    for (size_t i = 0; i < in->reg.count; i++)
        events[i] =
            (struct pn_subscription_event){ .event = items[i].event,
                                            .environment = items[i].conditions.environmentSlug,
                                            .path = items[i].conditions.secretPath,
                                            .has_place = items[i].has_conditions };
    return pn_subscription_open(call, in->projectId, events, in->reg.count, &call->subscription,
                                err);
}

const struct pn_route pn_events_routes[] = {
    { PN_POST, "/api/v1/events/subscribe/project-events", .access = PN_BY_PEOPLE,
      .permission = "project secret-event-subscriptions:subscribe-to-update-events",
      .rate = PN_RATE_READ, .audit = "subscribe-project-events", .in = PN_SHAPE(subscribe_in),
      .is_stream = true, .handle = subscribe,
      .doc =
          "Changes of secrets as they happen, as server-sent events; each kind takes its action" },
    { 0 },
};
