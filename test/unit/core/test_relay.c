/* SPDX-License-Identifier: Apache-2.0 */
/* Cases C-n are those of the contract, pam-gateway.md §20.1; here for relays. */
#include "stage.h"

#include "core/auth/token.h"
#include "core/gateway/tunnels.h"
#include "crypto/x509.h"

static struct pn_relays_view create(struct stage *s, const char *name, const char *host)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_relays_view view;
    struct pn_err err = { 0 };

    CHECK_OK(pn_relays_create(&call, pn_str_from(name), pn_str_from(host), &view, &err), err);
    return view;
}

STAGE_TEST(a_host_gets_the_usual_port)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_relays_view view;
    struct pn_err err = { 0 };

    CHECK_STR(create(s, "eu", "relay.test").host, "relay.test:8443");
    CHECK_STR(create(s, "us", "127.0.0.1:9000").host, "127.0.0.1:9000");
    CHECK_FAILS(pn_relays_create(&call, PN_LIT("bad"), PN_LIT("https://relay.test"), &view, &err),
                err, BAD_REQUEST);
    CHECK_FAILS(pn_relays_create(&call, PN_LIT("eu"), PN_LIT("other.test"), &view, &err), err,
                BAD_REQUEST);
}

STAGE_TEST(a_token_enrols_once_and_revoking_ends_it)
{
    struct pn_call call = stage_call(s, s->admin), stranger = stage_call(s, (struct pn_actor){ 0 });
    struct pn_uuid id = create(s, "eu", "relay.test").id;
    struct pn_relays_view view;
    struct pn_enrol first, enrol;
    struct pn_enrol_grant grant, second;
    struct pn_actor actor;
    struct pn_err err = { 0 };

    CHECK_OK(pn_relays_mint(&call, id, &first, &err), err);
    CHECK_OK(pn_relays_mint(&call, id, &enrol, &err), err);
    CHECK(pn_str_starts(enrol.token, PN_LIT("rle_")));
    CHECK(!stage_leaks(s, enrol.token));
    CHECK_FAILS(pn_relays_enrol(&stranger, first.token, &grant, &err), err, UNAUTHENTICATED);
    CHECK_OK(pn_relays_enrol(&stranger, enrol.token, &grant, &err), err);
    CHECK_FAILS(pn_relays_enrol(&stranger, enrol.token, &second, &err), err, UNAUTHENTICATED);
    CHECK_EQ(stage_events(s, "relay-enroll"), 1);
    CHECK_EQ(stage_events(s, "relay-enroll-refused"), 1);
    CHECK_OK(pn_token_authenticate(&stranger, grant.access_token, &actor, &err), err);
    CHECK(actor.kind == PN_ACTOR_RELAY && pn_uuid_eq(actor.id, id));
    CHECK_OK(pn_relays_revoke(&call, id, &err), err);
    CHECK_FAILS(pn_token_authenticate(&stranger, grant.access_token, &actor, &err), err,
                UNAUTHENTICATED);
    CHECK_OK(pn_relays_get(&call, id, &view, &err), err);
    CHECK(view.heartbeat == 0 && !view.canRevoke);
}

STAGE_TEST(connect_gives_a_certificate_for_its_host)
{
    struct pn_uuid id = stage_relay(s, "eu", "relay.test:9443"),
                   by_ip = stage_relay(s, "ip", "127.0.0.1");
    struct pn_call call = stage_call(s, stage_relay_actor(s, id)),
                   ip_call = stage_call(s, stage_relay_actor(s, by_ip));
    struct pn_relays_connection got;
    struct pn_cert_info info;
    struct pn_err err = { 0 };
    size_t count;

    CHECK_OK(pn_relays_connect(&call, &got, &err), err);
    CHECK_STR(got.host, "relay.test:9443");
    CHECK_OK(pn_x509_read(s->arena, got.certificate, &info, &err), err);
    CHECK_STR(info.common_name, "relay.test");
    CHECK_OK(pn_x509_check_bundle(got.client_chain, &count, &err), err);
    CHECK_EQ(count, 1);
    CHECK_OK(pn_relays_connect(&ip_call, &got, &err), err);
    CHECK_OK(pn_x509_read(s->arena, got.certificate, &info, &err), err);
    CHECK_STR(info.common_name, "127.0.0.1");
}

STAGE_TEST(a_report_replaces_the_one_before)
{
    struct pn_uuid relay = stage_relay(s, "eu", "relay.test"),
                   second = stage_relay(s, "us", "us.test:1");
    struct pn_uuid a = stage_gateway(s, "a"), b = stage_gateway(s, "b");
    struct pn_call call = stage_call(s, stage_relay_actor(s, relay)),
                   people = stage_call(s, s->admin);
    const struct pn_uuid both[] = { a, b, a, pn_random_uuid() };
    struct pn_tunnels_road road;
    struct pn_list list;
    struct pn_strs refused;
    struct pn_err err = { 0 };

    CHECK_OK(pn_relays_heartbeat(&call, both, PN_COUNT(both), &refused, &err), err);
    CHECK_EQ(refused.count, 1);
    CHECK_STR(refused.items[0], pn_uuid_format(both[3]).text);
    stage_tunnel(s, second, a);
    CHECK_OK(pn_tunnels_find(&people, a, &road, &err), err);
    CHECK_EQ(road.relays.count, 2);
    CHECK_STR(road.relays.items[0], "relay.test:8443");
    CHECK_STR(road.relays.items[1], "us.test:1");
    CHECK_OK(pn_relays_gateways(&people, relay, &list, &err), err);
    CHECK_EQ(list.count, 2);
    CHECK_OK(pn_relays_heartbeat(&call, &b, 1, &(struct pn_strs){ 0 }, &err), err);
    CHECK_OK(pn_tunnels_find(&people, a, &road, &err), err);
    CHECK_EQ(road.relays.count, 1);
    CHECK_OK(pn_relays_heartbeat(&call, NULL, 0, &(struct pn_strs){ 0 }, &err), err);
    CHECK_OK(pn_tunnels_find(&people, b, &road, &err), err);
    CHECK(!road.is_open);
}

STAGE_TEST(a_tunnel_counts_for_thirty_seconds)
{
    struct pn_uuid relay = stage_relay(s, "eu", "relay.test"), gateway = stage_gateway(s, "a");
    struct pn_call people = stage_call(s, s->admin);
    struct pn_tunnels_road road;
    struct pn_err err = { 0 };

    stage_tunnel(s, relay, gateway);
    people.now_ms += PN_TUNNELS_FRESH_MS - 1;
    CHECK_OK(pn_tunnels_find(&people, gateway, &road, &err), err);
    CHECK(road.is_open);
    people.now_ms++;
    CHECK_OK(pn_tunnels_find(&people, gateway, &road, &err), err);
    CHECK(!road.is_open);
}

STAGE_TEST(a_relay_speaks_for_its_own_organisation_and_enrolled_gateways)
{
    struct pn_uuid relay = stage_relay(s, "eu", "relay.test"), gateway = stage_gateway(s, "a");
    struct pn_call people = stage_call(s, s->admin),
                   call = stage_call(s, stage_relay_actor(s, relay));
    struct pn_tunnels_road road;
    struct pn_err err = { 0 };
    bool had;

    call.actor.org_id = s->other_org;
    CHECK_OK(pn_relays_heartbeat(&call, &gateway, 1, &(struct pn_strs){ 0 }, &err), err);
    CHECK_OK(pn_tunnels_find(&people, gateway, &road, &err), err);
    CHECK(!road.is_open);
    stage_tunnel(s, relay, gateway);
    CHECK_OK(pn_gateways_revoke(&people, gateway, &had, &err), err);
    CHECK_OK(pn_tunnels_find(&people, gateway, &road, &err), err);
    CHECK(!road.is_open);
    stage_tunnel(s, relay, gateway);
    CHECK_OK(pn_tunnels_find(&people, gateway, &road, &err), err);
    CHECK(!road.is_open);
}

STAGE_TEST(who_may_not_administer_relays)
{
    struct pn_call robot = stage_call(s, s->robot), member = stage_call(s, s->member),
                   foreigner = stage_call(s, s->foreigner);
    struct pn_uuid id = stage_relay(s, "eu", "relay.test"), gateway = stage_gateway(s, "gw");
    struct pn_call as_gateway = stage_call(s, stage_gateway_actor(s, gateway));
    struct pn_relays_view view;
    struct pn_enrol enrol;
    struct pn_list list;
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_relays_create(&robot, PN_LIT("x"), PN_LIT("x"), &view, &err), err, PERMISSION);
    CHECK_FAILS(pn_relays_list(&robot, &list, &err), err, PERMISSION);
    CHECK_FAILS(pn_relays_get(&robot, id, &view, &err), err, PERMISSION);
    CHECK_FAILS(pn_relays_gateways(&robot, id, &list, &err), err, PERMISSION);
    CHECK_FAILS(pn_relays_mint(&robot, id, &enrol, &err), err, PERMISSION);
    CHECK_FAILS(pn_relays_move(&robot, id, PN_LIT("x"), &view, &err), err, PERMISSION);
    CHECK_FAILS(pn_relays_revoke(&robot, id, &err), err, PERMISSION);
    CHECK_FAILS(pn_relays_delete(&member, id, &view, &err), err, PERMISSION);
    CHECK_FAILS(pn_relays_get(&foreigner, id, &view, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_relays_gateways(&foreigner, id, &list, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_relays_mint(&foreigner, id, &enrol, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_relays_move(&foreigner, id, PN_LIT("x"), &view, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_relays_revoke(&foreigner, id, &err), err, NOT_FOUND);
    CHECK_FAILS(pn_relays_delete(&foreigner, id, &view, &err), err, NOT_FOUND);
    CHECK_OK(pn_relays_list(&as_gateway, &list, &err), err); /* C-21 */
    CHECK_EQ(list.count, 1);
}

STAGE_TEST(a_relay_moves_and_goes)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_uuid id = stage_relay(s, "eu", "relay.test");
    struct pn_relays_view view;
    struct pn_err err = { 0 };

    stage_tunnel(s, id, stage_gateway(s, "a"));
    CHECK_FAILS(pn_relays_move(&call, id, PN_LIT("no host"), &view, &err), err, BAD_REQUEST);
    CHECK_OK(pn_relays_move(&call, id, PN_LIT("new.test:1"), &view, &err), err);
    CHECK_STR(view.host, "new.test:1");
    CHECK(view.isHealthy);
    CHECK_OK(pn_relays_delete(&call, id, &view, &err), err);
    CHECK_FAILS(pn_relays_get(&call, id, &view, &err), err, NOT_FOUND);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM tunnels"), 0);
}

PN_TEST_MAIN(T(a_host_gets_the_usual_port), T(a_token_enrols_once_and_revoking_ends_it),
             T(connect_gives_a_certificate_for_its_host), T(a_report_replaces_the_one_before),
             T(a_tunnel_counts_for_thirty_seconds),
             T(a_relay_speaks_for_its_own_organisation_and_enrolled_gateways),
             T(who_may_not_administer_relays), T(a_relay_moves_and_goes))
