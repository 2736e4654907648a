/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_CLI_RAN_H
#define PN_TEST_UNIT_CLI_RAN_H

/* Runs a command in this process and keeps what it said. */
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "cli/command.h"

#define RAN_MAX_WORDS 160
#define RAN_MAX_BYTES 65536

struct ran {
    int code;
    char out[RAN_MAX_BYTES], err[RAN_MAX_BYTES];
};

static inline void ran_read(FILE *file, char *text)
{
    size_t len;

    rewind(file);
    len = fread(text, 1, RAN_MAX_BYTES - 1, file);
    text[len] = '\0';
    fclose(file);
}

static inline int ran_divert(int fd, FILE *to)
{
    int before = dup(fd);

    fflush(NULL);
    CHECK(before >= 0 && dup2(fileno(to), fd) == fd);
    return before;
}

static inline void ran_restore(int fd, int before)
{
    fflush(NULL);
    CHECK(dup2(before, fd) == fd);
    close(before);
}

/* `words` are separated by single spaces; "\t" stands for a space inside one. */
static inline const struct ran *ran_as(const char *program, const char *words)
{
    static struct ran result;
    char text[4096], *argv[RAN_MAX_WORDS + 1] = { (char *)(uintptr_t)program };
    FILE *out = tmpfile(), *err = tmpfile();
    int argc = 1, was_out, was_err;

    CHECK((size_t)snprintf(text, sizeof text, "%s", words) < sizeof text);
    for (char *at = text; *at != '\0'; argc++) {
        size_t len = strcspn(at, " ");

        CHECK(argc < RAN_MAX_WORDS);
        argv[argc] = at;
        at += len + (at[len] != '\0');
        argv[argc][len] = '\0';
        for (char *c = argv[argc]; *c != '\0'; c++)
            *c = *c == '\t' ? ' ' : *c;
    }
    was_out = ran_divert(STDOUT_FILENO, out);
    was_err = ran_divert(STDERR_FILENO, err);
    result.code = pn_command_main(argc, argv);
    ran_restore(STDOUT_FILENO, was_out);
    ran_restore(STDERR_FILENO, was_err);
    ran_read(out, result.out);
    ran_read(err, result.err);
    return &result;
}

static inline const struct ran *ran(const char *words)
{
    return ran_as("postern", words);
}

static inline void check_says(const char *text, const char *part, const char *file, int line)
{
    if (strstr(text, part) != NULL)
        return;
    print_error("%s:%d: \"%s\" is not in:\n%s\n", file, line, part, text);
    _fail(file, line);
}
#define CHECK_SAYS(text, part) check_says((text), (part), __FILE__, __LINE__)

static inline void check_ran(const struct ran *ran, int code, const char *file, int line)
{
    if (ran->code == code)
        return;
    print_error("%s:%d: exit code %d, not %d:\n%s%s\n", file, line, ran->code, code, ran->out,
                ran->err);
    _fail(file, line);
}
#define CHECK_RAN(ran, code) check_ran((ran), (code), __FILE__, __LINE__)

#endif
