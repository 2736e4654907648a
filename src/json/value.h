/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_JSON_VALUE_H
#define PN_JSON_VALUE_H

#include "base/arena.h"
#include "base/err.h"

/*
 * A parsed document for code that has no shape: the CLI printing a reply, a kubeconfig, a
 * configuration file. Strict as pn_shape_parse. Lookups of what is not there, or is of another
 * type, give NULL, PN_NONE or the fallback: no error paths in readers.
 */
struct pn_value;

bool pn_value_parse(struct pn_str json, struct pn_value **out, struct pn_err *err) PN_CHECKED;
/* One YAML document: scalars become strings, numbers, booleans or null by the JSON schema of YAML
 * 1.2; anchors and aliases are refused. The same limits. */
bool pn_value_parse_yaml(struct pn_str yaml, struct pn_value **out, struct pn_err *err) PN_CHECKED;
void pn_value_free(struct pn_value *value); /* only what parse or keep gave */
/* A part of a document that stays when the document goes; NULL stays NULL. */
struct pn_value *pn_value_keep(const struct pn_value *part);
void pn_value_freep(struct pn_value **value);

const struct pn_value *pn_value_at(const struct pn_value *v, const char *path); /* "a.b.2.c" */
const struct pn_value *pn_value_get(const struct pn_value *v, const char *name);
const struct pn_value *pn_value_item(const struct pn_value *v, size_t index);
size_t pn_value_count(const struct pn_value *v);      /* items or members */
struct pn_str pn_value_str(const struct pn_value *v); /* valid while the document is */
int64_t pn_value_int(const struct pn_value *v, int64_t fallback);
bool pn_value_bool(const struct pn_value *v, bool fallback);
bool pn_value_is_object(const struct pn_value *v);
bool pn_value_is_array(const struct pn_value *v);
bool pn_value_is_string(const struct pn_value *v);
bool pn_value_is_null(const struct pn_value *v);
bool pn_value_member(const struct pn_value *v, size_t index, struct pn_str *name,
                     const struct pn_value **value);

/* Prints as JSON, in one line or with two spaces of indent; or as YAML. */
struct pn_buf;
void pn_value_print(const struct pn_value *v, bool is_pretty, struct pn_buf *out);
void pn_value_print_yaml(const struct pn_value *v, struct pn_buf *out);

#endif
