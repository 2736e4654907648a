/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/manifest.h"

/*
 * Rules are least: one Role per service account, in its namespace, with its name. A ClusterRole with
 * resourceNames would let the gateway act as the accounts of that name in every namespace.
 */

/* $self and $ns: the gateway's own service account; $as and $in: one it acts as. */
static const char identity[] = "apiVersion: v1\n"
                               "kind: Namespace\n"
                               "metadata:\n"
                               "  name: $ns\n"
                               "---\n"
                               "apiVersion: v1\n"
                               "kind: ServiceAccount\n"
                               "metadata:\n"
                               "  name: $self\n"
                               "  namespace: $ns\n";

#define SUBJECT                \
    "subjects:\n"              \
    "- kind: ServiceAccount\n" \
    "  name: $self\n"          \
    "  namespace: $ns\n"       \
    "roleRef:\n"               \
    "  apiGroup: rbac.authorization.k8s.io\n"
#define RBAC "apiVersion: rbac.authorization.k8s.io/v1\n"

static const char role_head[] =
    "---\n"
    "# The gateway may act as the service account $in/$as.\n" RBAC "kind: Role\n"
    "metadata:\n"
    "  name: $self-as-$as\n"
    "  namespace: $in\n"
    "rules:\n";
static const char role_legacy[] = "- apiGroups: [\"\"]\n"
                                  "  resources: [\"serviceaccounts\"]\n"
                                  "  resourceNames: [\"$as\"]\n"
                                  "  verbs: [\"impersonate\"]\n";
static const char role_constrained[] = "- apiGroups: [\"authentication.k8s.io\"]\n"
                                       "  resources: [\"serviceaccounts\"]\n"
                                       "  resourceNames: [\"$as\"]\n"
                                       "  verbs: [\"impersonate:serviceaccount\"]\n";
static const char role_binding[] = "---\n" RBAC "kind: RoleBinding\n"
                                   "metadata:\n"
                                   "  name: $self-as-$as\n"
                                   "  namespace: $in\n" SUBJECT "  kind: Role\n"
                                   "  name: $self-as-$as\n";

/* KEP-5284 also asks what may be done while acting as somebody; discovery runs as somebody too. */
static const char constraint[] =
    "---\n"
    "# While it acts as one of them: whatever that one may do itself.\n" RBAC "kind: ClusterRole\n"
    "metadata:\n"
    "  name: $self-acting\n"
    "rules:\n"
    "- apiGroups: [\"*\"]\n"
    "  resources: [\"*\"]\n"
    "  verbs:\n"
    "  - impersonate-on:serviceaccount:get\n"
    "  - impersonate-on:serviceaccount:list\n"
    "  - impersonate-on:serviceaccount:watch\n"
    "  - impersonate-on:serviceaccount:create\n"
    "  - impersonate-on:serviceaccount:update\n"
    "  - impersonate-on:serviceaccount:patch\n"
    "  - impersonate-on:serviceaccount:delete\n"
    "  - impersonate-on:serviceaccount:deletecollection\n"
    "- nonResourceURLs: [\"*\"]\n"
    "  verbs: [\"impersonate-on:serviceaccount:get\"]\n"
    "---\n" RBAC "kind: ClusterRoleBinding\n"
    "metadata:\n"
    "  name: $self-acting\n" SUBJECT "  kind: ClusterRole\n"
    "  name: $self-acting\n";

static const char reviewer[] =
    "---\n"
    "# The gateway may ask the cluster whether a token is genuine.\n" RBAC
    "kind: ClusterRoleBinding\n"
    "metadata:\n"
    "  name: $self-reviewer\n" SUBJECT "  kind: ClusterRole\n"
    "  name: system:auth-delegator\n";

static const char ca_head[] = "---\n"
                              "apiVersion: v1\n"
                              "kind: ConfigMap\n"
                              "metadata:\n"
                              "  name: $self\n"
                              "  namespace: $ns\n"
                              "data:\n"
                              "  ca.pem: |\n";

static const char pod_args[] =
    "---\n"
    "# What it is enrolled as must outlive the pod: its token works once.\n"
    "apiVersion: v1\n"
    "kind: PersistentVolumeClaim\n"
    "metadata:\n"
    "  name: $self\n"
    "  namespace: $ns\n"
    "spec:\n"
    "  accessModes: [ReadWriteOnce]\n"
    "  resources:\n"
    "    requests:\n"
    "      storage: 2Gi\n"
    "---\n"
    "apiVersion: apps/v1\n"
    "kind: Deployment\n"
    "metadata:\n"
    "  name: $self\n"
    "  namespace: $ns\n"
    "spec:\n"
    "  replicas: 1\n"
    "  strategy:\n"
    "    type: Recreate\n"
    "  selector:\n"
    "    matchLabels:\n"
    "      app: $self\n"
    "  template:\n"
    "    metadata:\n"
    "      labels:\n"
    "        app: $self\n"
    "    spec:\n"
    "      serviceAccountName: $self\n"
    "      securityContext:\n"
    "        runAsNonRoot: true\n"
    "        runAsUser: 65532\n"
    "        fsGroup: 65532\n"
    "        seccompProfile:\n"
    "          type: RuntimeDefault\n"
    "      containers:\n"
    "      - name: gateway\n"
    "        image: $image\n"
    "        args:\n"
    "        - gateway\n"
    "        - start\n"
    "        - $gateway\n"
    "        - --domain=$domain\n"
    "        - --token-file=/etc/postern/token\n"
    "        - --state=/var/lib/postern/gateway\n";
static const char pod_mounts[] = "        securityContext:\n"
                                 "          allowPrivilegeEscalation: false\n"
                                 "          readOnlyRootFilesystem: true\n"
                                 "          capabilities:\n"
                                 "            drop: [ALL]\n"
                                 "        volumeMounts:\n"
                                 "        - name: state\n"
                                 "          mountPath: /var/lib/postern\n"
                                 "        - name: token\n"
                                 "          mountPath: /etc/postern\n"
                                 "          readOnly: true\n";
static const char pod_volumes[] = "      volumes:\n"
                                  "      - name: state\n"
                                  "        persistentVolumeClaim:\n"
                                  "          claimName: $self\n"
                                  "      - name: token\n"
                                  "        secret:\n"
                                  "          secretName: $self-token\n"
                                  "          optional: true\n";
static const char ca_argument[] = "        - --ca-file=/etc/postern-ca/ca.pem\n";
static const char ca_mount[] = "        - name: ca\n"
                               "          mountPath: /etc/postern-ca\n"
                               "          readOnly: true\n";
static const char ca_volume[] = "      - name: ca\n"
                                "        configMap:\n"
                                "          name: $self\n";

/* ---- texts with names in them ---- */

struct name {
    const char *word;
    struct pn_str value;
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_';
}

static struct pn_str value_of(struct pn_str word, const struct name *names)
{
    while (names->word != NULL && !pn_str_is(word, names->word))
        names++;
    pn_assert(names->word != NULL); /* our own texts name nothing else */
    return names->value;
}

static void expand(struct pn_str text, const struct name *names, struct pn_buf *out)
{
    ptrdiff_t dollar;

    while ((dollar = pn_str_find(text, '$')) >= 0) {
        size_t end = (size_t)dollar + 1;

        while (end < text.len && is_word(text.ptr[end]))
            end++;
        pn_buf_add(out, pn_str_slice(text, 0, (size_t)dollar));
        pn_buf_add(out, value_of(pn_str_slice(text, (size_t)dollar + 1, end), names));
        text = pn_str_slice(text, end, text.len);
    }
    pn_buf_add(out, text);
}

static void print_account(const struct pn_manifest *m, struct pn_str path, struct pn_buf *out)
{
    struct name names[] = { { "self", m->service_account },
                            { "ns", m->namespace },
                            { "as", path },
                            { "in", PN_NONE },
                            { NULL, PN_NONE } };

    (void)pn_str_cut(&names[2].value, '/', &names[3].value);
    expand(pn_str_from(role_head), names, out);
    expand(pn_str_from(m->is_constrained ? role_constrained : role_legacy), names, out);
    expand(pn_str_from(role_binding), names, out);
}

static void print_ca(struct pn_str pem, const struct name *names, struct pn_buf *out)
{
    struct pn_str line;

    expand(pn_str_from(ca_head), names, out);
    while (pn_str_cut(&pem, '\n', &line)) {
        if (line.len == 0)
            continue;
        pn_buf_add_text(out, "    ");
        pn_buf_add(out, line);
        pn_buf_add_byte(out, '\n');
    }
}

static void print_pod(const struct pn_manifest *m, const struct name *names, struct pn_buf *out)
{
    const struct {
        const char *text, *with_ca;
    } parts[] = { { pod_args, ca_argument }, { pod_mounts, ca_mount }, { pod_volumes, ca_volume } };

    if (m->ca_pem.len > 0)
        print_ca(m->ca_pem, names, out);
    for (size_t i = 0; i < PN_COUNT(parts); i++) {
        expand(pn_str_from(parts[i].text), names, out);
        if (m->ca_pem.len > 0)
            expand(pn_str_from(parts[i].with_ca), names, out);
    }
}

void pn_manifest_print(const struct pn_manifest *m, struct pn_buf *out)
{
    const struct name names[] = {
        { "self", m->service_account }, { "ns", m->namespace },  { "gateway", m->gateway },
        { "image", m->image },          { "domain", m->domain }, { NULL, PN_NONE },
    };

    expand(pn_str_from(identity), names, out);
    for (size_t i = 0; i < m->account_count; i++)
        print_account(m, m->accounts[i], out);
    if (m->is_constrained && m->account_count > 0)
        expand(pn_str_from(constraint), names, out);
    if (m->is_reviewer)
        expand(pn_str_from(reviewer), names, out);
    if (m->has_rules_only)
        return;
    print_pod(m, names, out);
}
