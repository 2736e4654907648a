/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/find.h"

#include "cli/call.h"

bool pn_cli_find_gateway(struct pn_cli *cli, struct pn_str name, struct pn_str *id,
                         struct pn_err *err)
{
    static const struct pn_cli_lookup gateways = { .what = "gateway",
                                                   .path = PN_LIT_INIT("/v2/gateways"),
                                                   .list = "gateways",
                                                   .names = { "name", "id", NULL },
                                                   .id = "id" };

    return pn_cli_find(cli, &gateways, name, id, err);
}

bool pn_cli_find_pool(struct pn_cli *cli, struct pn_str name, struct pn_str *id, struct pn_err *err)
{
    static const struct pn_cli_lookup pools = { .what = "gateway pool",
                                                .path = PN_LIT_INIT("/v1/gateway-pools"),
                                                .list = "gateways",
                                                .names = { "name", "id", NULL },
                                                .id = "id" };

    return pn_cli_find(cli, &pools, name, id, err);
}
