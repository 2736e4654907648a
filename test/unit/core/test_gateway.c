/* SPDX-License-Identifier: Apache-2.0 */
/* Cases C-n are those of the contract, pam-gateway.md §20.1. */
#include "stage.h"

#include <pthread.h>

#include "core/auth/token.h"
#include "core/gateway/pki.h"
#include "core/gateway/pools.h"
#include "core/gateway/tunnels.h"
#include "core/pam/template.h"

static struct pn_str enrol_token(struct stage *s, struct pn_uuid id)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_enrol enrol;
    struct pn_err err = { 0 };

    CHECK_OK(pn_gateways_mint(&call, id, &enrol, &err), err);
    CHECK_EQ(enrol.expires_ms, call.now_ms + 3600 * 1000);
    return enrol.token;
}

static struct pn_uuid new_gateway(struct stage *s, const char *name)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_gateways_view view;
    struct pn_err err = { 0 };

    CHECK_OK(pn_gateways_create(&call, pn_str_from(name), &view, &err), err);
    CHECK_STR(view.name, name);
    CHECK(!view.canRevoke && !view.isConnected && view.heartbeat == 0 &&
          view.lastHealthCheckStatus.ptr == NULL);
    return view.id;
}

static bool may_call(struct stage *s, struct pn_str access_token, struct pn_err *err)
{
    struct pn_call call = stage_call(s, (struct pn_actor){ 0 });
    struct pn_actor actor;

    return pn_token_authenticate(&call, access_token, &actor, err) &&
           actor.kind == PN_ACTOR_GATEWAY;
}

STAGE_TEST(c1_a_fresh_token_enrols)
{
    struct pn_call call = stage_call(s, (struct pn_actor){ 0 });
    struct pn_uuid id = new_gateway(s, "edge");
    struct pn_str token = enrol_token(s, id);
    struct pn_enrol_grant grant;
    struct pn_err err = { 0 };

    CHECK(pn_str_starts(token, PN_LIT("gwe_")));
    CHECK(!stage_leaks(s, token));
    CHECK_OK(pn_gateways_enrol(&call, token, &grant, &err), err);
    CHECK(pn_uuid_eq(grant.id, id));
    CHECK_OK(may_call(s, grant.access_token, &err), err);
    CHECK_EQ(stage_events(s, "gateway-create"), 1);
    CHECK_EQ(stage_events(s, "gateway-token-create"), 1);
    CHECK_EQ(stage_events(s, "gateway-enroll"), 1);
}

STAGE_TEST(c2_a_used_token_enrols_nobody_and_is_recorded)
{
    struct pn_call call = stage_call(s, (struct pn_actor){ 0 });
    struct pn_str token = enrol_token(s, new_gateway(s, "edge"));
    struct pn_enrol_grant first, second;
    struct pn_err err = { 0 };

    CHECK_OK(pn_gateways_enrol(&call, token, &first, &err), err);
    CHECK_FAILS(pn_gateways_enrol(&call, token, &second, &err), err, UNAUTHENTICATED);
    CHECK_EQ(stage_events(s, "gateway-enroll-refused"), 1);
    CHECK_OK(may_call(s, first.access_token, &err), err);
}

struct runner {
    struct stage *s;
    struct pn_str token;
    bool is_granted;
};

static void *run_enrol(void *context)
{
    struct runner *r = context;
    struct pn_call call = stage_call(r->s, (struct pn_actor){ 0 });
    struct pn_enrol_grant grant;
    struct pn_err err = { 0 };

    call.arena = pn_arena_new((size_t)1 << 20);
    CHECK_OK(pn_db_connect(r->s->db, &call.conn, &err), err);
    r->is_granted = pn_gateways_enrol(&call, r->token, &grant, &err);
    pn_db_disconnect(call.conn);
    pn_arena_free(call.arena);
    return NULL;
}

STAGE_TEST(c3_of_twenty_at_once_one_enrols)
{
    struct pn_str token = enrol_token(s, new_gateway(s, "edge"));
    struct runner runners[20];
    pthread_t threads[20];
    int granted = 0;

    for (size_t i = 0; i < 20; i++) {
        runners[i] = (struct runner){ s, token, false };
        CHECK_EQ(pthread_create(&threads[i], NULL, run_enrol, &runners[i]), 0);
    }
    for (size_t i = 0; i < 20; i++) {
        pthread_join(threads[i], NULL);
        granted += runners[i].is_granted;
    }
    CHECK_EQ(granted, 1);
    CHECK_EQ(stage_count(s, "SELECT token_version FROM gateways"), 2);
}

STAGE_TEST(c4_a_newer_token_replaces_an_unused_one)
{
    struct pn_call call = stage_call(s, (struct pn_actor){ 0 });
    struct pn_uuid id = new_gateway(s, "edge");
    struct pn_str first = enrol_token(s, id), second = enrol_token(s, id);
    struct pn_enrol_grant grant;
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_gateways_enrol(&call, first, &grant, &err), err, UNAUTHENTICATED);
    CHECK_OK(pn_gateways_enrol(&call, second, &grant, &err), err);
}

STAGE_TEST(c5_a_token_lasts_an_hour)
{
    struct pn_str token = enrol_token(s, new_gateway(s, "edge"));
    struct pn_enrol_grant grant;
    struct pn_call call;
    struct pn_err err = { 0 };

    pn_clock_advance(INT64_C(3600) * 1000);
    call = stage_call(s, (struct pn_actor){ 0 });
    CHECK_FAILS(pn_gateways_enrol(&call, token, &grant, &err), err, UNAUTHENTICATED);
    call.now_ms--;
    CHECK_OK(pn_gateways_enrol(&call, token, &grant, &err), err);
}

STAGE_TEST(tokens_of_others_enrol_nobody)
{
    static const char *const tokens[] = { "", "gwe_", "rle_x",
                                          "gwe_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
    struct pn_call call = stage_call(s, (struct pn_actor){ 0 });
    struct pn_enrol_grant grant;
    struct pn_err err = { 0 };

    (void)new_gateway(s, "edge");
    for (size_t i = 0; i < PN_COUNT(tokens); i++)
        CHECK_FAILS(pn_gateways_enrol(&call, pn_str_from(tokens[i]), &grant, &err), err,
                    UNAUTHENTICATED);
}

STAGE_TEST(c6_revoking_ends_the_old_token_and_the_heartbeat)
{
    struct pn_call call = stage_call(s, s->admin), as;
    struct pn_uuid id = new_gateway(s, "edge");
    struct pn_enrol_grant grant;
    struct pn_gateways_view view;
    struct pn_list relays;
    struct pn_err err = { 0 };
    bool had;

    CHECK_OK(pn_gateways_enrol(&call, enrol_token(s, id), &grant, &err), err);
    as = stage_call(s, stage_gateway_actor(s, id));
    CHECK_OK(pn_gateways_heartbeat(&as, PN_NONE, PN_NONE, &relays, &err), err);
    CHECK_OK(pn_gateways_get(&call, id, &view, &err), err);
    CHECK(view.heartbeat == call.now_ms && view.canRevoke);
    CHECK_OK(pn_gateways_revoke(&call, id, &had, &err), err);
    CHECK(had);
    CHECK_FAILS(may_call(s, grant.access_token, &err), err, UNAUTHENTICATED);
    CHECK_OK(pn_gateways_get(&call, id, &view, &err), err);
    CHECK(view.heartbeat == 0 && !view.canRevoke);
    /* A heartbeat that was under way changes nothing. */
    CHECK_OK(pn_gateways_heartbeat(&as, PN_NONE, PN_LIT("gw.test:1"), &relays, &err), err);
    CHECK_OK(pn_gateways_get(&call, id, &view, &err), err);
    CHECK(view.heartbeat == 0 && !view.isConnected);
}

STAGE_TEST(c7_a_second_login_ends_the_first)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_uuid id = new_gateway(s, "edge");
    struct pn_enrol_grant first, second;
    struct pn_err err = { 0 };

    CHECK_OK(pn_gateways_enrol(&call, enrol_token(s, id), &first, &err), err);
    CHECK_OK(pn_gateways_enrol(&call, enrol_token(s, id), &second, &err), err);
    CHECK_FAILS(may_call(s, first.access_token, &err), err, UNAUTHENTICATED);
    CHECK_OK(may_call(s, second.access_token, &err), err);
}

STAGE_TEST(c9_connect_gives_certificates_for_a_day)
{
    struct pn_uuid relay = stage_relay(s, "eu", "relay.test"), id = stage_gateway(s, "edge");
    struct pn_call call = stage_call(s, stage_gateway_actor(s, id));
    struct pn_gateways_connection got, again;
    struct pn_cert_info info;
    struct pn_err err = { 0 };

    CHECK_OK(pn_gateways_connect(&call, PN_LIT("eu"), PN_NONE, &got, &err), err);
    CHECK_EQ(got.relay_count, 1);
    CHECK(pn_uuid_eq(got.relays[0].id, relay));
    CHECK_STR(got.relays[0].host, "relay.test:8443");
    CHECK_OK(pn_x509_read(s->arena, got.certificate, &info, &err), err);
    CHECK(pn_str_eq(info.common_name, pn_uuid_str(s->arena, id)));
    CHECK(pn_str_eq(info.organization, pn_uuid_str(s->arena, s->org)));
    CHECK_EQ(info.not_after_ms, (call.now_ms + 24 * 3600 * 1000) / 1000 * 1000);
    CHECK(pn_str_starts(got.key, PN_LIT("-----BEGIN PRIVATE KEY-----")));
    CHECK_EQ(got.spool_key.len, 32);
    CHECK(!stage_leaks(s, got.spool_key));
    CHECK_OK(pn_gateways_connect(&call, PN_NONE, PN_NONE, &again, &err), err);
    CHECK(pn_str_eq(got.spool_key, again.spool_key));
    CHECK(!pn_str_eq(got.key, again.key));
}

STAGE_TEST(c13_an_unknown_relay_is_named)
{
    struct pn_uuid id = stage_gateway(s, "edge");
    struct pn_call call = stage_call(s, stage_gateway_actor(s, id));
    struct pn_gateways_connection got;
    struct pn_err err = { 0 };

    CHECK(!pn_gateways_connect(&call, PN_LIT("mars"), PN_NONE, &got, &err));
    CHECK_STR(pn_str_from(err.message), "Relay mars not found");
    CHECK_FAILS(false, err, NOT_FOUND);
    CHECK_OK(pn_gateways_connect(&call, PN_NONE, PN_NONE, &got, &err), err);
    CHECK_EQ(got.relay_count, 0);
}

/* The same that a connect would give; a name that is gone is an empty list, and the heartbeat counts. */
STAGE_TEST(heartbeats_name_the_relays)
{
    struct pn_uuid id = stage_gateway(s, "edge"), relay = stage_relay(s, "eu", "relay.test");
    struct pn_call call = stage_call(s, stage_gateway_actor(s, id));
    const struct pn_gateways_relay *first;
    struct pn_list relays;
    struct pn_err err = { 0 };

    CHECK_OK(pn_gateways_heartbeat(&call, PN_NONE, PN_NONE, &relays, &err), err);
    CHECK_EQ(relays.count, 1);
    first = relays.items;
    CHECK(pn_uuid_eq(first->id, relay));
    CHECK_STR(first->host, "relay.test:8443");
    (void)stage_relay(s, "us", "us.test");
    CHECK_OK(pn_gateways_heartbeat(&call, PN_NONE, PN_NONE, &relays, &err), err);
    CHECK_EQ(relays.count, 2);
    CHECK_OK(pn_gateways_heartbeat(&call, PN_LIT("us"), PN_NONE, &relays, &err), err);
    CHECK_EQ(relays.count, 1);
    CHECK_OK(pn_gateways_heartbeat(&call, PN_LIT("mars"), PN_NONE, &relays, &err), err);
    CHECK_EQ(relays.count, 0);
}

STAGE_TEST(who_may_not_administer_gateways)
{
    struct pn_call robot = stage_call(s, s->robot), member = stage_call(s, s->member),
                   foreigner = stage_call(s, s->foreigner);
    struct pn_uuid id = new_gateway(s, "edge");
    struct pn_gateways_view view;
    struct pn_enrol enrol;
    struct pn_list list;
    struct pn_err err = { 0 };
    bool had;

    CHECK_FAILS(pn_gateways_create(&robot, PN_LIT("x"), &view, &err), err, PERMISSION);
    CHECK_FAILS(pn_gateways_list(&robot, &list, &err), err, PERMISSION);
    CHECK_FAILS(pn_gateways_get(&robot, id, &view, &err), err, PERMISSION);
    CHECK_FAILS(pn_gateways_mint(&member, id, &enrol, &err), err, PERMISSION);
    CHECK_FAILS(pn_gateways_revoke(&member, id, &had, &err), err, PERMISSION);
    CHECK_FAILS(pn_gateways_delete(&member, id, &view, &err), err, PERMISSION);
    CHECK_FAILS(pn_gateways_get(&foreigner, id, &view, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_gateways_mint(&foreigner, id, &enrol, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_gateways_revoke(&foreigner, id, &had, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_gateways_delete(&foreigner, id, &view, &err), err, NOT_FOUND);
    CHECK_OK(pn_gateways_list(&foreigner, &list, &err), err);
    CHECK_EQ(list.count, 0);
    CHECK_OK(pn_gateways_list(&member, &list, &err), err);
    CHECK_EQ(list.count, 1);
}

STAGE_TEST(names_are_unique_in_an_organisation)
{
    struct pn_call call = stage_call(s, s->admin), other = stage_call(s, s->foreigner);
    struct pn_gateways_view view;
    struct pn_err err = { 0 };

    (void)new_gateway(s, "edge");
    CHECK_FAILS(pn_gateways_create(&call, PN_LIT("edge"), &view, &err), err, BAD_REQUEST);
    CHECK_OK(pn_gateways_create(&other, PN_LIT("edge"), &view, &err), err);
}

STAGE_TEST(a_gateway_in_use_stays)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_uuid id = new_gateway(s, "edge"), resource = stage_resource(s, s->project, "k8s", id);
    const struct pn_pam_resource_change off = { .cluster.has_gateway = true };
    struct pn_pam_resource changed;
    struct pn_gateways_view view;
    struct pn_err err = { 0 };

    CHECK(!pn_gateways_delete(&call, id, &view, &err));
    CHECK_STR(pn_str_from(err.message),
              "Gateway edge is used by the resource k8s: give it another gateway first");
    CHECK_FAILS(false, err, BAD_REQUEST);
    CHECK_OK(pn_pam_resource_update(&call, resource, &off, &changed, &err), err);
    CHECK_OK(pn_gateways_delete(&call, id, &view, &err), err);
    CHECK_FAILS(pn_gateways_get(&call, id, &view, &err), err, NOT_FOUND);
}

/* Who wants to delete a pool has to find what names it. */
STAGE_TEST(what_names_a_pool_is_called_what_it_is)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_uuid in = stage_resource(s, s->project, "k8s", (struct pn_uuid){ { 0 } }),
                   id = stage_account(s, in, "ro", 3600);
    struct pn_pam_account_change by_pool = { .cluster.has_pool = true };
    struct pn_pam_template_change common = {
        .project_id = s->project, .name = PN_LIT("strict"), .has_name = true, .way.has_pool = true
    };
    struct pn_pam_template template;
    struct pn_pam_account account;
    struct pn_pool pool, gone;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pools_create(&call, PN_LIT("both"), &pool, &err), err);
    by_pool.cluster.pool_id = common.way.pool_id = pool.id;
    CHECK_OK(pn_pam_account_update(&call, id, &by_pool, &account, &err), err);
    CHECK(!pn_pools_delete(&call, pool.id, &gone, &err));
    CHECK_STR(pn_str_from(err.message),
              "Gateway pool both is used by the account ro: give it another first");
    CHECK_FAILS(false, err, BAD_REQUEST);
    CHECK_OK(pn_pam_template_create(&call, &common, &template, &err), err);
    CHECK(!pn_pools_delete(&call, pool.id, &gone, &err));
    CHECK_STR(pn_str_from(err.message), "Gateway pool both is used by 2 others (the template"
                                        " strict, …): give them another first");
    CHECK_FAILS(false, err, BAD_REQUEST);
}

STAGE_TEST(a_direct_address_counts_while_it_is_fresh)
{
    struct pn_uuid id = stage_gateway(s, "edge");
    struct pn_call call = stage_call(s, stage_gateway_actor(s, id)),
                   people = stage_call(s, s->admin);
    struct pn_gateways_connection got;
    struct pn_gateways_view view;
    struct pn_tunnels_road road;
    struct pn_list relays;
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_gateways_heartbeat(&call, PN_NONE, PN_LIT("gw.test"), &relays, &err), err,
                BAD_REQUEST);
    CHECK_FAILS(pn_gateways_connect(&call, PN_NONE, PN_LIT("me@gw.test:1"), &got, &err), err,
                BAD_REQUEST);
    CHECK_OK(pn_gateways_connect(&call, PN_NONE, PN_LIT("gw.test:7000"), &got, &err), err);
    CHECK_STR(got.direct_address, "gw.test:7000");
    CHECK_OK(pn_gateways_get(&people, id, &view, &err), err);
    CHECK(!view.isConnected); /* known, but not heard of */
    CHECK_OK(pn_gateways_heartbeat(&call, PN_NONE, PN_LIT("gw.test:7000"), &relays, &err), err);
    CHECK_OK(pn_tunnels_find(&people, id, &road, &err), err);
    CHECK(road.is_open);
    CHECK_STR(road.direct_address, "gw.test:7000");
    CHECK_OK(pn_gateways_get(&people, id, &view, &err), err);
    CHECK(view.isConnected);
    CHECK_STR(view.lastHealthCheckStatus, "healthy");
    people.now_ms += PN_TUNNELS_FRESH_MS;
    CHECK_OK(pn_tunnels_find(&people, id, &road, &err), err);
    CHECK(!road.is_open);
    CHECK_OK(pn_gateways_get(&people, id, &view, &err), err);
    CHECK_STR(view.lastHealthCheckStatus, "failed");
}

PN_TEST_MAIN(T(c1_a_fresh_token_enrols), T(c2_a_used_token_enrols_nobody_and_is_recorded),
             T(c3_of_twenty_at_once_one_enrols), T(c4_a_newer_token_replaces_an_unused_one),
             T(c5_a_token_lasts_an_hour), T(tokens_of_others_enrol_nobody),
             T(c6_revoking_ends_the_old_token_and_the_heartbeat),
             T(c7_a_second_login_ends_the_first), T(c9_connect_gives_certificates_for_a_day),
             T(c13_an_unknown_relay_is_named), T(heartbeats_name_the_relays),
             T(who_may_not_administer_gateways), T(names_are_unique_in_an_organisation),
             T(a_gateway_in_use_stays), T(what_names_a_pool_is_called_what_it_is),
             T(a_direct_address_counts_while_it_is_fresh))
