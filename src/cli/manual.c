/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/manual.h"

#include "base/buf.h"
#include "cli/command.h"

/* troff, already escaped; what the tables of commands cannot say. */
static const char before[] =
    ".\\\" SPDX-License-Identifier: Apache-2.0\n"
    ".\\\" Made by `postern help --man` from the tables of commands in src/cli.\n"
    ".TH POSTERN 1 \"\" \"postern " PN_VERSION "\"\n"
    ".SH NAME\n"
    "postern \\- Kubernetes access and secrets\n"
    ".SH SYNOPSIS\n"
    ".B postern\n"
    ".I COMMAND\n"
    "[OPTIONS]\n"
    ".SH DESCRIPTION\n"
    "One program with many commands: the server, relay and gateway that bring people to Kubernetes "
    "clusters, and what people, jobs and administrators use them with.\n"
    "A person reaches a cluster with plain\n"
    ".BR kubectl (1),\n"
    "holds no credential of it, and finds every request of the session on record.\n"
    ".PP\n"
    "No secret need be an argument: passwords, tokens and values come from files, from standard "
    "input (\\-) or from a terminal without echo. Only\n"
    ".B secret set\n"
    "takes NAME=VALUE, too; it shows in the list of processes.\n"
    "Answers go to standard output, everything else to standard error.\n";

static const char after[] =
    ".SH EXIT STATUS\n"
    ".TP 5\n0\ndone\n"
    ".TP 5\n1\nfailure\n"
    ".TP 5\n2\nrefused by the server\n"
    ".TP 5\n4\nlog in first\n"
    ".TP 5\n5\ndenied\n"
    ".TP 5\n6\nnot found\n"
    ".TP 5\n7\nunreachable\n"
    ".TP 5\n64\nwrong usage\n"
    ".PP\n"
    ".B pam access\n"
    "with a command and\n"
    ".B run\n"
    "end as the command does; 127 when there is no such command, 126 when it "
    "cannot be run, 128 + N when signal N ended it.\n"
    "With\n"
    ".B \\-o json\n"
    "an error is an object\n"
    ".BR {error,\\ message,\\ details?}\n"
    "on standard error.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n"
    ".B POSTERN_DOMAIN\n"
    "URL of the server\n"
    ".TP\n"
    ".B POSTERN_TOKEN\n"
    "token of a machine identity or a person, instead of a login\n"
    ".TP\n"
    ".B POSTERN_CA_FILE\n"
    "CA of the server's certificate, PEM\n"
    ".TP\n"
    ".B POSTERN_PROJECT_ID\n"
    "the project\n"
    ".TP\n"
    ".BR POSTERN_CLIENT_ID ,\\ POSTERN_CLIENT_SECRET\n"
    "for\n"
    ".B login \\-\\-method universal\\-auth\n"
    ".TP\n"
    ".BR POSTERN_IDENTITY_ID ,\\ POSTERN_KUBERNETES_TOKEN_FILE\n"
    "for\n"
    ".B login \\-\\-method kubernetes\n"
    ".TP\n"
    ".B POSTERN_DEBUG\n"
    "when set, errors say where they were raised\n"
    ".TP\n"
    ".BR HTTPS_PROXY ,\\ NO_PROXY\n"
    "(or in lower case) an HTTP proxy, http://[user:password@]host[:port], through which every "
    "connection goes that this program opens, of the server, relays and gateways too; and a list "
    "of "
    "names, domains, addresses and networks, with commas, that are reached without it. Loopback "
    "always is. ALL_PROXY and HTTP_PROXY do not count.\n"
    ".PP\n"
    "Official names count where the POSTERN_ ones are not set: INFISICAL_DOMAIN, "
    "INFISICAL_API_URL, INFISICAL_TOKEN, INFISICAL_CA_FILE, "
    "INFISICAL_PROJECT_ID, INFISICAL_UNIVERSAL_AUTH_CLIENT_ID and _CLIENT_SECRET, "
    "INFISICAL_MACHINE_IDENTITY_ID, INFISICAL_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH.\n"
    "Every option of\n"
    ".B postern server\n"
    "is a setting: a member of its file, and the variable POSTERN_NAME, with underscores for "
    "hyphens; an option goes before a variable, a variable before the file.\n"
    ".SH OTHER NAMES\n"
    "Called\n"
    ".B infisical\n"
    "(a link), the program takes that client's verbs and flags: login, secrets, secrets get, set "
    "and "
    "delete, secrets folders get, run, export; with \\-\\-projectId, \\-\\-token, \\-\\-plain "
    "and \\-\\-silent.\n"
    ".PP\n"
    "Called\n"
    ".B kubectl\\-postern\n"
    "(a link in PATH), it is a plugin of kubectl:\n"
    ".B kubectl postern\n"
    "access, shell, login, logout, accounts, sessions, sessions show, logs and end, status, "
    "version. "
    "A second link,\n"
    ".BR kubectl_complete\\-postern ,\n"
    "completes their words and options at the tabulator (kubectl 1.26 and newer).\n"
    ".SH FILES\n"
    ".TP\n"
    ".I .infisical.json\n"
    "in the working directory: workspaceId and defaultEnvironment, where neither option nor "
    "variable says so\n"
    ".TP\n"
    ".I $XDG_CONFIG_HOME/postern/config.json\n"
    "server, CA and project of the last login (~/.config when XDG_CONFIG_HOME is not set)\n"
    ".TP\n"
    ".I $XDG_CONFIG_HOME/postern/credentials.json\n"
    "its token, readable by its owner only; it is used with that server alone\n"
    ".TP\n"
    ".I $XDG_CONFIG_HOME/postern/kube/\n"
    "kubeconfigs and certificates of\n"
    ".B kube login\n"
    ".TP\n"
    ".I $XDG_CONFIG_HOME/postern/port\n"
    "the local port of\n"
    ".BR \"pam access\" ,\n"
    "remembered so that kubectl's discovery cache stays warm\n"
    ".TP\n"
    ".I $XDG_RUNTIME_DIR/postern/\n"
    "kubeconfigs of open sessions (/tmp/postern\\-UID when XDG_RUNTIME_DIR is not set)\n"
    ".TP\n"
    ".I /etc/postern/postern.yaml\n"
    "settings of the server\n"
    ".TP\n"
    ".I /var/lib/postern/\n"
    "data of the server; relay\\-NAME and gateway\\-NAME below it, for root, of relays and "
    "gateways\n"
    ".SH SEE ALSO\n"
    ".BR kubectl (1)\n";

static void add_escaped(struct pn_buf *page, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if ((c == text || c[-1] == '\n') && (*c == '.' || *c == '\''))
            pn_buf_add_text(page, "\\&");
        if (*c == '-')
            pn_buf_add_text(page, "\\-");
        else if (*c == '\\')
            pn_buf_add_text(page, "\\e");
        else if (*c == '"')
            pn_buf_add_text(page, "\\(dq");
        else
            pn_buf_add_byte(page, *c);
    }
}

static void add_options(struct pn_buf *page, const struct pn_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        pn_buf_add_text(page, ".TP\n.BI \"\\-\\-");
        add_escaped(page, options->name);
        if (options->value != NULL) {
            pn_buf_add_text(page, " \" \"");
            add_escaped(page, options->value);
        }
        pn_buf_add_text(page, "\"\n");
        add_escaped(page, options->help);
        pn_buf_add_byte(page, '\n');
    }
}

static void add_command(struct pn_buf *page, const struct pn_command *command)
{
    pn_buf_add_text(page, ".SS \"postern ");
    add_escaped(page, command->words);
    pn_buf_add_text(page, command->arguments[0] != '\0' ? " " : "");
    add_escaped(page, command->arguments);
    pn_buf_add_text(page, "\"\n");
    add_escaped(page, command->summary);
    pn_buf_add_byte(page, '\n');
    add_options(page, command->options);
    if (command->examples != NULL) {
        pn_buf_add_text(page, ".PP\n.nf\n");
        add_escaped(page, command->examples);
        pn_buf_add_text(page, ".fi\n");
    }
}

void pn_manual_print(struct pn_buf *page)
{
    pn_buf_add_text(page, before);
    pn_buf_add_text(page, ".SH OPTIONS\nEvery command takes these.\n");
    add_options(page, pn_command_options);
    pn_buf_add_text(page, ".SH COMMANDS\n");
    for (size_t t = 0; pn_command_tables[t] != NULL; t++) {
        for (const struct pn_command *c = pn_command_tables[t]; c->words != NULL; c++)
            add_command(page, c);
    }
    pn_buf_add_text(page, after);
}
