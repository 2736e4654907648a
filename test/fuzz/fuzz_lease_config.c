/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs of dynamic secrets: what passes the rules is kept as a row keeps it and read back to the same. */
#include "core/lease/config.h"
#include "core/lease/issues.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(struct pn_arena *arena, const struct pn_lease_config *config)
{
    const struct pn_str text = pn_lease_config_print(arena, config);
    struct pn_lease_config again;
    struct pn_err err = { 0 };

    if (!pn_lease_config_read(arena, text, &again, &err) ||
        !pn_str_eq(text, pn_lease_config_print(arena, &again)) ||
        again.namespaces.count != config->namespaces.count || again.clusterToken != NULL)
        abort();
    for (size_t i = 0; i < again.namespaces.count; i++)
        if (pn_str_find(again.namespaces.items[i], '/') >= 0 || again.namespaces.items[i].len == 0)
            abort();
    if (pn_str_find(config->role, '/') >= 0 || pn_str_find(config->serviceAccountName, '/') >= 0)
        abort();
    (void)pn_lease_config_place(arena, config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_arena *arena = pn_arena_new((size_t)4 << 20);
    struct pn_lease_config config = { .credentialType = -1,
                                      .roleType = -1,
                                      .authMethod = -1,
                                      .tokenBinding = -1,
                                      .bindingScope = -1,
                                      .tokenLifetime = -1 };
    struct pn_lease_config_in in;
    struct pn_issues issues;
    struct pn_err err = { 0 };

    if (pn_shape_parse(&pn_lease_config_shape, arena, pn_str_of(data, size), &in, &err)) {
        pn_lease_config_take(&in, &config);
        pn_issues_begin(&issues);
        pn_lease_config_check(arena, &config, "inputs", &issues);
        if (pn_issues_end(&issues, arena, &err))
            check_round_trip(arena, &config);
        pn_shape_drop(&pn_lease_config_shape, &in);
    }
    pn_arena_free(arena);
    return 0;
}
