/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/manifest.h"

#include "core/lease/provider.h"
#include "crypto/hash.h"
#include "json/writer.h"
#include "kube/names.h"

#define RBAC "rbac.authorization.k8s.io"
#define MAX_BYTES ((size_t)128 * 1024) /* 32 namespaces, 1 KiB each */

/* Which configurations a rule is for. */
enum {
    FOR_STATIC = 1,
    FOR_BOUND = 2,         /* static, tokens bound to a Secret */
    FOR_DYNAMIC = 4,       /* any dynamic one: in the Role */
    FOR_NAMESPACED = 8,    /* its bindings are of the namespace: in the Role */
    FOR_ROLE = 16,         /* … to a Role */
    FOR_CLUSTER_ROLE = 32, /* … to a ClusterRole */
    FOR_WIDE = 64,         /* its bindings are of the cluster: in the ClusterRole */
};

/* Whose name a rule is limited to. */
enum limit { OF_ALL, OF_ACCOUNT, OF_ROLE };

static const struct rule {
    unsigned of;
    const char *group, *resource;
    enum limit limit;
    const char *verbs, *sweep; /* of leases, and of the sweeper; NULL: none */
} rules[] = {
    { FOR_STATIC, "", "serviceaccounts", OF_ACCOUNT, "get", NULL },
    { FOR_STATIC, "", "serviceaccounts/token", OF_ACCOUNT, "create", NULL },
    { FOR_BOUND, "", "secrets", OF_ALL, "create, delete", "list, delete" },
    { FOR_DYNAMIC, "", "serviceaccounts", OF_ALL, "create, delete", "list, delete" },
    { FOR_DYNAMIC, "", "serviceaccounts/token", OF_ALL, "create", NULL },
    { FOR_NAMESPACED, RBAC, "rolebindings", OF_ALL, "create, delete", "list, delete" },
    { FOR_ROLE, RBAC, "roles", OF_ROLE, "get, bind", NULL },
    { FOR_CLUSTER_ROLE, RBAC, "clusterroles", OF_ROLE, "get, bind", NULL },
    { FOR_WIDE, RBAC, "clusterrolebindings", OF_ALL, "create, delete", "list, delete" },
    { FOR_WIDE, RBAC, "clusterroles", OF_ROLE, "get, bind", NULL },
};

struct writing {
    struct pn_buf *out;
    const struct pn_lease_config *config;
    struct pn_str username;
    const char *name; /* of the roles that are written */
    bool is_sweep;
    unsigned of;
};

static unsigned what_of(const struct pn_lease_config *config)
{
    if (config->credentialType == PN_LEASE_STATIC)
        return FOR_STATIC | (config->tokenBinding == PN_LEASE_BIND_NONE ? 0u : FOR_BOUND);
    if (pn_provider_is_wide(config))
        return FOR_DYNAMIC | FOR_WIDE;
    return FOR_DYNAMIC | FOR_NAMESPACED |
           (config->roleType == PN_LEASE_ROLE ? FOR_ROLE : FOR_CLUSTER_ROLE);
}

/* A JSON string is a YAML one, also where the plain word would be a number, a boolean or nothing: null, 1234, true. */
static void add_quoted(struct pn_buf *out, const char *before, struct pn_str text)
{
    struct pn_writer w = pn_writer_of(out);

    pn_buf_add_text(out, before);
    pn_write_str(&w, NULL, text);
}

static void add_rules(struct writing *w, unsigned of)
{
    pn_buf_add_text(w->out, "rules:\n");
    for (size_t i = 0; i < PN_COUNT(rules); i++) {
        const struct rule *rule = &rules[i];
        const char *verbs = w->is_sweep ? rule->sweep : rule->verbs;

        if (!(rule->of & of) || verbs == NULL)
            continue;
        pn_buf_addf(w->out, "- {apiGroups: [\"%s\"], resources: [\"%s\"], ", rule->group,
                    rule->resource);
        if (rule->limit != OF_ALL) {
            add_quoted(w->out, "resourceNames: [",
                       rule->limit == OF_ACCOUNT ? w->config->serviceAccountName : w->config->role);
            pn_buf_add_text(w->out, "], ");
        }
        pn_buf_addf(w->out, "verbs: [%s]}\n", verbs);
    }
}

static void add_head(struct writing *w, const char *kind, struct pn_str namespace)
{
    pn_buf_addf(w->out, "---\napiVersion: " RBAC "/v1\nkind: %s\nmetadata:\n  name: %s\n", kind,
                w->name);
    if (namespace.len == 0)
        return;
    add_quoted(w->out, "  namespace: ", namespace);
    pn_buf_add_text(w->out, "\n");
}

static void add_subject(struct writing *w)
{
    struct pn_str namespace, name;

    pn_buf_add_text(w->out, "subjects:\n- ");
    if (w->username.len == 0) {
        pn_buf_add_text(w->out, "{kind: ServiceAccount, name: \"<service account of Postern or of "
                                "its gateway>\", namespace: \"<its namespace>\"}\n");
        return;
    }
    if (pn_kube_service_account_split(w->username, &namespace, &name)) {
        add_quoted(w->out, "{kind: ServiceAccount, name: ", name);
        add_quoted(w->out, ", namespace: ", namespace);
        pn_buf_add_text(w->out, "}\n");
        return;
    }
    add_quoted(w->out, "{kind: User, apiGroup: " RBAC ", name: ", w->username);
    pn_buf_add_text(w->out, "}\n");
}

static void add_role(struct writing *w, const char *role, const char *binding,
                     struct pn_str namespace, unsigned of)
{
    add_head(w, role, namespace);
    add_rules(w, of);
    add_head(w, binding, namespace);
    pn_buf_addf(w->out, "roleRef: {apiGroup: " RBAC ", kind: %s, name: %s}\n", role, w->name);
    add_subject(w);
}

static void add_all(struct writing w, struct pn_buf *out)
{
    w.out = out;
    w.of = what_of(w.config);
    for (size_t i = 0; i < w.config->namespaces.count; i++)
        add_role(&w, "Role", "RoleBinding", w.config->namespaces.items[i],
                 w.of & ~(unsigned)FOR_WIDE);
    if (w.of & FOR_WIDE)
        add_role(&w, "ClusterRole", "ClusterRoleBinding", PN_NONE, FOR_WIDE);
}

static struct pn_str write_all(struct pn_arena *arena, struct writing w)
{
    pn_auto(pn_buf_drop) struct pn_buf draft = pn_buf_init(MAX_BYTES), out = pn_buf_init(MAX_BYTES);
    uint8_t hash[PN_SHA256_BYTES];

    add_all(w, &draft);
    pn_hash_sha256(pn_buf_str(&draft), hash);
    w.name =
        pn_arena_printf(arena, "%s-%02x%02x%02x%02x", w.name, hash[0], hash[1], hash[2], hash[3])
            .ptr;
    add_all(w, &out);
    return pn_arena_copy(arena, pn_buf_str(&out));
}

struct pn_str pn_lease_manifest(struct pn_arena *arena, const struct pn_lease_config *config,
                                struct pn_str username)
{
    return write_all(arena, (struct writing){
                                .config = config, .username = username, .name = "postern-leases" });
}

struct pn_str pn_lease_manifest_sweep(struct pn_arena *arena, const struct pn_lease_config *config,
                                      struct pn_str username)
{
    return write_all(arena, (struct writing){ .config = config,
                                              .username = username,
                                              .name = "postern-lease-sweeper",
                                              .is_sweep = true });
}

bool pn_lease_attach_manifest(struct pn_call *call, struct pn_str yaml, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(2 * yaml.len + 64);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_str(&w, "manifest", yaml);
    pn_write_end(&w);
    err->details = pn_arena_copy(call->arena, pn_buf_str(&json));
    return false;
}
