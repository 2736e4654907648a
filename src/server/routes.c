/* SPDX-License-Identifier: Apache-2.0 */
#include "server/routes.h"

#include "server/router.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off: a line each, so that changes of several people meet nowhere */
const struct pn_route *const pn_route_tables[] = {
    pn_status_routes,
    pn_instance_routes,
    pn_auth_routes,
    pn_organization_routes,
    pn_membership_routes,
    pn_invitation_routes,
    pn_administration_routes,
    pn_me_routes,
    pn_project_routes,
    pn_project_member_routes,
    pn_identity_routes,
    pn_privileges_routes,
    pn_token_auth_routes,
    pn_kubernetes_auth_routes,
    pn_roles_routes,
    pn_audit_log_routes,
    pn_secrets_routes,
    pn_secrets_batch_routes,
    pn_gateways_routes,
    pn_gateway_pools_routes,
    pn_relays_routes,
    pn_pam_resources_routes,
    pn_pam_folders_routes,
    pn_pam_templates_routes,
    pn_pam_accounts_routes,
    pn_pam_access_routes,
    pn_pam_sessions_routes,
    pn_universal_auth_routes,
    pn_environment_routes,
    pn_folder_routes,
    pn_service_token_routes,
    pn_tag_routes,
    pn_secret_imports_routes,
    pn_dynamic_secrets_routes,
    pn_dynamic_secret_leases_routes,
    pn_dynamic_secret_sweeps_routes,
    pn_jobs_routes,
    pn_mfa_routes,
    pn_events_routes,
    NULL,
};
/* clang-format on */

static const struct {
    unsigned bit;
    const char *name;
} access_names[] = {
    { PN_ANYONE, "anyone" },
    { PN_BY_USER, "user" },
    { PN_BY_USER_NO_ORG, "user-without-org" },
    { PN_BY_IDENTITY, "identity" },
    { PN_BY_GATEWAY, "gateway" },
    { PN_BY_RELAY, "relay" },
    { PN_BY_SERVICE, "service" },
    { PN_BY_MFA, "user-before-mfa" },
};
static const char *const rate_names[] = {
    [PN_RATE_NONE] = "-",      [PN_RATE_READ] = "read",   [PN_RATE_WRITE] = "write",
    [PN_RATE_LOGIN] = "login", [PN_RATE_ENROL] = "enrol", [PN_RATE_ACCESS] = "access",
};
static const char *const lane_names[] = { [PN_LANE_FAST] = "fast",
                                          [PN_LANE_SLOW] = "slow",
                                          [PN_LANE_INLINE] = "inline",
                                          [PN_LANE_MEMORY] = "memory" };

static int by_path(const void *a_, const void *b_)
{
    const struct pn_route *a = *(const struct pn_route *const *)a_,
                          *b = *(const struct pn_route *const *)b_;
    int order = strcmp(a->path, b->path);

    return order != 0 ? order : (int)a->method - (int)b->method;
}

static size_t count_routes(void)
{
    size_t count = 0;

    for (size_t i = 0; pn_route_tables[i] != NULL; i++) {
        for (const struct pn_route *r = pn_route_tables[i]; r->path != NULL; r++)
            count++;
    }
    return count;
}

static void print_route(const struct pn_route *r, struct pn_buf *out)
{
    const char *separator = "";

    pn_buf_addf(out, "%-6s %s  ", pn_method_name(r->method), r->path);
    for (size_t i = 0; i < PN_COUNT(access_names); i++) {
        if ((r->access & access_names[i].bit) == 0)
            continue;
        pn_buf_addf(out, "%s%s", separator, access_names[i].name);
        separator = ",";
    }
    pn_buf_addf(out, "  [%s]  %s  %s  %s\n", r->permission != NULL ? r->permission : "-",
                rate_names[r->rate], lane_names[r->lane], r->audit != NULL ? r->audit : "-");
}

size_t pn_routes_sorted(const struct pn_route ***out)
{
    size_t count = count_routes(), at = 0;
    const struct pn_route **all = pn_heap_new(count * sizeof(*all));

    for (size_t i = 0; pn_route_tables[i] != NULL; i++) {
        for (const struct pn_route *r = pn_route_tables[i]; r->path != NULL; r++)
            all[at++] = r;
    }
    qsort(all, count, sizeof(*all), by_path);
    *out = all;
    return count;
}

void pn_routes_print(struct pn_buf *out)
{
    const struct pn_route **all;
    size_t count = pn_routes_sorted(&all);

    for (size_t i = 0; i < count; i++)
        print_route(all[i], out);
    pn_heap_free(all);
}

void pn_routes_write_facts(struct pn_writer *w, const struct pn_route *r)
{
    pn_write_array(w, "x-postern-access");
    for (size_t i = 0; i < PN_COUNT(access_names); i++)
        if ((r->access & access_names[i].bit) != 0)
            pn_write_text(w, NULL, access_names[i].name);
    pn_write_end(w);
    if (r->permission != NULL)
        pn_write_text(w, "x-postern-permission", r->permission);
    if (r->audit != NULL)
        pn_write_text(w, "x-postern-audit", r->audit);
    if (r->rate != PN_RATE_NONE)
        pn_write_text(w, "x-postern-rate", rate_names[r->rate]);
}
