/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/subjects.h"

#define CRUD "read create edit delete"
#define PLACE "environment secretPath"

const struct pn_subject pn_subjects[] = {
    { "project", "secrets", "describeSecret readValue subscribe " CRUD,
      PLACE " secretName secretTags metadata" },
    { "project", "secret-folders", CRUD, PLACE },
    { "project", "secret-imports", CRUD, PLACE },
    { "project", "dynamic-secrets",
      "read-root-credential create-root-credential edit-root-credential delete-root-credential "
      "lease",
      PLACE " metadata" },
    { "project", "secret-rollback", "read create", PLACE },
    { "project", "commits", "read perform-rollback", PLACE },
    { "project", "secret-approval", CRUD, PLACE },
    { "project", "secret-rotation", CRUD " read-generated-credentials rotate-secrets", PLACE },
    { "project", "secret-syncs", CRUD " sync-secrets import-secrets remove-secrets", PLACE },
    { "project", "secret-event-subscriptions", PN_SUBSCRIBE_ACTIONS, PLACE },
    { "project", "environments", CRUD, NULL },
    { "project", "tags", CRUD, NULL },
    { "project", "webhooks", CRUD, NULL },
    { "project", "integrations", CRUD, NULL },
    { "project", "service-tokens", CRUD, NULL },
    { "project", "settings", CRUD, NULL },
    { "project", "ip-allowlist", CRUD, NULL },
    { "project", "kms", CRUD, NULL },
    { "project", "role", CRUD, NULL },
    { "project", "member", CRUD " grant-privileges assume-privileges", NULL },
    { "project", "groups", CRUD " grant-privileges", NULL },
    { "project", "identity",
      CRUD " grant-privileges assume-privileges revoke-auth edit-auth create-token get-token "
           "delete-token",
      "identityId" },
    { "project", "workspace", "edit delete", NULL },
    { "project", "audit-logs", "read", NULL },
    { "project", "cmek", CRUD " encrypt decrypt sign verify", NULL },
    { "project", "pam-folders", CRUD, "name" },
    { "project", "pam-resources", CRUD, "name resourceName" },
    { "project", "pam-accounts", "access " CRUD " trigger-rotation read-credentials",
      "resourceName accountName accountPath" },
    { "project", "pam-sessions", "read terminate", NULL },
    { "project", "approval-requests", CRUD, NULL },
    { "project", "app-connections", CRUD " connect", NULL },

    { "org", "workspace", "create", NULL },
    { "org", "role", CRUD, NULL },
    { "org", "member", CRUD " grant-privileges", NULL },
    { "org", "settings", CRUD, NULL },
    { "org", "incident-contact", CRUD, NULL },
    { "org", "sso", CRUD, NULL },
    { "org", "scim", CRUD, NULL },
    { "org", "ldap", CRUD, NULL },
    { "org", "groups", CRUD " grant-privileges", NULL },
    { "org", "billing", "read manage-billing", NULL },
    { "org", "secret-scanning", CRUD, NULL },
    { "org", "identity",
      CRUD " grant-privileges revoke-auth edit-auth create-token get-token delete-token", NULL },
    { "org", "kms", CRUD, NULL },
    { "org", "organization-admin-console", "access-all-projects", NULL },
    { "org", "machine-identity-auth-template", CRUD " attach-templates", NULL },
    { "org", "audit-logs", "read", NULL },
    { "org", "project-templates", CRUD, NULL },
    { "org", "app-connections", CRUD " connect", NULL },
    { "org", "kmip", CRUD " proxy", NULL },
    { "org", "gateway",
      "list-gateways create-gateways edit-gateways delete-gateways attach-gateways", NULL },
    { "org", "gateway-pool",
      "list-gateway-pools create-gateway-pools edit-gateway-pools delete-gateway-pools "
      "attach-gateway-pools",
      NULL },
    { "org", "relay", "list-relays create-relays edit-relays delete-relays", NULL },
    { "org", "secret-share", "manage-settings", NULL },
    { "org", "sub-organization", "create direct-access", NULL },
};
const size_t pn_subject_count = PN_COUNT(pn_subjects);

const struct pn_subject *pn_subject_find(const char *scope, struct pn_str name)
{
    for (size_t i = 0; i < PN_COUNT(pn_subjects); i++) {
        if (pn_str_is(pn_str_from(scope), pn_subjects[i].scope) &&
            pn_str_is(name, pn_subjects[i].name))
            return &pn_subjects[i];
    }
    return NULL;
}

bool pn_subject_lists(const char *words, struct pn_str word)
{
    struct pn_str rest = pn_str_from(words), piece;

    while (pn_str_cut(&rest, ' ', &piece)) {
        if (pn_str_eq(piece, word))
            return true;
    }
    return false;
}
