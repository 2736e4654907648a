/* SPDX-License-Identifier: Apache-2.0 */
#include "db/sqlite.h"

#include "base/buf.h"
#include "base/clock.h"

#include <ctype.h>
#include <string.h>

#define MIGRATION_MAX_BYTES ((size_t)1 << 20)

/* The words of migrations that name a type, and what SQLite calls it. */
static const struct macro {
    const char *word, *type;
} macros[] = {
    { "ID", "BLOB" },
    { "BYTES", "BLOB" },
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static const char *expand_word(struct pn_str word)
{
    for (size_t i = 0; i < PN_COUNT(macros); i++) {
        if (pn_str_is(word, macros[i].word))
            return macros[i].type;
    }
    return NULL;
}

/* Replaces whole words, wherever they stand: migrations do not use them for anything else. */
static void expand(const char *sql, struct pn_buf *out)
{
    while (*sql != '\0') {
        size_t len = 0;
        const char *type;

        while (is_word(sql[len]))
            len++;
        type = expand_word(pn_str_of(sql, len));
        if (type != NULL)
            pn_buf_add_text(out, type);
        else
            pn_buf_add_bytes(out, sql, len);
        if (sql[len] != '\0')
            pn_buf_add_byte(out, sql[len++]);
        sql += len;
    }
}

static bool record(struct pn_db_conn *conn, const struct pn_migration *migration,
                   struct pn_err *err)
{
    struct pn_query *q = pn_query(conn, "INSERT INTO migrations (number, name, sql, applied_ms)"
                                        " VALUES ($number, $name, $sql, $now)");

    pn_bind_int(q, "$number", migration->number);
    pn_bind_str(q, "$name", pn_str_from(migration->name));
    pn_bind_str(q, "$sql", pn_str_from(migration->sql));
    pn_bind_int(q, "$now", pn_clock_wall_ms());
    return pn_query_run(q, NULL, err);
}

static bool apply(struct pn_db_conn *conn, const struct pn_migration *migration, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf sql = pn_buf_init(MIGRATION_MAX_BYTES);

    expand(migration->sql, &sql);
    pn_assert(!sql.is_full && sql.len < MIGRATION_MAX_BYTES);
    if (!pn_conn_exec(conn, pn_buf_cstr(&sql), err))
        return false;
    pn_assert(!sqlite3_get_autocommit(conn->handle)); /* a migration does not commit by itself */
    return record(conn, migration, err);
}

/* The row of an applied migration against the program's own, which is NULL when it has none left. */
static bool check_applied(struct pn_query *q, struct pn_arena *arena,
                          const struct pn_migration *migration, struct pn_err *err)
{
    int64_t number = pn_column_int(q, 0);
    struct pn_str name = pn_column_str(q, 1, arena);
    struct pn_str sql = pn_column_str(q, 2, arena);

    if (migration == NULL)
        return pn_fail(
            err, PN_IO,
            "The database is newer than this program (it has migration %lld, %.*s); start the "
            "newer program, or restore an older backup",
            (long long)number, PN_ARG(name));
    if (number != migration->number)
        return pn_fail(err, PN_IO,
                       "The database has migration %lld (%.*s) where this program has %d (%s); it "
                       "belongs to another line of versions",
                       (long long)number, PN_ARG(name), migration->number, migration->name);
    if (!pn_str_is(name, migration->name) || !pn_str_is(sql, migration->sql))
        return pn_fail(
            err, PN_IO,
            "Migration %d (%s) was edited after the database applied it; start the program "
            "the database was made with",
            migration->number, migration->name);
    return true;
}

/* How many of the program's migrations are applied; they must be its first ones, unchanged. */
static bool count_applied(struct pn_db_conn *conn, const struct pn_migration *migrations,
                          size_t count, size_t *applied, struct pn_err *err)
{
    struct pn_arena *arena = pn_arena_new(MIGRATION_MAX_BYTES);
    struct pn_query *q = pn_query(conn, "SELECT number, name, sql FROM migrations ORDER BY number");
    struct pn_err ended = { 0 };
    bool fits = true;

    *applied = 0;
    while (fits && pn_query_next(q)) {
        fits = check_applied(q, arena, *applied < count ? &migrations[*applied] : NULL, err);
        ++*applied;
        pn_arena_reset(arena);
    }
    pn_arena_free(arena);
    if (!pn_query_end(q, &ended) && fits) {
        *err = ended;
        return false;
    }
    return fits;
}

static bool migrate(struct pn_db_conn *conn, const struct pn_migration *migrations, size_t count,
                    size_t *applied, struct pn_err *err)
{
    if (!pn_conn_exec(conn,
                      "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY,"
                      " name TEXT NOT NULL, sql TEXT NOT NULL, applied_ms BIGINT NOT NULL)",
                      err) ||
        !count_applied(conn, migrations, count, applied, err))
        return false;
    if (*applied == count)
        return true;
    if (!apply(conn, &migrations[*applied], err))
        return pn_within(err, "migration %d (%s)", migrations[*applied].number,
                         migrations[*applied].name);
    ++*applied;
    return true;
}

/* Each turn looks again under the lock: another process may be migrating the same database. */
bool pn_migrate_run(struct pn_db_conn *conn, const struct pn_migration *migrations, size_t count,
                    struct pn_err *err)
{
    size_t applied = 0;
    bool done = true;

    for (size_t i = 1; i < count; i++)
        pn_assert(migrations[i - 1].number < migrations[i].number);
    do {
        if (!pn_conn_exec(conn, "BEGIN IMMEDIATE", err))
            return false;
        done = migrate(conn, migrations, count, &applied, err) && pn_conn_exec(conn, "COMMIT", err);
        if (!done)
            (void)sqlite3_exec(conn->handle, "ROLLBACK", NULL, NULL, NULL);
    } while (done && applied < count);
    return done;
}
