/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "kube/object.h"

static struct pn_arena *arena;
static struct pn_err err;

static int start(void **state)
{
    (void)state;
    arena = pn_arena_new(1 << 20);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    pn_arena_free(arena);
    return 0;
}

PN_TEST(where_objects_are)
{
    struct pn_str odd = PN_LIT("a/../b?x");

    CHECK_STR(pn_kube_path(arena, PN_KUBE_SERVICE_ACCOUNT, PN_LIT("ns"), PN_LIT("app"), "token"),
              "/api/v1/namespaces/ns/serviceaccounts/app/token");
    CHECK_STR(pn_kube_path(arena, PN_KUBE_SECRET, PN_LIT("ns"), PN_NONE, NULL),
              "/api/v1/namespaces/ns/secrets");
    CHECK_STR(pn_kube_path(arena, PN_KUBE_ROLE_BINDING, PN_LIT("ns"), PN_LIT("b"), NULL),
              "/apis/rbac.authorization.k8s.io/v1/namespaces/ns/rolebindings/b");
    CHECK_STR(pn_kube_path(arena, PN_KUBE_CLUSTER_ROLE, PN_LIT("ns"), PN_LIT("system:node"), NULL),
              "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode");
    CHECK_STR(pn_kube_path(arena, PN_KUBE_SERVICE_ACCOUNT, odd, odd, NULL),
              "/api/v1/namespaces/a%2F..%2Fb%3Fx/serviceaccounts/a%2F..%2Fb%3Fx");
    CHECK_STR(pn_kube_path(arena, PN_KUBE_SERVICE_ACCOUNT, PN_NONE, PN_NONE, NULL),
              "/api/v1/serviceaccounts");
}

PN_TEST(how_they_are_written)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(4096);
    struct pn_kube_object object = { .kind = PN_KUBE_SECRET,
                                     .namespace = PN_LIT("ns"),
                                     .name = PN_LIT("s"),
                                     .lease_id = PN_LIT("l"),
                                     .secret_id = PN_LIT("d"),
                                     .instance = PN_LIT("i"),
                                     .requester = PN_LIT("r"),
                                     .expires = PN_LIT("e") };

    pn_kube_object_print(&object, &out);
    CHECK_STR(pn_buf_str(&out),
              "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\","
              "\"namespace\":\"ns\",\"labels\":{\"app.kubernetes.io/managed-by\":\"postern\","
              "\"postern/lease-id\":\"l\",\"postern/ds-id\":\"d\",\"postern/"
              "instance\":\"i\"},\"annotations\":{"
              "\"postern/requester\":\"r\",\"postern/expires-at\":\"e\"}},\"type\":\"Opaque\"}");
    pn_buf_clear(&out);
    object.kind = PN_KUBE_CLUSTER_ROLE_BINDING;
    object.role.kind = PN_KUBE_CLUSTER_ROLE;
    object.role.name = PN_LIT("view");
    object.account.namespace = PN_LIT("ns");
    object.account.name = PN_LIT("app");
    object.owner.kind = PN_KUBE_ROLE_BINDING;
    object.owner.name = PN_LIT("o");
    object.owner.uid = PN_LIT("u");
    pn_kube_object_print(&object, &out);
    CHECK_STR(pn_buf_str(&out),
              "{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"ClusterRoleBinding\","
              "\"metadata\":{\"name\":\"s\",\"labels\":{\"app.kubernetes.io/managed-by\":"
              "\"postern\",\"postern/lease-id\":\"l\",\"postern/ds-id\":\"d\",\"postern/"
              "instance\":\"i\"},\"annotations\":{"
              "\"postern/requester\":\"r\",\"postern/expires-at\":\"e\"},\"ownerReferences\":[{"
              "\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"RoleBinding\",\"name\":"
              "\"o\",\"uid\":\"u\"}]},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\","
              "\"kind\":\"ClusterRole\",\"name\":\"view\"},\"subjects\":[{\"kind\":"
              "\"ServiceAccount\",\"name\":\"app\",\"namespace\":\"ns\"}]}");
    pn_buf_clear(&out);
    pn_kube_delete_print(PN_LIT("u"), &out);
    CHECK_STR(pn_buf_str(&out), "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
                                "\"preconditions\":{\"uid\":\"u\"}}");
    pn_buf_clear(&out);
    pn_kube_delete_print(PN_NONE, &out);
    CHECK_STR(pn_buf_str(&out), "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\"}");
}

PN_TEST(what_is_read_of_them)
{
    struct pn_kube_meta meta;

    CHECK_OK(pn_kube_object_parse(
                 arena,
                 PN_LIT("{\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"n\",\"namespace\":"
                        "\"ns\",\"uid\":\"u\",\"creationTimestamp\":\"2026-09-21T15:13:20Z\","
                        "\"labels\":{\"app.kubernetes.io/managed-by\":\"postern\","
                        "\"postern/lease-id\":\"l\",\"x\":\"y\"}},\"secrets\":[]}"),
                 &meta, &err),
             err);
    CHECK_STR(meta.namespace, "ns");
    CHECK_STR(meta.name, "n");
    CHECK_STR(meta.uid, "u");
    CHECK_STR(meta.manager, "postern");
    CHECK_STR(meta.lease_id, "l");
    CHECK_EQ(meta.created_ms, INT64_C(1790003600000));
    CHECK(!meta.is_going);
    CHECK_OK(pn_kube_object_parse(
                 arena,
                 PN_LIT("{\"metadata\":{\"name\":\"n\",\"uid\":\"u\",\"creationTimestamp\":null,"
                        "\"deletionTimestamp\":\"2026-09-21T15:13:20Z\",\"labels\":null}}"),
                 &meta, &err),
             err);
    CHECK(meta.is_going && meta.lease_id.ptr == NULL);
}

PN_TEST(what_is_no_object)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"metadata\":{}}",
        "{\"metadata\":null}",
        "{\"metadata\":{\"name\":\"n\"}}",
        "{\"metadata\":{\"name\":\"\",\"uid\":\"u\"}}",
        "{\"metadata\":{\"name\":\"n\",\"uid\":\"\"}}",
        "{\"metadata\":{\"name\":\"n\",\"uid\":7}}",
        "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\",\"labels\":[]}}",
        "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\",\"labels\":{\"postern/lease-id\":1}}}",
        "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\",\"deletionTimestamp\":\"now\"}}",
        "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\"}}x",
        "{\"metadata\":{\"name\":\"n\",\"name\":\"m\",\"uid\":\"u\"}}",
    };
    struct pn_kube_meta meta;
    char longer[600];

    for (size_t i = 0; i < PN_COUNT(bad); i++)
        CHECK_FAILS(pn_kube_object_parse(arena, pn_str_from(bad[i]), &meta, &err), err, PROTOCOL);
    memset(longer, 'u', sizeof(longer));
    CHECK_FAILS(
        pn_kube_object_parse(
            arena,
            pn_arena_printf(arena, "{\"metadata\":{\"name\":\"n\",\"uid\":\"%.*s\"}}", 129, longer),
            &meta, &err),
        err, PROTOCOL);
}

PN_TEST(lists)
{
    struct pn_list list;
    struct pn_str next;
    const struct pn_kube_meta *metas;

    CHECK_OK(pn_kube_list_parse(arena,
                                PN_LIT("{\"metadata\":{\"continue\":\"c\"},\"items\":[{"
                                       "\"metadata\":{\"name\":\"a\",\"uid\":\"1\"}},{\"metadata\":"
                                       "{\"name\":\"b\",\"uid\":\"2\"}}]}"),
                                &list, &next, &err),
             err);
    CHECK_EQ(list.count, 2);
    metas = list.items;
    CHECK_STR(metas[1].name, "b");
    CHECK_STR(next, "c");
    CHECK_OK(pn_kube_list_parse(arena, PN_LIT("{\"metadata\":{\"continue\":\"\"},\"items\":null}"),
                                &list, &next, &err),
             err);
    CHECK(list.count == 0 && next.ptr == NULL);
    CHECK_FAILS(pn_kube_list_parse(arena, PN_LIT("{\"metadata\":{}}"), &list, &next, &err), err,
                PROTOCOL);
    CHECK_FAILS(
        pn_kube_list_parse(arena, PN_LIT("{\"metadata\":{},\"items\":[{}]}"), &list, &next, &err),
        err, PROTOCOL);
}

#define P(name) cmocka_unit_test_setup_teardown(name, start, stop)
PN_TEST_MAIN(P(where_objects_are), P(how_they_are_written), P(what_is_read_of_them),
             P(what_is_no_object), P(lists))
