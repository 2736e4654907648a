/* SPDX-License-Identifier: Apache-2.0 */
#include "db/sqlite.h"

#include <string.h>

static size_t slot_of(struct pn_uuid id)
{
    return ((size_t)id.bytes[14] << 8 | id.bytes[15]) % PN_VERSION_SLOTS; /* its random end */
}

/* SQLite calls it for each row, those of cascades too. */
static void on_change(void *touched_, int what, const char *schema, const char *table,
                      sqlite3_int64 row)
{
    struct pn_touched *touched = touched_;

    (void)schema, (void)row;
    if (touched->has_changed)
        return;
    for (const struct pn_watch *w = touched->watched; w->table != NULL; w++) {
        if ((what != SQLITE_INSERT || w->has_news) && strcmp(w->table, table) == 0)
            touched->has_changed = true;
    }
}

void pn_touched_watch(struct pn_db_conn *conn, struct pn_touched *touched,
                      const struct pn_watch *watched)
{
    touched->watched = watched;
    conn->touched = touched;
    if (watched != NULL)
        sqlite3_update_hook(conn->handle, on_change, touched);
}

void pn_touched_begin(struct pn_touched *touched)
{
    touched->has_changed = touched->has_said = false;
}

/* Also of a write that failed: a version that rises for nothing costs one lookup. */
void pn_touched_end(struct pn_touched *touched)
{
    if (touched->has_changed && !touched->has_said)
        touched->is_everybody = true;
}

static void tell(struct pn_db *db)
{
    pthread_mutex_lock(&db->telling);
    if (db->changed != NULL)
        db->changed(db->changed_context);
    pthread_mutex_unlock(&db->telling);
}

void pn_touched_publish(struct pn_touched *touched, struct pn_db *db)
{
    bool has_risen = touched->is_everybody;

    if (touched->is_everybody)
        atomic_fetch_add(&db->everybody, 1);
    touched->is_everybody = false;
    for (size_t i = 0; i < PN_COUNT(touched->slots); i++) {
        for (; touched->slots[i] != 0; touched->slots[i] &= touched->slots[i] - 1) {
            atomic_fetch_add(&db->versions[i * 64 + (size_t)__builtin_ctzll(touched->slots[i])], 1);
            has_risen = true;
        }
    }
    if (has_risen)
        tell(db);
}

void pn_db_on_change(struct pn_db *db, void (*changed)(void *context), void *context)
{
    pthread_mutex_lock(&db->telling);
    db->changed = changed;
    db->changed_context = context;
    pthread_mutex_unlock(&db->telling);
}

void pn_db_touch(struct pn_db_conn *tx, struct pn_uuid id)
{
    size_t slot = slot_of(id);

    pn_assert(tx->touched != NULL);
    tx->touched->has_said = true;
    tx->touched->slots[slot / 64] |= UINT64_C(1) << (slot % 64);
}

void pn_db_touch_all(struct pn_db_conn *tx)
{
    pn_assert(tx->touched != NULL);
    tx->touched->is_everybody = true;
}

/* Both only rise, so their sum stays only when both do. */
uint64_t pn_db_version(const struct pn_db *db, struct pn_uuid id)
{
    return atomic_load(&db->everybody) + atomic_load(&db->versions[slot_of(id)]);
}
