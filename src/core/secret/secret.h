/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_SECRET_H
#define PN_CORE_SECRET_SECRET_H

#include "core/org/permission.h"
#include "core/secret/place.h"

/*
 * Secrets of a folder (platform.md §10): named values, sealed under their project's key. A name has one
 * shared row and, for each person who overrides it, a personal one. (Not pn_secret_…: base/secret.h is
 * the locked pool, which values do not use; they are opened into the call's arena, wiped with it.)
 *
 * A loaded row can be listed, filtered and asked about while its value stays sealed; who has checked
 * that the actor may read the value opens it. Members carry the wire's names.
 */
#define PN_SECRETS_HIDDEN "<hidden-by-infisical>"
#define PN_SECRETS_MAX_NAME 255
#define PN_SECRETS_MAX_VALUE (1 << 20)

enum pn_secrets_type { PN_SECRETS_SHARED, PN_SECRETS_PERSONAL };

struct pn_secrets_pair {
    struct pn_str key, value;
    bool isEncrypted; /* as the client asked; at rest all are */
};
struct pn_secrets_tag {
    struct pn_uuid id;
    struct pn_str slug, color, name; /* name: the slug */
};
struct pn_secrets_actor {
    struct pn_uuid actorId;
    struct pn_str actorType, name;
    struct pn_uuid membershipId, groupId;
};
struct pn_secret_item {
    struct pn_uuid id, workspace, folderId,
        userId;                            /* userId: whose override; zero for shared ones */
    struct pn_str environment, secretPath; /* of its folder */
    struct pn_str secretKey;
    int type; /* enum pn_secrets_type */
    int64_t version, createdAt, updatedAt;
    struct pn_list secretMetadata; /* of struct pn_secrets_pair, open */
    struct pn_list tags;           /* of struct pn_secrets_tag */
    bool skipMultilineEncoding, has_skipMultilineEncoding;
    int64_t secretReminderRepeatDays;
    bool has_secretReminderRepeatDays, has_actor;
    struct pn_secrets_actor actor; /* who wrote this version */
    struct pn_str sealed_value, sealed_comment, sealed_note, sealed_metadata;
    bool has_tags; /* may have some: the row's hint, so that most reads need not look */
    /* From here on filled by pn_secrets_open; PN_NONE before. */
    struct pn_str secretValue, secretComment, secretReminderNote;
    bool secretValueHidden;
    /* What older clients look for and nothing fills: no rotation, no unencrypted metadata. */
    bool isRotatedSecret;
    struct pn_uuid rotationId;
    struct pn_str metadata;
};

/* Whose rows: of a name with both, INSTEAD gives the caller's own one, BOTH the shared one first. */
enum pn_secrets_whose {
    PN_SECRETS_OF_ALL,
    PN_SECRETS_OWN_INSTEAD,
    PN_SECRETS_BOTH,
    PN_SECRETS_OWN
};

/*
 * The rows of one folder, ordered by name (bytewise); tags and metadata filled, values sealed.
 * `conn` is call->conn or, in a write, its transaction. Rights are the caller's to check, row by row.
 * Errors: PN_TOO_LARGE when the call's memory does not hold them.
 */
bool pn_secrets_load(struct pn_call *call, struct pn_db_conn *conn, const struct pn_place *place,
                     enum pn_secrets_whose whose, struct pn_list *out, struct pn_err *err)
    PN_CHECKED;
/* The one row of that name; out->id is zero when there is none. Not for PN_SECRETS_BOTH. */
bool pn_secrets_find(struct pn_call *call, struct pn_db_conn *conn, const struct pn_place *place,
                     struct pn_str name, enum pn_secrets_whose whose, struct pn_secret_item *out,
                     struct pn_err *err) PN_CHECKED;

/* What conditions of permissions may name; points into `item`. */
struct pn_permit_object pn_secrets_object(struct pn_arena *arena,
                                          const struct pn_secret_item *item);
bool pn_secrets_may(struct pn_call *call, const struct pn_ability *ability,
                    const struct pn_secret_item *item, const char *action);
/* The same, or PN_PERMISSION with the details clients print. */
bool pn_secrets_permit(struct pn_call *call, const struct pn_ability *ability,
                       const struct pn_secret_item *item, const char *action, struct pn_err *err)
    PN_CHECKED;

/* The same for who may not know that it is there: without its name then. */
bool pn_secrets_permit_known(struct pn_call *call, const struct pn_ability *ability,
                             const struct pn_secret_item *item, const char *action,
                             struct pn_err *err) PN_CHECKED;
/*
 * A change of what conditions may name: name, tags, metadata, path, environment. It takes `edit` of the secret as it
 * was and as it becomes, and nobody changes a value, or those of its history, into their sight.
 */
bool pn_secrets_permit_change(struct pn_call *call, const struct pn_ability *ability,
                              const struct pn_secret_item *before,
                              const struct pn_secret_item *after, struct pn_err *err) PN_CHECKED;

/* Opens value, comment and note into call->arena; or puts the sentence of §10.1 in the value's place. */
bool pn_secrets_open(struct pn_call *call, struct pn_secret_item *item, struct pn_err *err)
    PN_CHECKED;
bool pn_secrets_open_hidden(struct pn_call *call, struct pn_secret_item *item, struct pn_err *err)
    PN_CHECKED;

#endif
