/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "cli/applets.h"
#include "cli/machine_login.h"

/*
 * `identity kubernetes check`: one login, and where it ends. The server goes through the steps in
 * this order (identity-auth.md §7), and each has its own errors (§8.1).
 */
#define MAX_CLAIMS_BYTES ((size_t)16 * 1024)
#define MAX_REMEDY_BYTES ((size_t)8 * 1024)

enum step {
    STEP_SERVER,
    STEP_CONFIGURED,
    STEP_CLUSTER,
    STEP_CERTIFICATE,
    STEP_REVIEWER,
    STEP_RIGHTS,
    STEP_GENUINE,
    STEP_NAMESPACE,
    STEP_NAME,
    STEP_AUDIENCE,
    STEP_GRANTED,
    STEP_COUNT
};

/* What is known about the token (unverified: it is the caller's own) and about the settings. */
struct check {
    struct pn_cli *cli;
    struct pn_str identity; /* as given */
    struct pn_str namespace, name, audience;
    int64_t expires_s;
    struct pn_str host, namespaces, names, wanted_audience; /* PN_NONE: may not be read */
    struct pn_str message;
};

typedef void mend(const struct check *check, struct pn_buf *out);

/* ---- how each is mended ---- */

static struct pn_str or (struct pn_str text, const char *fallback)
{
    return text.len > 0 ? text : pn_str_from(fallback);
}

static void add_update(const struct check *check, struct pn_buf *out, const char *options)
{
    pn_buf_addf(out, "  postern identity kubernetes update %.*s %s\n", PN_ARG(check->identity),
                options);
}

static void mend_server(const struct check *check PN_UNUSED, struct pn_buf *out)
{
    pn_buf_add_text(out, "The Postern server is not reached: see --domain and POSTERN_CA_FILE.\n");
}

static void mend_configured(const struct check *check, struct pn_buf *out)
{
    pn_buf_addf(out,
                "The identity does not exist, or has no Kubernetes Auth. Attach it:\n"
                "  postern identity kubernetes attach %.*s --host https://API_SERVER:6443 "
                "--ca-file ca.crt --namespaces %.*s --names %.*s\n",
                PN_ARG(check->identity), PN_ARG(or (check->namespace, "NAMESPACE")),
                PN_ARG(or (check->name, "SERVICE_ACCOUNT")));
}

static void mend_cluster(const struct check *check, struct pn_buf *out)
{
    pn_buf_addf(out,
                "The server (or gateway) must reach the API server at %.*s: correct the address, "
                "open the way, or let a gateway in the cluster review:\n",
                PN_ARG(or (check->host, "the host that is configured")));
    add_update(check, out, "--host https://API_SERVER:6443");
    add_update(check, out, "--review-mode gateway --gateway GATEWAY");
}

static void mend_certificate(const struct check *check, struct pn_buf *out)
{
    pn_buf_add_text(out, "The API server's certificate does not lead to the CA that is configured. "
                         "Take the cluster's own:\n"
                         "  kubectl config view --raw --minify --flatten -o "
                         "jsonpath='{.clusters[0].cluster.certificate-authority-data}' | base64 -d "
                         ">ca.crt\n");
    add_update(check, out, "--ca-file ca.crt");
}

static void mend_reviewer(const struct check *check, struct pn_buf *out)
{
    pn_buf_addf(out,
                "The cluster does not take the token that is to review (expired, or of another "
                "cluster). Make a new one:\n"
                "  kubectl -n NAMESPACE create token REVIEWER --duration=8760h | postern identity "
                "kubernetes update %.*s --reviewer-token-file -\n"
                "Without a reviewer token the pod's own reviews itself; then it must also be for "
                "the API server, not only for another audience.\n",
                PN_ARG(check->identity));
}

/* "… User "system:serviceaccount:NAMESPACE:NAME" cannot create …": whom the cluster refused. */
static void refused_account(const struct check *check, struct pn_str *namespace,
                            struct pn_str *name)
{
    struct pn_str mark = PN_LIT("system:serviceaccount:");
    ptrdiff_t at = pn_str_search(check->message, mark);
    struct pn_str rest;
    size_t end = 0;

    *namespace = or (check->namespace, "NAMESPACE");
    *name = or (check->name, "SERVICE_ACCOUNT");
    if (at < 0)
        return;
    rest = pn_str_slice(check->message, (size_t)at + mark.len, check->message.len);
    while (end < rest.len && (strchr("-.:", rest.ptr[end]) != NULL ||
                              (rest.ptr[end] >= 'a' && rest.ptr[end] <= 'z') ||
                              (rest.ptr[end] >= '0' && rest.ptr[end] <= '9')))
        end++;
    rest = pn_str_slice(rest, 0, end);
    if (pn_str_find(rest, ':') > 0 && pn_str_cut(&rest, ':', namespace))
        *name = rest;
}

static void mend_rights(const struct check *check, struct pn_buf *out)
{
    struct pn_str namespace, name;

    refused_account(check, &namespace, &name);
    pn_buf_addf(out,
                "The reviewer may not review tokens. Apply this to the cluster "
                "(kubectl apply -f -):\n\n"
                "apiVersion: rbac.authorization.k8s.io/v1\n"
                "kind: ClusterRoleBinding\n"
                "metadata:\n"
                "  name: postern-reviewer-%.*s-%.*s\n"
                "roleRef:\n"
                "  apiGroup: rbac.authorization.k8s.io\n"
                "  kind: ClusterRole\n"
                "  name: system:auth-delegator\n"
                "subjects:\n"
                "  - kind: ServiceAccount\n"
                "    name: %.*s\n"
                "    namespace: %.*s\n",
                PN_ARG(namespace), PN_ARG(name), PN_ARG(name), PN_ARG(namespace));
}

static void mend_genuine(const struct check *check, struct pn_buf *out)
{
    if (check->expires_s > 0 && check->expires_s * 1000 < pn_clock_wall_ms())
        pn_buf_add_text(out,
                        "The token has expired: read its file again, the kubelet renews it.\n");
    pn_buf_addf(out,
                "The cluster does not know the token: is it of this cluster, and does the service "
                "account still exist? A fresh one:\n"
                "  kubectl -n %.*s create token %.*s\n",
                PN_ARG(or (check->namespace, "NAMESPACE")),
                PN_ARG(or (check->name, "SERVICE_ACCOUNT")));
}

static void mend_list(const struct check *check, struct pn_buf *out, const char *option,
                      struct pn_str list, struct pn_str value)
{
    pn_buf_addf(
        out, "Add it to the list:\n  postern identity kubernetes update %.*s --%s '%.*s%s%.*s'\n",
        PN_ARG(check->identity), option, PN_ARG(list), list.len > 0 ? "," : "", PN_ARG(value));
    if (list.ptr == NULL)
        pn_buf_add_text(out,
                        "That replaces the list, which you may not read: keep what is on it.\n");
}

static void mend_namespace(const struct check *check, struct pn_buf *out)
{
    mend_list(check, out, "namespaces", check->namespaces, or (check->namespace, "NAMESPACE"));
}

static void mend_name(const struct check *check, struct pn_buf *out)
{
    mend_list(check, out, "names", check->names, or (check->name, "SERVICE_ACCOUNT"));
}

static void mend_audience(const struct check *check, struct pn_buf *out)
{
    pn_buf_addf(out,
                "The token is for another audience%s%.*s. Mount one for the right audience in the "
                "pod:\n\n"
                "volumes:\n"
                "  - name: postern-token\n"
                "    projected:\n"
                "      sources:\n"
                "        - serviceAccountToken:\n"
                "            path: token\n"
                "            expirationSeconds: 600\n"
                "            audience: %.*s\n\n"
                "or accept the one it has:\n",
                check->audience.len > 0 ? ", " : "", PN_ARG(check->audience),
                PN_ARG(or (check->wanted_audience, "AUDIENCE")));
    pn_buf_addf(out, "  postern identity kubernetes update %.*s --audience '%.*s'\n",
                PN_ARG(check->identity), PN_ARG(or (check->audience, "AUDIENCE")));
}

/* ---- which step an error belongs to ---- */

static const struct {
    const char *id, *title;
    mend *mend;
} steps[STEP_COUNT] = {
    [STEP_SERVER] = { "server", "reach the Postern server", mend_server },
    [STEP_CONFIGURED] = { "configured", "find the identity's Kubernetes Auth", mend_configured },
    [STEP_CLUSTER] = { "cluster", "reach the cluster's API server", mend_cluster },
    [STEP_CERTIFICATE] = { "certificate", "trust its certificate", mend_certificate },
    [STEP_REVIEWER] = { "reviewer", "be known there as reviewer", mend_reviewer },
    [STEP_RIGHTS] = { "reviewer-rights", "be allowed to review tokens", mend_rights },
    [STEP_GENUINE] = { "genuine", "find the token genuine", mend_genuine },
    [STEP_NAMESPACE] = { "namespace", "find its namespace allowed", mend_namespace },
    [STEP_NAME] = { "name", "find its service account allowed", mend_name },
    [STEP_AUDIENCE] = { "audience", "find its audience right", mend_audience },
    [STEP_GRANTED] = { "granted", "give an access token", NULL },
};

/* The first row that fits decides: the end of the error's name, and words of its message. */
static const struct {
    const char *name_end, *words;
    enum step step;
} signs[] = {
    { "ConnectionRefused", "", STEP_CLUSTER },
    { "HostNotFound", "", STEP_CLUSTER },
    { "ConnectionTimeout", "", STEP_CLUSTER },
    { "CertificateError", "", STEP_CERTIFICATE },
    { "ConnectionError", "", STEP_CLUSTER },
    { "TokenReviewRequestError", "", STEP_CLUSTER },
    { "TokenReviewerUnauthorized", "", STEP_REVIEWER },
    { "TokenReviewerForbidden", "", STEP_RIGHTS },
    { "", "audience", STEP_AUDIENCE },
    { "", "namespace not allowed", STEP_NAMESPACE },
    { "", "name not allowed", STEP_NAME },
    { "TokenReviewError", "", STEP_GENUINE },
    { "UsernameParseError", "", STEP_GENUINE },
    { "NotFound", "", STEP_CONFIGURED },
};

static enum step step_of(const struct pn_err *err)
{
    struct pn_str name = pn_str_from(err->name), message = pn_str_from(err->message);

    if (err->code == PN_UNREACHABLE || err->code == PN_TIMEOUT || err->code == PN_USAGE ||
        (err->code == PN_UPSTREAM && name.len == 0))
        return STEP_SERVER;
    for (size_t i = 0; i < PN_COUNT(signs); i++) {
        if (pn_str_ends(name, pn_str_from(signs[i].name_end)) &&
            pn_str_search(message, pn_str_from(signs[i].words)) >= 0)
            return signs[i].step;
    }
    return STEP_GRANTED;
}

/* ---- what is known ---- */

/* Names of Kubernetes; anything else in a token does not go into a manifest. */
static struct pn_str plain(struct pn_cli *cli, const struct pn_value *value)
{
    struct pn_str text = pn_value_str(value);

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              strchr("-._:/", c) != NULL))
            return PN_NONE;
    }
    return pn_arena_copy(pn_cli_arena(cli), text);
}

/* The claims of a JWT, unverified. Nothing is known of what is not one. */
static void read_claims(struct check *check, const struct pn_secret *jwt)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(MAX_CLAIMS_BYTES);
    pn_auto(pn_value_freep) struct pn_value *claims = NULL;
    struct pn_str rest = pn_secret_reveal(jwt), header, payload;
    const struct pn_value *account;
    struct pn_err ignored = { 0 };

    if (!pn_str_cut(&rest, '.', &header) || !pn_str_cut(&rest, '.', &payload) ||
        !pn_base64url_decode(payload, &json) ||
        !pn_value_parse(pn_buf_str(&json), &claims, &ignored))
        return;
    account = pn_value_get(claims, "kubernetes.io");
    check->namespace = plain(check->cli, pn_value_get(account, "namespace"));
    check->name = plain(check->cli, pn_value_at(account, "serviceaccount.name"));
    check->audience = plain(check->cli, pn_value_is_array(pn_value_get(claims, "aud"))
                                            ? pn_value_at(claims, "aud.0")
                                            : pn_value_get(claims, "aud"));
    check->expires_s = pn_value_int(pn_value_get(claims, "exp"), 0);
}

/* The settings, for better advice, if whoever asks may read them. */
static void read_settings(struct check *check, struct pn_str id)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    const struct pn_value *auth;
    struct pn_err ignored = { 0 };

    if (!pn_cli_fetch(
            check->cli, "GET",
            pn_cli_path(check->cli, "/v1/auth/kubernetes-auth/identities/%.*s", PN_ARG(id)), NULL,
            &reply, &ignored))
        return;
    auth = pn_value_get(reply, "identityKubernetesAuth");
    check->host = plain(check->cli, pn_value_get(auth, "kubernetesHost"));
    check->namespaces = pn_arena_copy(pn_cli_arena(check->cli),
                                      pn_value_str(pn_value_get(auth, "allowedNamespaces")));
    check->names =
        pn_arena_copy(pn_cli_arena(check->cli), pn_value_str(pn_value_get(auth, "allowedNames")));
    check->wanted_audience = plain(check->cli, pn_value_get(auth, "allowedAudience"));
}

/* ---- the report ---- */

static void write_steps(struct pn_writer *w, enum step failed)
{
    pn_write_array(w, "steps");
    for (enum step s = 0; s < STEP_COUNT; s++) {
        pn_write_object(w, NULL);
        pn_write_text(w, "step", steps[s].id);
        pn_write_text(w, "title", steps[s].title);
        pn_write_text(w, "result", s < failed ? "ok" : s == failed ? "FAILED" : "not tried");
        pn_write_end(w);
    }
    pn_write_end(w);
}

static bool report(const struct check *check, enum step failed, struct pn_err *err)
{
    static const struct pn_column columns[] = { { "STEP", "title" },
                                                { "RESULT", "result" },
                                                { 0 } };
    pn_auto(pn_buf_drop) struct pn_buf remedy = pn_buf_init(MAX_REMEDY_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4 * MAX_REMEDY_BYTES);
    pn_auto(pn_value_freep) struct pn_value *document = NULL;
    struct pn_writer w = pn_writer_of(&json);

    if (failed < STEP_COUNT && steps[failed].mend != NULL)
        steps[failed].mend(check, &remedy);
    pn_write_object(&w, NULL);
    pn_write_bool(&w, "ok", failed == STEP_COUNT);
    pn_write_str(&w, "message", check->message);
    write_steps(&w, failed);
    pn_write_str(&w, "remedy", remedy.len > 0 ? pn_buf_str(&remedy) : PN_NONE);
    pn_write_end(&w);
    if (!pn_value_parse(pn_buf_str(&json), &document, err))
        return false;
    if (pn_cli_output(check->cli) != PN_OUTPUT_TABLE) {
        pn_cli_print(check->cli, document, columns);
        return true;
    }
    pn_cli_print(check->cli, pn_value_get(document, "steps"), columns);
    if (failed < STEP_COUNT)
        printf("\n%.*s\n", PN_ARG(check->message));
    if (remedy.len > 0)
        printf("\n%.*s", PN_ARG(pn_buf_str(&remedy)));
    return true;
}

/* The token that the check got is of no more use. */
static void give_back(struct pn_cli *cli, struct pn_str token)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(PN_CLI_BODY_BYTES);
    struct pn_writer w = pn_writer_of(&body);
    struct pn_err ignored = { 0 };

    pn_write_object(&w, NULL);
    pn_write_str(&w, "accessToken", token);
    pn_write_end(&w);
    if (!pn_cli_fetch(cli, "POST", PN_LIT("/v1/auth/token/revoke"), &body, NULL, &ignored))
        pn_cli_say("postern: the token of this check lives on until it expires: %s",
                   ignored.message);
}

static bool kubernetes_check(struct pn_cli *cli, int *exit_code, struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *jwt = NULL;
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct check check = { .cli = cli, .identity = pn_cli_arg(cli, 0) };
    struct pn_err failure = { 0 };
    enum step failed = STEP_COUNT;
    struct pn_str id;

    if (!pn_service_account_token(cli, &jwt, err) ||
        !pn_cli_identity(cli, check.identity, &id, err))
        return false;
    read_claims(&check, jwt);
    read_settings(&check, id);
    if (pn_kubernetes_login(cli, id, jwt, &reply, &failure)) {
        give_back(cli, pn_value_str(pn_value_get(reply, "accessToken")));
    } else {
        failed = step_of(&failure);
        check.message = pn_str_from(failure.message);
        *exit_code = pn_code_exit(failure.code);
    }
    return report(&check, failed, err);
}

static const struct pn_option options[] = {
    { "token-file", "F", "the pod's token (default: that of the pod we are in)", NULL },
    { "organization", "ID", "when you are in several", NULL },
    { 0 },
};

const struct pn_command pn_identity_check_commands[] = {
    { .words = "identity kubernetes check",
      .arguments = "IDENTITY [--token-file F]",
      .summary = "Try a login from Kubernetes; say which step fails and what mends it",
      .examples = "  kubectl -n shop create token backend --audience postern | postern identity "
                  "kubernetes check shop-backend --token-file -\n",
      .options = options,
      .min_args = 1,
      .max_args = 1,
      .run = kubernetes_check },
    { 0 },
};
