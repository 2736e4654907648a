/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include "db/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BUSY_TIMEOUT_MS 5000

/* SQLite would make the file readable for everybody; what it makes beside it takes the same mode. */
static bool make_private(const char *path, struct pn_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno != EEXIST) {
        pn_fail_cause(err, PN_IO, errno, "The database file cannot be made: %s", strerror(errno));
        return pn_within(err, "%s", path);
    }
    if (fd >= 0)
        (void)close(fd);
    return true;
}

static void db_free(struct pn_db *db)
{
    pthread_mutex_destroy(&db->telling);
    pn_heap_free(db->path);
    pn_heap_free(db->vfs);
    pn_heap_free(db);
}

static bool open_writer(const struct pn_db_config *config, struct pn_db *db, struct pn_err *err)
{
    struct pn_db_conn *conn;

    if (!pn_conn_open(db, PN_CONN_WRITER, &conn, err))
        return false;
    if (pn_migrate_run(conn, config->migrations, config->migration_count, err) &&
        pn_writer_new(config, db, conn, &db->writer, err))
        return true;
    pn_conn_close(conn);
    return false;
}

bool pn_db_open(const struct pn_db_config *config, struct pn_db **out, struct pn_err *err)
{
    struct pn_db *db;

    if (config->path[0] == '\0' || strcmp(config->path, ":memory:") == 0)
        return pn_fail(err, PN_USAGE, "The database is a file: each reader opens it for itself");
    if (!make_private(config->path, err))
        return false;
    db = pn_heap_new(sizeof(*db));
    pthread_mutex_init(&db->telling, NULL);
    db->path = pn_heap_copy(config->path);
    db->vfs = config->vfs != NULL ? pn_heap_copy(config->vfs) : NULL;
    db->busy_timeout_ms = config->busy_timeout_ms > 0 ? config->busy_timeout_ms : BUSY_TIMEOUT_MS;
    if (!open_writer(config, db, err)) {
        db_free(db);
        return false;
    }
    *out = db;
    return true;
}

void pn_db_close(struct pn_db *db)
{
    if (db == NULL)
        return;
    pn_assert(__atomic_load_n(&db->readers, __ATOMIC_ACQUIRE) == 0);
    pn_writer_free(db->writer); /* the last connection checkpoints and removes the WAL */
    db_free(db);
}

struct pn_db_conn *pn_db_nowhere(struct pn_db *db)
{
    struct pn_db_conn *conn = pn_heap_new(sizeof(*conn));

    conn->db = db;
    __atomic_add_fetch(&db->readers, 1, __ATOMIC_ACQ_REL);
    return conn;
}

bool pn_db_was_asked(struct pn_db_conn *nowhere)
{
    const bool was_asked = nowhere->was_asked;

    pn_assert(nowhere->handle == NULL);
    nowhere->was_asked = false;
    return was_asked;
}

bool pn_db_may_wait(struct pn_db_conn *conn, struct pn_err *err)
{
    if (conn == NULL || conn->handle != NULL)
        return true;
    conn->was_asked = true;
    return pn_fail(err, PN_INTERNAL, "nobody waits here");
}

bool pn_db_connect(struct pn_db *db, struct pn_db_conn **out, struct pn_err *err)
{
    if (!pn_conn_open(db, PN_CONN_READER, out, err))
        return false;
    __atomic_add_fetch(&db->readers, 1, __ATOMIC_ACQ_REL);
    return true;
}

void pn_db_disconnect(struct pn_db_conn *conn)
{
    if (conn == NULL)
        return;
    __atomic_sub_fetch(&conn->db->readers, 1, __ATOMIC_ACQ_REL);
    pn_conn_close(conn);
}
