/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CORE_SECRET_READ_H
#define PN_CORE_SECRET_READ_H

#include "core/secret/secret.h"

/*
 * Reading secrets (platform.md §10.1–§10.7): who may describe a secret sees that it is there, who may
 * read its value sees that too; what is hidden says so. Every read is audited.
 */
struct pn_secrets_query {
    struct pn_uuid project_id;
    struct pn_str environment, path;
    enum pn_secrets_whose whose;
    bool has_values, is_expanded, has_imports, is_recursive;
    struct pn_str tags;     /* slugs with commas: those that have one of them */
    struct pn_str metadata; /* "key=a,value=b|key=c,value=d": those that have all of them */
    int64_t version;        /* of one secret; 0: the newest */
};

/* One import of a folder, with what it brings and nobody nearer defines. */
struct pn_secrets_import {
    struct pn_str secretPath, environment;
    struct pn_uuid folderId;
    struct pn_list secrets; /* of struct pn_secret_item */
};
struct pn_secrets_found {
    struct pn_list secrets; /* of struct pn_secret_item, by path, name and id */
    struct pn_list imports; /* of struct pn_secrets_import, by position */
};

/*
 * A folder that is not there holds no secrets. Errors: PN_NOT_FOUND (environment), PN_PERMISSION,
 * PN_BAD_REQUEST (metadata filter), PN_TOO_LARGE, PN_BUSY (its audit row finds no room).
 */
bool pn_secrets_list(struct pn_call *call, const struct pn_secrets_query *query,
                     struct pn_secrets_found *out, struct pn_err *err) PN_CHECKED;
/*
 * One by its name: the folder's own, or with imports the last that brings one. PN_NOT_FOUND ("Secret
 * not found…"), PN_PERMISSION (it is there, but not to be described).
 */
bool pn_secrets_get(struct pn_call *call, const struct pn_secrets_query *query, struct pn_str name,
                    struct pn_secret_item *out, struct pn_err *err) PN_CHECKED;
bool pn_secrets_get_by_id(struct pn_call *call, struct pn_uuid id, bool has_values,
                          struct pn_secret_item *out, struct pn_err *err) PN_CHECKED;
/* One by its name, its value expanded, and what it refers to. `root` is the secret itself, as written. */
struct pn_reference_node;
bool pn_secrets_trace(struct pn_call *call, const struct pn_secrets_query *query,
                      struct pn_str name, struct pn_secret_item *out,
                      struct pn_reference_node *root, struct pn_err *err) PN_CHECKED;
/* Its versions, newest first. */
bool pn_secrets_versions(struct pn_call *call, struct pn_uuid id, int64_t offset, int64_t limit,
                         struct pn_list *out, struct pn_err *err) PN_CHECKED;

#endif
