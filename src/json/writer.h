/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_JSON_WRITER_H
#define PN_JSON_WRITER_H

#include "base/buf.h"
#include "base/uuid.h"

/*
 * Appends JSON to a buffer; commas and nesting are kept by the writer. Invalid UTF-8 becomes U+FFFD.
 *
 *     struct pn_writer w = pn_writer_of(&buf);
 *     pn_write_object(&w, NULL);
 *     pn_write_str(&w, "name", name);
 *     pn_write_array(&w, "items"); pn_write_int(&w, NULL, 1); pn_write_end(&w);
 *     pn_write_end(&w);
 *
 * `name` is NULL at the top and inside arrays.
 */
struct pn_writer {
    struct pn_buf *buf;
    uint8_t depth;
    uint64_t is_array, has_items; /* a bit per depth */
    bool is_named;                /* the next value: its name is written */
};

struct pn_writer pn_writer_of(struct pn_buf *buf);
void pn_write_object(struct pn_writer *w, const char *name);
void pn_write_array(struct pn_writer *w, const char *name);
void pn_write_end(struct pn_writer *w);
void pn_write_str(struct pn_writer *w, const char *name, struct pn_str value); /* ptr NULL: null */
void pn_write_text(struct pn_writer *w, const char *name, const char *value);
void pn_write_int(struct pn_writer *w, const char *name, int64_t value);
void pn_write_bool(struct pn_writer *w, const char *name, bool value);
void pn_write_null(struct pn_writer *w, const char *name);
void pn_write_uuid(struct pn_writer *w, const char *name, struct pn_uuid id); /* zero: null */
void pn_write_time(struct pn_writer *w, const char *name, int64_t wall_ms);   /* 0: null */
void pn_write_raw(struct pn_writer *w, const char *name, struct pn_str json);
void pn_write_base64(struct pn_writer *w, const char *name, struct pn_str bytes);
/* The name of the next value, for which NULL is given then: as it is printed, with quotes and colon. */
void pn_write_quoted_name(struct pn_writer *w, struct pn_str quoted);
/* A member whose name is not a literal. */
void pn_write_str_at(struct pn_writer *w, struct pn_str name, struct pn_str value);

#endif
