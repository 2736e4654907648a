/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_ROUTES_H
#define PN_SERVER_ROUTES_H

#include "base/buf.h"
#include "json/writer.h"
#include "server/route.h"

/* Every table of server/api, one file each. */
extern const struct pn_route pn_status_routes[];
extern const struct pn_route pn_instance_routes[];
extern const struct pn_route pn_administration_routes[];
extern const struct pn_route pn_auth_routes[];
extern const struct pn_route pn_me_routes[];
extern const struct pn_route pn_organization_routes[];
extern const struct pn_route pn_membership_routes[];
extern const struct pn_route pn_invitation_routes[];
extern const struct pn_route pn_project_routes[];
extern const struct pn_route pn_project_member_routes[];
extern const struct pn_route pn_identity_routes[];
extern const struct pn_route pn_privileges_routes[];
extern const struct pn_route pn_roles_routes[];
extern const struct pn_route pn_token_auth_routes[];
extern const struct pn_route pn_universal_auth_routes[];
extern const struct pn_route pn_kubernetes_auth_routes[];
extern const struct pn_route pn_audit_log_routes[];
extern const struct pn_route pn_environment_routes[];
extern const struct pn_route pn_folder_routes[];
extern const struct pn_route pn_service_token_routes[];
extern const struct pn_route pn_tag_routes[];
extern const struct pn_route pn_secret_imports_routes[];
extern const struct pn_route pn_dynamic_secrets_routes[];
extern const struct pn_route pn_dynamic_secret_leases_routes[];
extern const struct pn_route pn_dynamic_secret_sweeps_routes[];
extern const struct pn_route pn_jobs_routes[];
extern const struct pn_route pn_mfa_routes[];
extern const struct pn_route pn_events_routes[];
extern const struct pn_route pn_secrets_routes[];
extern const struct pn_route pn_secrets_batch_routes[];
extern const struct pn_route pn_gateways_routes[];
extern const struct pn_route pn_gateway_pools_routes[];
extern const struct pn_route pn_relays_routes[];
extern const struct pn_route pn_pam_resources_routes[];
extern const struct pn_route pn_pam_folders_routes[];
extern const struct pn_route pn_pam_templates_routes[];
extern const struct pn_route pn_pam_accounts_routes[];
extern const struct pn_route pn_pam_access_routes[];
extern const struct pn_route pn_pam_sessions_routes[];

/* One line per row, sorted by path: METHOD path access permission rate lane audit. */
void pn_routes_print(struct pn_buf *out);
/* All rows sorted by path, on the heap: the caller frees the array. How many. */
size_t pn_routes_sorted(const struct pn_route ***out);
/* The same facts as members x-postern-… of an operation of the API description. */
void pn_routes_write_facts(struct pn_writer *w, const struct pn_route *route);

#endif
