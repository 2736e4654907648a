/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#define MAX_LINE_BYTES ((size_t)8192)
#define MAX_VALUE_BYTES ((size_t)2048) /* of one field, before escaping */
#define TAIL_BYTES ((size_t)32)        /* kept free for the end of a line */

static const char *const level_names[] = {
    [PN_DEBUG] = "debug", [PN_INFO] = "info", [PN_WARN] = "warn", [PN_ERROR] = "error"
};

/* Where lines go: set in main, read by every thread. */
static atomic_int lowest_level = PN_INFO;
static atomic_int log_fd = STDERR_FILENO;
static const char *_Atomic log_role = "postern";

void pn_log_init(enum pn_log_level lowest, int fd, const char *role)
{
    atomic_store(&lowest_level, (int)lowest);
    atomic_store(&log_fd, fd);
    atomic_store(&log_role, role);
}

bool pn_log_level_parse(struct pn_str name, enum pn_log_level *out)
{
    for (size_t i = 0; i < PN_COUNT(level_names); i++) {
        if (!pn_str_is(name, level_names[i]))
            continue;
        *out = (enum pn_log_level)i;
        return true;
    }
    return false;
}

bool pn_log_is_on(enum pn_log_level level)
{
    return (int)level >= atomic_load_explicit(&lowest_level, memory_order_relaxed);
}

static void add_name(struct pn_buf *line, const char *name)
{
    if (line->len > 1)
        pn_buf_add_byte(line, ',');
    pn_json_quote_add(line, pn_str_from(name));
    pn_buf_add_byte(line, ':');
}

static void add_str(struct pn_buf *line, const char *name, struct pn_str value)
{
    add_name(line, name);
    if (value.ptr == NULL) {
        pn_buf_add_text(line, "null");
        return;
    }
    pn_json_quote_add(line, pn_str_slice(value, 0, MAX_VALUE_BYTES));
}

static void add_err(struct pn_buf *line, const struct pn_err *err)
{
    add_str(line, "code", pn_str_from(pn_code_name(err->code)));
    add_str(line, "message", pn_str_from(err->message));
    add_str(line, "trace", pn_str_from(err->trace));
    if (err->cause != 0) {
        add_name(line, "cause");
        pn_buf_add_i64(line, err->cause);
    }
    add_str(line, "at", pn_str_from(err->at));
}

static void add_field(struct pn_buf *line, const struct pn_log_field *field)
{
    switch (field->kind) {
    case PN_FIELD_STR: add_str(line, field->name, field->str); break;
    case PN_FIELD_INT:
        add_name(line, field->name);
        pn_buf_add_i64(line, field->number);
        break;
    case PN_FIELD_BOOL:
        add_name(line, field->name);
        pn_buf_add_text(line, field->number != 0 ? "true" : "false");
        break;
    case PN_FIELD_ERR: add_err(line, field->err); break;
    }
}

/* One write(2) per line, so that lines of several threads never mix. A full pipe that does not
 * block loses the line: a loop thread must not wait for whoever reads the log. */
static void put_line(struct pn_str line)
{
    while (line.len > 0) {
        ssize_t put = write(atomic_load(&log_fd), line.ptr, line.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return;
        line = pn_str_slice(line, (size_t)put, line.len);
    }
}

void pn_log_write(enum pn_log_level level, const char *event, const struct pn_log_field *fields,
                  size_t count)
{
    int saved_errno = errno;
    char now[PN_CLOCK_ISO_BYTES];
    bool is_cut = false;
    pn_auto(pn_buf_drop) struct pn_buf line = pn_buf_init(MAX_LINE_BYTES - TAIL_BYTES);

    pn_clock_iso(pn_clock_wall_ms(), now);
    pn_buf_add_byte(&line, '{');
    add_str(&line, "time", pn_str_from(now));
    add_str(&line, "level", pn_str_from(level_names[level]));
    add_str(&line, "role", pn_str_from(atomic_load(&log_role)));
    add_str(&line, "event", pn_str_from(event));
    for (size_t i = 0; i < count; i++) {
        size_t mark = line.len;

        add_field(&line, &fields[i]);
        if (line.is_full) { /* this field does not fit; a shorter one may */
            line.len = mark;
            line.is_full = false;
            is_cut = true;
        }
    }
    line.max_bytes = MAX_LINE_BYTES;
    pn_buf_add_text(&line, is_cut ? ",\"isCut\":true}\n" : "}\n");
    put_line(pn_buf_str(&line));
    errno = saved_errno;
}
