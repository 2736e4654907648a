/* SPDX-License-Identifier: Apache-2.0 */
#include "client/access.h"
#include "client/kubeconfig.h"

/*
 * A server's answer that opens a session: what is read prints to the same again, its ids are UUIDs,
 * and the kubeconfig with its name parses to that name.
 */
static void check_kubeconfig(const struct pn_access *access)
{
    pn_auto(pn_buf_drop) struct pn_buf yaml = pn_buf_init((size_t)256 * 1024);
    pn_auto(pn_value_freep) struct pn_value *value = NULL;
    const struct pn_kubeconfig config = { .name = access->account_path,
                                          .server = access->server_name,
                                          .ca_pem = access->trust_pem,
                                          .command = access->account_path };
    struct pn_err err = { 0 };

    pn_kubeconfig_print(&config, &yaml);
    pn_assert(!yaml.is_full);
    if (!pn_value_parse_yaml(pn_buf_str(&yaml), &value, &err))
        pn_die(err.message);
    pn_assert(
        pn_str_eq(pn_value_str(pn_value_get(value, "current-context")), access->account_path));
}

static void check_again(const struct pn_access *first)
{
    pn_auto(pn_buf_drop) struct pn_buf once = pn_buf_init((size_t)256 * 1024);
    pn_auto(pn_buf_drop) struct pn_buf twice = pn_buf_init((size_t)256 * 1024);
    pn_auto(pn_value_freep) struct pn_value *value = NULL;
    struct pn_access second;
    struct pn_err err = { 0 };

    pn_access_print(first, &once);
    pn_assert(!once.is_full && pn_value_parse(pn_buf_str(&once), &value, &err));
    if (!pn_access_read(value, &second, &err))
        pn_die(err.message);
    pn_access_print(&second, &twice);
    pn_assert(pn_str_eq(pn_buf_str(&once), pn_buf_str(&twice)));
    pn_access_drop(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pn_auto(pn_value_freep) struct pn_value *value = NULL;
    struct pn_access access;
    struct pn_uuid id;
    struct pn_err err = { 0 };

    if (!pn_value_parse(pn_str_of(data, size), &value, &err))
        return 0;
    err = (struct pn_err){ 0 };
    if (!pn_access_read(value, &access, &err)) {
        pn_assert(err.message[0] != '\0' && pn_secret_pool_used() == 0);
        return 0;
    }
    pn_assert(pn_uuid_parse(access.session_id, &id) && pn_uuid_parse(access.account_id, &id));
    pn_assert(access.relays.count <= PN_ACCESS_RELAYS_MAX);
    check_again(&access);
    check_kubeconfig(&access);
    pn_access_drop(&access);
    return 0;
}
