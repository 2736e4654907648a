/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/names.h"

#define MAX_LABEL_BYTES 63
#define MAX_SUBDOMAIN_BYTES 253
#define USER_PREFIX "system:serviceaccount:"

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool pn_kube_is_label(struct pn_str name)
{
    if (name.len == 0 || name.len > MAX_LABEL_BYTES || name.ptr[0] == '-' ||
        name.ptr[name.len - 1] == '-')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_lower_alnum(name.ptr[i]) && name.ptr[i] != '-')
            return false;
    return true;
}

bool pn_kube_is_subdomain(struct pn_str name)
{
    struct pn_str label;

    if (name.len == 0 || name.len > MAX_SUBDOMAIN_BYTES)
        return false;
    while (pn_str_cut(&name, '.', &label))
        if (!pn_kube_is_label(label))
            return false;
    return true;
}

bool pn_kube_is_uid(struct pn_str uid)
{
    if (uid.len == 0 || uid.len > MAX_LABEL_BYTES)
        return false;
    for (size_t i = 0; i < uid.len; i++) {
        char c = uid.ptr[i];

        if (!is_lower_alnum(c) && !(c >= 'A' && c <= 'Z') && c != '-')
            return false;
    }
    return true;
}

bool pn_kube_service_account(struct pn_arena *arena, struct pn_str namespace, struct pn_str name,
                             struct pn_str *out, struct pn_err *err)
{
    if (!pn_kube_is_label(namespace) || !pn_kube_is_subdomain(name))
        return pn_fail(err, PN_BAD_REQUEST,
                       "a service account is a namespace and a name, both as Kubernetes has them");
    *out = pn_arena_printf(arena, USER_PREFIX "%.*s:%.*s", PN_ARG(namespace), PN_ARG(name));
    return true;
}

bool pn_kube_service_account_split(struct pn_str user, struct pn_str *namespace,
                                   struct pn_str *name)
{
    if (!pn_str_starts(user, PN_LIT(USER_PREFIX)))
        return false;
    *name = pn_str_slice(user, sizeof(USER_PREFIX) - 1, user.len);
    return pn_str_cut(name, ':', namespace) && pn_kube_is_label(*namespace) &&
           pn_kube_is_subdomain(*name);
}
