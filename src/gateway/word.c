/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/word.h"

#include <string.h>

#define DEADLINE_MS 5000
#define ROUNDS 8

struct pn_word {
    struct pn_stream *stream;
    struct pn_timer deadline;
    void (*done)(void *owner);
    void *owner;
    size_t len, said;
    bool is_finished;
    char text[PN_WORD_BYTES];
};

void pn_word_cancel(struct pn_word *word)
{
    pn_timer_stop(&word->deadline);
    pn_stream_close(word->stream);
    pn_heap_free(word);
}

static void end(struct pn_word *word)
{
    void (*done)(void *) = word->done;
    void *owner = word->owner;

    pn_word_cancel(word);
    done(owner);
}

static void on_deadline(struct pn_timer *timer)
{
    end(pn_container_of(timer, struct pn_word, deadline));
}

/* False: the stream has failed. */
static bool say(struct pn_word *word)
{
    while (word->said < word->len) {
        ssize_t taken =
            pn_stream_write(word->stream, word->text + word->said, word->len - word->said);

        if (taken < 0)
            return taken == PN_STREAM_AGAIN;
        word->said += (size_t)taken;
    }
    word->is_finished = pn_stream_finish(word->stream);
    return true;
}

/* False: the client has ended, in whatever way. */
static bool listen_on(struct pn_word *word)
{
    char bytes[1024];

    for (int round = 0; round < ROUNDS; round++) {
        ssize_t got = pn_stream_read(word->stream, bytes, sizeof(bytes));

        if (got <= 0)
            return got == PN_STREAM_AGAIN;
    }
    return true;
}

static void on_ready(void *word_, struct pn_stream *stream, unsigned events)
{
    struct pn_word *word = word_;
    bool goes_on = word->is_finished || say(word);

    (void)events;
    if (goes_on && word->is_finished)
        goes_on = listen_on(word);
    if (goes_on)
        pn_stream_want(stream, word->is_finished ? PN_WANT_READ : PN_WANT_WRITE);
    else
        end(word);
}

struct pn_word *pn_word_say(struct pn_stream *stream, struct pn_str text, void (*done)(void *owner),
                            void *owner)
{
    struct pn_word *word = pn_heap_new(sizeof(*word));

    pn_assert(text.len <= sizeof(word->text));
    word->stream = stream;
    word->done = done;
    word->owner = owner;
    word->len = text.len;
    memcpy(word->text, text.len > 0 ? text.ptr : "", text.len);
    word->deadline.run = on_deadline;
    pn_timer_start(stream->loop, &word->deadline, DEADLINE_MS);
    pn_stream_set_owner(stream, on_ready, word);
    pn_stream_want(stream, PN_WANT_WRITE);
    return word;
}
