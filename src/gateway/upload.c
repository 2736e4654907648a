/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/upload.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define ROUND_MS 1000
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 5000
#define REFUSED_MS 60000

struct pn_upload {
    struct pn_home *home;
    struct pn_outbox *outbox;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping, is_poked; /* lock */
    int64_t stop_by_ms;         /* lock */
    int64_t backoff_ms;         /* the thread's; 0: the server answers */
    _Atomic uint64_t waiting;
};

/* What the server says about one batch; true when the round may go on. */
static bool take_refusal(struct pn_upload *upload, const struct pn_batch *batch,
                         const struct pn_err *err)
{
    struct pn_uuid_text session = pn_uuid_format(batch->session);

    if (pn_home_is_away(err)) {
        if (upload->backoff_ms == 0)
            pn_log(PN_WARN, "upload-server-away", PN_F_ERR(err));
        upload->backoff_ms = upload->backoff_ms == 0 ? BACKOFF_MIN_MS : upload->backoff_ms * 2;
        if (upload->backoff_ms > BACKOFF_MAX_MS)
            upload->backoff_ms = BACKOFF_MAX_MS;
        return false;
    }
    pn_log(PN_ERROR, "upload-refused", PN_F_TEXT("session", session.text),
           PN_F_INT("first", batch->first), PN_F_INT("end", batch->end), PN_F_ERR(err));
    if (err->code == PN_NOT_FOUND || err->code == PN_CONFLICT)
        pn_outbox_drop(upload->outbox, batch);
    else
        pn_outbox_hold(upload->outbox, batch, pn_clock_mono_ms() + REFUSED_MS);
    return true;
}

static bool is_out_of_time(struct pn_upload *upload)
{
    bool is_over;

    pthread_mutex_lock(&upload->lock);
    is_over = upload->is_stopping && pn_clock_mono_ms() >= upload->stop_by_ms;
    pthread_mutex_unlock(&upload->lock);
    return is_over;
}

/* Sends everything that is planned; false when the server is away. */
static bool send_planned(struct pn_upload *upload)
{
    struct pn_batch batch;

    while (!is_out_of_time(upload) && pn_outbox_next(upload->outbox, pn_clock_mono_ms(), &batch)) {
        struct pn_err err = { 0 };

        if (pn_home_upload(upload->home, batch.session, batch.first, batch.body, &err)) {
            if (upload->backoff_ms > 0)
                pn_log(PN_INFO, "upload-server-back");
            upload->backoff_ms = 0;
            pn_outbox_acked(upload->outbox, &batch);
        } else if (!take_refusal(upload, &batch, &err)) {
            return false;
        }
    }
    return true;
}

static bool run_round(struct pn_upload *upload)
{
    struct pn_err err = { 0 };
    bool is_sent;

    pn_outbox_collect(upload->outbox);
    if (!pn_outbox_plan(upload->outbox, &err)) {
        pn_log(PN_ERROR, "upload-ledger", PN_F_ERR(&err));
        return false;
    }
    is_sent = send_planned(upload);
    atomic_store(&upload->waiting, pn_outbox_waiting(upload->outbox));
    return is_sent;
}

static bool pause_between(struct pn_upload *upload)
{
    int64_t ms = upload->backoff_ms > 0 ? upload->backoff_ms : ROUND_MS;
    struct timespec until;
    bool goes_on;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&upload->lock);
    while (!upload->is_stopping && !upload->is_poked &&
           pthread_cond_timedwait(&upload->wake, &upload->lock, &until) == 0)
        ;
    upload->is_poked = false;
    goes_on = !upload->is_stopping;
    pthread_mutex_unlock(&upload->lock);
    return goes_on;
}

static void *run(void *upload_)
{
    struct pn_upload *upload = upload_;

    do
        (void)run_round(upload);
    while (pause_between(upload));
    /* Two rounds: the second notes what the first brought home, so that it is not sent again. */
    while (run_round(upload) && atomic_load(&upload->waiting) > 0 &&
           pn_clock_mono_ms() < upload->stop_by_ms)
        ;
    (void)run_round(upload);
    return NULL;
}

bool pn_upload_start(struct pn_home *home, struct pn_outbox *outbox, struct pn_upload **out,
                     struct pn_err *err)
{
    struct pn_upload *upload = pn_heap_new(sizeof(*upload));
    pthread_condattr_t clock;
    int failure;

    upload->home = home;
    upload->outbox = outbox;
    (void)pthread_mutex_init(&upload->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&upload->wake, &clock);
    (void)pthread_condattr_destroy(&clock);
    failure = pthread_create(&upload->thread, NULL, run, upload);
    if (failure != 0) {
        pn_home_free(home);
        pn_outbox_free(outbox);
        pn_heap_free(upload);
        return pn_fail_cause(err, PN_INTERNAL, failure, "cannot start the upload thread");
    }
    (void)pthread_setname_np(upload->thread, "pn-upload");
    *out = upload;
    return true;
}

void pn_upload_stop(struct pn_upload *upload, int64_t linger_ms)
{
    if (upload == NULL)
        return;
    pthread_mutex_lock(&upload->lock);
    upload->is_stopping = true;
    upload->stop_by_ms = pn_clock_mono_ms() + linger_ms;
    pthread_cond_signal(&upload->wake);
    pthread_mutex_unlock(&upload->lock);
    (void)pthread_join(upload->thread, NULL);
    pn_home_free(upload->home);
    pn_outbox_free(upload->outbox);
    (void)pthread_mutex_destroy(&upload->lock);
    (void)pthread_cond_destroy(&upload->wake);
    pn_heap_free(upload);
}

uint64_t pn_upload_waiting(const struct pn_upload *upload)
{
    return atomic_load(&upload->waiting);
}

void pn_upload_poke(struct pn_upload *upload)
{
    pthread_mutex_lock(&upload->lock);
    upload->is_poked = true;
    pthread_cond_signal(&upload->wake);
    pthread_mutex_unlock(&upload->lock);
}
