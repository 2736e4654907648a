/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_LOG_H
#define PN_BASE_LOG_H

#include "base/err.h"

/*
 * Events, not prose: one JSON line each, with a fixed event name and typed fields.
 *
 *     pn_log(PN_INFO, "tunnel-open", PN_F_STR("gateway", id), PN_F_INT("index", 0));
 *
 * error: a person must act; warn: one may; info: what happened; debug: the rest. Thread-safe: one
 * write(2) per line. Values are escaped; secrets have no field type.
 */
enum pn_log_level { PN_DEBUG, PN_INFO, PN_WARN, PN_ERROR };

struct pn_log_field {
    enum { PN_FIELD_STR, PN_FIELD_INT, PN_FIELD_BOOL, PN_FIELD_ERR } kind;
    const char *name;
    struct pn_str str;
    int64_t number;
    const struct pn_err *err;
};

#define PN_F_STR(field, value) \
    ((struct pn_log_field){ .kind = PN_FIELD_STR, .name = (field), .str = (value) })
#define PN_F_TEXT(field, value) PN_F_STR(field, pn_str_from(value))
#define PN_F_INT(field, value) \
    ((struct pn_log_field){ .kind = PN_FIELD_INT, .name = (field), .number = (int64_t)(value) })
#define PN_F_BOOL(field, value) \
    ((struct pn_log_field){ .kind = PN_FIELD_BOOL, .name = (field), .number = (value) })
/* code, message, trace and place of an error. */
#define PN_F_ERR(value) \
    ((struct pn_log_field){ .kind = PN_FIELD_ERR, .name = "error", .err = (value) })

#define pn_log(level, event, ...)                                                     \
    do {                                                                              \
        if (pn_log_is_on(level)) {                                                    \
            const struct pn_log_field pn_fields_[] = { { 0 }, ##__VA_ARGS__ };        \
            pn_log_write((level), (event), pn_fields_ + 1, PN_COUNT(pn_fields_) - 1); \
        }                                                                             \
    } while (0)

bool pn_log_is_on(enum pn_log_level level);
void pn_log_write(enum pn_log_level level, const char *event, const struct pn_log_field *fields,
                  size_t count);
/* In main: the lowest level to write, the descriptor, and the role's name on every line. */
void pn_log_init(enum pn_log_level lowest, int fd, const char *role);
bool pn_log_level_parse(struct pn_str name, enum pn_log_level *out) PN_CHECKED;

#endif
