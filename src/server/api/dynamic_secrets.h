/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_API_DYNAMIC_SECRETS_H
#define PN_SERVER_API_DYNAMIC_SECRETS_H

#include "core/lease/dynamic_secret.h"
#include "server/route.h"

/* What the two resources show and ask alike. */
extern const struct pn_shape pn_dynamic_secret_view; /* of struct pn_dynamic_secret, bare */

/* A path under either name; "" is the root. */
static inline struct pn_str pn_dynamic_secret_path(struct pn_str path, struct pn_str secret_path)
{
    return path.len > 0 || secret_path.ptr == NULL ? path : secret_path;
}

/* clang-format off */
#define PN_DYNAMIC_PLACE(type)                                                                     \
    PN_FIELD(type, projectSlug, STRING, .required = true, .min = 1, .max = 128, .trim = true),     \
    PN_FIELD(type, environmentSlug, STRING, .required = true, .min = 1, .max = 128, .trim = true), \
    PN_FIELD(type, path, STRING, .trim = true),                                                    \
    PN_FIELD(type, secretPath, STRING, .trim = true, .doc = "The same as path")
/* clang-format on */

#endif
