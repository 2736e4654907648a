/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/encode.h"
#include "core/auth/clusters.h"
#include "kube/jwks.h"

static struct pn_clusters *clusters;
static struct pn_err err;
static struct pn_verdict verdict;
static bool leads;

static int set_up(void **state)
{
    (void)state;
    pn_clock_freeze(1000000,
                    1000); /* who waits does so by the real clock, for which this is past */
    clusters = pn_clusters_new(10000, 4);
    err = (struct pn_err){ 0 };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pn_clusters_free(clusters);
    pn_clock_release();
    return 0;
}

static struct pn_verdict_key key_of(unsigned number)
{
    struct pn_verdict_key key = { { 1 } };

    memcpy(key.bytes + 1, &number, sizeof(number));
    return key;
}

static bool join(unsigned number)
{
    const struct pn_verdict_key key = key_of(number);

    return pn_clusters_join(clusters, &key, pn_clock_mono_ms(), &leads, &verdict, &err);
}

static void settle(unsigned number, struct pn_verdict v)
{
    const struct pn_verdict_key key = key_of(number);

    pn_clusters_settle(clusters, &key, &v, pn_clock_wall_ms());
}

/* ---- verdicts (D12) ---- */

PN_TEST(a_verdict_is_kept_for_its_time)
{
    CHECK_OK(join(1), err);
    CHECK(leads);
    settle(1, (struct pn_verdict){ .is_genuine = true, .name = "app" });
    CHECK_OK(join(1), err);
    CHECK(!leads);
    CHECK_STR(pn_str_from(verdict.name), "app");
    CHECK_OK(join(2), err);
    CHECK(leads); /* another token, or another version of the configuration */
    settle(2, (struct pn_verdict){ 0 });
    pn_clock_advance(9999);
    CHECK_OK(join(1), err);
    CHECK(!leads);
    pn_clock_advance(1);
    CHECK_OK(join(1), err);
    CHECK(leads);
    settle(1, (struct pn_verdict){ 0 });
}

PN_TEST(a_refusal_of_what_is_genuine_is_kept_and_junk_is_not)
{
    struct pn_verdict refused = { .is_genuine = true }, failed = { 0 };

    (void)pn_fail(&refused.err, PN_FORBIDDEN, "not this namespace");
    (void)pn_fail(&failed.err, PN_UNAUTHENTICATED, "not authenticated");
    CHECK_OK(join(1), err);
    settle(1, refused);
    CHECK_OK(join(1), err);
    CHECK(!leads);
    CHECK_EQ(verdict.err.code, PN_FORBIDDEN);
    CHECK_OK(join(2), err);
    settle(2, failed);
    CHECK_OK(join(2), err);
    CHECK(leads);
    settle(2, failed);
}

PN_TEST(no_verdict_outlives_its_token)
{
    CHECK_OK(join(1), err);
    settle(1, (struct pn_verdict){ .is_genuine = true, .until_ms = pn_clock_wall_ms() + 50 });
    pn_clock_advance(49);
    CHECK_OK(join(1), err);
    CHECK(!leads);
    pn_clock_advance(1);
    CHECK_OK(join(1), err);
    CHECK(leads);
    settle(1, (struct pn_verdict){ .is_genuine = true, .until_ms = 1 });
    CHECK_OK(join(1), err);
    CHECK(leads);
    settle(1, (struct pn_verdict){ 0 });
}

PN_TEST(who_waits_too_long_is_told)
{
    CHECK_OK(join(1), err);
    CHECK(leads);
    CHECK_FAILS(join(1), err, TIMEOUT);
    settle(1, (struct pn_verdict){ .is_genuine = true });
    CHECK_OK(join(1), err);
    CHECK(!leads);
}

PN_TEST(verdicts_are_bounded)
{
    for (unsigned i = 0; i < 5000; i++) {
        CHECK_OK(join(i), err);
        CHECK(leads);
        settle(i, (struct pn_verdict){ .is_genuine = true });
    }
    CHECK_OK(join(4999), err);
    CHECK(!leads);
    CHECK_OK(join(0), err); /* the oldest went first */
    CHECK(leads);
    settle(0, (struct pn_verdict){ 0 });
}

static void *wait_for_it(void *count_)
{
    struct pn_verdict_key key = key_of(7);
    struct pn_verdict got;
    struct pn_err failure = { 0 };
    bool is_leader;

    if (pn_clusters_join(clusters, &key, pn_clock_mono_ms() + 60000000, &is_leader, &got,
                         &failure) &&
        !is_leader && strcmp(got.name, "shared") == 0)
        __atomic_add_fetch((int *)count_, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

PN_TEST(one_asks_and_all_who_wait_know)
{
    pthread_t threads[8];
    int count = 0;

    pn_clock_release(); /* they wait by the real clock */
    CHECK_OK(join(7), err);
    CHECK(leads);
    for (size_t i = 0; i < PN_COUNT(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, wait_for_it, &count), 0);
    sched_yield();
    settle(7, (struct pn_verdict){ .is_genuine = true, .name = "shared" });
    for (size_t i = 0; i < PN_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(count, PN_COUNT(threads));
}

/* ---- rejections ---- */

static const struct pn_cluster_id cluster = { .bytes = { 9 } };

static unsigned ask(const char *source, unsigned times, enum pn_cluster_said said)
{
    unsigned asked = 0;

    for (unsigned i = 0; i < times; i++) {
        static unsigned fresh = 1000000;
        const struct pn_verdict_key proof = key_of(fresh++);

        if (pn_clusters_may_ask(clusters, &cluster, pn_str_from(source), &proof, &err)) {
            pn_clusters_asked(clusters, &cluster, pn_str_from(source), &proof, said);
            asked++;
        } else {
            CHECK_FAILS(false, err, RATE_LIMITED);
        }
    }
    return asked;
}

PN_TEST(rejections_are_limited_per_address_and_cluster)
{
    char source[16];
    unsigned asked = 0;

    CHECK_EQ(ask("192.0.2.1", 100, PN_CLUSTER_REJECTED), PN_REJECTS_PER_SOURCE);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(source, sizeof(source), "192.0.2.%u", i + 2);
        asked += ask(source, 10, PN_CLUSTER_REJECTED);
    }
    CHECK_EQ(asked, PN_REJECTS_PER_SECOND - PN_REJECTS_PER_SOURCE);
    pn_clock_advance(1000);
    CHECK_EQ(ask("192.0.2.1", 100, PN_CLUSTER_REJECTED), PN_REJECTS_PER_SOURCE);
    pn_clock_advance(100);
    CHECK_EQ(ask("192.0.2.1", 100, PN_CLUSTER_REJECTED), 1);
}

PN_TEST(what_the_cluster_accepts_costs_nothing)
{
    CHECK_EQ(ask("192.0.2.1", 1000, PN_CLUSTER_ACCEPTED), 1000);
    CHECK_EQ(ask("192.0.2.1", 1000, PN_CLUSTER_SILENT), 1000); /* nor what it never saw */
}

PN_TEST(a_token_that_was_accepted_passes_where_junk_does_not)
{
    const struct pn_verdict_key good = key_of(1), bad = key_of(2);
    struct pn_str source = PN_LIT("192.0.2.1");

    CHECK_OK(pn_clusters_may_ask(clusters, &cluster, source, &good, &err), err);
    pn_clusters_asked(clusters, &cluster, source, &good, PN_CLUSTER_ACCEPTED);
    (void)ask("192.0.2.1", 100, PN_CLUSTER_REJECTED);
    CHECK_OK(pn_clusters_may_ask(clusters, &cluster, source, &good, &err), err);
    pn_clusters_asked(clusters, &cluster, source, &good, PN_CLUSTER_SILENT); /* proves nothing */
    CHECK_FAILS(pn_clusters_may_ask(clusters, &cluster, source, &bad, &err), err, RATE_LIMITED);
    CHECK_OK(pn_clusters_may_ask(clusters, &cluster, source, &good, &err), err);
    pn_clusters_asked(clusters, &cluster, source, &good, PN_CLUSTER_REJECTED); /* no more */
    CHECK_FAILS(pn_clusters_may_ask(clusters, &cluster, source, &good, &err), err, RATE_LIMITED);
}

/* ---- keys (RFC 7515 A.3) ---- */

#define SIGNED                                                                 \
    "eyJhbGciOiJFUzI1NiJ9."                                                    \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv" \
    "bS9pc19yb290Ijp0cnVlfQ"

static struct pn_service_token token_of(struct pn_arena *arena, const char *kid, char flip)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init(128);
    struct pn_service_token t = { .alg = PN_LIT("ES256"),
                                  .kid = pn_str_from(kid),
                                  .signed_text = PN_LIT(SIGNED) };

    CHECK(pn_base64url_decode(PN_LIT("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8I"
                                     "SlSApmWQxfKTUJqPP3-Kg6NU1Q"),
                              &bytes));
    bytes.ptr[0] ^= flip;
    t.signature = pn_arena_copy(arena, pn_buf_str(&bytes));
    return t;
}

static struct pn_list keys_of(struct pn_arena *arena)
{
    struct pn_list keys;

    CHECK_OK(
        pn_kube_jwks_parse(arena,
                           PN_LIT("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k1\","
                                  "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":"
                                  "\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"),
                           &keys, &err),
        err);
    return keys;
}

PN_TEST(keys_tell_junk_once_they_are_proven)
{
    struct pn_arena *arena = pn_arena_new(1 << 16);
    const struct pn_service_token good = token_of(arena, "k1", 0), bad = token_of(arena, "k1", 1),
                                  other = token_of(arena, "k2", 0), bare = token_of(arena, "", 0);

    CHECK_EQ(pn_clusters_judge(clusters, &cluster, &good, true), PN_KEYS_NOTHING);
    CHECK(pn_clusters_claim_fetch(clusters, &cluster, false));
    CHECK(!pn_clusters_claim_fetch(clusters, &cluster, true)); /* one at a time */
    pn_clusters_learn(clusters, &cluster, keys_of(arena));
    CHECK_EQ(pn_clusters_judge(clusters, &cluster, &bad, true), PN_KEYS_NOTHING); /* not proven */
    CHECK_EQ(pn_clusters_judge(clusters, &cluster, &bad, false), PN_KEYS_BAD);
    pn_clusters_prove(clusters, &cluster, &good);
    CHECK_EQ(pn_clusters_judge(clusters, &cluster, &good, true), PN_KEYS_GOOD);
    CHECK_EQ(pn_clusters_judge(clusters, &cluster, &bare, true), PN_KEYS_GOOD);
    CHECK_EQ(pn_clusters_judge(clusters, &cluster, &bad, true), PN_KEYS_BAD);
    CHECK_EQ(pn_clusters_judge(clusters, &cluster, &other, true), PN_KEYS_BAD);
    pn_clock_advance(10001);
    CHECK_EQ(pn_clusters_judge(clusters, &cluster, &other, true), PN_KEYS_STALE); /* a new key? */
    CHECK_EQ(pn_clusters_judge(clusters, &cluster, &bad, true), PN_KEYS_BAD);
    CHECK(!pn_clusters_claim_fetch(clusters, &cluster, false)); /* they are fresh */
    CHECK(pn_clusters_claim_fetch(clusters, &cluster, true));
    pn_clusters_learn(clusters, &cluster, (struct pn_list){ 0 }); /* it failed: what we had stays */
    CHECK_EQ(pn_clusters_judge(clusters, &cluster, &good, true), PN_KEYS_GOOD);
    CHECK(!pn_clusters_claim_fetch(clusters, &cluster, true)); /* not again at once */
    pn_clusters_prove(clusters, &cluster, &other); /* the cluster takes what they do not know */
    CHECK_EQ(pn_clusters_judge(clusters, &cluster, &bad, true), PN_KEYS_NOTHING);
    pn_arena_free(arena);
}

PN_TEST(clusters_are_bounded)
{
    for (unsigned i = 0; i < 200; i++) {
        struct pn_cluster_id id = { .bytes = { (uint8_t)i, (uint8_t)(i >> 8), 7 } };

        CHECK(pn_clusters_claim_fetch(clusters, &id, false));
        pn_clock_advance(1);
    }
}

PN_TEST(nobody_pushes_out_what_others_know)
{
    static const struct pn_cluster_id others = { .org.bytes = { 1 }, .bytes = { 7 } };

    CHECK(pn_clusters_claim_fetch(clusters, &others, false));
    for (unsigned i = 0; i < 200; i++) {
        struct pn_cluster_id id = { .org.bytes = { 2 }, .bytes = { (uint8_t)i, 7 } };

        CHECK(pn_clusters_claim_fetch(clusters, &id, false));
        pn_clock_advance(1);
    }
    CHECK(!pn_clusters_claim_fetch(clusters, &others, false)); /* it is still known who fetches */
}

PN_TEST(the_same_cluster_is_another_for_another_organization)
{
    const struct pn_cluster_id mine = { .org.bytes = { 1 }, .bytes = { 7 } },
                               theirs = { .org.bytes = { 2 }, .bytes = { 7 } };

    CHECK(pn_clusters_claim_fetch(clusters, &mine, false));
    CHECK(pn_clusters_claim_fetch(clusters, &theirs, false));
    CHECK(!pn_clusters_claim_fetch(clusters, &mine, false));
}

/* Until the cluster has answered each may be junk: of all that are with it none is refused for that. */
static void who_has_a_turn_may_ask(void **state)
{
    struct pn_clusters *wide = pn_clusters_new(0, 1000);
    struct pn_call call = { .clusters = wide, .deadline_ms = INT64_MAX };
    const struct pn_cluster_place place = { { 1 } };
    const struct pn_cluster_id id = { .bytes = { 7 } };
    unsigned inside = 0;

    (void)state;
    while (inside < 1000 && pn_clusters_enter(&call, &place, &err)) {
        const struct pn_verdict_key proof = key_of(inside++);

        CHECK_OK(pn_clusters_may_ask(wide, &id, PN_LIT("192.0.2.1"), &proof, &err), err);
    }
    CHECK_EQ(inside, PN_REJECTS_PER_SOURCE);
    while (inside-- > 0)
        pn_clusters_leave(&call, &place, true);
    pn_clusters_free(wide);
}

#define CLUSTERS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

PN_TEST_MAIN(CLUSTERS_TEST(a_verdict_is_kept_for_its_time),
             CLUSTERS_TEST(a_refusal_of_what_is_genuine_is_kept_and_junk_is_not),
             CLUSTERS_TEST(no_verdict_outlives_its_token),
             CLUSTERS_TEST(who_waits_too_long_is_told), CLUSTERS_TEST(verdicts_are_bounded),
             CLUSTERS_TEST(one_asks_and_all_who_wait_know),
             CLUSTERS_TEST(rejections_are_limited_per_address_and_cluster),
             CLUSTERS_TEST(what_the_cluster_accepts_costs_nothing),
             CLUSTERS_TEST(a_token_that_was_accepted_passes_where_junk_does_not),
             CLUSTERS_TEST(keys_tell_junk_once_they_are_proven),
             CLUSTERS_TEST(who_has_a_turn_may_ask), CLUSTERS_TEST(clusters_are_bounded),
             CLUSTERS_TEST(nobody_pushes_out_what_others_know),
             CLUSTERS_TEST(the_same_cluster_is_another_for_another_organization))
