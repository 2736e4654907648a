/* SPDX-License-Identifier: Apache-2.0 */
#include "client/kubeconfig.h"

#include <limits.h>
#include <stdlib.h>

#include "base/encode.h"
#include "sys/sys.h"

#define MAX_KUBECONFIG_BYTES ((size_t)256 * 1024)
/* What is printed for somebody to keep is theirs, and does not say so. */
#define OURS "# Written by postern and removed by it: changes here are lost.\n"

/* What a lead byte leaves of the code point, by the length of its sequence. */
static const uint8_t lead_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };

/*
 * A double-quoted scalar. Beyond ASCII everything is escaped: JSON would let through what YAML reads
 * as a line break (U+0085, U+2028) or refuses (U+0080…).
 */
void pn_kubeconfig_scalar(struct pn_buf *yaml, struct pn_str value)
{
    pn_buf_add_byte(yaml, '"');
    while (value.len > 0) {
        size_t len = pn_str_utf8_step(value);
        uint32_t point = 0xfffd;

        if (len == 1 && value.ptr[0] != 0x7f) {
            pn_json_escape_add(yaml, pn_str_slice(value, 0, 1));
        } else {
            if (len > 0)
                point = (uint8_t)value.ptr[0] & lead_mask[len];
            for (size_t i = 1; i < len; i++)
                point = point << 6 | ((uint8_t)value.ptr[i] & 0x3f);
            pn_buf_addf(yaml, "\\U%08x", point);
        }
        value = pn_str_slice(value, len > 0 ? len : 1, value.len);
    }
    pn_buf_add_byte(yaml, '"');
}

static void add_line(struct pn_buf *yaml, const char *before, struct pn_str value)
{
    pn_buf_add_text(yaml, before);
    pn_kubeconfig_scalar(yaml, value);
    pn_buf_add_byte(yaml, '\n');
}

/* v1beta1: kubectl before 1.22 knows no later form, and every kubectl since knows this one. */
static void add_plugin(const struct pn_kubeconfig *config, struct pn_buf *yaml)
{
    pn_buf_add_text(yaml, "    exec:\n"
                          "      apiVersion: client.authentication.k8s.io/v1beta1\n"
                          "      interactiveMode: Never\n"
                          "      provideClusterInfo: false\n");
    add_line(yaml, "      command: ", config->command);
    pn_buf_add_text(yaml, "      args:\n");
    for (size_t i = 0; i < config->args.count; i++)
        add_line(yaml, "      - ", config->args.items[i]);
    pn_buf_add_text(yaml, config->environment.count > 0 ? "      env:\n" : "");
    for (size_t i = 0; i + 1 < config->environment.count; i += 2) {
        add_line(yaml, "      - name: ", config->environment.items[i]);
        add_line(yaml, "        value: ", config->environment.items[i + 1]);
    }
}

/* "name": "value", with what comes before it. */
static void add_pair(struct pn_buf *yaml, const char *before, struct pn_str value)
{
    pn_buf_add_text(yaml, before);
    pn_kubeconfig_scalar(yaml, value);
}

static void add_flow_cluster(const struct pn_kubeconfig *config, struct pn_buf *yaml)
{
    add_pair(yaml, "\"cluster\": {\"server\": ", config->server);
    if (config->tls_server_name.len > 0)
        add_pair(yaml, ", \"tls-server-name\": ", config->tls_server_name);
    pn_buf_add_text(yaml, ", \"certificate-authority-data\": \"");
    pn_base64_add(yaml, config->ca_pem);
    pn_buf_add_text(yaml, "\"}");
}

static void add_flow_user(const struct pn_kubeconfig *config, struct pn_buf *yaml)
{
    if (config->token != NULL) {
        add_pair(yaml, "\"user\": {\"token\": ", pn_secret_reveal(config->token));
        pn_buf_add_byte(yaml, '}');
        return;
    }
    add_pair(yaml,
             "\"user\": {\"exec\": {\"apiVersion\": \"client.authentication.k8s.io/v1beta1\", "
             "\"interactiveMode\": \"Never\", \"provideClusterInfo\": false, \"command\": ",
             config->command);
    pn_buf_add_text(yaml, ", \"args\": [");
    for (size_t i = 0; i < config->args.count; i++)
        add_pair(yaml, i > 0 ? ", " : "", config->args.items[i]);
    pn_buf_add_text(yaml, "], \"env\": [");
    for (size_t i = 0; i + 1 < config->environment.count; i += 2) {
        add_pair(yaml, i > 0 ? ", {\"name\": " : "{\"name\": ", config->environment.items[i]);
        add_pair(yaml, ", \"value\": ", config->environment.items[i + 1]);
        pn_buf_add_byte(yaml, '}');
    }
    pn_buf_add_text(yaml, "]}}");
}

void pn_kubeconfig_print_part(const struct pn_kubeconfig *config, enum pn_kubeconfig_part part,
                              struct pn_buf *yaml)
{
    add_pair(yaml, "{\"name\": ", config->name);
    pn_buf_add_text(yaml, ", ");
    switch (part) {
    case PN_KUBECONFIG_CLUSTER: add_flow_cluster(config, yaml); break;
    case PN_KUBECONFIG_USER: add_flow_user(config, yaml); break;
    case PN_KUBECONFIG_CONTEXT:
    case PN_KUBECONFIG_PARTS:
        add_pair(yaml, "\"context\": {\"cluster\": ", config->name);
        add_pair(yaml, ", \"user\": ", config->name);
        pn_buf_add_byte(yaml, '}');
        break;
    }
    pn_buf_add_byte(yaml, '}');
}

void pn_kubeconfig_print(const struct pn_kubeconfig *config, struct pn_buf *yaml)
{
    pn_buf_add_text(yaml, "apiVersion: v1\nkind: Config\nclusters:\n");
    add_line(yaml, "- name: ", config->name);
    pn_buf_add_text(yaml, "  cluster:\n");
    add_line(yaml, "    server: ", config->server);
    if (config->tls_server_name.len > 0)
        add_line(yaml, "    tls-server-name: ", config->tls_server_name);
    if (config->ca_pem.len > 0) {
        pn_buf_add_text(yaml, "    certificate-authority-data: ");
        pn_base64_add(yaml, config->ca_pem);
        pn_buf_add_byte(yaml, '\n');
    }
    pn_buf_add_text(yaml, "users:\n");
    add_line(yaml, "- name: ", config->name);
    pn_buf_add_text(yaml, "  user:\n");
    if (config->token != NULL)
        add_line(yaml, "    token: ", pn_secret_reveal(config->token));
    else
        add_plugin(config, yaml);
    pn_buf_add_text(yaml, "contexts:\n");
    add_line(yaml, "- name: ", config->name);
    pn_buf_add_text(yaml, "  context:\n");
    add_line(yaml, "    cluster: ", config->name);
    add_line(yaml, "    user: ", config->name);
    if (config->namespace.len > 0)
        add_line(yaml, "    namespace: ", config->namespace);
    add_line(yaml, "current-context: ", config->name);
}

/* May it be overwritten, and removed later? */
static bool is_ours(const char *path)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_KUBECONFIG_BYTES);
    struct pn_err err = { 0 };

    return pn_file_read(path, MAX_KUBECONFIG_BYTES, &text, &err) &&
           (text.len == 0 || pn_str_starts(pn_buf_str(&text), PN_LIT(OURS)));
}

bool pn_kubeconfig_write(const struct pn_kubeconfig *config, const char *path,
                         struct pn_arena *arena, const char **absolute, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf yaml = pn_buf_init_wiped(MAX_KUBECONFIG_BYTES);
    char real[PATH_MAX];

    if (pn_file_exists(path) && !is_ours(path))
        return pn_fail(err, PN_USAGE, "%s exists and was not written by postern: name another file",
                       path);
    pn_buf_add_text(&yaml, OURS);
    pn_kubeconfig_print(config, &yaml);
    pn_assert(!yaml.is_full);
    if (!pn_file_write(path, pn_buf_str(&yaml), 0600, err))
        return err->code == PN_NOT_FOUND
                   ? pn_recast(err, PN_USAGE, "%s cannot be written: there is no such directory",
                               path)
                   : false;
    if (absolute != NULL)
        *absolute = pn_cstr(
            arena, pn_arena_copy(arena, pn_str_from(realpath(path, real) != NULL ? real : path)));
    return true;
}
