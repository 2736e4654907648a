/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>

#include "base/clock.h"
#include "server/limiter.h"

static const int64_t limits[PN_RATES] = { [PN_RATE_READ] = 3, [PN_RATE_LOGIN] = 1 };

static struct pn_limiter *start(void)
{
    pn_clock_freeze(1790000000000, 5000);
    return pn_limiter_new(limits);
}

static void stop(struct pn_limiter *limiter)
{
    pn_limiter_free(limiter);
    pn_clock_release();
}

static bool take(struct pn_limiter *limiter, const char *client, enum pn_rate rate)
{
    struct pn_limit limit;

    return pn_limiter_take(limiter, pn_str_from(client), rate, &limit);
}

PN_TEST(counts_down_and_refuses)
{
    struct pn_limiter *limiter = start();
    struct pn_limit limit;

    for (int64_t left = 2; left >= 0; left--) {
        CHECK(pn_limiter_take(limiter, PN_LIT("192.0.2.1"), PN_RATE_READ, &limit));
        CHECK_EQ(limit.remaining, left);
        CHECK_EQ(limit.limit, 3);
    }
    pn_clock_advance(1500);
    CHECK(!pn_limiter_take(limiter, PN_LIT("192.0.2.1"), PN_RATE_READ, &limit));
    CHECK_EQ(limit.remaining, 0);
    CHECK_EQ(limit.reset_s, 59);
    stop(limiter);
}

PN_TEST(a_window_ends_after_a_minute)
{
    struct pn_limiter *limiter = start();

    CHECK(take(limiter, "a", PN_RATE_LOGIN));
    pn_clock_advance(PN_LIMITER_WINDOW_MS - 1);
    CHECK(!take(limiter, "a", PN_RATE_LOGIN));
    pn_clock_advance(1);
    CHECK(take(limiter, "a", PN_RATE_LOGIN));
    stop(limiter);
}

PN_TEST(clients_and_classes_do_not_share)
{
    struct pn_limiter *limiter = start();

    CHECK(take(limiter, "a", PN_RATE_LOGIN));
    CHECK(!take(limiter, "a", PN_RATE_LOGIN));
    CHECK(take(limiter, "b", PN_RATE_LOGIN));
    CHECK(take(limiter, "a", PN_RATE_READ));
    stop(limiter);
}

PN_TEST(a_class_without_limit_is_never_refused)
{
    struct pn_limiter *limiter = start();

    for (int i = 0; i < 1000; i++) {
        CHECK(take(limiter, "a", PN_RATE_WRITE));
        CHECK(take(limiter, "a", PN_RATE_NONE));
    }
    stop(limiter);
}

PN_TEST(strangers_beyond_the_table_are_forgotten_oldest_first)
{
    struct pn_limiter *limiter = start();
    char client[32];

    for (int i = 0; i <= PN_LIMITER_MAX_CLIENTS; i++) {
        snprintf(client, sizeof(client), "client %d", i);
        CHECK(take(limiter, client, PN_RATE_LOGIN));
    }
    CHECK(!take(limiter, "client 1", PN_RATE_LOGIN));
    CHECK(take(limiter, "client 0", PN_RATE_LOGIN)); /* had to make room */
    stop(limiter);
}

PN_TEST_MAIN(T(counts_down_and_refuses), T(a_window_ends_after_a_minute),
             T(clients_and_classes_do_not_share), T(a_class_without_limit_is_never_refused),
             T(strangers_beyond_the_table_are_forgotten_oldest_first))
