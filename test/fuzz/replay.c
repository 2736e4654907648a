/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <dirent.h>
#include <stdio.h>

/*
 * Runs a fuzz target over a directory of inputs without libFuzzer, so that every build, with any
 * compiler and sanitizer, replays the corpus as a unit test. TAP.
 */

#define MAX_BYTES ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *dir, const char *name)
{
    char path[4096];
    pn_auto(pn_buf_drop) struct pn_buf input = pn_buf_init(MAX_BYTES);
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "rbe");
    pn_assert(file != NULL);
    pn_buf_grew(&input, fread(pn_buf_room(&input, MAX_BYTES), 1, MAX_BYTES, file));
    fclose(file);
    LLVMFuzzerTestOneInput((const uint8_t *)input.ptr, input.len);
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *entry;
    int count = 0;

    if (dir == NULL)
        pn_die("usage: replay DIRECTORY");
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        replay(argv[1], entry->d_name);
        printf("ok %d - %s\n", ++count, entry->d_name);
        fflush(stdout); /* so that the last line names the input before the one that fails */
    }
    closedir(dir);
    printf("1..%d\n", count);
    return count > 0 ? 0 : 1;
}
