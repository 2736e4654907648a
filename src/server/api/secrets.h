/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_API_SECRETS_H
#define PN_SERVER_API_SECRETS_H

#include "core/secret/change.h"
#include "json/shape.h"

/* What the routes of secrets share. The two generations differ in names and defaults (platform.md §10.2). */
#define SECRETS_MAX_BODY ((size_t)10 << 20)

extern const struct pn_shape pn_secret_view; /* struct pn_secret_item */

extern const char *const pn_secret_types[]; /* enum pn_secrets_type */
extern const struct pn_shape pn_secret_pair_shape, pn_secret_tag_shape, pn_secret_actor_shape;
bool pn_secret_is_uuid(struct pn_str text);
#define SECRET_NAME_RULE "A secret's name has no ':', no '/' and no control characters"

/* clang-format off */
/* Member `m` of a struct pn_secrets_change at `at` ("change." or nothing) in `struct in_`. */
#define SECRET_FIELD(in_, at, m, what, ...) \
    { PN_FIELD_NAME(m), .kind = PN_KIND_##what, .offset = offsetof(struct in_, at m), __VA_ARGS__ }
#define SECRET_HAS(in_, at, m) .has_offset = offsetof(struct in_, at has_##m)
/* All of it that a client may say about one secret, but for name and value. */
#define SECRET_FIELDS(in_, at)                                                                     \
    SECRET_FIELD(in_, at, secretComment, STRING, .max = 65536),                                    \
    SECRET_FIELD(in_, at, secretReminderNote, STRING, .max = 1024, .is_nullable = true,            \
                 SECRET_HAS(in_, at, secretReminderNote)),                                         \
    SECRET_FIELD(in_, at, secretReminderRepeatDays, INT, .min = 1, .max = 365,                     \
                 .is_nullable = true, SECRET_HAS(in_, at, secretReminderRepeatDays)),              \
    SECRET_FIELD(in_, at, skipMultilineEncoding, BOOL, .is_nullable = true,                        \
                 SECRET_HAS(in_, at, skipMultilineEncoding)),                                      \
    SECRET_FIELD(in_, at, secretMetadata, OBJECTS, .shape = &pn_secret_pair_shape,                 \
                 .max = PN_SECRETS_MAX_METADATA, SECRET_HAS(in_, at, secretMetadata)),             \
    SECRET_FIELD(in_, at, tagIds, STRINGS, .max = PN_SECRETS_MAX_TAGS, .item_max = 64,             \
                 .check = pn_secret_is_uuid, .rule = "Invalid uuid", SECRET_HAS(in_, at, tagIds)), \
    SECRET_FIELD(in_, at, type, ENUM, .names = pn_secret_types, .has_fallback = true)
#define SECRET_NAME(in_, at, m, ...)                                                               \
    SECRET_FIELD(in_, at, m, STRING, .min = 1, .max = PN_SECRETS_MAX_NAME, .trim = true,           \
                 .check = pn_secrets_is_name, .rule = SECRET_NAME_RULE, __VA_ARGS__)
/* What clients see of a struct pn_secret_item at `at`, in this order. */
#define PN_SECRET_VIEW_FIELDS(in_, at) \
    SECRET_FIELD(in_, at, id, UUID), \
    { .name = "_id", .kind = PN_KIND_UUID, .offset = offsetof(struct in_, at id) }, \
    SECRET_FIELD(in_, at, workspace, UUID), \
    SECRET_FIELD(in_, at, environment, STRING), \
    SECRET_FIELD(in_, at, version, INT), \
    SECRET_FIELD(in_, at, type, ENUM, .names = pn_secret_types), \
    SECRET_FIELD(in_, at, secretKey, STRING), \
    SECRET_FIELD(in_, at, secretValue, STRING), \
    SECRET_FIELD(in_, at, secretValueHidden, BOOL), \
    SECRET_FIELD(in_, at, secretComment, STRING), \
    SECRET_FIELD(in_, at, secretReminderNote, STRING), \
    SECRET_FIELD(in_, at, secretReminderRepeatDays, INT, SECRET_HAS(in_, at, secretReminderRepeatDays)), \
    SECRET_FIELD(in_, at, skipMultilineEncoding, BOOL, SECRET_HAS(in_, at, skipMultilineEncoding)), \
    SECRET_FIELD(in_, at, createdAt, TIME), \
    SECRET_FIELD(in_, at, updatedAt, TIME), \
    SECRET_FIELD(in_, at, actor, OBJECT, .shape = &pn_secret_actor_shape, SECRET_HAS(in_, at, actor)), \
    SECRET_FIELD(in_, at, isRotatedSecret, BOOL), \
    SECRET_FIELD(in_, at, rotationId, UUID), \
    SECRET_FIELD(in_, at, secretPath, STRING), \
    SECRET_FIELD(in_, at, secretMetadata, OBJECTS, .shape = &pn_secret_pair_shape), \
    SECRET_FIELD(in_, at, tags, OBJECTS, .shape = &pn_secret_tag_shape), \
    SECRET_FIELD(in_, at, metadata, RAW)
/* clang-format on */

/* How a request names its project and environment; at most one of id and slug counts. */
struct pn_secret_where {
    struct pn_uuid projectId;
    struct pn_str projectSlug, environment, secretPath;
};
/* What a service token's request leaves out stands in its only scope (§10.2). */
bool pn_secret_assume(struct pn_call *call, struct pn_secret_where *where, struct pn_err *err)
    PN_CHECKED;
/* The project's id. PN_BAD_REQUEST "Missing project id or environment". */
bool pn_secret_project(struct pn_call *call, const struct pn_secret_where *where,
                       struct pn_uuid *out, struct pn_err *err) PN_CHECKED;

#endif
