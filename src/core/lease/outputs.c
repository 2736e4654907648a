/* SPDX-License-Identifier: Apache-2.0 */
#include "core/lease/outputs.h"

#include "base/clock.h"
#include "base/encode.h"
#include "json/writer.h"

#define MAX_BYTES \
    ((size_t)1 << 20) /* a CA of 64 Ki code points, a token of 64 KiB, escaped at worst */

static const struct {
    const char *name;
    unsigned bit;
} names_of[] = {
    { "TOKEN", 0 },
    { "KUBECONFIG", PN_LEASE_OUTPUT_KUBECONFIG },
    { "NAMESPACE", PN_LEASE_OUTPUT_NAMESPACE },
    { "SERVICE_ACCOUNT", PN_LEASE_OUTPUT_SERVICE_ACCOUNT },
    { "EXPIRES_AT", PN_LEASE_OUTPUT_EXPIRES_AT },
};

static bool read_one(struct pn_str name, unsigned *out)
{
    for (size_t i = 0; i < PN_COUNT(names_of); i++) {
        if (!pn_str_is(name, names_of[i].name))
            continue;
        *out |= names_of[i].bit;
        return true;
    }
    return false;
}

bool pn_lease_outputs_read(struct pn_strs names, unsigned *out)
{
    *out = 0;
    for (size_t i = 0; i < names.count; i++)
        if (!read_one(names.items[i], out))
            return false;
    return true;
}

/* ---- a kubeconfig ---- */

struct kubeconfig {
    struct pn_writer w;
    struct pn_str name, namespace, token;
    const struct pn_lease_config *config;
};

/* Opens [{"name": …, WHAT: {. */
static void begin_entry(struct kubeconfig *k, const char *list, const char *what)
{
    pn_write_array(&k->w, list);
    pn_write_object(&k->w, NULL);
    pn_write_str(&k->w, "name", k->name);
    pn_write_object(&k->w, what);
}

static void end_entry(struct kubeconfig *k)
{
    pn_write_end(&k->w);
    pn_write_end(&k->w);
    pn_write_end(&k->w);
}

static void add_cluster(struct kubeconfig *k)
{
    pn_auto(pn_buf_drop) struct pn_buf ca = pn_buf_init(MAX_BYTES);

    begin_entry(k, "clusters", "cluster");
    pn_write_str(&k->w, "server", k->config->url);
    if (k->config->sslEnabled && k->config->ca.len > 0) {
        pn_base64_add(&ca, k->config->ca);
        pn_write_str(&k->w, "certificate-authority-data", pn_buf_str(&ca));
    }
    end_entry(k);
}

static void add_context(struct kubeconfig *k)
{
    begin_entry(k, "contexts", "context");
    pn_write_str(&k->w, "cluster", k->name);
    pn_write_str(&k->w, "user", k->name);
    pn_write_str(&k->w, "namespace", k->namespace);
    end_entry(k);
}

static struct pn_str print_kubeconfig(struct pn_arena *arena, struct kubeconfig *k)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(MAX_BYTES);

    k->w = pn_writer_of(&json);
    pn_write_object(&k->w, NULL);
    pn_write_text(&k->w, "apiVersion", "v1");
    pn_write_text(&k->w, "kind", "Config");
    add_cluster(k);
    begin_entry(k, "users", "user");
    pn_write_str(&k->w, "token", k->token);
    end_entry(k);
    add_context(k);
    pn_write_str(&k->w, "current-context", k->name);
    pn_write_end(&k->w);
    pn_assert(!json.is_full); /* each member has its limit */
    return pn_arena_copy(arena, pn_buf_str(&json));
}

static struct pn_str make_kubeconfig(struct pn_arena *arena, const struct pn_lease_config *config,
                                     const struct pn_lease *lease, struct pn_str token)
{
    struct kubeconfig k = {
        .name = pn_arena_printf(arena, "postern/%.*s/%.*s", PN_ARG(lease->name),
                                PN_ARG(lease->externalEntityId)),
        .namespace = lease->plan.namespace,
        .token = token,
        .config = config,
    };

    return print_kubeconfig(arena, &k);
}

static struct pn_str say_time(struct pn_arena *arena, int64_t at_ms)
{
    char text[PN_CLOCK_ISO_BYTES];

    pn_clock_iso(at_ms, text);
    return pn_arena_copy(arena, pn_str_from(text));
}

void pn_lease_outputs_fill(struct pn_arena *arena, unsigned which,
                           const struct pn_lease_config *config, const struct pn_lease *lease,
                           struct pn_lease_data *data)
{
    if (which & PN_LEASE_OUTPUT_KUBECONFIG)
        data->KUBECONFIG = make_kubeconfig(arena, config, lease, data->TOKEN);
    if (which & PN_LEASE_OUTPUT_NAMESPACE)
        data->NAMESPACE = lease->plan.namespace;
    if (which & PN_LEASE_OUTPUT_SERVICE_ACCOUNT)
        data->SERVICE_ACCOUNT = lease->externalEntityId;
    if (which & PN_LEASE_OUTPUT_EXPIRES_AT)
        data->EXPIRES_AT = say_time(arena, lease->expireAt);
}
