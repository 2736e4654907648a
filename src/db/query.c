/* SPDX-License-Identifier: Apache-2.0 */
#include "db/sqlite.h"

#include <string.h>

#define PARAMETERS_MAX 64 /* the bits of pn_query.bound */

/* Keeps the first failure: what comes after it is its consequence. */
#define QUERY_FAIL(q, code, ...)                    \
    do {                                            \
        struct pn_err *failed_ = first_failure(q);  \
        if (failed_ != NULL) {                      \
            pn_fail(failed_, code, __VA_ARGS__);    \
            pn_within(failed_, "%.120s", (q)->sql); \
        }                                           \
    } while (0)

static struct pn_err *first_failure(struct pn_query *q)
{
    if (q->failed != NULL)
        return NULL;
    q->failed = pn_heap_new(sizeof(*q->failed));
    return q->failed;
}

static void fail_sqlite(struct pn_query *q, int result)
{
    struct pn_err *failed = first_failure(q);

    if (failed != NULL)
        pn_fault_raise(failed, q->conn->handle, result, q->sql);
}

/* The cache */

static void query_free(struct pn_query *q)
{
    sqlite3_finalize(q->stmt);
    pn_heap_free(q->names);
    pn_heap_free(q->failed);
    pn_heap_free(q);
}

void pn_query_forget(struct pn_db_conn *conn)
{
    for (size_t i = 0; i < conn->cached; i++)
        query_free(conn->cache[i]);
    conn->cached = 0;
}

/* The address is the key, and the text the proof: memory may have been used for another text since. */
static struct pn_query *find(struct pn_db_conn *conn, const char *sql)
{
    for (size_t i = 0; i < conn->cached; i++) {
        struct pn_query *q = conn->cache[i];

        if (q->sql == sql && !q->is_open && strcmp(sqlite3_sql(q->stmt), sql) == 0)
            return q;
    }
    return NULL;
}

/* Gives `q` a place, the longest unused one when all are taken; without one it lives for one use. */
static void keep(struct pn_db_conn *conn, struct pn_query *q)
{
    size_t place = conn->cached;

    if (conn->cached == PN_STATEMENTS_MAX) {
        for (size_t i = 0; i < conn->cached; i++) {
            if (!conn->cache[i]->is_open &&
                (place == conn->cached || conn->cache[i]->used_at < conn->cache[place]->used_at))
                place = i;
        }
        if (place == conn->cached)
            return;
        query_free(conn->cache[place]);
    } else {
        conn->cached++;
    }
    conn->cache[place] = q;
    q->is_cached = true;
}

/* It lives for one use, and all that is asked of it fails. */
static struct pn_query *prepare_nowhere(struct pn_db_conn *conn, const char *sql)
{
    struct pn_query *q = pn_heap_new(sizeof(*q));

    q->conn = conn;
    q->sql = sql;
    conn->was_asked = true;
    QUERY_FAIL(q, PN_INTERNAL, "there is no database here");
    return q;
}

static const char *name_of(struct pn_query *q, int parameter)
{
    const char *name = sqlite3_bind_parameter_name(q->stmt, parameter + 1);

    return name != NULL ? name : "?";
}

/* SQLite would look for each name from the beginning; its own copies go when it prepares anew. */
static void note_names(struct pn_query *q)
{
    size_t bytes = 0, len;
    char *text;

    q->parameters = sqlite3_bind_parameter_count(q->stmt);
    for (int i = 0; i < q->parameters; i++)
        bytes += sizeof(*q->names) + strlen(name_of(q, i)) + 1;
    q->names = pn_heap_new(bytes + 1);
    text = (char *)(q->names + q->parameters);
    for (int i = 0; i < q->parameters; i++) {
        len = strlen(name_of(q, i)) + 1;
        q->names[i] = memcpy(text, name_of(q, i), len);
        text += len;
    }
}

static struct pn_query *prepare(struct pn_db_conn *conn, const char *sql)
{
    struct pn_query *q = pn_heap_new(sizeof(*q));
    const char *tail = "";
    int result;

    q->conn = conn;
    q->sql = sql;
    result = sqlite3_prepare_v3(conn->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt, &tail);
    if (result != SQLITE_OK)
        fail_sqlite(q, result);
    else if (q->stmt == NULL || tail[strspn(tail, " \t\r\n;")] != '\0')
        QUERY_FAIL(q, PN_INTERNAL, "a query is one statement");
    else if (sqlite3_bind_parameter_count(q->stmt) > PARAMETERS_MAX)
        QUERY_FAIL(q, PN_INTERNAL, "more than %d parameters", PARAMETERS_MAX);
    else {
        note_names(q);
        keep(conn, q);
    }
    return q;
}

struct pn_query *pn_query(struct pn_db_conn *conn, const char *sql)
{
    struct pn_query *q = find(conn, sql);

    if (q == NULL)
        q = conn->handle != NULL ? prepare(conn, sql) : prepare_nowhere(conn, sql);
    q->used_at = ++conn->uses;
    q->is_open = true;
    q->is_started = q->is_done = false;
    q->bound = 0;
    q->next = 0;
    conn->open_queries++;
    return q;
}

/* Parameters */

/* Most are bound in the order in which they stand. 0: there is none. */
static int number_of(struct pn_query *q, const char *name)
{
    for (int i = 0; i < q->parameters; i++) {
        int at = (q->next + i) % q->parameters;

        if (strcmp(q->names[at], name) == 0) {
            q->next = at + 1;
            return at + 1;
        }
    }
    return 0;
}

/* The parameter's number, from 1; 0 once the query has failed. */
static int parameter(struct pn_query *q, const char *name)
{
    int number;

    if (q->failed != NULL)
        return 0;
    number = number_of(q, name);
    if (number == 0)
        QUERY_FAIL(q, PN_INTERNAL, "no parameter %s", name);
    else if (q->is_started)
        QUERY_FAIL(q, PN_INTERNAL, "parameter %s bound after the first row", name);
    if (q->failed != NULL || number == 0)
        return 0;
    q->bound |= UINT64_C(1) << (number - 1);
    return number;
}

static void check_bind(struct pn_query *q, int result)
{
    if (result != SQLITE_OK)
        fail_sqlite(q, result);
}

void pn_bind_null(struct pn_query *q, const char *name)
{
    int number = parameter(q, name);

    if (number > 0)
        check_bind(q, sqlite3_bind_null(q->stmt, number));
}

void pn_bind_int(struct pn_query *q, const char *name, int64_t value)
{
    int number = parameter(q, name);

    if (number > 0)
        check_bind(q, sqlite3_bind_int64(q->stmt, number, value));
}

void pn_bind_uuid(struct pn_query *q, const char *name, struct pn_uuid id)
{
    if (pn_uuid_is_zero(id))
        pn_bind_null(q, name);
    else
        pn_bind_bytes(q, name, pn_str_of(id.bytes, sizeof(id.bytes)));
}

void pn_bind_bytes(struct pn_query *q, const char *name, struct pn_str bytes)
{
    int number = parameter(q, name);

    if (number > 0) /* a NULL pointer binds NULL */
        check_bind(q, sqlite3_bind_blob64(q->stmt, number, bytes.ptr, bytes.len, SQLITE_TRANSIENT));
}

void pn_bind_str(struct pn_query *q, const char *name, struct pn_str text)
{
    int number = parameter(q, name);

    if (number == 0)
        return;
    if (text.ptr != NULL && memchr(text.ptr, '\0', text.len) != NULL)
        QUERY_FAIL(q, PN_BAD_REQUEST, "Text may not contain a NUL byte");
    else
        check_bind(q, sqlite3_bind_text64(q->stmt, number, text.ptr, text.len, SQLITE_TRANSIENT,
                                          SQLITE_UTF8));
}

/* Running */

static void check_all_bound(struct pn_query *q)
{
    for (int i = 0; i < q->parameters; i++) {
        if ((q->bound >> i & 1) == 0)
            QUERY_FAIL(q, PN_INTERNAL, "parameter %s is not bound", q->names[i]);
    }
}

bool pn_query_next(struct pn_query *q)
{
    int result;

    if (q->failed == NULL && !q->is_started)
        check_all_bound(q);
    if (q->failed != NULL || q->is_done)
        return false;
    q->is_started = true;
    result = sqlite3_step(q->stmt);
    if (result == SQLITE_ROW)
        return true;
    q->is_done = true;
    if (result != SQLITE_DONE)
        fail_sqlite(q, result);
    return false;
}

bool pn_query_end(struct pn_query *q, struct pn_err *err)
{
    struct pn_err *failed = pn_take(&q->failed);

    pn_assert(q->is_open);
    q->is_open = false;
    q->conn->open_queries--;
    if (q->is_cached) {
        (void)sqlite3_reset(q->stmt); /* repeats the error of the last step */
        (void)sqlite3_clear_bindings(q->stmt);
    } else {
        query_free(q);
    }
    if (failed == NULL)
        return true;
    pn_assert(err->code == PN_OK);
    *err = *failed;
    pn_heap_free(failed);
    return false;
}

bool pn_query_run(struct pn_query *q, int64_t *changed, struct pn_err *err)
{
    int64_t rows;

    while (pn_query_next(q))
        ;
    rows = q->failed == NULL && !sqlite3_stmt_readonly(q->stmt) ? sqlite3_changes64(q->conn->handle)
                                                                : 0;
    if (!pn_query_end(q, err))
        return false;
    if (changed != NULL)
        *changed = rows;
    return true;
}

/* Columns */

static bool can_read(struct pn_query *q, int column)
{
    if (q->failed != NULL)
        return false;
    if (q->is_started && !q->is_done && column >= 0 && column < sqlite3_data_count(q->stmt))
        return true;
    QUERY_FAIL(q, PN_INTERNAL, "there is no column %d to read", column);
    return false;
}

/* True when there is a value of `type`; NULL reads as nothing, another type is a failure. */
static bool has_value(struct pn_query *q, int column, int type)
{
    int found;

    if (!can_read(q, column))
        return false;
    found = sqlite3_column_type(q->stmt, column);
    if (found != type && found != SQLITE_NULL)
        QUERY_FAIL(q, PN_INTERNAL, "column %d is of another type (%d, not %d)", column, found,
                   type);
    return found == type;
}

bool pn_column_is_null(struct pn_query *q, int column)
{
    return !can_read(q, column) || sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

int64_t pn_column_int(struct pn_query *q, int column)
{
    return has_value(q, column, SQLITE_INTEGER) ? sqlite3_column_int64(q->stmt, column) : 0;
}

struct pn_uuid pn_column_uuid(struct pn_query *q, int column)
{
    struct pn_uuid id = { { 0 } };

    if (!has_value(q, column, SQLITE_BLOB))
        return id;
    if (sqlite3_column_bytes(q->stmt, column) != sizeof(id.bytes))
        QUERY_FAIL(q, PN_INTERNAL, "column %d is no id", column);
    else
        memcpy(id.bytes, sqlite3_column_blob(q->stmt, column), sizeof(id.bytes));
    return id;
}

/* How many rows there are, and how large, is not the program's to say: what finds no room ends the query. */
static struct pn_str copy(struct pn_query *q, int column, const void *bytes, struct pn_arena *arena)
{
    size_t len = (size_t)sqlite3_column_bytes(q->stmt, column);
    struct pn_err full = { 0 };

    if (!pn_arena_require(arena, len + 1, &full)) {
        *first_failure(q) = full;
        return PN_NONE;
    }
    return pn_arena_copy(arena, pn_str_of(bytes != NULL ? bytes : "", len));
}

struct pn_str pn_column_str(struct pn_query *q, int column, struct pn_arena *arena)
{
    if (!has_value(q, column, SQLITE_TEXT))
        return PN_NONE;
    return copy(q, column, sqlite3_column_text(q->stmt, column), arena);
}

struct pn_str pn_column_bytes(struct pn_query *q, int column, struct pn_arena *arena)
{
    if (!has_value(q, column, SQLITE_BLOB))
        return PN_NONE;
    return copy(q, column, sqlite3_column_blob(q->stmt, column), arena);
}
