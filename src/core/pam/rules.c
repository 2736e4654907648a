/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pam/rules.h"

#include "base/address.h"
#include "json/writer.h"

#define HTTPS_PORT 443
#define MAX_ISSUE_BYTES ((size_t)2048)

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

bool pn_pam_is_account_name(struct pn_str name)
{
    if (name.len == 0 || name.len > PN_PAM_NAME_MAX || !is_alnum(name.ptr[0]))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_alnum(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_' &&
            name.ptr[i] != '.')
            return false;
    return true;
}

bool pn_pam_is_bearer(struct pn_str token)
{
    return token.len > 0 && pn_str_is_printable(token) && pn_str_find(token, ' ') < 0;
}

/* Path characters of RFC 3986 §3.3, without the escapes: nobody's API server needs them. */
static bool is_path(struct pn_str path)
{
    static const struct pn_str marks = PN_LIT_INIT("-._~!$&'()*+,;=:@/");

    if (path.len > 0 && path.ptr[0] != '/')
        return false;
    for (size_t i = 0; i < path.len; i++)
        if (!is_alnum(path.ptr[i]) && pn_str_find(marks, path.ptr[i]) < 0)
            return false;
    return pn_str_search(path, PN_LIT("//")) < 0 && pn_str_search(path, PN_LIT("/../")) < 0 &&
           pn_str_search(path, PN_LIT("/./")) < 0 && !pn_str_ends(path, PN_LIT("/..")) &&
           !pn_str_ends(path, PN_LIT("/."));
}

bool pn_pam_url_parse(struct pn_str url, struct pn_pam_url *out)
{
    static const struct pn_str scheme = PN_LIT_INIT("https://");
    struct pn_address address;
    struct pn_str rest, path;
    ptrdiff_t slash;

    if (url.len > PN_PAM_URL_MAX || !pn_str_istarts(url, scheme))
        return false;
    rest = pn_str_slice(url, scheme.len, url.len);
    slash = pn_str_find(rest, '/');
    path = slash < 0 ? PN_LIT("") : pn_str_slice(rest, (size_t)slash, rest.len);
    if (slash >= 0)
        rest = pn_str_slice(rest, 0, (size_t)slash);
    if (!is_path(path) || !pn_address_parse(rest, HTTPS_PORT, &address))
        return false;
    if (pn_str_ends(path, PN_LIT("/")))
        path = pn_str_slice(path, 0, path.len - 1);
    *out = (struct pn_pam_url){ .host = address.host, .port = address.port, .path = path };
    return true;
}

bool pn_pam_is_url(struct pn_str url)
{
    struct pn_pam_url parsed;

    return pn_pam_url_parse(url, &parsed);
}

bool pn_pam_path_split(struct pn_str path, struct pn_str *resource, struct pn_str *account,
                       struct pn_err *err)
{
    ptrdiff_t slash;

    if (pn_str_starts(path, PN_LIT("/")))
        path = pn_str_slice(path, 1, path.len);
    slash = pn_str_find(path, '/');
    if (slash <= 0 || (size_t)slash + 1 == path.len || path.ptr[path.len - 1] == '/')
        return pn_fail(err, PN_BAD_REQUEST, "Path must be in the format 'folderName/accountName'");
    *resource = pn_str_slice(path, 0, (size_t)slash);
    *account = pn_str_slice(path, (size_t)slash + 1, path.len);
    return true;
}

bool pn_pam_invalid(struct pn_arena *arena, const char *path, const char *message,
                    struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_ISSUE_BYTES);
    struct pn_writer w = pn_writer_of(&json);
    struct pn_str rest = pn_str_from(path), step;

    pn_write_array(&w, NULL);
    pn_write_object(&w, NULL);
    pn_write_text(&w, "code", "custom");
    pn_write_array(&w, "path");
    while (pn_str_cut(&rest, '.', &step))
        pn_write_str(&w, NULL, step);
    pn_write_end(&w);
    pn_write_text(&w, "message", message);
    pn_write_end(&w);
    pn_write_end(&w);
    pn_fail(err, PN_VALIDATION, "%s: %s", path, message);
    err->details = pn_arena_copy(arena, pn_buf_str(&json));
    return false;
}

struct pn_str pn_pam_like(struct pn_arena *arena, struct pn_str search)
{
    char *out, *at;

    if (search.len == 0)
        return PN_LIT("%");
    out = at = pn_new(arena, char, 2 * search.len + 2);
    *at++ = '%';
    for (size_t i = 0; i < search.len; i++) {
        char c = search.ptr[i];

        if (c == '%' || c == '_' || c == '\\')
            *at++ = '\\';
        *at++ = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    *at++ = '%';
    return pn_str_of(out, (size_t)(at - out));
}
