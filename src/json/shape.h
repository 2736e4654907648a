/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_JSON_SHAPE_H
#define PN_JSON_SHAPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/uuid.h"

/*
 * A shape ties the members of a JSON object to the members of a C struct, by one table. It parses
 * requests (with limits, all failures at once), prints replies, and describes both (OpenAPI).
 *
 *     struct login_in { struct pn_str identityId; struct pn_secret *jwt; };
 *     static const struct pn_field login_in_fields[] = {
 *         PN_FIELD(login_in, identityId, STRING, .required = true, .min = 1, .max = 64),
 *         PN_FIELD(login_in, jwt,        SECRET, .required = true, .min = 1, .max = 8192),
 *     };
 */
enum pn_kind {
    PN_KIND_STRING,  /* struct pn_str; min/max in code points; NUL refused; absent = ptr NULL */
    PN_KIND_SECRET,  /* struct pn_secret *; input only; absent = NULL; freed by pn_shape_drop */
    PN_KIND_INT,     /* int64_t; min/max are the value's range; negative only where min is */
    PN_KIND_BOOL,    /* bool */
    PN_KIND_UUID,    /* struct pn_uuid; absent or null = zero; printed as null when zero */
    PN_KIND_TIME,    /* int64_t Unix ms, ISO 8601 on the wire; absent or null = 0; 0 prints null */
    PN_KIND_ENUM,    /* int: index into .names (NULL-terminated); absent = -1 */
    PN_KIND_STRINGS, /* struct pn_strs; min/max count; .item_max code points each */
    PN_KIND_OBJECT,  /* struct by value in the member; .shape; `has` flag tells presence */
    PN_KIND_OBJECTS, /* struct pn_list of .shape; min/max count */
    PN_KIND_RAW, /* struct pn_str holding JSON text, any value; printed verbatim; absent = NULL */
    PN_KIND_MAP, /* struct pn_strs of alternating names and values: object of strings */
};

struct pn_strs {
    struct pn_str *items;
    size_t count;
};

/* `count` structs of the field's shape, one after another. */
struct pn_list {
    void *items;
    size_t count;
};

struct pn_shape;

struct pn_field {
    const char *name;
    struct pn_str quoted; /* as it is printed, "name":, by PN_FIELD_NAME; else PN_NONE */
    enum pn_kind kind;
    size_t offset;
    size_t has_offset; /* of a bool that tells whether the member was there; 0 = none */
    bool required;
    bool is_nullable; /* input: null is let in and reads as absent, though `has` says it was
                                there and `required` is content (otherwise null is ill-typed) */
    bool lower, trim; /* STRING input: fold ASCII case / strip spaces before the limits */
    bool omit_empty;  /* output: leave the member out when absent instead of printing null */
    int64_t min, max; /* see pn_kind; max 0 = the kind's default limit */
    int64_t item_max;
    int64_t fallback; /* INT, BOOL, ENUM: value when absent */
    bool has_fallback;
    const char *const *names;
    const struct pn_shape *shape;
    bool (*check)(struct pn_str text); /* STRING: a further rule; else "Invalid <name>" or .rule */
    const char *rule;                  /* sentence when `check` says no */
    const char *doc;                   /* for the API description */
};

struct pn_shape {
    const char *name;
    size_t size;
    const struct pn_field *fields;
    size_t count;
};

/* clang-format off */
#define PN_FIELD_NAME(member)                                                                      \
    .name = #member, .quoted = { "\"" #member "\":", sizeof("\"" #member "\":") - 1 }
#define PN_FIELD(type, member, what, ...)                                                          \
    { PN_FIELD_NAME(member), .kind = PN_KIND_##what, .offset = offsetof(struct type, member), __VA_ARGS__ }
/* A shape from `struct x` and `x_fields`. */
#define PN_SHAPE_OF(type) { #type, sizeof(struct type), type##_fields, PN_COUNT(type##_fields) }
/* clang-format on */
#define PN_SHAPE(type) (&(const struct pn_shape)PN_SHAPE_OF(type))

/* Limits of any JSON that comes from outside. */
#define PN_JSON_MAX_DEPTH 32

/* The default limits: what `max` and `item_max` mean when they are 0. */
#define PN_SHAPE_STRING_BYTES 4096 /* also of one item of STRINGS and of one value of MAP */
#define PN_SHAPE_SECRET_BYTES 65536
#define PN_SHAPE_RAW_BYTES 65536
#define PN_SHAPE_ITEMS 1000     /* STRINGS, OBJECTS, MAP */
#define PN_SHAPE_NAME_BYTES 256 /* of a name in a MAP */
#define PN_SHAPE_MAX_ISSUES 32  /* the list of issues ends there */

/*
 * Parses `text` into `out` (zeroed first), whose memory comes from `arena`. Strict JSON: duplicate
 * members, bad UTF-8, NUL in strings, trailing bytes and depth over PN_JSON_MAX_DEPTH are refused;
 * unknown members are ignored. An empty `text` counts as {}.
 *
 * Errors:  PN_BAD_REQUEST  not JSON, or not an object
 *          PN_VALIDATION   well-formed but wrong: err->details is the array of all issues
 *                          [{"code","path":[…],"message"}] (platform.md §1.3)
 * On failure nothing needs dropping.
 */
bool pn_shape_parse(const struct pn_shape *shape, struct pn_arena *arena, struct pn_str text,
                    void *out, struct pn_err *err) PN_CHECKED;

/*
 * The same limits for a query string or path parameters: members by name, values as text
 * (booleans "true"/"false", an empty value is absent).
 */
struct pn_param {
    struct pn_str name, value; /* decoded */
};
bool pn_shape_parse_params(const struct pn_shape *shape, struct pn_arena *arena,
                           const struct pn_param *params, size_t count, void *out,
                           struct pn_err *err) PN_CHECKED;

/* Frees the secrets of a parsed struct; the rest is the arena's. */
void pn_shape_drop(const struct pn_shape *shape, void *parsed);

/* Appends `in` as a JSON object. Members in table order: identical data prints identical bytes. */
void pn_shape_print(const struct pn_shape *shape, const void *in, struct pn_buf *out);

#endif
