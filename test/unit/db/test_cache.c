/* SPDX-License-Identifier: Apache-2.0 */
#include "db/cache.h"

#include <stdint.h>

#include "fixture.h"

static const struct pn_watch watched[] = { { "things", false }, { 0 } };
static const uint8_t salt[PN_CACHE_SALT_BYTES] = { 1 };

/* Ids whose versions are told apart. */
static struct pn_uuid about(int64_t number)
{
    return (struct pn_uuid){ { 1, [15] = (uint8_t)number } };
}

static struct fixture start(void)
{
    struct fixture f = fixture_path();

    f.config.watched = watched;
    fixture_start(&f);
    return f;
}

static void stop(struct fixture *f, struct pn_cache *cache)
{
    pn_cache_free(cache);
    fixture_stop(f);
    fixture_remove(f);
}

static bool change_thing(struct pn_db_conn *tx, void *number_, struct pn_err *err)
{
    const int64_t *number = number_;
    struct pn_query *q = pn_query(tx, "UPDATE things SET name = 'y' WHERE number = $number");

    pn_db_touch(tx, about(*number));
    pn_bind_int(q, "$number", *number);
    return pn_query_run(q, NULL, err);
}

static bool refuse(struct pn_db_conn *tx, void *number, struct pn_err *err)
{
    return change_thing(tx, number, err) && pn_fail(err, PN_BAD_REQUEST, "changed my mind");
}

static void put_from(const struct fixture *f, struct pn_cache *cache, int64_t number,
                     int64_t from_ms, const char *text)
{
    struct pn_uuid id = about(number);

    pn_cache_put(cache, pn_str_of(&number, sizeof(number)),
                 &(struct pn_cache_entry){ .id = id,
                                           .version = pn_cache_begin(cache, f->conn, id),
                                           .from_ms = from_ms,
                                           .until_ms = from_ms + 1000,
                                           .bytes = pn_str_from(text) });
}

static void put(const struct fixture *f, struct pn_cache *cache, int64_t number, const char *text)
{
    put_from(f, cache, number, 1000, text);
}

static bool get(const struct fixture *f, struct pn_cache *cache, int64_t number, int64_t now_ms,
                const char *text)
{
    struct pn_str bytes;

    if (!pn_cache_get(cache, pn_str_of(&number, sizeof(number)), now_ms, f->arena, &bytes))
        return false;
    CHECK_STR(bytes, text);
    CHECK_EQ((uintptr_t)bytes.ptr % _Alignof(max_align_t), 0);
    return true;
}

PN_TEST(an_entry_holds_between_its_times_until_its_id_changes)
{
    struct fixture f = start();
    struct pn_cache *cache = pn_cache_new(f.db, 64, PN_CACHE_BYTES, salt);
    struct pn_err err = { 0 };
    int64_t one = 1, two = 2;

    CHECK_OK(pn_db_write(f.db, add_thing, &one, &err), err);
    CHECK_OK(pn_db_write(f.db, add_thing, &two, &err), err);
    CHECK(!get(&f, cache, 1, 1500, ""));
    put(&f, cache, 1, "one");
    put(&f, cache, 2, "");
    CHECK(get(&f, cache, 1, 1000, "one"));
    CHECK(get(&f, cache, 1, 1999, "one"));
    CHECK(get(&f, cache, 2, 1500, ""));
    CHECK(!get(&f, cache, 1, 999, ""));
    CHECK(!get(&f, cache, 1, 2000, ""));
    CHECK(!get(&f, cache, 3, 1500, ""));
    put(&f, cache, 1, "another");
    CHECK(get(&f, cache, 1, 1500, "another"));
    CHECK_OK(pn_db_write(f.db, change_thing, &one, &err), err);
    CHECK(!get(&f, cache, 1, 1500, ""));
    CHECK(get(&f, cache, 2, 1500, "")); /* of another */
    put(&f, cache, 1, "after");
    CHECK(get(&f, cache, 1, 1500, "after"));
    CHECK(!pn_db_write(f.db, refuse, &one, &err)); /* over-careful: a look-up more */
    CHECK(!get(&f, cache, 1, 1500, ""));
    stop(&f, cache);
}

/* Rows that were read before a change must not be kept with the version from after it. */
PN_TEST(nothing_is_kept_that_was_read_too_early)
{
    struct fixture f = start();
    struct pn_cache *cache = pn_cache_new(f.db, 64, PN_CACHE_BYTES, salt);
    struct pn_err err = { 0 };
    struct pn_query *q;
    int64_t one = 1;
    uint64_t before;

    CHECK_OK(pn_db_write(f.db, add_thing, &one, &err), err);
    before = pn_cache_begin(cache, f.conn, about(1));
    q = pn_query(f.conn, "SELECT name FROM things");
    CHECK(pn_query_next(q)); /* what the connection reads from here on is of now */
    CHECK_OK(pn_db_write(f.db, change_thing, &one, &err), err);
    CHECK_EQ(pn_cache_begin(cache, f.conn, about(1)), PN_CACHE_NEVER);
    put(&f, cache, 1, "as it was");
    CHECK(!get(&f, cache, 1, 1500, ""));
    CHECK_OK(pn_query_end(q, &err), err);
    pn_cache_put(
        cache, pn_str_of(&one, sizeof(one)),
        &(struct pn_cache_entry){
            .id = about(1), .version = before, .until_ms = 2000, .bytes = PN_LIT("as it was") });
    CHECK(!get(&f, cache, 1, 1500, ""));
    stop(&f, cache);
}

PN_TEST(the_longest_unused_of_four_goes)
{
    struct fixture f = start();
    struct pn_cache *cache = pn_cache_new(f.db, 4, PN_CACHE_BYTES, salt);

    for (int64_t i = 0; i < 5; i++) {
        put(&f, cache, i, "x");
        CHECK(get(&f, cache, 0, 1500, "x") == (i < 5));
    }
    CHECK(!get(&f, cache, 1, 1500, ""));
    for (int64_t i = 2; i < 5; i++)
        CHECK(get(&f, cache, i, 1500, "x"));
    stop(&f, cache);
}

PN_TEST(its_bytes_are_bounded)
{
    static char large[PN_CACHE_MAX_ENTRY + 1];
    struct fixture f = start();
    struct pn_cache *cache = pn_cache_new(f.db, 1024, 64 * 1024, salt);
    int64_t kept = 0;

    memset(large, 'l', sizeof(large) - 1);
    put(&f, cache, 1, large); /* with its key too large */
    CHECK(!get(&f, cache, 1, 1500, large));
    large[8192] = '\0';
    for (int64_t i = 0; i < 100; i++)
        put(&f, cache, i, large);
    for (int64_t i = 0; i < 100; i++)
        kept += get(&f, cache, i, 1500, large);
    CHECK(kept > 0 && kept < 8); /* 64 KiB hold seven of them */
    for (int64_t i = 0; i < 100; i++)
        put(&f, cache, i, "small"); /* replaces: room again */
    for (int64_t i = 0; i < 100; i++)
        CHECK(get(&f, cache, i, 1500, "small"));
    stop(&f, cache);
}

/* Tokens are asked for until they are over, and never again: what they leave is not in the way of others. */
PN_TEST(what_holds_no_more_makes_room)
{
    struct fixture f = start();
    struct pn_cache *cache = pn_cache_new(f.db, 1024, 64 * 1024, salt);
    char large[8192] = { 0 };

    memset(large, 'x', sizeof(large) - 1);
    for (int64_t i = 0; i < 100; i++)
        put(&f, cache, i, large);
    for (int64_t i = 100; i < 500; i++)
        put_from(&f, cache, i, 2000, "new");
    for (int64_t i = 450; i < 500; i++)
        CHECK(get(&f, cache, i, 2500, "new"));
    stop(&f, cache);
}

static bool add_unwatched(struct pn_db_conn *tx, void *number_, struct pn_err *err)
{
    const int64_t *number = number_;
    struct pn_query *q = pn_query(tx, "INSERT INTO things (number, name) VALUES ($number, 'x')");

    pn_bind_int(q, "$number", *number);
    return pn_query_run(q, NULL, err);
}

struct told {
    struct pn_db *db;
    int times;
    uint64_t version; /* of about(1), when it was told */
};

static void note(void *told_)
{
    struct told *told = told_;

    told->times++;
    told->version = pn_db_version(told->db, about(1));
}

PN_TEST(who_waits_is_told_when_versions_have_risen)
{
    struct fixture f = start();
    struct told told = { .db = f.db };
    struct pn_err err = { 0 };
    int64_t number = 1, other = 77;

    CHECK_OK(pn_db_write(f.db, add_unwatched, &other, &err), err);
    pn_db_on_change(f.db, note, &told);
    other++;
    CHECK_OK(pn_db_write(f.db, add_unwatched, &other, &err), err);
    CHECK_EQ(told.times, 0); /* nothing that is watched */
    CHECK_OK(pn_db_write(f.db, change_thing, &number, &err), err);
    CHECK_EQ(told.times, 1);                               /* before the answer, */
    CHECK_EQ(told.version, pn_db_version(f.db, about(1))); /* and of what has risen */
    pn_db_on_change(f.db, NULL, NULL);
    CHECK_OK(pn_db_write(f.db, change_thing, &number, &err), err);
    CHECK_EQ(told.times, 1);
    stop(&f, NULL);
}

PN_TEST_MAIN(T(an_entry_holds_between_its_times_until_its_id_changes),
             T(nothing_is_kept_that_was_read_too_early), T(the_longest_unused_of_four_goes),
             T(its_bytes_are_bounded), T(what_holds_no_more_makes_room),
             T(who_waits_is_told_when_versions_have_risen))
