/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_line(const char *a, const char *b)
{
    char line[512];
    int len = snprintf(line, sizeof(line), "postern: %s%s\n", a, b);

    if (len > 0 &&
        write(STDERR_FILENO, line, (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1) < 0)
        return; /* nobody left to tell */
}

void pn_assert_failed(const char *truth, const char *file, int line)
{
    char place[256];

    snprintf(place, sizeof(place), "%s (%s:%d)", truth, file, line);
    write_line("assertion failed: ", place);
    abort();
}

void pn_die(const char *why)
{
    write_line(why, "");
    abort();
}

#define SMALL_BYTES ((size_t)4096)

/* glibc's calloc passes by the thread's own free pieces; for large ones it knows which pages are zero already. */
void *pn_heap_new(size_t bytes)
{
    size_t some = bytes > 0 ? bytes : 1;
    void *memory = some <= SMALL_BYTES ? malloc(some) : calloc(1, some);

    if (memory == NULL)
        pn_die("out of memory");
    return some <= SMALL_BYTES ? memset(memory, 0, some) : memory;
}

void *pn_heap_grow(void *memory, size_t old_bytes, size_t new_bytes)
{
    char *grown = realloc(memory, new_bytes > 0 ? new_bytes : 1);

    if (grown == NULL)
        pn_die("out of memory");
    if (new_bytes > old_bytes)
        memset(grown + old_bytes, 0, new_bytes - old_bytes);
    return grown;
}

void pn_heap_free(void *memory)
{
    free(memory);
}

char *pn_heap_copy(const char *text)
{
    size_t bytes = strlen(text) + 1;

    return memcpy(pn_heap_new(bytes), text, bytes);
}

void pn_wipe(void *memory, size_t bytes)
{
    if (bytes > 0)
        explicit_bzero(memory, bytes);
}
