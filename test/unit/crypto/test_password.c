/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/password.h"

#include "check.h"

#include <time.h>

static struct pn_secret *secret(const char *text)
{
    struct pn_err err = { 0 };
    struct pn_secret *made = pn_secret_new(pn_str_from(text), &err);

    CHECK(made != NULL);
    return made;
}

PN_TEST(right_password_matches_and_wrong_does_not)
{
    struct pn_arena *arena = pn_arena_new(65536);
    struct pn_secret *right = secret("correct horse"), *wrong = secret("correct horsf");
    struct pn_secret *empty = secret("");
    struct pn_err err = { 0 };
    struct pn_str hash, again;

    CHECK_OK(pn_password_hash(arena, right, &hash, &err), err);
    CHECK_OK(pn_password_hash(arena, right, &again, &err), err);
    CHECK(pn_str_starts(hash, PN_LIT("$argon2id$v=19$m=19456,t=2,p=1$")));
    CHECK(!pn_str_eq(hash, again));
    CHECK(pn_password_verify(arena, right, hash));
    CHECK(pn_password_verify(arena, right, again));
    CHECK(!pn_password_verify(arena, wrong, hash));
    CHECK(!pn_password_verify(arena, empty, hash));
    pn_secret_free(right);
    pn_secret_free(wrong);
    pn_secret_free(empty);
    pn_arena_free(arena);
}

PN_TEST(broken_hashes_match_nothing)
{
    static const char *const broken[] = {
        "",
        "plain",
        "$argon2id$",
        "$argon2id$v=19$m=19456,t=2,p=1$AAAA",
        "$2b$10$abcdefghijklmnopqrstuv",
    };
    struct pn_arena *arena = pn_arena_new(65536);
    struct pn_secret *password = secret("plain");
    char long_hash[300];

    for (size_t i = 0; i < PN_COUNT(broken); i++)
        CHECK(!pn_password_verify(arena, password, pn_str_from(broken[i])));
    memset(long_hash, '$', sizeof(long_hash));
    CHECK(!pn_password_verify(arena, password, pn_str_of(long_hash, sizeof(long_hash))));
    CHECK(!pn_password_verify(arena, password, PN_LIT("a\0b")));
    pn_secret_free(password);
    pn_arena_free(arena);
}

static double cpu_ms(struct pn_arena *arena, const struct pn_secret *password, struct pn_str hash)
{
    struct timespec from, to;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    CHECK(!pn_password_verify(arena, password, hash));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

/* CPU time, not wall time: an unknown user must not answer at once. The margin is wide on purpose. */
PN_TEST(unknown_user_costs_what_a_wrong_password_costs)
{
    struct pn_arena *arena = pn_arena_new(65536);
    struct pn_secret *right = secret("right"), *wrong = secret("wrong");
    struct pn_err err = { 0 };
    struct pn_str hash;
    double known, unknown;

    CHECK_OK(pn_password_hash(arena, right, &hash, &err), err);
    known = cpu_ms(arena, wrong, hash);
    unknown = cpu_ms(arena, wrong, PN_NONE);
    CHECK(unknown > known / 4);
    CHECK(unknown < known * 4);
    pn_secret_free(right);
    pn_secret_free(wrong);
    pn_arena_free(arena);
}

PN_TEST_MAIN(T(right_password_matches_and_wrong_does_not), T(broken_hashes_match_nothing),
             T(unknown_user_costs_what_a_wrong_password_costs))
