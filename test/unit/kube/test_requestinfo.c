/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/arena.h"
#include "kube/requestinfo.h"

static struct pn_arena *arena;
static struct pn_request_info info;
static struct pn_err err;

static bool parse(const char *method, const char *target)
{
    pn_arena_free(arena);
    arena = pn_arena_new(1 << 16);
    err = (struct pn_err){ 0 };
    return pn_request_info_parse(arena, pn_str_from(method), pn_str_from(target), &info, &err);
}

/* kube-proxying.md §4, row by row. */
static const struct vector {
    const char *method, *target, *verb, *group, *namespace, *resource, *name, *subresource;
} vectors[] = {
    { "GET", "/api/v1/namespaces", "list", "", "", "namespaces", "", "" },
    { "POST", "/api/v1/namespaces", "create", "", "", "namespaces", "", "" },
    { "GET", "/api/v1/namespaces/dev", "get", "", "dev", "namespaces", "dev", "" },
    { "GET", "/api/v1/namespaces/dev/", "get", "", "dev", "namespaces", "dev", "" },
    { "PUT", "/api/v1/namespaces/dev/finalize", "update", "", "dev", "namespaces", "dev",
      "finalize" },
    { "GET", "/api/v1/namespaces/dev/status", "get", "", "dev", "namespaces", "dev", "status" },
    { "GET", "/api/v1/namespaces/status/pods", "list", "", "status", "pods", "", "" },
    { "GET", "/api/v1/namespaces/dev/pods?limit=500", "list", "", "dev", "pods", "", "" },
    { "GET", "/api/v1/pods?watch=1", "watch", "", "", "pods", "", "" },
    { "GET", "/api/v1/pods?watch=", "watch", "", "", "pods", "", "" },
    { "GET", "/api/v1/pods?watch", "watch", "", "", "pods", "", "" },
    { "GET", "/api/v1/pods?watch=yes", "watch", "", "", "pods", "", "" },
    { "GET", "/api/v1/pods?%77atch=1", "watch", "", "", "pods", "", "" },
    { "GET", "/api/v1/pods?watch=false", "list", "", "", "pods", "", "" },
    { "GET", "/api/v1/pods?watch=FALSE", "list", "", "", "pods", "", "" },
    { "GET", "/api/v1/pods?watch=0", "list", "", "", "pods", "", "" },
    { "GET", "/api/v1/pods?watch=0&watch=1", "list", "", "", "pods", "", "" },
    { "GET", "/api/v1/pods?watch=1;x", "list", "", "", "pods", "", "" },
    { "GET", "/api/v1/pods?limit=abc&watch=1", "watch", "", "", "pods", "", "" },
    { "GET", "/api/v1/namespaces/dev/pods?fieldSelector=metadata.name%3Dweb-0&watch=true", "watch",
      "", "dev", "pods", "web-0", "" },
    { "GET", "/api/v1/namespaces/dev/pods?fieldSelector=metadata.name%3D%3Dweb-0", "list", "",
      "dev", "pods", "web-0", "" },
    { "GET", "/api/v1/namespaces/dev/pods?fieldSelector=metadata.name!%3Dweb-0", "list", "", "dev",
      "pods", "", "" },
    { "GET", "/api/v1/namespaces/dev/pods?fieldSelector=spec.x%3Da%2Cmetadata.name%3Dweb-0", "list",
      "", "dev", "pods", "web-0", "" },
    { "GET", "/api/v1/namespaces/dev/pods?fieldSelector=metadata.name%3Db%2Cmetadata.name%3Da",
      "list", "", "dev", "pods", "a", "" },
    { "GET", "/api/v1/namespaces/dev/pods?fieldSelector=metadata.name%3Da%5C%2Cb", "list", "",
      "dev", "pods", "a,b", "" },
    { "GET", "/api/v1/namespaces/dev/pods?fieldSelector=metadata.name%3Da%5Cb", "list", "", "dev",
      "pods", "", "" },
    { "GET", "/api/v1/namespaces/dev/pods?fieldSelector=nonsense%2Cmetadata.name%3Da", "list", "",
      "dev", "pods", "", "" },
    { "GET", "/api/v1/namespaces/dev/pods?fieldSelector=metadata.name%3D..", "list", "", "dev",
      "pods", "", "" },
    { "GET", "/api/v1/namespaces/dev/pods?fieldSelector=metadata.name%3Da%2Fb", "list", "", "dev",
      "pods", "", "" },
    { "GET", "/api/v1/namespaces/dev/pods?fieldSelector=metadata.name%3Da&limit=abc", "list", "",
      "dev", "pods", "", "" },
    { "GET", "/api/v1/namespaces/dev/pods/web-0?watch=true", "get", "", "dev", "pods", "web-0",
      "" },
    { "HEAD", "/api/v1/nodes/n1", "get", "", "", "nodes", "n1", "" },
    { "GET", "/api/v1/namespaces/dev/pods/web-0/log?follow=true", "get", "", "dev", "pods", "web-0",
      "log" },
    { "POST", "/api/v1/namespaces/dev/pods/web-0/exec?command=sh", "create", "", "dev", "pods",
      "web-0", "exec" },
    { "GET", "/api/v1/namespaces/dev/pods/web-0/exec?command=sh", "get", "", "dev", "pods", "web-0",
      "exec" },
    { "PATCH", "/api/v1/namespaces/dev/pods/web-0/ephemeralcontainers", "patch", "", "dev", "pods",
      "web-0", "ephemeralcontainers" },
    { "POST", "/api/v1/namespaces/dev/pods/web-0/eviction", "create", "", "dev", "pods", "web-0",
      "eviction" },
    { "POST", "/api/v1/namespaces/dev/serviceaccounts/sa/token", "create", "", "dev",
      "serviceaccounts", "sa", "token" },
    { "DELETE", "/api/v1/namespaces/dev/pods", "deletecollection", "", "dev", "pods", "", "" },
    { "DELETE", "/api/v1/namespaces/dev/pods/web-0", "delete", "", "dev", "pods", "web-0", "" },
    { "OPTIONS", "/api/v1/pods", "", "", "", "pods", "", "" },
    { "get", "/api/v1/pods", "", "", "", "pods", "", "" },
    { "GET", "/api/v1/watch/namespaces/dev/pods", "watch", "", "dev", "pods", "", "" },
    { "GET", "/api/v1/watch/pods/web-0", "watch", "", "", "pods", "web-0", "" },
    { "GET", "/api/v1/proxy/namespaces/dev/services/web/a/b", "proxy", "", "dev", "services", "web",
      "" },
    { "GET", "/api/v1/namespaces/dev/services/https:web:443/proxy/a/b", "get", "", "dev",
      "services", "https:web:443", "proxy" },
    { "POST", "/api/v1/nodes/n1/proxy/run/dev/web-0/c", "create", "", "", "nodes", "n1", "proxy" },
    { "PATCH", "/apis/apps/v1/namespaces/dev/deployments/web", "patch", "apps", "dev",
      "deployments", "web", "" },
    { "GET", "/apis/apps/v1/namespaces/dev/deployments/web/scale", "get", "apps", "dev",
      "deployments", "web", "scale" },
    { "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "create",
      "authorization.k8s.io", "", "selfsubjectaccessreviews", "", "" },
    { "GET", "//api/v1/pods", "list", "", "", "pods", "", "" },
    { "GET", "/%61pi/v1/p%6fds", "list", "", "", "pods", "", "" },
    { "GET", "/api/v1/namespaces/dev/pods/system:node", "get", "", "dev", "pods", "system:node",
      "" },
    { "GET", "/api/v1/namespaces/dev/services/web/proxy/a%2Fb//../%5c/.", "get", "", "dev",
      "services", "web", "proxy" },
    { "GET", "/api/v1/proxy/namespaces/dev/services/web/a%2Fb//..", "proxy", "", "dev", "services",
      "web", "" },
    { "GET", "/api/v1/nodes/n1/pro%78y/..", "get", "", "", "nodes", "n1", "proxy" },
};

PN_TEST(every_vector_of_the_contract)
{
    for (size_t i = 0; i < PN_COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];

        CHECK_OK(parse(v->method, v->target), err);
        if (!info.is_resource || !pn_str_is(info.verb, v->verb))
            print_error("%s %s: verb %.*s\n", v->method, v->target, PN_ARG(info.verb));
        CHECK(info.is_resource);
        CHECK_STR(info.verb, v->verb);
        CHECK_STR(info.api_group, v->group);
        CHECK_STR(info.namespace, v->namespace);
        CHECK_STR(info.resource, v->resource);
        CHECK_STR(info.name, v->name);
        CHECK_STR(info.subresource, v->subresource);
    }
}

PN_TEST(paths_that_name_no_resource)
{
    static const char *const targets[] = { "/",
                                           "/version",
                                           "/api",
                                           "/api/v1",
                                           "/apis/apps/v1",
                                           "/openapi/v3/apis/apps/v1?hash=X",
                                           "/API/v1/pods",
                                           "/apis",
                                           "/healthz/",
                                           "/apis/apps",
                                           "/x/y/z/proxy" };

    for (size_t i = 0; i < PN_COUNT(targets); i++) {
        CHECK_OK(parse("GET", targets[i]), err);
        CHECK(!info.is_resource);
        CHECK_STR(info.verb, "get");
        CHECK_STR(info.resource, "");
        CHECK_STR(info.api_group, "");
        CHECK_STR(info.api_version, "");
    }
}

PN_TEST(hostile_paths_are_refused)
{
    static const char *const targets[] = {
        "/api/v1/namespaces/dev/pods/a%2Fexec",
        "/api/v1/namespaces/dev/pods/a%2fexec",
        "/api/v1/namespaces/dev//pods",
        "/api/v1/namespaces//pods",
        "/api//v1/pods",
        "/api/v1/namespaces/dev/../kube-system/secrets",
        "/api/v1/namespaces/dev/%2e%2e/kube-system/secrets",
        "/api/v1/namespaces/./pods",
        "/api/v1/namespaces/%2e/pods",
        "/api/v1/namespaces/dev/pods/a%00b",
        "/api/v1/namespaces/dev/pods/a%5Cexec",
        "/api/v1/namespaces/dev/pods/a\\exec",
        "/api/v1/namespaces/dev/pods/web-0/exec/%2e%2e",
        "/api/v1/namespaces/%2e%2e/services/web/proxy/",
        "/api/v1/nodes/a%2Fb/proxy/",
        "/api/v1/proxy/nodes/%2e%2e/x",
        "/healthz/%2e%2e/api",
        "/%2e%2e/api/v1/secrets",
        "/api/v1/pods/%",
        "/api/v1/pods/%4",
        "/api/v1/pods/%zz",
        "/api/v1/nodes/n1/proxy/%zz",
        "/api/v1/pods#fragment",
        "/api/v1/pods HTTP/1.1",
        "/api/v1/pods\r\nX: y",
        "/api/v1/pods\xc3\xb6",
        "x:@evil/",
        "*",
        "https://evil/api",
        "",
    };

    for (size_t i = 0; i < PN_COUNT(targets); i++) {
        if (parse("GET", targets[i]))
            print_error("accepted %s\n", targets[i]);
        CHECK_FAILS(parse("GET", targets[i]), err, BAD_REQUEST);
    }
}

PN_TEST(prefix_without_resource_fails_as_the_server_does)
{
    CHECK_FAILS(parse("GET", "/api/v1/watch"), err, INTERNAL);
    CHECK_FAILS(parse("GET", "/apis/apps/v1/proxy"), err, INTERNAL);
}

PN_TEST(long_running_requests_have_no_deadline)
{
    static const char *const yes[] = { "/api/v1/pods?watch=1",
                                       "/api/v1/namespaces/d/pods/p/log",
                                       "/api/v1/namespaces/d/pods/p/exec",
                                       "/api/v1/namespaces/d/pods/p/attach",
                                       "/api/v1/namespaces/d/pods/p/portforward",
                                       "/api/v1/nodes/n/proxy/x",
                                       "/debug/pprof/profile",
                                       "/api/v1/proxy/nodes/n" };
    static const char *const no[] = {
        "/api/v1/pods",   "/api/v1/namespaces/d/pods/p",   "/debug/pprof",
        "/debug/flags/v", "/api/v1/namespaces/d/pods/log", "/api/v1/namespaces/d/pods/exec/status"
    };

    for (size_t i = 0; i < PN_COUNT(yes); i++) {
        CHECK_OK(parse("GET", yes[i]), err);
        CHECK(info.is_long_running);
    }
    for (size_t i = 0; i < PN_COUNT(no); i++) {
        CHECK_OK(parse("GET", no[i]), err);
        CHECK(!info.is_long_running);
    }
}

PN_TEST(only_pods_services_and_nodes_are_opaque)
{
    CHECK_OK(parse("GET", "/api/v1/namespaces/d/pods/p/proxy/"), err);
    CHECK(info.is_opaque);
    CHECK_OK(parse("GET", "/api/v1/nodes/n/proxy/metrics"), err);
    CHECK(info.is_opaque);
    CHECK_OK(parse("GET", "/apis/example.com/v1/namespaces/d/services/p/proxy/"), err);
    CHECK(!info.is_opaque);
    CHECK_OK(parse("GET", "/api/v1/namespaces/d/secrets/p/proxy/"), err);
    CHECK(!info.is_opaque);
}

PN_TEST(selectors_are_kept_for_collections_only)
{
    CHECK_OK(parse("GET", "/api/v1/pods?labelSelector=a%3Db+c&fieldSelector=x%3Dy"), err);
    CHECK_STR(info.label_selector, "a=b c");
    CHECK_STR(info.field_selector, "x=y");
    CHECK_OK(parse("GET", "/api/v1/namespaces/d/pods/p?labelSelector=a"), err);
    CHECK_STR(info.label_selector, "");
    CHECK_OK(parse("DELETE", "/api/v1/pods?labelSelector=a&labelSelector=b"), err);
    CHECK_STR(info.label_selector, "a");
}

PN_TEST_MAIN(T(every_vector_of_the_contract), T(paths_that_name_no_resource),
             T(hostile_paths_are_refused), T(prefix_without_resource_fails_as_the_server_does),
             T(long_running_requests_have_no_deadline), T(only_pods_services_and_nodes_are_opaque),
             T(selectors_are_kept_for_collections_only))
