/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "kube/headers.h"

static struct pn_arena *arena;
static struct pn_err err;
static struct pn_http_head out;

#define F(name, value)                        \
    {                                         \
        PN_LIT_INIT(name), PN_LIT_INIT(value) \
    }
#define BUILD(...)                                        \
    build(false, (struct pn_http_field[]){ __VA_ARGS__ }, \
          PN_COUNT(((struct pn_http_field[]){ __VA_ARGS__ })), PN_NONE)
#define BUILD_OPAQUE(...)                                \
    build(true, (struct pn_http_field[]){ __VA_ARGS__ }, \
          PN_COUNT(((struct pn_http_field[]){ __VA_ARGS__ })), PN_NONE)

static bool build(bool is_opaque, struct pn_http_field *fields, size_t count, struct pn_str upgrade)
{
    struct pn_http_head client = { .method = PN_LIT("GET"),
                                   .target = PN_LIT("/x/api"),
                                   .authority = PN_LIT("evil.example"),
                                   .fields = fields,
                                   .count = count,
                                   .content_length = -1,
                                   .is_last = true,
                                   .upgrade = upgrade };
    struct pn_kube_upstream upstream = { .scheme = PN_LIT("https"),
                                         .authority = PN_LIT("kube:6443"),
                                         .target = PN_LIT("/api"),
                                         .authorization = PN_LIT("Bearer cluster"),
                                         .audit_id = PN_LIT("our-id"),
                                         .client_ip = PN_LIT("192.0.2.7"),
                                         .is_opaque = is_opaque };

    pn_arena_free(arena);
    arena = pn_arena_new(1 << 16);
    err = (struct pn_err){ 0 };
    return pn_kube_upstream_head(arena, &client, &upstream, &out, &err);
}

/* What the gateway adds is there exactly once, whatever the client sent. */
static void check_ours(void)
{
    CHECK_EQ(pn_http_field_count(&out, "authorization"), 1);
    CHECK_STR(pn_http_field_get(&out, "authorization"), "Bearer cluster");
    CHECK_EQ(pn_http_field_count(&out, "audit-id"), 1);
    CHECK_STR(pn_http_field_get(&out, "audit-id"), "our-id");
    CHECK_EQ(pn_http_field_count(&out, "x-forwarded-for"), 1);
    CHECK_STR(pn_http_field_get(&out, "x-forwarded-for"), "192.0.2.7");
    CHECK_STR(out.authority, "kube:6443");
    CHECK_STR(out.target, "/api");
}

/* What stands behind "impersonate-user"; NULL for a head that could not be built. */
static const char *impersonating(struct pn_str user, struct pn_http_field *fields, size_t count)
{
    struct pn_http_head client = { .method = PN_LIT("GET"),
                                   .fields = fields,
                                   .count = count,
                                   .content_length = -1,
                                   .is_last = true };
    struct pn_kube_upstream upstream = { .scheme = PN_LIT("https"),
                                         .authority = PN_LIT("kube:6443"),
                                         .target = PN_LIT("/api"),
                                         .authorization = PN_LIT("Bearer gateway"),
                                         .impersonate = user,
                                         .must_impersonate = true,
                                         .audit_id = PN_LIT("our-id"),
                                         .client_ip = PN_LIT("192.0.2.7") };

    pn_arena_free(arena);
    arena = pn_arena_new(1 << 16);
    err = (struct pn_err){ 0 };
    if (!pn_kube_upstream_head(arena, &client, &upstream, &out, &err))
        return NULL;
    CHECK_EQ(pn_http_field_count(&out, "impersonate-user"), 1);
    CHECK_STR(out.fields[out.count - 1].name, "impersonate-user"); /* built last */
    return pn_cstr(arena, pn_http_field_get(&out, "impersonate-user"));
}

PN_TEST(impersonation_is_one_header_and_the_last)
{
    struct pn_http_field connection = F("Connection", "impersonate-user");

    CHECK_STR(pn_str_from(impersonating(PN_LIT("system:serviceaccount:dev:ci"), NULL, 0)),
              "system:serviceaccount:dev:ci");
    CHECK_STR(pn_str_from(impersonating(PN_LIT("system:serviceaccount:dev:ci"), &connection, 1)),
              "system:serviceaccount:dev:ci");
    CHECK(BUILD(F("Accept", "*/*")));
    CHECK_EQ(pn_http_field_count(&out, "impersonate-user"), 0);
}

PN_TEST(impersonation_of_nobody_is_never_sent)
{
    static const char *const bad[] = { "",
                                       "system:serviceaccount:dev:", "system:serviceaccount::ci",
                                       "system:admin", "system:serviceaccount:dev:ci:x" };

    CHECK(impersonating(PN_NONE, NULL, 0) == NULL);
    CHECK_EQ(err.code, PN_INTERNAL);
    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK(impersonating(pn_str_from(bad[i]), NULL, 0) == NULL);
}

static const struct pn_http_field attacks[] = {
    F("Authorization", "Bearer client"),
    F("authorization", "Bearer client"),
    F("AUTHORIZATION", "Basic x"),
    F("X-Remote-User", "admin"),
    F("X-Remote-Group", "system:masters"),
    F("x-remote-extra-a", "b"),
    F("X_Remote_User", "admin"),
    F("X-Forwarded-For", "10.0.0.1"),
    F("X-Forwarded-Host", "evil"),
    F("X_Forwarded_For", "10.0.0.1"),
    F("Forwarded", "for=10.0.0.1"),
    F("X-Real-Ip", "10.0.0.1"),
    F("Audit-ID", "theirs"),
    F("Audit_ID", "theirs"),
    F("Cookie", "a=b"),
    F("Origin", "https://evil.example"),
    F("Host", "evil.example"),
    F("Proxy-Authorization", "Basic x"),
    F("Proxy-Connection", "keep-alive"),
    F("Keep-Alive", "timeout=5"),
    F("TE", "trailers"),
    F("Trailer", "Impersonate-User"),
    F("Transfer-Encoding", "chunked"),
    F("Upgrade", "h2c"),
    F("Sec-WebSocket-Extensions", "permessage-deflate"),
};

PN_TEST(what_must_not_pass_does_not_on_either_list)
{
    for (size_t i = 0; i < PN_COUNT(attacks); i++)
        for (int is_opaque = 0; is_opaque < 2; is_opaque++) {
            struct pn_http_field field = attacks[i];

            CHECK_OK(build(is_opaque, &field, 1, PN_NONE), err);
            check_ours();
            CHECK_EQ(out.count, 3);
        }
}

PN_TEST(impersonation_is_refused_in_any_spelling)
{
    static const char *const names[] = {
        "Impersonate-User",         "impersonate-user",    "IMPERSONATE-USER",
        "Impersonate_User",         "impersonate-Group",   "Impersonate-Uid",
        "Impersonate-Extra-scopes", "Impersonate_Extra_a", "Impersonate-"
    };

    for (size_t i = 0; i < PN_COUNT(names); i++)
        for (int is_opaque = 0; is_opaque < 2; is_opaque++) {
            struct pn_http_field field = { pn_str_from(names[i]), PN_LIT("") };

            CHECK_FAILS(build(is_opaque, &field, 1, PN_NONE), err, FORBIDDEN);
        }
    CHECK_OK(BUILD(F("Impersonated", "no header of Kubernetes")), err);
}

PN_TEST(connection_cannot_name_what_we_add)
{
    CHECK_OK(BUILD(F("Connection", "Authorization, audit-id"),
                   F("Connection", "X-Forwarded-For, Accept"), F("Accept", "a/b"),
                   F("Accept-Encoding", "gzip")),
             err);
    check_ours();
    CHECK_EQ(pn_http_field_count(&out, "connection"), 0);
    CHECK_EQ(pn_http_field_count(&out, "accept"), 0); /* named: it ends at us */
    CHECK_EQ(pn_http_field_count(&out, "accept-encoding"), 1);
    CHECK_FAILS(BUILD(F("Connection", "Impersonate-User"), F("Impersonate-User", "admin")), err,
                FORBIDDEN);
}

PN_TEST(what_kubectl_needs_passes_untouched)
{
    static const struct pn_http_field fields[] = {
        F("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"),
        F("Accept-Encoding", "gzip"),
        F("Content-Type", "application/apply-patch+yaml"),
        F("Content-Encoding", "gzip"),
        F("If-None-Match", "\"ABC\""),
        F("If-Modified-Since", "now"),
        F("User-Agent", "kubectl/v1.37"),
        F("Kubectl-Command", "kubectl get"),
        F("Kubectl-Session", "s"),
        F("Range", "bytes=0-1"),
        F("X-Stream-Protocol-Version", "v4.channel.k8s.io"),
        F("Sec-WebSocket-Key", "k"),
        F("Sec-WebSocket-Version", "13"),
        F("Sec-WebSocket-Protocol", "v5.channel.k8s.io, v4.channel.k8s.io"),
    };

    for (size_t i = 0; i < PN_COUNT(fields); i++)
        for (int is_opaque = 0; is_opaque < 2; is_opaque++) {
            struct pn_http_field field = fields[i];

            CHECK_OK(build(is_opaque, &field, 1, PN_NONE), err);
            CHECK_EQ(out.count, 4);
            CHECK(pn_str_eq(out.fields[0].value, field.value));
        }
    CHECK_OK(BUILD(F("X-Stream-Protocol-Version", "v5.channel.k8s.io"),
                   F("X-Stream-Protocol-Version", "v4.channel.k8s.io")),
             err);
    CHECK_EQ(pn_http_field_count(&out, "x-stream-protocol-version"), 2);
}

PN_TEST(an_applications_own_headers_pass_to_proxies_only)
{
    CHECK_OK(BUILD(F("X-App", "1")), err);
    CHECK_EQ(pn_http_field_count(&out, "x-app"), 0);
    CHECK_OK(BUILD_OPAQUE(F("X-App", "1"), F("Connection", "X-Hop"), F("X-Hop", "2")), err);
    CHECK_EQ(pn_http_field_count(&out, "x-app"), 1);
    CHECK_EQ(pn_http_field_count(&out, "x-hop"), 0);
}

PN_TEST(bearer_subprotocols_are_taken_out)
{
    CHECK_OK(BUILD(F("Sec-WebSocket-Protocol",
                     "base64url.bearer.authorization.k8s.io.c2VjcmV0, v4.channel.k8s.io")),
             err);
    CHECK_STR(pn_http_field_get(&out, "sec-websocket-protocol"), "v4.channel.k8s.io");
    CHECK_OK(BUILD(F("Sec-WebSocket-Protocol", "a,Base64URL.Bearer.Authorization.k8s.io.x,b")),
             err);
    CHECK_STR(pn_http_field_get(&out, "sec-websocket-protocol"), "a,b");
    CHECK_OK(BUILD(F("Sec-WebSocket-Protocol", "base64url.bearer.authorization.k8s.io.c2VjcmV0")),
             err);
    CHECK_EQ(pn_http_field_count(&out, "sec-websocket-protocol"), 0);
}

PN_TEST(upgrades_are_websocket_and_spdy)
{
    CHECK_OK(build(false, NULL, 0, PN_LIT("WebSocket")), err);
    CHECK_STR(out.upgrade, "WebSocket");
    CHECK_OK(build(false, NULL, 0, PN_LIT("SPDY/3.1")), err);
    CHECK_STR(out.upgrade, "SPDY/3.1");
    CHECK_OK(build(false, NULL, 0, PN_LIT("h2c")), err);
    CHECK(out.upgrade.ptr == NULL);
}

PN_TEST(malformed_names_and_values_are_refused)
{
    CHECK_FAILS(BUILD(F("Acc ept", "x")), err, BAD_REQUEST);
    CHECK_FAILS(BUILD(F("", "x")), err, BAD_REQUEST);
    CHECK_FAILS(BUILD(F("Accept", "a\r\nImpersonate-User: b")), err, BAD_REQUEST);
    CHECK_FAILS(BUILD(F("Accept", "a\0b")), err, BAD_REQUEST);
}

PN_TEST(sensitive_fields_are_known_in_any_spelling)
{
    CHECK(pn_kube_is_sensitive(PN_LIT("Authorization")));
    CHECK(pn_kube_is_sensitive(PN_LIT("SET-COOKIE")));
    CHECK(pn_kube_is_sensitive(PN_LIT("X_Remote_User")));
    CHECK(pn_kube_is_sensitive(PN_LIT("Proxy-Authorization")));
    CHECK(!pn_kube_is_sensitive(PN_LIT("Accept")));
    CHECK(!pn_kube_is_sensitive(PN_LIT("Authorization-Hint")));
}

PN_TEST_MAIN(T(impersonation_is_one_header_and_the_last), T(impersonation_of_nobody_is_never_sent),
             T(what_must_not_pass_does_not_on_either_list),
             T(impersonation_is_refused_in_any_spelling), T(connection_cannot_name_what_we_add),
             T(what_kubectl_needs_passes_untouched),
             T(an_applications_own_headers_pass_to_proxies_only),
             T(bearer_subprotocols_are_taken_out), T(upgrades_are_websocket_and_spdy),
             T(malformed_names_and_values_are_refused),
             T(sensitive_fields_are_known_in_any_spelling))
