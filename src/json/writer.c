/* SPDX-License-Identifier: Apache-2.0 */
#include "json/writer.h"

#include "base/clock.h"
#include "base/encode.h"

#define MAX_DEPTH 63 /* bits of is_array and has_items */

struct pn_writer pn_writer_of(struct pn_buf *buf)
{
    return (struct pn_writer){ .buf = buf };
}

static void separate(struct pn_writer *w, bool has_name)
{
    uint64_t bit = UINT64_C(1) << w->depth;

    pn_assert(has_name == (w->depth > 0 && (w->is_array & bit) == 0));
    if (w->has_items & bit)
        pn_buf_add_byte(w->buf, ',');
    w->has_items |= bit;
}

void pn_write_quoted_name(struct pn_writer *w, struct pn_str quoted)
{
    pn_assert(!w->is_named);
    separate(w, true);
    pn_buf_add(w->buf, quoted);
    w->is_named = true;
}

/* What stands before a value: a comma, and the name where the writer is inside an object. */
static void begin(struct pn_writer *w, struct pn_str name)
{
    if (w->is_named) {
        pn_assert(name.ptr == NULL);
        w->is_named = false;
        return;
    }
    separate(w, name.ptr != NULL);
    if (name.ptr != NULL) {
        pn_json_quote_add(w->buf, name);
        pn_buf_add_byte(w->buf, ':');
    }
}

static void enter(struct pn_writer *w, const char *name, bool is_array)
{
    uint64_t bit;

    begin(w, pn_str_from(name));
    pn_buf_add_byte(w->buf, is_array ? '[' : '{');
    pn_assert(w->depth < MAX_DEPTH);
    bit = UINT64_C(1) << ++w->depth;
    w->has_items &= ~bit;
    w->is_array = is_array ? w->is_array | bit : w->is_array & ~bit;
}

void pn_write_object(struct pn_writer *w, const char *name)
{
    enter(w, name, false);
}

void pn_write_array(struct pn_writer *w, const char *name)
{
    enter(w, name, true);
}

void pn_write_end(struct pn_writer *w)
{
    pn_assert(w->depth > 0);
    pn_buf_add_byte(w->buf, w->is_array >> w->depth & 1 ? ']' : '}');
    w->depth--;
}

static void write_str(struct pn_writer *w, struct pn_str name, struct pn_str value)
{
    begin(w, name);
    if (value.ptr == NULL)
        pn_buf_add_text(w->buf, "null");
    else
        pn_json_quote_add(w->buf, value);
}

void pn_write_str(struct pn_writer *w, const char *name, struct pn_str value)
{
    write_str(w, pn_str_from(name), value);
}

void pn_write_text(struct pn_writer *w, const char *name, const char *value)
{
    write_str(w, pn_str_from(name), pn_str_from(value));
}

void pn_write_str_at(struct pn_writer *w, struct pn_str name, struct pn_str value)
{
    write_str(w, name.ptr != NULL ? name : PN_LIT(""), value);
}

void pn_write_int(struct pn_writer *w, const char *name, int64_t value)
{
    begin(w, pn_str_from(name));
    pn_buf_add_i64(w->buf, value);
}

void pn_write_bool(struct pn_writer *w, const char *name, bool value)
{
    begin(w, pn_str_from(name));
    pn_buf_add_text(w->buf, value ? "true" : "false");
}

void pn_write_null(struct pn_writer *w, const char *name)
{
    begin(w, pn_str_from(name));
    pn_buf_add_text(w->buf, "null");
}

void pn_write_uuid(struct pn_writer *w, const char *name, struct pn_uuid id)
{
    if (pn_uuid_is_zero(id))
        pn_write_null(w, name);
    else
        pn_write_text(w, name, pn_uuid_format(id).text);
}

void pn_write_time(struct pn_writer *w, const char *name, int64_t wall_ms)
{
    char text[PN_CLOCK_ISO_BYTES];

    if (wall_ms == 0) {
        pn_write_null(w, name);
        return;
    }
    pn_clock_iso(wall_ms, text);
    pn_write_text(w, name, text);
}

void pn_write_raw(struct pn_writer *w, const char *name, struct pn_str json)
{
    begin(w, pn_str_from(name));
    if (json.ptr == NULL)
        pn_buf_add_text(w->buf, "null");
    else
        pn_buf_add(w->buf, json);
}

void pn_write_base64(struct pn_writer *w, const char *name, struct pn_str bytes)
{
    begin(w, pn_str_from(name));
    pn_buf_add_byte(w->buf, '"');
    pn_base64_add(w->buf, bytes);
    pn_buf_add_byte(w->buf, '"');
}
