/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/secret.h"
#include "dies.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

#define POOL_BYTES ((size_t)64 * 1024)

static int make_pool(void **state PN_UNUSED)
{
    struct pn_err err = { 0 };

    return pn_secret_pool_init(POOL_BYTES, &err) ? 0 : -1;
}

static struct pn_secret *make(struct pn_str bytes)
{
    struct pn_err err = { 0 };
    struct pn_secret *secret = pn_secret_new(bytes, &err);

    CHECK_OK(secret != NULL, err);
    return secret;
}

PN_TEST(holds_copies_and_reveals)
{
    char text[] = "s3\0cret";
    struct pn_err err = { 0 };
    pn_auto(pn_secret_freep) struct pn_secret *secret = make(pn_str_of(text, 7));
    pn_auto(pn_secret_freep) struct pn_secret *copy = pn_secret_copy(secret, &err);

    memset(text, 'x', 7);
    CHECK(pn_str_eq(pn_secret_reveal(secret), PN_LIT("s3\0cret")));
    CHECK_EQ(pn_secret_len(secret), 7);
    CHECK(copy != secret && pn_secret_eq(copy, PN_LIT("s3\0cret")));
    CHECK(pn_secret_pool_used() > 0);
}

PN_TEST(compares_contents_and_length)
{
    pn_auto(pn_secret_freep) struct pn_secret *secret = make(PN_LIT("abc"));
    pn_auto(pn_secret_freep) struct pn_secret *empty = make(PN_NONE);

    CHECK(pn_secret_eq(secret, PN_LIT("abc")));
    CHECK(!pn_secret_eq(secret, PN_LIT("abd")));
    CHECK(!pn_secret_eq(secret, PN_LIT("xbc")));
    CHECK(!pn_secret_eq(secret, PN_LIT("ab")));
    CHECK(!pn_secret_eq(secret, PN_LIT("abcd")));
    CHECK(!pn_secret_eq(secret, PN_NONE));
    CHECK(pn_secret_eq(empty, PN_NONE));
    CHECK(!pn_secret_eq(NULL, PN_NONE)); /* no secret is not the empty secret */
}

PN_TEST(absent_reveals_nothing)
{
    CHECK(pn_secret_reveal(NULL).ptr == NULL);
    CHECK_EQ(pn_secret_len(NULL), 0);
    pn_secret_free(NULL);
}

PN_TEST(is_wiped_when_freed)
{
    struct pn_secret *secret = make(PN_LIT("wipe me away, please"));
    struct pn_str bytes = pn_secret_reveal(secret);

    pn_secret_free(secret);
    for (size_t i = 0; i < bytes.len; i++)
        CHECK_EQ(bytes.ptr[i], 0); /* the pool stays mapped */
}

PN_TEST(a_full_pool_says_busy_and_recovers)
{
    static char bytes[1000];
    struct pn_secret *held[200];
    struct pn_err err = { 0 };
    size_t count = 0;

    while (count < 200 &&
           (held[count] = pn_secret_new(pn_str_of(bytes, sizeof(bytes)), &err)) != NULL)
        count++;
    CHECK(count > 50 && count < 200);
    CHECK_EQ(err.code, PN_BUSY);
    pn_err_clear(&err);
    CHECK(pn_secret_new(pn_str_of(bytes, sizeof(bytes)), &err) == NULL);
    pn_err_clear(&err);
    for (size_t i = 0; i < count; i += 2)
        pn_secret_free(held[i]);
    for (size_t i = 0; i < count; i += 2)
        held[i] = make(pn_str_of(bytes, sizeof(bytes)));
    for (size_t i = 0; i < count; i++)
        pn_secret_free(held[i]);
    CHECK_EQ(pn_secret_pool_used(), 0);
    held[0] = make(PN_LIT("x"));
    pn_secret_free(held[0]);
}

PN_TEST(neighbours_that_are_free_are_joined)
{
    static char big[60000];
    struct pn_secret *small[500];
    struct pn_secret *secret;

    for (size_t i = 0; i < 500; i++)
        small[i] = make(PN_LIT("0123456789012345678901234567890123456789"));
    for (size_t i = 0; i < 500; i++)
        pn_secret_free(small[(i * 7) % 500]);
    secret = make(pn_str_of(big, sizeof(big))); /* fits only in one piece */
    pn_secret_free(secret);
}

PN_TEST(larger_than_the_pool_is_refused)
{
    struct pn_err err = { 0 };
    static char big[POOL_BYTES];

    CHECK(pn_secret_new(pn_str_of(big, sizeof(big)), &err) == NULL);
    CHECK_EQ(err.code, PN_BUSY);
    pn_err_clear(&err);
    CHECK(pn_secret_new(pn_str_of(big, SIZE_MAX), &err) == NULL);
    CHECK_EQ(err.code, PN_BUSY);
}

/* What the kernel says of the mapping that holds `address`: its line of flags. */
static bool has_flags(const void *address, const char *flag)
{
    char line[512];
    bool is_here = false;
    bool has = false;
    FILE *maps = fopen("/proc/self/smaps", "re");

    CHECK(maps != NULL);
    while (fgets(line, sizeof(line), maps) != NULL) {
        char *end;
        unsigned long from = strtoul(line, &end, 16);

        if (*end == '-')
            is_here = (uintptr_t)address >= from && (uintptr_t)address < strtoul(end + 1, NULL, 16);
        if (is_here && strncmp(line, "VmFlags:", 8) == 0)
            has = strstr(line, flag) != NULL;
    }
    fclose(maps);
    return has;
}

/* The sanitizers turn mlock into nothing; then there is nothing to see. */
static bool can_lock(void)
{
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool can = mlock(page, 4096) == 0 && has_flags(page, " lo");

    munmap(page, 4096);
    return can;
}

PN_TEST(is_locked_and_left_out_of_core_dumps)
{
    pn_auto(pn_secret_freep) struct pn_secret *secret = make(PN_LIT("x"));
    int on_stack = 0;

    CHECK(has_flags(secret, " dd"));
    CHECK(has_flags(secret, " lo") || !can_lock());
    CHECK(!has_flags(&on_stack, " dd"));
}

static void *churn(void *name)
{
    struct pn_str text = pn_str_from(name);

    for (int i = 0; i < 2000; i++) {
        struct pn_err err = { 0 };
        struct pn_secret *secret =
            pn_secret_new(pn_str_slice(text, 0, (size_t)i % text.len + 1), &err);

        if (secret == NULL || pn_secret_reveal(secret).ptr[0] != text.ptr[0])
            return NULL;
        pn_secret_free(secret);
    }
    return name;
}

PN_TEST(threads_do_not_disturb_each_other)
{
    static char names[][64] = { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbb", "cc",
                                "d" };
    pthread_t threads[PN_COUNT(names)];

    for (size_t i = 0; i < PN_COUNT(names); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, churn, names[i]), 0);
    for (size_t i = 0; i < PN_COUNT(names); i++) {
        void *result;

        pthread_join(threads[i], &result);
        CHECK(result == names[i]);
    }
    CHECK_EQ(pn_secret_pool_used(), 0);
}

static void free_twice(void)
{
    struct pn_err err = { 0 };
    struct pn_secret *secret = pn_secret_new(PN_LIT("x"), &err);

    pn_secret_free(secret);
    pn_secret_free(secret);
}

static void make_a_second_pool(void)
{
    struct pn_err err = { 0 };

    if (!pn_secret_pool_init(POOL_BYTES, &err))
        _exit(0);
}

PN_TEST(misuse_is_caught)
{
    CHECK(dies(free_twice));
    CHECK(dies(make_a_second_pool));
}

int main(void)
{
    const struct CMUnitTest tests[] = { T(holds_copies_and_reveals),
                                        T(compares_contents_and_length),
                                        T(absent_reveals_nothing),
                                        T(is_wiped_when_freed),
                                        T(a_full_pool_says_busy_and_recovers),
                                        T(neighbours_that_are_free_are_joined),
                                        T(larger_than_the_pool_is_refused),
                                        T(is_locked_and_left_out_of_core_dumps),
                                        T(threads_do_not_disturb_each_other),
                                        T(misuse_is_caught) };

    return check_run(tests, PN_COUNT(tests), make_pool, NULL);
}
