/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_GATEWAY_WORD_H
#define PN_GATEWAY_WORD_H

#include "net/stream.h"

/*
 * A few bytes and goodbye: what the gateway says to a client that asked with nothing but its protocol's name.
 * Ends our direction, waits for the client's end for 5 s at most, discarding what it sends, and closes.
 */
struct pn_word;

#define PN_WORD_BYTES 512

/* Takes the stream; `text` (at most PN_WORD_BYTES) is copied. `done` is called once, from the loop, when the stream is gone. */
struct pn_word *pn_word_say(struct pn_stream *stream, struct pn_str text, void (*done)(void *owner),
                            void *owner);
/* Aborts; `done` is not called. */
void pn_word_cancel(struct pn_word *word);

#endif
