/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/config.h"

#include "core/lease/issues.h"
#include "core/lease/outputs.h"
#include "crypto/hash.h"
#include "kube/host.h"
#include "kube/names.h"

#define MAX_URL 500
#define MAX_CA 65536
#define MAX_TOKEN 8192
#define MAX_NAME 253
#define MAX_NAMESPACES_TEXT 2048
#define MAX_AUDIENCE 1024
#define PRINT_BYTES ((size_t)256 << 10)

const char *const pn_lease_credential_types[] = { "static", "dynamic", NULL };
const char *const pn_lease_role_types[] = { "cluster-role", "role", NULL };
const char *const pn_lease_auth_methods[] = { "api", "gateway", NULL };
const char *const pn_lease_token_bindings[] = { "none", "secret", NULL };
const char *const pn_lease_binding_scopes[] = { "cluster", "namespace", NULL };
const char *const pn_lease_token_lifetimes[] = { "lease", "max", NULL };

/* clang-format off */
#define IN(member, kind_, ...)                                                                     \
    { .name = #member, .kind = PN_KIND_##kind_, .offset = offsetof(struct pn_lease_config_in, c.member), \
      __VA_ARGS__ }
#define HAS(flag) .has_offset = offsetof(struct pn_lease_config_in, flag)
/* clang-format on */
static const struct pn_field in_fields[] = {
    IN(credentialType, ENUM, .names = pn_lease_credential_types),
    IN(url, STRING, .max = MAX_URL, .trim = true, .is_nullable = true),
    IN(clusterToken, SECRET, .max = MAX_TOKEN, .trim = true, .is_nullable = true),
    IN(ca, STRING, .max = MAX_CA, .is_nullable = true, HAS(has_ca)),
    IN(sslEnabled, BOOL, HAS(has_ssl)),
    IN(sslRejectUnauthorized, BOOL, HAS(has_reject)),
    IN(serviceAccountName, STRING, .max = MAX_NAME, .trim = true),
    IN(namespace, STRING, .max = MAX_NAMESPACES_TEXT, .trim = true),
    IN(roleType, ENUM, .names = pn_lease_role_types),
    IN(role, STRING, .max = MAX_NAME, .trim = true),
    IN(audiences, STRINGS, .max = PN_LEASE_MAX_AUDIENCES, .item_max = MAX_AUDIENCE,
       HAS(has_audiences)),
    IN(authMethod, ENUM, .names = pn_lease_auth_methods),
    IN(gatewayId, UUID, .is_nullable = true, HAS(has_gateway)),
    IN(gatewayPoolId, UUID, .is_nullable = true, HAS(has_pool)),
    IN(tokenBinding, ENUM, .names = pn_lease_token_bindings,
       .doc = "static: whether a token is bound to a Secret of its own, whose deletion ends it"),
    IN(bindingScope, ENUM, .names = pn_lease_binding_scopes,
       .doc = "cluster-role: bound in the whole cluster, or in the lease's namespace"),
    IN(tokenLifetime, ENUM, .names = pn_lease_token_lifetimes,
       .doc = "as long as the lease, or as long as it may be renewed"),
    IN(outputs, STRINGS, .max = PN_LEASE_MAX_OUTPUTS, .item_max = 32, HAS(has_outputs),
       .doc = "what leases give beside TOKEN: KUBECONFIG, NAMESPACE, SERVICE_ACCOUNT, EXPIRES_AT"),
};
const struct pn_shape pn_lease_config_shape = { "dynamic_secret_inputs",
                                                sizeof(struct pn_lease_config_in), in_fields,
                                                PN_COUNT(in_fields) };

void pn_lease_config_drop(struct pn_lease_config *config)
{
    pn_secret_freep(&config->clusterToken);
}

/* ---- from a request ---- */

static void take_text(struct pn_str from, struct pn_str *to)
{
    if (from.ptr != NULL)
        *to = from;
}

static void take_choice(int from, int *to)
{
    if (from >= 0)
        *to = from;
}

void pn_lease_config_take(const struct pn_lease_config_in *in, struct pn_lease_config *onto)
{
    const struct pn_lease_config *c = &in->c;

    take_choice(c->credentialType, &onto->credentialType);
    take_text(c->url, &onto->url);
    take_text(c->serviceAccountName, &onto->serviceAccountName);
    take_text(c->namespace, &onto->namespace);
    take_choice(c->roleType, &onto->roleType);
    take_text(c->role, &onto->role);
    take_choice(c->authMethod, &onto->authMethod);
    take_choice(c->tokenBinding, &onto->tokenBinding);
    take_choice(c->bindingScope, &onto->bindingScope);
    take_choice(c->tokenLifetime, &onto->tokenLifetime);
    if (in->has_ca)
        onto->ca = c->ca;
    if (in->has_ssl)
        onto->sslEnabled = c->sslEnabled;
    if (in->has_reject)
        onto->sslRejectUnauthorized = c->sslRejectUnauthorized;
    if (in->has_audiences)
        onto->audiences = c->audiences;
    if (in->has_outputs)
        onto->outputs = c->outputs;
    if (in->has_gateway)
        onto->gatewayId = c->gatewayId;
    if (in->has_pool)
        onto->gatewayPoolId = c->gatewayPoolId;
    if (c->clusterToken != NULL && pn_secret_len(c->clusterToken) > 0)
        onto->clusterToken = c->clusterToken;
}

/* ---- rules ---- */

struct check {
    struct pn_arena *arena;
    struct pn_lease_config *config;
    const char *path;
    struct pn_issues *issues;
};

static void refuse(const struct check *c, const char *member, const char *message)
{
    const struct pn_str path = pn_arena_printf(c->arena, "%s.%s", c->path, member);

    pn_issues_add(c->issues, path.ptr, message);
}

static bool is_http(struct pn_str url)
{
    return (pn_str_istarts(url, PN_LIT("https://")) && url.len > 8) ||
           (pn_str_istarts(url, PN_LIT("http://")) && url.len > 7);
}

static bool has_user(struct pn_str url)
{
    ptrdiff_t slashes = pn_str_search(url, PN_LIT("://"));
    struct pn_str rest = pn_str_slice(url, (size_t)(slashes + 3), url.len), authority;

    return pn_str_cut(&rest, '/', &authority) && pn_str_find(authority, '@') >= 0;
}

static void check_url(const struct check *c)
{
    const struct pn_str url = c->config->url;
    struct pn_err ignored = { 0 };
    struct pn_kube_host host;

    if (url.len == 0)
        return;
    if (!is_http(url))
        refuse(c, "url",
               "Invalid URL. Must start with http:// or https:// (e.g. https://example.com)");
    else if (has_user(url))
        refuse(c, "url", "URLs with user credentials (e.g., user:pass@) are not allowed");
    else if (!pn_kube_host_parse(url, &host, &ignored))
        refuse(c, "url", "Invalid URL");
}

static bool is_namespace_text(struct pn_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char ch = text.ptr[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
              ch == '-'))
            return false;
    }
    return text.len > 0;
}

static void split_namespaces(const struct check *c)
{
    struct pn_strs *out = &c->config->namespaces;
    struct pn_str rest = c->config->namespace, piece;

    *out = (struct pn_strs){ .items = pn_new(c->arena, struct pn_str, PN_LEASE_MAX_NAMESPACES) };
    while (rest.ptr != NULL && pn_str_cut(&rest, ',', &piece)) {
        piece = pn_str_trim(piece);
        if (out->count == PN_LEASE_MAX_NAMESPACES) {
            refuse(c, "namespace", "At most " PN_STRINGIFY(PN_LEASE_MAX_NAMESPACES) " namespaces");
            return;
        }
        if (!is_namespace_text(piece)) {
            refuse(c, "namespace", "Must be a valid comma-separated list of namespace values");
            return;
        }
        if (!pn_kube_is_label(piece)) {
            refuse(c, "namespace",
                   "A namespace is up to 63 lower-case letters, digits and hyphens inside");
            return;
        }
        out->items[out->count++] = piece;
    }
}

static void check_one_namespace(const struct check *c)
{
    const struct pn_str text = c->config->namespace;

    if (pn_str_find(text, ',') >= 0)
        refuse(c, "namespace", "Namespace must be a single value, not a comma-separated list");
    else if (!is_namespace_text(text))
        refuse(c, "namespace", "Invalid namespace format");
    else
        split_namespaces(c);
}

static void check_audiences(const struct check *c)
{
    for (size_t i = 0; i < c->config->audiences.count; i++) {
        struct pn_str *audience = &c->config->audiences.items[i];

        *audience = pn_str_trim(*audience);
        if (audience->len == 0)
            refuse(c, "audiences", "An audience must not be empty");
    }
}

static void check_outputs(const struct check *c)
{
    unsigned which;

    if (!pn_lease_outputs_read(c->config->outputs, &which))
        refuse(c, "outputs", PN_LEASE_OUTPUTS_RULE);
    else if ((which & PN_LEASE_OUTPUT_KUBECONFIG) && c->config->url.len == 0)
        refuse(c, "outputs", PN_LEASE_OUTPUTS_URL);
}

static void check_static(const struct check *c)
{
    struct pn_lease_config *config = c->config;

    if (config->serviceAccountName.len == 0)
        refuse(c, "serviceAccountName", "Required");
    else if (!pn_kube_is_subdomain(config->serviceAccountName))
        refuse(c, "serviceAccountName",
               "A service account's name is lower-case letters, digits, '-' and '.'");
    if (config->namespace.len == 0)
        refuse(c, "namespace", "Required");
    else
        check_one_namespace(c);
    config->roleType = -1;
    config->role = PN_NONE;
    config->bindingScope = -1;
}

/* A role's name is a path segment; system:… is one, a slash is not. */
static bool is_role(struct pn_str name)
{
    return pn_str_is_printable(name) && pn_str_find(name, '/') < 0 && pn_str_find(name, '%') < 0 &&
           pn_str_find(name, ' ') < 0 && !pn_str_is(name, ".") && !pn_str_is(name, "..");
}

static void check_dynamic(const struct check *c)
{
    struct pn_lease_config *config = c->config;

    if (config->namespace.len == 0)
        refuse(c, "namespace", "Required");
    else
        split_namespaces(c);
    if (config->roleType < 0)
        refuse(c, "roleType", "Required");
    if (config->role.len == 0)
        refuse(c, "role", "Required");
    else if (!is_role(config->role))
        refuse(c, "role", "Not a name that a role can have");
    if (config->roleType == PN_LEASE_ROLE)
        config->bindingScope = -1;
    else if (config->bindingScope < 0)
        config->bindingScope = PN_LEASE_SCOPE_CLUSTER;
    config->serviceAccountName = PN_NONE;
    config->tokenBinding = PN_LEASE_BIND_NONE;
}

static bool is_token(const struct pn_secret *token)
{
    return pn_str_is_printable(pn_secret_reveal(token)) &&
           pn_str_find(pn_secret_reveal(token), ' ') < 0;
}

/* Who speaks to the cluster, and where. */
static void check_road(const struct check *c)
{
    struct pn_lease_config *config = c->config;
    bool has_gateway = !pn_uuid_is_zero(config->gatewayId),
         has_pool = !pn_uuid_is_zero(config->gatewayPoolId);

    if (has_gateway && has_pool)
        refuse(c, "gatewayPoolId", "Cannot specify both a gateway and a gateway pool");
    if (config->authMethod == PN_LEASE_BY_GATEWAY && !has_gateway && !has_pool)
        refuse(c, "gatewayId",
               "When auth method is set to Gateway, a gateway or gateway pool must be selected");
    if (config->authMethod == PN_LEASE_BY_TOKEN && config->clusterToken == NULL)
        refuse(c, "clusterToken",
               "When auth method is set to Token, a cluster token must be provided");
    if (config->authMethod == PN_LEASE_BY_TOKEN && config->url.len == 0)
        refuse(c, "url", "When auth method is set to Token, a cluster URL must be provided");
    if (config->clusterToken != NULL && !is_token(config->clusterToken))
        refuse(c, "clusterToken", "Not a token: it must be one word without spaces or line breaks");
    check_url(c);
}

void pn_lease_config_check(struct pn_arena *arena, struct pn_lease_config *config, const char *path,
                           struct pn_issues *issues)
{
    const struct check c = { arena, config, path, issues };

    if (config->authMethod < 0)
        config->authMethod = PN_LEASE_BY_TOKEN;
    if (config->tokenLifetime < 0)
        config->tokenLifetime = PN_LEASE_TOKEN_AS_LEASE;
    if (config->credentialType < 0)
        refuse(&c, "credentialType", "Required");
    else if (config->credentialType == PN_LEASE_STATIC)
        check_static(&c);
    else
        check_dynamic(&c);
    check_audiences(&c);
    check_outputs(&c);
    check_road(&c);
}

static bool is_verified(const struct pn_lease_config *config)
{
    return !config->sslEnabled || config->sslRejectUnauthorized;
}

/* A gateway on the way reads what nobody verifies. */
static bool is_rerouted(const struct pn_lease_config *before, const struct pn_lease_config *after)
{
    if (is_verified(after) && pn_str_istarts(after->url, PN_LIT("https://")))
        return false;
    return !pn_uuid_eq(before->gatewayId, after->gatewayId) ||
           !pn_uuid_eq(before->gatewayPoolId, after->gatewayPoolId);
}

bool pn_lease_config_is_moved(const struct pn_lease_config *before,
                              const struct pn_lease_config *after)
{
    return !pn_str_eq(before->url, after->url) || (is_verified(before) && !is_verified(after)) ||
           !pn_str_eq(before->ca, after->ca) || before->sslEnabled != after->sslEnabled ||
           is_rerouted(before, after);
}

struct pn_str pn_lease_config_place(struct pn_arena *arena, const struct pn_lease_config *config)
{
    struct pn_err ignored = { 0 };
    struct pn_kube_host host;

    if (!pn_uuid_is_zero(config->gatewayPoolId))
        return pn_arena_printf(arena, "pool:%s", pn_uuid_format(config->gatewayPoolId).text);
    if (!pn_uuid_is_zero(config->gatewayId))
        return pn_arena_printf(arena, "gateway:%s", pn_uuid_format(config->gatewayId).text);
    if (pn_kube_host_parse(config->url, &host, &ignored))
        return pn_arena_printf(arena, "%.*s:%u", PN_ARG(host.address.host), host.address.port);
    return config->url;
}

struct pn_cluster_place pn_lease_config_turn(struct pn_arena *arena,
                                             const struct pn_lease_config *config)
{
    struct pn_cluster_place place;

    pn_hash_sha256(pn_arena_printf(arena, "%s %.*s", pn_uuid_format(config->org_id).text,
                                   PN_ARG(pn_lease_config_place(arena, config))),
                   place.bytes);
    return place;
}

/* ---- rows ---- */

static void print_choice(struct pn_writer *w, const char *name, const char *const *names, int index)
{
    if (index >= 0)
        pn_write_text(w, name, names[index]);
}

static void print_text(struct pn_writer *w, const char *name, struct pn_str text)
{
    if (text.ptr != NULL)
        pn_write_str(w, name, text);
}

static void print_list(struct pn_writer *w, const char *name, struct pn_strs list)
{
    pn_write_array(w, name);
    for (size_t i = 0; i < list.count; i++)
        pn_write_str(w, NULL, list.items[i]);
    pn_write_end(w);
}

struct pn_str pn_lease_config_print(struct pn_arena *arena, const struct pn_lease_config *config)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(PRINT_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    print_choice(&w, "credentialType", pn_lease_credential_types, config->credentialType);
    print_text(&w, "url", config->url);
    print_text(&w, "ca", config->ca);
    pn_write_bool(&w, "sslEnabled", config->sslEnabled);
    pn_write_bool(&w, "sslRejectUnauthorized", config->sslRejectUnauthorized);
    print_text(&w, "serviceAccountName", config->serviceAccountName);
    print_text(&w, "namespace", config->namespace);
    print_choice(&w, "roleType", pn_lease_role_types, config->roleType);
    print_text(&w, "role", config->role);
    print_list(&w, "audiences", config->audiences);
    if (config->outputs.count > 0)
        print_list(&w, "outputs", config->outputs);
    print_choice(&w, "authMethod", pn_lease_auth_methods, config->authMethod);
    pn_write_uuid(&w, "gatewayId", config->gatewayId);
    pn_write_uuid(&w, "gatewayPoolId", config->gatewayPoolId);
    if (config->credentialType == PN_LEASE_STATIC)
        print_choice(&w, "tokenBinding", pn_lease_token_bindings, config->tokenBinding);
    print_choice(&w, "bindingScope", pn_lease_binding_scopes, config->bindingScope);
    print_choice(&w, "tokenLifetime", pn_lease_token_lifetimes, config->tokenLifetime);
    pn_write_end(&w);
    pn_assert(!json.is_full); /* each member has its limit */
    return pn_arena_copy(arena, pn_buf_str(&json));
}

bool pn_lease_config_read(struct pn_arena *arena, struct pn_str json, struct pn_lease_config *out,
                          struct pn_err *err)
{
    struct pn_lease_config_in in;
    struct check c = { .arena = arena, .config = out };
    struct pn_issues issues;

    if (!pn_shape_parse(&pn_lease_config_shape, arena, json, &in, err))
        return pn_recast(err, PN_INTERNAL, "Something went wrong");
    *out = in.c;
    pn_issues_begin(&issues);
    c.issues = &issues;
    c.path = "inputs";
    split_namespaces(&c);
    return pn_issues_end(&issues, arena, err) ||
           pn_recast(err, PN_INTERNAL, "Something went wrong");
}
