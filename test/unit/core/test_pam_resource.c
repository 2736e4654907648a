/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include "core/pam/rules.h"

static struct pn_pam_resource_change wish(struct stage *s, const char *name)
{
    return (struct pn_pam_resource_change){ .project_id = s->project,
                                            .name = pn_str_from(name),
                                            .has_name = true,
                                            .cluster.url = PN_LIT("https://k.test:6443"),
                                            .cluster.has_url = true,
                                            .cluster.is_verified = true,
                                            .cluster.has_verified = true };
}

STAGE_TEST(a_resource_comes_changes_and_goes)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_uuid gateway = stage_gateway(s, "edge");
    struct pn_pam_resource_change change = wish(s, "prod");
    const struct pn_pam_resource_change rename = { .name = PN_LIT("live"),
                                                   .has_name = true,
                                                   .cluster.has_verified = true,
                                                   .cluster.is_verified = false };
    struct pn_pam_resource got;
    struct pn_err err = { 0 };

    change.cluster.gateway_id = gateway;
    change.cluster.has_gateway = true;
    CHECK_OK(pn_pam_resource_create(&call, &change, &got, &err), err);
    CHECK_STR(got.name, "prod");
    CHECK_STR(got.gatewayName, "edge");
    CHECK(got.connectionDetails.sslRejectUnauthorized);
    CHECK_OK(pn_pam_resource_update(&call, got.id, &rename, &got, &err), err);
    CHECK_STR(got.name, "live");
    CHECK_STR(got.connectionDetails.url, "https://k.test:6443");
    CHECK(!got.connectionDetails.sslRejectUnauthorized);
    CHECK(pn_uuid_eq(got.gatewayId, gateway));
    CHECK_OK(pn_pam_resource_delete(&call, got.id, &got, &err), err);
    CHECK_FAILS(pn_pam_resource_get(&call, got.id, &got, &err), err, NOT_FOUND);
    CHECK_EQ(stage_events(s, "pam-resource-create"), 1);
    CHECK_EQ(stage_events(s, "pam-resource-update"), 1);
    CHECK_EQ(stage_events(s, "pam-resource-delete"), 1);
}

STAGE_TEST(names_are_unique_in_a_project)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_pam_resource_change change = wish(s, "prod"),
                                  rename = { .name = PN_LIT("prod"), .has_name = true };
    struct pn_uuid other = stage_resource(s, s->project, "test", (struct pn_uuid){ { 0 } });
    struct pn_pam_resource got;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pam_resource_create(&call, &change, &got, &err), err);
    CHECK_FAILS(pn_pam_resource_create(&call, &change, &got, &err), err, BAD_REQUEST);
    CHECK_FAILS(pn_pam_resource_update(&call, other, &rename, &got, &err), err, BAD_REQUEST);
    change.project_id = s->other_project;
    CHECK_OK(pn_pam_resource_create(&call, &change, &got, &err), err);
    CHECK_EQ(stage_events(s, "pam-resource-create"), 3);
}

STAGE_TEST(a_gateway_must_be_the_organisations_own)
{
    struct pn_call call = stage_call(s, s->admin), foreigner = stage_call(s, s->foreigner),
                   robot = stage_call(s, s->robot);
    struct pn_pam_resource_change change = wish(s, "prod");
    struct pn_gateways_view theirs;
    struct pn_pam_resource got;
    struct pn_err err = { 0 };

    CHECK_OK(pn_gateways_create(&foreigner, PN_LIT("theirs"), &theirs, &err), err);
    change.cluster.has_gateway = true;
    change.cluster.gateway_id = theirs.id;
    CHECK_FAILS(pn_pam_resource_create(&call, &change, &got, &err), err, NOT_FOUND);
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_resources"), 0);
    CHECK_EQ(stage_events(s, "pam-resource-create"), 0);
    CHECK_FAILS(pn_pam_resource_create(&robot, &change, &got, &err), err, PERMISSION);
}

STAGE_TEST(a_ca_bundle_is_read_before_it_is_kept)
{
    struct pn_call call = stage_call(s, s->admin);
    struct pn_pam_resource_change change = wish(s, "prod"), clear = { .cluster.has_ca = true };
    struct pn_pam_resource got;
    struct pn_err err = { 0 };

    change.cluster.has_ca = true;
    change.cluster.ca_certificate =
        PN_LIT("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
    CHECK_FAILS(pn_pam_resource_create(&call, &change, &got, &err), err, VALIDATION);
    change.cluster.ca_certificate = PN_LIT("");
    CHECK_OK(pn_pam_resource_create(&call, &change, &got, &err), err);
    CHECK(got.connectionDetails.sslCertificate.ptr == NULL);
    CHECK_OK(pn_pam_resource_update(&call, got.id, &clear, &got, &err), err);
}

STAGE_TEST(who_may_not_touch_resources)
{
    struct pn_uuid id = stage_resource(s, s->project, "prod", (struct pn_uuid){ { 0 } });
    struct pn_call member = stage_call(s, s->member), viewer = stage_call(s, s->viewer),
                   stranger = stage_call(s, s->stranger), foreigner = stage_call(s, s->foreigner);
    const struct pn_pam_resource_change change = wish(s, "x");
    const struct pn_pam_page page = { .project_id = s->project, .limit = 10 };
    struct pn_call *outsiders[] = { &viewer, &stranger, &foreigner };
    struct pn_pam_resource got;
    struct pn_list list;
    int64_t total;
    struct pn_err err = { 0 };

    CHECK_OK(pn_pam_resource_get(&member, id, &got, &err), err);
    CHECK_FAILS(pn_pam_resource_create(&member, &change, &got, &err), err, PERMISSION);
    CHECK_FAILS(pn_pam_resource_update(&member, id, &change, &got, &err), err, PERMISSION);
    CHECK_FAILS(pn_pam_resource_delete(&member, id, &got, &err), err, PERMISSION);
    for (size_t i = 0; i < PN_COUNT(outsiders); i++) {
        CHECK_FAILS(pn_pam_resource_get(outsiders[i], id, &got, &err), err, NOT_FOUND);
        CHECK_FAILS(pn_pam_resource_update(outsiders[i], id, &change, &got, &err), err, NOT_FOUND);
        CHECK_FAILS(pn_pam_resource_delete(outsiders[i], id, &got, &err), err, NOT_FOUND);
        CHECK(!pn_pam_resource_list(outsiders[i], &page, &list, &total, &err));
        CHECK(err.code == PN_PERMISSION || err.code == PN_NOT_FOUND);
        pn_err_clear(&err);
        CHECK(!pn_pam_resource_create(outsiders[i], &change, &got, &err));
        CHECK(err.code == PN_PERMISSION || err.code == PN_NOT_FOUND);
        pn_err_clear(&err);
    }
    CHECK_EQ(stage_count(s, "SELECT count(*) FROM pam_resources"), 1);
}

STAGE_TEST(lists_search_and_page)
{
    struct pn_call call = stage_call(s, s->member);
    static const char *const names[] = { "prod-eu", "prod-us", "test" };
    struct pn_pam_page page = { .project_id = s->project, .search = PN_LIT("PROD"), .limit = 1 };
    struct pn_pam_resource *rows;
    struct pn_list list;
    int64_t total;
    struct pn_err err = { 0 };

    for (size_t i = 0; i < PN_COUNT(names); i++)
        (void)stage_resource(s, s->project, names[i], (struct pn_uuid){ { 0 } });
    (void)stage_resource(s, s->other_project, "prod-hidden", (struct pn_uuid){ { 0 } });
    CHECK_OK(pn_pam_resource_list(&call, &page, &list, &total, &err), err);
    rows = list.items;
    CHECK_EQ(total, 2);
    CHECK_EQ(list.count, 1);
    CHECK_STR(rows[0].name, "prod-eu");
    page.offset = 1;
    CHECK_OK(pn_pam_resource_list(&call, &page, &list, &total, &err), err);
    rows = list.items;
    CHECK_STR(rows[0].name, "prod-us");
    page = (struct pn_pam_page){ .project_id = s->project, .search = PN_LIT("%"), .limit = 10 };
    CHECK_OK(pn_pam_resource_list(&call, &page, &list, &total, &err), err);
    CHECK_EQ(total, 0);
}

PN_TEST_MAIN(T(a_resource_comes_changes_and_goes), T(names_are_unique_in_a_project),
             T(a_gateway_must_be_the_organisations_own), T(a_ca_bundle_is_read_before_it_is_kept),
             T(who_may_not_touch_resources), T(lists_search_and_page))
