/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/find.h"

/* Lists that come whole: who is asked for stands in them by name or id. */
static bool find(struct pn_cli *cli, const char *path, const char *kind, struct pn_str name,
                 struct pn_str *id, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    const struct pn_value *list;
    struct pn_rest *rest;

    if (!pn_cli_rest_client(cli, &rest, err) ||
        !pn_rest_call(rest, "GET", pn_str_from(path), PN_NONE, &reply, err))
        return false;
    list = pn_value_is_array(reply) ? reply : pn_value_get(reply, "gateways");
    for (size_t i = 0; i < pn_value_count(list); i++) {
        const struct pn_value *item = pn_value_item(list, i);

        if (!pn_str_eq(pn_value_str(pn_value_get(item, "name")), name) &&
            !pn_str_eq(pn_value_str(pn_value_get(item, "id")), name))
            continue;
        *id = pn_arena_copy(pn_cli_arena(cli), pn_value_str(pn_value_get(item, "id")));
        return true;
    }
    return pn_fail(err, PN_NOT_FOUND, "there is no %s \"%.*s\"", kind, PN_ARG(name));
}

bool pn_cli_find_gateway(struct pn_cli *cli, struct pn_str name, struct pn_str *id,
                         struct pn_err *err)
{
    return find(cli, "/v2/gateways", "gateway", name, id, err);
}

bool pn_cli_find_pool(struct pn_cli *cli, struct pn_str name, struct pn_str *id, struct pn_err *err)
{
    return find(cli, "/v1/gateway-pools", "gateway pool", name, id, err);
}
