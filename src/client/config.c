/* SPDX-License-Identifier: Apache-2.0 */
#include "client/config.h"

#include <limits.h>
#include <stdlib.h>

#include "base/buf.h"
#include "json/value.h"
#include "json/writer.h"
#include "sys/sys.h"

#define MAX_CONFIG_BYTES ((size_t)64 * 1024)
#define MAX_CA_BYTES ((size_t)1024 * 1024)

static const char *const domain_names[] = { "POSTERN_DOMAIN", "INFISICAL_DOMAIN",
                                            "INFISICAL_API_URL", NULL };
static const char *const token_names[] = { "POSTERN_TOKEN", "INFISICAL_UNIVERSAL_AUTH_ACCESS_TOKEN",
                                           "INFISICAL_TOKEN", NULL };
static const char *const ca_names[] = { "POSTERN_CA_FILE", "INFISICAL_CA_FILE", NULL };
static const char *const project_names[] = { "POSTERN_PROJECT_ID", "INFISICAL_PROJECT_ID", NULL };

/* The first of `names` that is set to something, and its value. */
static const char *find_variable(const char *const *names, struct pn_str *value)
{
    for (; *names != NULL; names++) {
        *value = pn_str_from(getenv(*names));
        if (value->len > 0)
            return *names;
    }
    *value = PN_NONE;
    return NULL;
}

static struct pn_str from_environment(const char *const *names)
{
    struct pn_str value;

    (void)find_variable(names, &value);
    return value;
}

static const char *file_path(struct pn_arena *arena, const char *name)
{
    return pn_cstr(arena, pn_arena_printf(arena, "%s/%s", pn_dir_config(arena), name));
}

struct pn_str pn_client_domain(struct pn_str text)
{
    while (pn_str_ends(text, PN_LIT("/")))
        text.len--;
    if (pn_str_ends(text, PN_LIT("/api")))
        text.len -= 4;
    while (pn_str_ends(text, PN_LIT("/")))
        text.len--;
    return text;
}

/* A JSON file that may be absent: then *out stays NULL. */
static bool read_json(const char *path, struct pn_value **out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_CONFIG_BYTES);

    *out = NULL;
    if (!pn_file_exists(path))
        return true;
    if (!pn_file_read(path, MAX_CONFIG_BYTES, &text, err))
        return false;
    if (!pn_value_parse(pn_buf_str(&text), out, err))
        return pn_recast(err, PN_USAGE, "%s is damaged: remove it and run `postern login`", path);
    return true;
}

static struct pn_str member(struct pn_arena *arena, const struct pn_value *file, const char *name)
{
    struct pn_str text = pn_value_str(pn_value_get(file, name));

    return text.len > 0 ? pn_arena_copy(arena, text) : PN_NONE;
}

static struct pn_str either(struct pn_str first, struct pn_str second)
{
    return first.len > 0 ? first : second;
}

static bool is_of(const struct pn_value *file, struct pn_str domain)
{
    struct pn_str stored = pn_client_domain(pn_value_str(pn_value_get(file, "domain")));

    return stored.len > 0 && pn_str_eq(stored, domain);
}

bool pn_client_config_read_ca(struct pn_arena *arena, struct pn_client_config *config,
                              struct pn_str path, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(MAX_CA_BYTES);
    const char *name = pn_cstr(arena, path);
    char absolute[PATH_MAX];

    if (name == NULL)
        return pn_fail(err, PN_USAGE, "the name of the CA file has a zero byte in it");
    if (!pn_file_read(name, MAX_CA_BYTES, &text, err))
        return pn_recast(err, PN_USAGE, "the CA file: %s", err->message);
    config->ca_pem = pn_arena_copy(arena, pn_buf_str(&text));
    config->ca_file = realpath(name, absolute) != NULL ? pn_arena_copy(arena, pn_str_from(absolute))
                                                       : pn_arena_copy(arena, path);
    return true;
}

static bool load_token(struct pn_arena *arena, struct pn_client_config *out, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *login = NULL;
    const char *path = file_path(arena, "credentials.json");
    struct pn_str token;

    out->token_name = find_variable(token_names, &token);
    if (token.len == 0) {
        if (pn_file_exists(path) && !pn_file_is_private(path))
            return pn_fail(err, PN_USAGE, "%s can be read by others: chmod 600 it", path);
        if (!read_json(path, &login, err))
            return false;
        if (is_of(login, out->domain))
            token = pn_value_str(pn_value_get(login, "token"));
    }
    if (token.len == 0)
        return true;
    out->token = pn_secret_new(token, err);
    return out->token != NULL;
}

bool pn_client_config_load(struct pn_arena *arena, struct pn_str domain,
                           struct pn_client_config *out, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *file = NULL;
    const struct pn_value *stored;
    struct pn_str ca_file;

    *out = (struct pn_client_config){ 0 };
    if (!read_json(file_path(arena, "config.json"), &file, err))
        return false;
    out->domain = pn_client_domain(
        either(domain, either(from_environment(domain_names), member(arena, file, "domain"))));
    stored = is_of(file, out->domain) ? file : NULL;
    out->project_id = either(from_environment(project_names), member(arena, stored, "projectId"));
    out->email = member(arena, stored, "email");
    ca_file = either(from_environment(ca_names), member(arena, stored, "caFile"));
    if (ca_file.len > 0 && !pn_client_config_read_ca(arena, out, ca_file, err))
        return false;
    return load_token(arena, out, err);
}

void pn_client_config_drop(struct pn_client_config *config)
{
    pn_secret_freep(&config->token);
}

static bool store_credentials(struct pn_arena *arena, const struct pn_client_config *config,
                              struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_CONFIG_BYTES);
    struct pn_writer w = pn_writer_of(&text);

    pn_write_object(&w, NULL);
    pn_write_str(&w, "domain", config->domain);
    pn_write_str(&w, "token", pn_secret_reveal(config->token));
    pn_write_end(&w);
    pn_buf_add_byte(&text, '\n');
    return pn_file_write(file_path(arena, "credentials.json"), pn_buf_str(&text), 0600, err);
}

static void write_member(struct pn_writer *w, const char *name, struct pn_str value)
{
    if (value.len > 0)
        pn_write_str(w, name, value);
}

bool pn_client_config_store(struct pn_arena *arena, const struct pn_client_config *config,
                            struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(MAX_CONFIG_BYTES);
    struct pn_writer w = pn_writer_of(&text);
    const char *ca_path = file_path(arena, "ca.pem");

    if (!pn_dir_make(pn_dir_config(arena), 0700, err))
        return false;
    if (config->ca_pem.len > 0 && !pn_file_write(ca_path, config->ca_pem, 0600, err))
        return false;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "domain", config->domain);
    if (config->ca_pem.len > 0)
        pn_write_text(&w, "caFile", ca_path);
    write_member(&w, "email", config->email);
    write_member(&w, "projectId", config->project_id);
    pn_write_end(&w);
    pn_buf_add_byte(&text, '\n');
    return pn_file_write(file_path(arena, "config.json"), pn_buf_str(&text), 0600, err) &&
           store_credentials(arena, config, err);
}

bool pn_client_config_forget(struct pn_arena *arena, struct pn_err *err)
{
    return pn_file_remove(file_path(arena, "credentials.json"), err);
}
