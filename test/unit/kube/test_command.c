/* SPDX-License-Identifier: Apache-2.0 */
/* From requests to commands; the calls are those that kubectl makes (kube-proxying.md §1.5). */
#include "check.h"

#include "kube/command.h"

#define KUBECTL "kubectl/v1.37.1 (linux/amd64) kubernetes/abcdef0"
#define L PN_LIT

static struct pn_arena *arena;

static int make_arena(void **state)
{
    *state = arena = pn_arena_new(16 << 20);
    return 0;
}

static int free_arena(void **state)
{
    pn_arena_free(*state);
    return 0;
}

/* Calls of one kubectl process, 10 ms apart. */
#define DISCOVERY                                      \
    {                                                  \
        .url = L("/api?timeout=32s"), .verb = L("get") \
    }
#define POD(v, path, ...)                                                                   \
    {                                                                                       \
        .verb = L(v), .url = L("/api/v1/namespaces/shop/pods" path), .resource = L("pods"), \
        .namespace = L("shop"), __VA_ARGS__                                                 \
    }

static struct pn_kube_command *found;
static size_t commands, folded;

static void reconstruct(struct pn_kube_call *calls, size_t count)
{
    found = pn_kube_reconstruct(arena, calls, count, &commands, &folded);
}

static void of_one(const char *claim, struct pn_kube_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        calls[i].session = L("5f6e");
        calls[i].agent = L(KUBECTL);
        calls[i].claim = pn_str_from(claim);
        calls[i].started_ms = 1000 + 10 * (int64_t)i;
        calls[i].ended_ms = calls[i].ended_ms < 0 ? 0 : calls[i].started_ms + 5;
        if (calls[i].status == 0)
            calls[i].status = 200;
    }
    reconstruct(calls, count);
    CHECK_EQ(commands, 1);
}
#define IS(text_, claim, ...)                          \
    do {                                               \
        struct pn_kube_call calls[] = { __VA_ARGS__ }; \
        of_one(claim, calls, PN_COUNT(calls));         \
        CHECK_STR(found[0].text, text_);               \
    } while (0)

PN_TEST(commands_read_as_they_were_typed)
{
    IS("kubectl get pods -n shop", "kubectl get", DISCOVERY, POD("list", "?limit=500"));
    IS("kubectl get pods web-1 -n shop", "kubectl get", POD("get", "/web-1", .name = L("web-1")));
    IS("kubectl get pods -n shop -l 'a=b,c in (d)' -w", "get",
       POD("list", "?labelSelector=a%3Db%2Cc+in+%28d%29&limit=500"), POD("watch", "?watch=true"));
    IS("kubectl describe pods web-1 -n shop", "kubectl describe",
       POD("get", "/web-1", .name = L("web-1")),
       { .verb = L("list"),
         .url = L("/api/v1/namespaces/shop/events?fieldSelector=x%3Dy"),
         .resource = L("events"),
         .namespace = L("shop") });
    IS("kubectl logs web-1 -n shop -f -c app --tail 10 --since 60s", "kubectl logs",
       POD("get", "/web-1", .name = L("web-1")),
       POD("get", "/web-1/log?container=app&follow=true&tailLines=10&sinceSeconds=60",
           .name = L("web-1"), .subresource = L("log")));
    IS("kubectl exec web-1 -n shop -i -t -c app -- sh -c 'echo \"a b\"; it'\\''s'", "kubectl exec",
       POD("get", "/web-1", .name = L("web-1")),
       POD("create",
           "/web-1/exec?command=sh&command=-c&command=echo+%22a+b%22%3B+it%27s&container=app"
           "&stdin=true&stdout=true&tty=true",
           .name = L("web-1"), .subresource = L("exec"), .upgrade = L("SPDY/3.1"), .status = 101));
    IS("kubectl port-forward web-1 -n shop", "kubectl port-forward",
       POD("get", "/web-1", .name = L("web-1")),
       POD("create", "/web-1/portforward", .name = L("web-1"), .subresource = L("portforward")));
    IS("kubectl get pods -A", "kubectl get",
       { .verb = L("list"), .url = L("/api/v1/pods?limit=500"), .resource = L("pods") });
    IS("kubectl get nodes", "kubectl get",
       { .verb = L("list"), .url = L("/api/v1/nodes?limit=500"), .resource = L("nodes") });
    IS("kubectl wait pods web-1 -n shop", "kubectl wait",
       POD("list", "?fieldSelector=metadata.name%3Dweb-1", .name = L("web-1")),
       POD("watch", "?fieldSelector=metadata.name%3Dweb-1&watch=true", .name = L("web-1")));
    IS("kubectl auth can-i", "kubectl auth can-i",
       { .verb = L("create"),
         .url = L("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
         .resource = L("selfsubjectaccessreviews"),
         .status = 201 });
    IS("kubectl auth whoami", "kubectl auth whoami",
       { .verb = L("create"),
         .url = L("/apis/authentication.k8s.io/v1/selfsubjectreviews"),
         .resource = L("selfsubjectreviews"),
         .status = 201 });
    IS("kubectl delete pods web-1 -n shop", "kubectl delete",
       POD("delete", "/web-1", .name = L("web-1")),
       POD("get", "/web-1", .name = L("web-1"), .status = 404));
    IS("kubectl get --raw /metrics", "kubectl get", { .verb = L("get"), .url = L("/metrics") });
}

PN_TEST(what_is_written_is_counted)
{
#define CONFIG(v, n)                                                             \
    { .verb = L(v),                                                              \
      .url = L("/api/v1/namespaces/shop/configmaps/" n "?fieldManager=kubectl"), \
      .resource = L("configmaps"),                                               \
      .namespace = L("shop"),                                                    \
      .name = L(n) }
    IS("kubectl apply configmaps/a configmaps/b configmaps/c (5 objects) -n shop", "kubectl apply",
       DISCOVERY, CONFIG("get", "a"), CONFIG("patch", "a"), CONFIG("patch", "b"),
       CONFIG("patch", "c"), CONFIG("patch", "d"), CONFIG("patch", "e"), CONFIG("patch", "a"));
    CHECK_EQ(found[0].objects, 5);
    CHECK_EQ(found[0].requests, 8);
    CHECK_EQ(found[0].folded, 1);
    CHECK_EQ(folded, 1);
    IS("kubectl apply pods (2 objects) -n shop", "kubectl apply", POD("create", ""),
       POD("create", ""));
    CHECK_EQ(found[0].objects, 2);
}

PN_TEST(what_is_made_is_said_once)
{
    IS("kubectl create namespace", "kubectl create namespace",
       { .verb = L("create"), .url = L("/api/v1/namespaces"), .resource = L("namespaces") });
    IS("kubectl create pod -n shop", "kubectl create pod", POD("create", ""));
    IS("kubectl create pods -n shop", "kubectl create", POD("create", ""));
    IS("kubectl create token default -n shop", "kubectl create token",
       { .verb = L("create"),
         .url = L("/api/v1/namespaces/shop/serviceaccounts/default/token"),
         .resource = L("serviceaccounts"),
         .subresource = L("token"),
         .namespace = L("shop"),
         .name = L("default") });
    /* What is not so is not left out, whatever the client calls it. */
    IS("kubectl create namespace pods -n shop", "kubectl create namespace", POD("create", ""));
    IS("kubectl create pod pods a -n shop", "kubectl create pod",
       POD("delete", "/a", .name = L("a")));
    IS("kubectl auth whoami pods -n shop", "kubectl auth whoami", POD("create", ""));
    IS("kubectl get selfsubjectreviews", "kubectl get",
       { .verb = L("create"),
         .url = L("/apis/authentication.k8s.io/v1/selfsubjectreviews"),
         .resource = L("selfsubjectreviews"),
         .status = 201 });
}

PN_TEST(the_worst_of_what_matters_is_its_status)
{
    IS("kubectl delete pods/a pods/b -n shop", "kubectl delete", DISCOVERY,
       POD("delete", "/a", .name = L("a")), POD("delete", "/b", .name = L("b"), .status = 403),
       POD("get", "/a", .name = L("a"), .status = 404));
    CHECK_EQ(found[0].status, 403);
    CHECK_EQ(found[0].started_ms, 1000);
    CHECK_EQ(found[0].ended_ms, 1035);
}

PN_TEST(a_websocket_that_was_refused_and_repeated_is_noise)
{
#define EXEC(v, u, s)                                                                       \
    POD(v, "/a/exec?command=id", .name = L("a"), .subresource = L("exec"), .upgrade = L(u), \
        .status = s)
    IS("kubectl exec a -n shop -- id", "kubectl exec", EXEC("get", "websocket", 400),
       EXEC("create", "SPDY/3.1", 101));
    CHECK_EQ(found[0].status, 101);
    IS("kubectl exec a -n shop -- id", "kubectl exec", EXEC("get", "websocket", 403));
    CHECK_EQ(found[0].status, 403);
}

PN_TEST(two_processes_are_two_commands_also_when_they_mix)
{
    struct pn_kube_call calls[] = {
        POD("list", "", .session = L("one"), .claim = L("kubectl get"), .started_ms = 1),
        POD("delete", "/a", .name = L("a"), .session = L("two"), .claim = L("kubectl delete"),
            .started_ms = 2),
        POD("watch", "?watch=1", .session = L("one"), .claim = L("kubectl get"),
            .started_ms = 90000),
    };

    reconstruct(calls, PN_COUNT(calls));
    CHECK_EQ(commands, 2);
    CHECK_STR(found[0].text, "kubectl get pods -n shop -w");
    CHECK_EQ(found[0].ended_ms, 0);
    CHECK_STR(found[1].text, "kubectl delete pods a -n shop");
}

PN_TEST(clients_that_name_no_session_are_grouped_by_time)
{
    struct pn_kube_call calls[] = {
        POD("list", "", .agent = L("helm/3.1"), .started_ms = 1000, .ended_ms = 1100),
        POD("create", "", .agent = L("helm/3.1"), .started_ms = 2000, .ended_ms = 2100),
        POD("list", "", .agent = L("k9s/0.1"), .started_ms = 2050, .ended_ms = 2060),
        POD("list", "", .agent = L("helm/3.1"), .started_ms = 3200, .ended_ms = 3201),
        POD("list", "", .started_ms = 9000, .ended_ms = 9001),
        POD("list", "", .agent = L(KUBECTL), .started_ms = 9002, .ended_ms = 9003),
    };

    reconstruct(calls, PN_COUNT(calls));
    CHECK_EQ(commands, 5);
    CHECK_STR(found[0].text, "helm: create pods -n shop");
    CHECK(!found[0].is_claimed);
    CHECK_STR(found[1].text, "k9s: get pods -n shop");
    CHECK_STR(found[2].text, "helm: get pods -n shop");
    CHECK_STR(found[3].text, "unknown: get pods -n shop");
    CHECK_STR(found[4].text, "kubectl get pods -n shop");
}

PN_TEST(discovery_alone_is_no_command_unless_it_was_refused)
{
    struct pn_kube_call calls[] = {
        DISCOVERY,
        DISCOVERY,
        { .url = L("/api"), .verb = L("get"), .status = 403, .session = L("x") }
    };

    reconstruct(calls, PN_COUNT(calls));
    CHECK_EQ(commands, 1);
    CHECK_EQ(folded, 2);
    CHECK_EQ(found[0].status, 403);
}

PN_TEST(a_claim_that_is_no_command_is_not_shown)
{
    IS("kubectl get pods -n shop", "rm -rf / ; \x1b[2J", POD("list", ""));
    CHECK(!found[0].is_claimed);
    IS("kubectl exec a -n shop -- $'\\x1b[2J\\x0a'", "kubectl exec",
       POD("create", "/a/exec?command=%1b%5b2J%0a", .name = L("a"), .subresource = L("exec")));
    IS("kubectl exec a -n shop -- %zz", "kubectl exec",
       POD("create", "/a/exec?command=%zz", .name = L("a"), .subresource = L("exec")));
}

PN_TEST(none_is_none)
{
    reconstruct(NULL, 0);
    CHECK_EQ(commands, 0);
    CHECK_EQ(folded, 0);
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, make_arena, free_arena)
PN_TEST_MAIN(T(commands_read_as_they_were_typed), T(what_is_written_is_counted),
             T(what_is_made_is_said_once), T(the_worst_of_what_matters_is_its_status),
             T(a_websocket_that_was_refused_and_repeated_is_noise),
             T(two_processes_are_two_commands_also_when_they_mix),
             T(clients_that_name_no_session_are_grouped_by_time),
             T(discovery_alone_is_no_command_unless_it_was_refused),
             T(a_claim_that_is_no_command_is_not_shown), T(none_is_none))
