/* SPDX-License-Identifier: Apache-2.0 */
#include "core/org/builtin.h"

#include "core/org/subjects.h"

#define CRUD "read create edit delete"
#define SECRETS_ALL "read describeSecret readValue create edit delete"
/* clang-format off */
#define MAY(subject_, actions_) { .subject = PN_LIT_INIT(subject_), .actions = PN_LIT_INIT(actions_) }
/* clang-format on */

/* The names are Infisical's, because custom roles and clients spell them so. What is not here is refused. */
static const struct pn_rule everything[] = { MAY("*", "*") };

static const struct pn_rule org_member[] = {
    MAY("workspace", "create"),
    MAY("member", "read"),
    MAY("groups", "read"),
    MAY("role", "read"),
    MAY("settings", "read"),
    MAY("billing", "read"),
    MAY("incident-contact", "read"),
    MAY("identity", CRUD),
    MAY("audit-logs", "read"),
    MAY("gateway", "list-gateways create-gateways attach-gateways"),
    MAY("gateway-pool", "list-gateway-pools attach-gateway-pools"),
    MAY("relay", "list-relays create-relays edit-relays"),
};

static const struct pn_rule project_member[] = {
    MAY("secrets", SECRETS_ALL),
    MAY("secret-folders", CRUD),
    MAY("secret-imports", CRUD),
    MAY("secret-event-subscriptions", PN_SUBSCRIBE_ACTIONS),
    MAY("dynamic-secrets",
        "read-root-credential create-root-credential edit-root-credential delete-root-credential "
        "lease"),
    MAY("integrations", CRUD),
    MAY("webhooks", CRUD),
    MAY("service-tokens", CRUD),
    MAY("settings", CRUD),
    MAY("environments", CRUD),
    MAY("tags", CRUD),
    MAY("identity", CRUD),
    MAY("member", "read create"),
    MAY("commits", "read perform-rollback"),
    MAY("cmek", CRUD " encrypt decrypt sign verify"),
    MAY("audit-logs", "read"),
    MAY("role", "read"),
    MAY("pam-folders", "read"),
    MAY("pam-resources", "read"),
    MAY("pam-accounts", "access read"),
};

static const struct pn_rule project_viewer[] = {
    MAY("secrets", "describeSecret readValue"),
    MAY("secret-folders", "read"),
    MAY("secret-imports", "read"),
    MAY("secret-event-subscriptions", PN_SUBSCRIBE_ACTIONS),
    MAY("dynamic-secrets", "read-root-credential"),
    MAY("integrations", "read"),
    MAY("webhooks", "read"),
    MAY("settings", "read"),
    MAY("environments", "read"),
    MAY("tags", "read"),
    MAY("role", "read"),
    MAY("member", "read"),
    MAY("identity", "read"),
    MAY("audit-logs", "read"),
    MAY("pam-accounts", "read"),
};

#define RULES(list)          \
    {                        \
        list, PN_COUNT(list) \
    }

const struct pn_builtin pn_builtins[] = {
    { "org", "admin", "Admin", "May do everything in the organization", RULES(everything) },
    { "org", "member", "Member", "Makes projects and machine identities", RULES(org_member) },
    { "org",
      "no-access",
      "No access",
      "Belongs to the organization, and may do nothing in it",
      { 0 } },

    { "project", "admin", "Admin", "May do everything in the project", RULES(everything) },
    { "project", "member", "Developer", "Works with the project's secrets and accounts",
      RULES(project_member) },
    { "project", "viewer", "Viewer", "Reads", RULES(project_viewer) },
    { "project",
      "no-access",
      "No access",
      "Belongs to the project, and may do nothing in it",
      { 0 } },
};
const size_t pn_builtin_count = PN_COUNT(pn_builtins);

const struct pn_builtin *pn_builtin_find(const char *scope, struct pn_str slug)
{
    for (size_t i = 0; i < PN_COUNT(pn_builtins); i++) {
        if (pn_str_is(slug, pn_builtins[i].slug) &&
            pn_str_is(pn_str_from(scope), pn_builtins[i].scope))
            return &pn_builtins[i];
    }
    return NULL;
}

bool pn_builtin_is_reserved(const char *scope, struct pn_str slug)
{
    return pn_builtin_find(scope, slug) != NULL ||
           pn_subject_lists("custom ssh-host-bootstrapper cryptographic-operator", slug);
}
