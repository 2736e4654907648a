/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_DB_FAULT_VFS_H
#define PN_TEST_UNIT_DB_FAULT_VFS_H

/*
 * A VFS over the default one that fails on demand and knows what has not been synced. Register it,
 * then open with pn_db_config.vfs = FAULT_VFS. Header only: each test program has its own.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <sqlite3.h>

#define FAULT_VFS "fault"

enum fault_operation { FAULT_WRITE, FAULT_SYNC };

static struct {
    atomic_int countdown[2]; /* operations until one fails; 0: never */
    atomic_bool stays;       /* all later ones fail too */
    atomic_int result;       /* what the failing one answers */
    atomic_int count[2];     /* operations so far */
    atomic_llong wal_max;    /* a WAL that would grow over this fills the disk; 0: never */
    atomic_int unsynced_wal; /* writes to a WAL since its last sync */
} fault;

struct fault_file {
    sqlite3_file base;
    bool is_wal;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs *fault_real_vfs(void)
{
    return sqlite3_vfs_find("unix");
}

/* The result to fail with, or SQLITE_OK. */
static int fault_due(enum fault_operation operation)
{
    int left = atomic_load(&fault.countdown[operation]);

    atomic_fetch_add(&fault.count[operation], 1);
    if (left == 0)
        return SQLITE_OK;
    if (left > 1) {
        atomic_fetch_sub(&fault.countdown[operation], 1);
        return SQLITE_OK;
    }
    if (!atomic_load(&fault.stays))
        atomic_store(&fault.countdown[operation], 0);
    return atomic_load(&fault.result);
}

static void fault_arm(enum fault_operation operation, int nth, int result, bool stays)
{
    atomic_store(&fault.result, result);
    atomic_store(&fault.stays, stays);
    atomic_store(&fault.countdown[operation], nth);
}

static void fault_disarm(void)
{
    atomic_store(&fault.countdown[FAULT_WRITE], 0);
    atomic_store(&fault.countdown[FAULT_SYNC], 0);
    atomic_store(&fault.wal_max, 0);
}

#define REAL(file) (((struct fault_file *)(file))->real)

static int fault_close(sqlite3_file *file)
{
    return REAL(file)->pMethods != NULL ? REAL(file)->pMethods->xClose(REAL(file)) : SQLITE_OK;
}
static int fault_read(sqlite3_file *file, void *to, int len, sqlite3_int64 at)
{
    return REAL(file)->pMethods->xRead(REAL(file), to, len, at);
}
static int fault_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 at)
{
    int result = fault_due(FAULT_WRITE);

    if (result != SQLITE_OK)
        return result;
    if (((struct fault_file *)file)->is_wal) {
        if (atomic_load(&fault.wal_max) > 0 && at + len > atomic_load(&fault.wal_max))
            return SQLITE_FULL;
        atomic_fetch_add(&fault.unsynced_wal, 1);
    }
    return REAL(file)->pMethods->xWrite(REAL(file), from, len, at);
}
static int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return REAL(file)->pMethods->xTruncate(REAL(file), size);
}
static int fault_sync(sqlite3_file *file, int flags)
{
    int result = fault_due(FAULT_SYNC);

    if (result != SQLITE_OK)
        return result;
    if (((struct fault_file *)file)->is_wal)
        atomic_store(&fault.unsynced_wal, 0);
    return REAL(file)->pMethods->xSync(REAL(file), flags);
}
static int fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return REAL(file)->pMethods->xFileSize(REAL(file), size);
}
static int fault_lock(sqlite3_file *file, int lock)
{
    return REAL(file)->pMethods->xLock(REAL(file), lock);
}
static int fault_unlock(sqlite3_file *file, int lock)
{
    return REAL(file)->pMethods->xUnlock(REAL(file), lock);
}
static int fault_is_reserved(sqlite3_file *file, int *out)
{
    return REAL(file)->pMethods->xCheckReservedLock(REAL(file), out);
}
static int fault_control(sqlite3_file *file, int what, void *argument)
{
    return REAL(file)->pMethods->xFileControl(REAL(file), what, argument);
}
static int fault_sector(sqlite3_file *file)
{
    return REAL(file)->pMethods->xSectorSize(REAL(file));
}
static int fault_traits(sqlite3_file *file)
{
    return REAL(file)->pMethods->xDeviceCharacteristics(REAL(file));
}
static int fault_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return REAL(file)->pMethods->xShmMap(REAL(file), page, size, extend, out);
}
static int fault_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return REAL(file)->pMethods->xShmLock(REAL(file), offset, n, flags);
}
static void fault_shm_barrier(sqlite3_file *file)
{
    REAL(file)->pMethods->xShmBarrier(REAL(file));
}
static int fault_shm_unmap(sqlite3_file *file, int remove)
{
    return REAL(file)->pMethods->xShmUnmap(REAL(file), remove);
}

static const sqlite3_io_methods fault_methods = {
    .iVersion = 2, /* without memory-mapped reads */
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_is_reserved,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_traits,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
};

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file_, int flags,
                      int *out_flags)
{
    struct fault_file *file = (struct fault_file *)file_;
    int result;

    (void)vfs;
    file->real = (sqlite3_file *)(file + 1);
    file->is_wal = (flags & SQLITE_OPEN_WAL) != 0;
    file->base.pMethods = NULL;
    result = fault_real_vfs()->xOpen(fault_real_vfs(), name, file->real, flags, out_flags);
    if (result == SQLITE_OK)
        file->base.pMethods = &fault_methods;
    return result;
}

static void fault_register(void)
{
    static sqlite3_vfs vfs;

    vfs = *fault_real_vfs();
    vfs.pNext = NULL;
    vfs.zName = FAULT_VFS;
    vfs.szOsFile = (int)sizeof(struct fault_file) + fault_real_vfs()->szOsFile;
    vfs.xOpen = fault_open;
    sqlite3_vfs_register(&vfs, 0);
}

#endif
