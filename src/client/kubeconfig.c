/* SPDX-License-Identifier: Apache-2.0 */
#include "client/kubeconfig.h"

#include "base/encode.h"
#include "json/writer.h"

/* A YAML double-quoted scalar is a JSON string. */
static void add_line(struct pn_buf *yaml, const char *before, struct pn_str value)
{
    struct pn_writer w;

    pn_buf_add_text(yaml, before);
    w = pn_writer_of(yaml);
    pn_write_str(&w, NULL, value);
    pn_buf_add_byte(yaml, '\n');
}

static void add_plugin(const struct pn_kubeconfig *config, struct pn_buf *yaml)
{
    pn_buf_add_text(yaml, "    exec:\n"
                          "      apiVersion: client.authentication.k8s.io/v1\n"
                          "      interactiveMode: Never\n"
                          "      provideClusterInfo: false\n");
    add_line(yaml, "      command: ", config->command);
    pn_buf_add_text(yaml, "      args:\n");
    for (size_t i = 0; i < config->args.count; i++)
        add_line(yaml, "      - ", config->args.items[i]);
}

void pn_kubeconfig_print(const struct pn_kubeconfig *config, struct pn_buf *yaml)
{
    pn_buf_add_text(yaml, "apiVersion: v1\nkind: Config\nclusters:\n");
    add_line(yaml, "- name: ", config->name);
    pn_buf_add_text(yaml, "  cluster:\n");
    add_line(yaml, "    server: ", config->server);
    if (config->tls_server_name.len > 0)
        add_line(yaml, "    tls-server-name: ", config->tls_server_name);
    pn_buf_add_text(yaml, "    certificate-authority-data: ");
    pn_base64_add(yaml, config->ca_pem);
    pn_buf_add_text(yaml, "\nusers:\n");
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
    add_line(yaml, "current-context: ", config->name);
}
