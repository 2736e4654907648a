/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_CHANGE_H
#define PN_CORE_SECRET_CHANGE_H

#include "core/secret/secret.h"

/*
 * Creating, changing and deleting secrets (platform.md §10.3, §10.4), one or many of a request: all of
 * them or none, one version of each and one audit row. Members carry the wire's names.
 */
#define PN_SECRETS_MAX_BATCH 1000
#define PN_SECRETS_MAX_METADATA 100
#define PN_SECRETS_MAX_TAGS 100

/* What is to become of one secret. Texts with ptr NULL and flags not set: as it is, or none. */
struct pn_secrets_change {
    struct pn_str secretKey, newSecretName;
    struct pn_str secretPath; /* another folder than the batch's */
    struct pn_str secretValue, secretComment, secretReminderNote;
    bool has_secretReminderNote;   /* with ptr NULL: cleared */
    struct pn_list secretMetadata; /* of struct pn_secrets_pair */
    bool has_secretMetadata;
    struct pn_strs tagIds;
    bool has_tagIds;
    bool skipMultilineEncoding, has_skipMultilineEncoding;
    int64_t secretReminderRepeatDays; /* 0: none */
    bool has_secretReminderRepeatDays;
    int type; /* enum pn_secrets_type */
};

enum pn_secrets_missing { PN_SECRETS_FAIL, PN_SECRETS_UPSERT, PN_SECRETS_IGNORE };

struct pn_secrets_batch {
    struct pn_uuid project_id;
    struct pn_str environment, path;
    struct pn_secrets_change *changes;
    size_t count;
    bool is_single;                  /* audited as "create-secret", not "create-secrets" */
    enum pn_secrets_missing missing; /* what an update does about secrets that are not there */
};

/*
 * `out` is a list of struct pn_secret_item: as they are now, or were, in the batch's order; values are
 * open where the actor may read them.
 *
 * Errors:  PN_BAD_REQUEST  exists already (create, new name), twice in the batch, a personal secret of
 *                          who is no user or without a shared one, an unknown tag
 *          PN_NOT_FOUND    environment, folder; secrets to change or delete ("Secret not found: A, B")
 *          PN_PERMISSION   with details
 * Threads: worker.
 */
bool pn_secrets_create(struct pn_call *call, const struct pn_secrets_batch *batch,
                       struct pn_list *out, struct pn_err *err) PN_CHECKED;
bool pn_secrets_change(struct pn_call *call, const struct pn_secrets_batch *batch,
                       struct pn_list *out, struct pn_err *err) PN_CHECKED;
bool pn_secrets_delete(struct pn_call *call, const struct pn_secrets_batch *batch,
                       struct pn_list *out, struct pn_err *err) PN_CHECKED;

/* Who writes a version, as it keeps it. */
struct pn_secrets_actor pn_secrets_actor_of(const struct pn_call *call);

/* Trims white space around it but for one last newline (§10.3). */
struct pn_str pn_secrets_normalize(struct pn_arena *arena, struct pn_str value);
/* A name: neither ':' nor '/' nor control characters in it. */
bool pn_secrets_is_name(struct pn_str text);

#endif
