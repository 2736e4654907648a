/* SPDX-License-Identifier: Apache-2.0 */
#include "db/sqlite.h"

#include "base/log.h"

#include <pthread.h>
#include <signal.h>

/*
 * A checkpoint on the writer is what makes its slowest commits slow, so it has a thread and a
 * connection of its own. PASSIVE waits for nobody and stops nobody.
 */
struct pn_checkpoint {
    struct pn_db_conn *conn;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_wanted, is_stopping; /* under the lock */
};

/* Waits for a wish; false at the end. */
static bool wait(struct pn_checkpoint *checkpoint)
{
    bool goes_on;

    pthread_mutex_lock(&checkpoint->lock);
    while (!checkpoint->is_wanted && !checkpoint->is_stopping)
        pthread_cond_wait(&checkpoint->changed, &checkpoint->lock);
    checkpoint->is_wanted = false;
    goes_on = !checkpoint->is_stopping;
    pthread_mutex_unlock(&checkpoint->lock);
    return goes_on;
}

static void *run(void *checkpoint_)
{
    struct pn_checkpoint *checkpoint = checkpoint_;
    sqlite3 *handle = checkpoint->conn->handle;

    while (wait(checkpoint)) {
        int result = sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

        if (result != SQLITE_OK && (result & 0xff) != SQLITE_BUSY) {
            struct pn_err err = { 0 };

            pn_fault_raise(&err, handle, result, "checkpoint");
            pn_log(PN_WARN, "db-checkpoint-failed", PN_F_ERR(&err));
        }
    }
    return NULL;
}

bool pn_checkpoint_new(struct pn_db *db, struct pn_checkpoint **out, struct pn_err *err)
{
    struct pn_checkpoint *checkpoint;
    struct pn_db_conn *conn;
    sigset_t all, before;
    int result;

    if (!pn_conn_open(db, PN_CONN_WRITER, &conn, err))
        return false;
    checkpoint = pn_heap_new(sizeof(*checkpoint));
    checkpoint->conn = conn;
    pthread_mutex_init(&checkpoint->lock, NULL);
    pthread_cond_init(&checkpoint->changed, NULL);
    sigfillset(&all); /* signals are for main's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(&checkpoint->thread, NULL, run, checkpoint);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        pn_die("cannot start the checkpoint thread");
    *out = checkpoint;
    return true;
}

void pn_checkpoint_wish(struct pn_checkpoint *checkpoint)
{
    pthread_mutex_lock(&checkpoint->lock);
    checkpoint->is_wanted = true;
    pthread_cond_signal(&checkpoint->changed);
    pthread_mutex_unlock(&checkpoint->lock);
}

void pn_checkpoint_free(struct pn_checkpoint *checkpoint)
{
    if (checkpoint == NULL)
        return;
    pthread_mutex_lock(&checkpoint->lock);
    checkpoint->is_stopping = true;
    pthread_cond_signal(&checkpoint->changed);
    pthread_mutex_unlock(&checkpoint->lock);
    pthread_join(checkpoint->thread, NULL);
    pn_conn_close(checkpoint->conn);
    pthread_cond_destroy(&checkpoint->changed);
    pthread_mutex_destroy(&checkpoint->lock);
    pn_heap_free(checkpoint);
}
