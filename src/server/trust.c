/* SPDX-License-Identifier: Apache-2.0 */
#include "server/trust.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "crypto/random.h"
#include "crypto/x509.h"
#include "net/dial.h"
#include "sys/sys.h"

#include <string.h>
#include <unistd.h>

#define ROOT_KEY_BYTES 32
#define MAX_PEM_BYTES ((size_t)64 * 1024)
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define CA_MS (3650 * DAY_MS)
#define LEAF_MS (90 * DAY_MS)
#define BACKDATE_MS (INT64_C(5) * 60 * 1000) /* clocks differ */

static const char *in_data(struct pn_arena *arena, const struct pn_settings *settings,
                           const char *name)
{
    return pn_arena_printf(arena, "%s/%s", settings->data, name).ptr;
}

static bool make_root_key(const char *path, struct pn_buf *out, struct pn_err *err)
{
    uint8_t key[ROOT_KEY_BYTES];

    pn_random_bytes(key, sizeof(key));
    pn_hex_add(out, pn_str_of(key, sizeof(key)));
    pn_wipe(key, sizeof(key));
    if (!pn_file_write(path, pn_buf_str(out), 0600, err))
        return false;
    pn_log(PN_INFO, "root-key-made", PN_F_TEXT("file", path));
    return true;
}

static bool read_root_key(struct pn_arena *arena, const struct pn_settings *settings,
                          struct pn_buf *out, struct pn_err *err)
{
    bool is_given = settings->root_key_file[0] != '\0';
    const char *path = is_given ? settings->root_key_file : in_data(arena, settings, "root.key");

    if (!is_given && !pn_file_exists(path))
        return make_root_key(path, out, err);
    if (!pn_file_is_private(path))
        return pn_fail(err, PN_USAGE, "%s can be read by others: chmod 600 it", path);
    return pn_file_read(path, MAX_PEM_BYTES, out, err) || pn_within(err, "reading the root key");
}

bool pn_trust_keyring(struct pn_arena *arena, const struct pn_settings *settings,
                      struct pn_keyring **out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_PEM_BYTES);

    if (settings->root_key != NULL)
        pn_buf_add(&text, pn_secret_reveal(settings->root_key));
    else if (!read_root_key(arena, settings, &text, err))
        return false;
    if (pn_keyring_new(pn_str_trim(pn_buf_str(&text)), out, err))
        return true;
    return pn_recast(err, PN_USAGE, "The root key must be 32 bytes as hex or base64");
}

/* ---- certificates ---- */

static bool read_secret_file(const char *path, struct pn_secret **out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init_wiped(MAX_PEM_BYTES);

    if (!pn_file_read(path, MAX_PEM_BYTES, &bytes, err))
        return false;
    *out = pn_secret_new(pn_buf_str(&bytes), err);
    return *out != NULL;
}

static bool read_file(struct pn_arena *arena, const char *path, struct pn_str *out,
                      struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init(MAX_PEM_BYTES);

    if (!pn_file_read(path, MAX_PEM_BYTES, &bytes, err))
        return false;
    *out = pn_arena_copy(arena, pn_buf_str(&bytes));
    return true;
}

static bool read_given(struct pn_arena *arena, const struct pn_settings *settings,
                       struct pn_trust *out, struct pn_err *err)
{
    if (settings->certificate_key[0] == '\0')
        return pn_fail(err, PN_USAGE, "Setting certificate needs certificate-key");
    out->ca_file = "";
    return read_file(arena, settings->certificate, &out->chain_pem, err) &&
           read_secret_file(settings->certificate_key, &out->key_pem, err);
}

static bool write_pair(const char *cert_path, const char *key_path, const struct pn_cert *cert,
                       struct pn_err *err)
{
    return pn_file_write(key_path, pn_secret_reveal(cert->key), 0600, err) &&
           pn_file_write(cert_path, cert->pem, 0644, err);
}

static bool own_ca(struct pn_arena *arena, const struct pn_settings *settings, struct pn_cert *out,
                   bool *is_new, struct pn_err *err)
{
    const char *cert_path = in_data(arena, settings, "ca.pem"),
               *key_path = in_data(arena, settings, "ca.key");
    const struct pn_cert_request request = { .kind = PN_CERT_ROOT,
                                             .common_name = PN_LIT("Postern server CA"),
                                             .organization = PN_LIT("Postern"),
                                             .not_before_ms = pn_clock_wall_ms() - BACKDATE_MS,
                                             .not_after_ms = pn_clock_wall_ms() + CA_MS };

    *is_new = !pn_file_exists(cert_path) || !pn_file_exists(key_path);
    if (*is_new)
        return pn_x509_issue(arena, &request, NULL, out, err) &&
               write_pair(cert_path, key_path, out, err);
    return read_file(arena, cert_path, &out->pem, err) &&
           read_secret_file(key_path, &out->key, err);
}

/* The names under which clients may reach us: loopback, this machine, what we listen on, the public URL. */
struct names {
    struct pn_str dns[4], ips[4];
    size_t dns_count, ip_count;
};

static bool is_ip(struct pn_str host)
{
    bool has_only_digits = host.len > 0;

    for (size_t i = 0; i < host.len; i++)
        has_only_digits =
            has_only_digits && (host.ptr[i] == '.' || (host.ptr[i] >= '0' && host.ptr[i] <= '9'));
    return has_only_digits || pn_str_find(host, ':') >= 0;
}

static void add_name(struct names *names, struct pn_str host)
{
    struct pn_str *list = is_ip(host) ? names->ips : names->dns;
    size_t *count = is_ip(host) ? &names->ip_count : &names->dns_count;

    for (size_t i = 0; i < *count; i++) {
        if (pn_str_eq(list[i], host))
            return;
    }
    if (host.len > 0 && *count < 4 && !pn_str_is(host, "0.0.0.0") && !pn_str_is(host, "::"))
        list[(*count)++] = host;
}

static struct names own_names(struct pn_arena *arena, const struct pn_settings *settings,
                              struct pn_str host)
{
    struct names names = { .dns_count = 0 };
    char machine[256] = { 0 };
    struct pn_err ignored = { 0 };
    struct pn_url url;

    add_name(&names, PN_LIT("localhost"));
    add_name(&names, PN_LIT("127.0.0.1"));
    add_name(&names, PN_LIT("::1"));
    add_name(&names, pn_arena_copy(arena, host));
    if (pn_url_parse(pn_str_from(settings->public_url), &url, &ignored))
        add_name(&names, pn_arena_copy(arena, pn_str_from(url.endpoint.host)));
    if (gethostname(machine, sizeof(machine) - 1) == 0)
        add_name(&names, pn_arena_copy(arena, pn_str_from(machine)));
    return names;
}

/* The names a leaf was made for, one a line: whether it still fits is a comparison of texts. */
static struct pn_str describe(struct pn_arena *arena, const struct names *names)
{
    struct pn_str text = PN_NONE;

    for (size_t i = 0; i < names->dns_count; i++)
        text = pn_arena_printf(arena, "%.*s%.*s\n", PN_ARG(text), PN_ARG(names->dns[i]));
    for (size_t i = 0; i < names->ip_count; i++)
        text = pn_arena_printf(arena, "%.*s%.*s\n", PN_ARG(text), PN_ARG(names->ips[i]));
    return text;
}

struct leaf_files {
    const char *cert, *key, *names;
};

static bool leaf_fits(struct pn_arena *arena, const struct leaf_files *files, struct pn_str names)
{
    struct pn_err ignored = { 0 };
    struct pn_cert_info info;
    struct pn_str pem, made_for;

    if (!read_file(arena, files->names, &made_for, &ignored) || !pn_str_eq(made_for, names) ||
        !read_file(arena, files->cert, &pem, &ignored) ||
        !pn_x509_read(arena, pem, &info, &ignored))
        return false;
    return pn_file_exists(files->key) && pn_clock_wall_ms() < info.not_before_ms + LEAF_MS * 2 / 3;
}

static bool make_leaf(struct pn_arena *arena, const struct leaf_files *files,
                      const struct names *names, const struct pn_cert *ca, struct pn_err *err)
{
    const struct pn_cert_request request = { .kind = PN_CERT_SERVER,
                                             .common_name = PN_LIT("Postern server"),
                                             .organization = PN_LIT("Postern"),
                                             .dns = names->dns,
                                             .dns_count = names->dns_count,
                                             .ips = names->ips,
                                             .ip_count = names->ip_count,
                                             .not_before_ms = pn_clock_wall_ms() - BACKDATE_MS,
                                             .not_after_ms = pn_clock_wall_ms() + LEAF_MS };
    struct pn_cert leaf = { 0 };
    bool done;

    done = pn_x509_issue(arena, &request, ca, &leaf, err) &&
           write_pair(files->cert, files->key, &leaf, err) &&
           pn_file_write(files->names, describe(arena, names), 0644, err);
    pn_secret_free(leaf.key);
    return done;
}

bool pn_trust_certificates(struct pn_arena *arena, const struct pn_settings *settings,
                           struct pn_str host, struct pn_trust *out, struct pn_err *err)
{
    const struct leaf_files files = { in_data(arena, settings, "server.pem"),
                                      in_data(arena, settings, "server.key"),
                                      in_data(arena, settings, "server.names") };
    struct names names;
    struct pn_cert ca = { 0 };
    bool is_new, done;

    *out = (struct pn_trust){ .ca_file = in_data(arena, settings, "ca.pem") };
    if (settings->certificate[0] != '\0')
        return read_given(arena, settings, out, err);
    names = own_names(arena, settings, host);
    done = own_ca(arena, settings, &ca, &is_new, err);
    if (done && (is_new || !leaf_fits(arena, &files, describe(arena, &names))))
        done = make_leaf(arena, &files, &names, &ca, err);
    pn_secret_free(ca.key);
    return (done && read_file(arena, files.cert, &out->chain_pem, err) &&
            read_secret_file(files.key, &out->key_pem, err)) ||
           pn_within(err, "preparing the server's certificate");
}

void pn_trust_drop(struct pn_trust *trust)
{
    pn_secret_freep(&trust->key_pem);
}
