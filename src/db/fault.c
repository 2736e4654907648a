/* SPDX-License-Identifier: Apache-2.0 */
#include "db/sqlite.h"

/* SQLite's primary result codes (sqlite.org/rescode.html) as sentences an operator can act on. */
static const struct fault {
    int result;
    enum pn_code code;
    const char *says;
} faults[] = {
    { SQLITE_BUSY, PN_BUSY, "The database is locked by another process; try again" },
    { SQLITE_LOCKED, PN_BUSY, "The database is locked; try again" },
    { SQLITE_FULL, PN_IO, "The database's disk is full; free some space and try again" },
    { SQLITE_IOERR, PN_IO, "The database file cannot be read or written; check its disk" },
    { SQLITE_CORRUPT, PN_IO, "The database file is damaged; restore it from a backup" },
    { SQLITE_NOTADB, PN_IO,
      "The database file is damaged or no database; restore it from a backup" },
    { SQLITE_READONLY, PN_IO,
      "The database may not be written; check owner and mode of its file and directory" },
    { SQLITE_CANTOPEN, PN_IO,
      "The database file cannot be opened; check that its directory exists and who owns it" },
    { SQLITE_PERM, PN_IO, "The database file may not be opened; check who owns it" },
    { SQLITE_TOOBIG, PN_TOO_LARGE, "The value is too large to store" },
};

/* The ways a row is refused, by extended code. Any other constraint is a fault of ours. */
static const struct fault refusals[] = {
    { SQLITE_CONSTRAINT_UNIQUE, PN_CONFLICT, "It exists already" },
    { SQLITE_CONSTRAINT_PRIMARYKEY, PN_CONFLICT, "It exists already" },
    { SQLITE_CONSTRAINT_ROWID, PN_CONFLICT, "It exists already" },
    { SQLITE_CONSTRAINT_FOREIGNKEY, PN_CONFLICT,
      "It refers to something that does not exist, or is still referred to" },
};

static const struct fault *look_up(const struct fault *table, size_t count, int result)
{
    static const struct fault unforeseen = { 0, PN_INTERNAL, "The database refused a statement" };

    for (size_t i = 0; i < count; i++) {
        if (table[i].result == result)
            return &table[i];
    }
    return &unforeseen;
}

bool pn_fault_raise(struct pn_err *err, sqlite3 *handle, int result, const char *sql)
{
    int primary = result & 0xff;
    const struct fault *fault = primary == SQLITE_CONSTRAINT
                                    ? look_up(refusals, PN_COUNT(refusals), result)
                                    : look_up(faults, PN_COUNT(faults), primary);

    if (primary == SQLITE_NOMEM || result == SQLITE_IOERR_NOMEM)
        pn_die("out of memory in SQLite");
    pn_fail_cause(err, fault->code, result, "%s", fault->says);
    return pn_within(err, "%s [%s] %.120s", sqlite3_errstr(result),
                     handle != NULL ? sqlite3_errmsg(handle) : "", sql);
}

bool pn_db_is_duplicate(const struct pn_err *err)
{
    return err->code == PN_CONFLICT &&
           (err->cause == SQLITE_CONSTRAINT_UNIQUE || err->cause == SQLITE_CONSTRAINT_PRIMARYKEY ||
            err->cause == SQLITE_CONSTRAINT_ROWID);
}
