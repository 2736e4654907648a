/* SPDX-License-Identifier: Apache-2.0 */
#include "client/access.h"

#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/uuid.h"
#include "json/writer.h"
#include "net/dial.h"

#define MAX_ANSWER_BYTES ((size_t)128 * 1024)
#define MAX_BODY_BYTES ((size_t)16 * 1024)
#define MAX_TEXT_BYTES ((size_t)512)
#define MAX_PEM_BYTES ((size_t)16 * 1024)
#define RELAY_PORT 8443
#define PAGE 100 /* accounts in one answer, at most */

/* ---- the answer: from a server, or from a file ---- */

/* A copy of at most max_bytes; longer is not cut but missing. */
static struct pn_str text_of(const struct pn_access *access, const struct pn_value *from,
                             size_t max_bytes)
{
    struct pn_str text = pn_value_str(from);

    return text.len > 0 && text.len <= max_bytes ? pn_arena_copy(access->arena, text) : PN_NONE;
}

static struct pn_str id_of(const struct pn_access *access, const struct pn_value *from)
{
    struct pn_str text = text_of(access, from, MAX_TEXT_BYTES);
    struct pn_uuid id;

    return pn_uuid_parse(text, &id) ? text : PN_NONE;
}

/* A name a person sees: no control bytes, which would speak to the terminal. */
static struct pn_str name_of(const struct pn_access *access, const struct pn_value *from)
{
    struct pn_str text = text_of(access, from, MAX_TEXT_BYTES);

    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return PN_NONE;
    }
    return text;
}

static struct pn_str address_of(const struct pn_access *access, const struct pn_value *from)
{
    struct pn_str text = text_of(access, from, MAX_TEXT_BYTES);
    struct pn_endpoint endpoint;
    struct pn_err err = { 0 };

    return pn_endpoint_parse(text, RELAY_PORT, &endpoint, &err) ? text : PN_NONE;
}

static void read_relays(const struct pn_value *list, struct pn_access *out)
{
    out->relays.items = pn_new(out->arena, struct pn_str, PN_ACCESS_RELAYS_MAX);
    for (size_t i = 0; i < pn_value_count(list) && out->relays.count < PN_ACCESS_RELAYS_MAX; i++) {
        struct pn_str address = address_of(out, pn_value_item(list, i));

        if (address.len > 0)
            out->relays.items[out->relays.count++] = address;
    }
}

static void read_texts(const struct pn_value *answer, struct pn_access *out)
{
    out->session_id = id_of(out, pn_value_get(answer, "sessionId"));
    out->account_id = id_of(out, pn_value_get(answer, "accountId"));
    out->account_path = name_of(out, pn_value_at(answer, "metadata.accountPath"));
    out->server_name = name_of(out, pn_value_get(answer, "gatewayServerName"));
    out->direct_address = address_of(out, pn_value_get(answer, "directAddress"));
    out->certificate_pem =
        text_of(out, pn_value_get(answer, "gatewayClientCertificate"), MAX_PEM_BYTES);
    out->trust_pem =
        text_of(out, pn_value_get(answer, "gatewayServerCertificateChain"), MAX_PEM_BYTES);
    read_relays(pn_value_get(answer, "relays"), out);
}

static bool is_whole(const struct pn_access *access)
{
    return access->session_id.len > 0 && access->account_id.len > 0 &&
           access->account_path.len > 0 && access->server_name.len > 0 &&
           access->certificate_pem.len > 0 && access->trust_pem.len > 0 &&
           (access->relays.count > 0 || access->direct_address.len > 0);
}

/* Leaves what it filled in `out`; the caller drops it on failure. */
static bool fill(const struct pn_value *answer, struct pn_access *out, struct pn_err *err)
{
    struct pn_str key = pn_value_str(pn_value_get(answer, "gatewayClientPrivateKey"));

    read_texts(answer, out);
    if (!is_whole(out) || key.len == 0 || key.len > MAX_PEM_BYTES ||
        !pn_clock_parse_iso(pn_value_str(pn_value_get(answer, "expiresAt")), &out->expires_ms))
        return pn_fail(err, PN_UPSTREAM,
                       "the server's answer lacks what a session needs: are server and this "
                       "program of one version?");
    out->key_pem = pn_secret_new(key, err);
    return out->key_pem != NULL;
}

bool pn_access_read(const struct pn_value *answer, struct pn_access *out, struct pn_err *err)
{
    *out = (struct pn_access){ .arena = pn_arena_new(MAX_ANSWER_BYTES) };
    if (fill(answer, out, err))
        return true;
    pn_access_drop(out);
    return false;
}

void pn_access_drop(struct pn_access *access)
{
    pn_secret_freep(&access->key_pem);
    pn_arena_freep(&access->arena);
    *access = (struct pn_access){ 0 };
}

void pn_access_print(const struct pn_access *access, struct pn_buf *json)
{
    struct pn_writer w = pn_writer_of(json);

    pn_write_object(&w, NULL);
    pn_write_str(&w, "sessionId", access->session_id);
    pn_write_str(&w, "accountId", access->account_id);
    pn_write_object(&w, "metadata");
    pn_write_str(&w, "accountPath", access->account_path);
    pn_write_end(&w);
    pn_write_str(&w, "gatewayServerName", access->server_name);
    pn_write_str(&w, "directAddress", access->direct_address);
    pn_write_array(&w, "relays");
    for (size_t i = 0; i < access->relays.count; i++)
        pn_write_str(&w, NULL, access->relays.items[i]);
    pn_write_end(&w);
    pn_write_str(&w, "gatewayClientCertificate", access->certificate_pem);
    pn_write_str(&w, "gatewayClientPrivateKey", pn_secret_reveal(access->key_pem));
    pn_write_str(&w, "gatewayServerCertificateChain", access->trust_pem);
    pn_write_time(&w, "expiresAt", access->expires_ms);
    pn_write_end(&w);
}

/* ---- calls ---- */

static bool split_path(struct pn_str path, struct pn_str *resource, struct pn_str *account,
                       struct pn_err *err)
{
    *account = path;
    return (pn_str_cut(account, '/', resource) && resource->len > 0 && account->len > 0) ||
           pn_fail(err, PN_USAGE, "an account is named RESOURCE/ACCOUNT, not \"%.*s\"",
                   PN_ARG(path));
}

static bool is_listed(const struct pn_value *accounts, struct pn_str resource,
                      struct pn_str account)
{
    for (size_t i = 0; i < pn_value_count(accounts); i++) {
        const struct pn_value *each = pn_value_item(accounts, i);

        if (pn_str_eq(pn_value_str(pn_value_get(each, "folderName")), resource) &&
            pn_str_eq(pn_value_str(pn_value_get(each, "name")), account))
            return true;
    }
    return false;
}

/* Of a list that is longer than one page it is not known whether it lacks one. */
bool pn_access_check(struct pn_rest *rest, const struct pn_access_wish *wish, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(MAX_BODY_BYTES);
    pn_auto(pn_value_freep) struct pn_value *answer = NULL;
    struct pn_str account, resource;
    const struct pn_value *accounts;

    if (!split_path(wish->path, &resource, &account, err))
        return false;
    if (wish->project_id.len == 0)
        return true;
    pn_buf_add_text(&path, "/v1/pam/accounts/accessible");
    pn_rest_query(&path, "projectId", wish->project_id);
    pn_rest_query(&path, "search", account);
    pn_rest_query(&path, "limit", PN_LIT("100"));
    if (path.is_full)
        return pn_fail(err, PN_USAGE, "the account's name is too long");
    if (!pn_rest_call(rest, "GET", pn_buf_str(&path), PN_NONE, &answer, err))
        return false;
    accounts = pn_value_get(answer, "accounts");
    return is_listed(accounts, resource, account) || pn_value_count(accounts) == PAGE ||
           pn_fail(err, PN_NOT_FOUND, "Account '%.*s' not found", PN_ARG(wish->path));
}

static bool print_wish(const struct pn_access_wish *wish, struct pn_buf *body, struct pn_err *err)
{
    struct pn_writer w = pn_writer_of(body);
    struct pn_str account, resource;

    if (!split_path(wish->path, &resource, &account, err))
        return false;
    pn_write_object(&w, NULL);
    if (wish->project_id.len > 0) {
        pn_write_str(&w, "resourceName", resource);
        pn_write_str(&w, "accountName", account);
        pn_write_str(&w, "projectId", wish->project_id);
    } else {
        pn_write_str(&w, "path", wish->path);
    }
    if (wish->duration.len > 0)
        pn_write_str(&w, "duration", wish->duration);
    if (wish->reason.len > 0)
        pn_write_str(&w, "reason", wish->reason);
    pn_write_end(&w);
    return !body->is_full || pn_fail(err, PN_USAGE, "the reason is too long");
}

bool pn_access_open(struct pn_rest *rest, const struct pn_access_wish *wish, struct pn_access *out,
                    struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(MAX_BODY_BYTES);
    pn_auto(pn_value_freep) struct pn_value *answer = NULL;

    return print_wish(wish, &body, err) &&
           pn_rest_call(rest, "POST", PN_LIT("/v1/pam/accounts/access"), pn_buf_str(&body), &answer,
                        err) &&
           pn_access_read(answer, out, err);
}

static void add_session_path(struct pn_buf *path, struct pn_str session_id, const char *after)
{
    pn_buf_add_text(path, "/v1/pam/sessions/");
    pn_percent_add(path, session_id);
    pn_buf_add_text(path, after);
}

bool pn_access_end(struct pn_rest *rest, struct pn_str session_id, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(4 * MAX_TEXT_BYTES);

    add_session_path(&path, session_id, "/end");
    return pn_rest_call(rest, "POST", pn_buf_str(&path), PN_LIT("{}"), NULL, err);
}

static void copy_text(char *out, size_t size, const struct pn_value *from)
{
    struct pn_str text = pn_str_slice(pn_value_str(from), 0, size - 1);

    for (size_t i = 0; i < text.len; i++)
        out[i] =
            (char)((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f ? ' ' : text.ptr[i]);
    out[text.len] = '\0';
}

/* Nobody ended it before its time. */
static bool has_run_out(const struct pn_value *session)
{
    int64_t ended_ms, expires_ms;

    return pn_str_is(pn_value_str(pn_value_get(session, "status")), "ended") &&
           pn_clock_parse_iso(pn_value_str(pn_value_get(session, "endedAt")), &ended_ms) &&
           pn_clock_parse_iso(pn_value_str(pn_value_get(session, "expiresAt")), &expires_ms) &&
           ended_ms >= expires_ms;
}

bool pn_access_state(struct pn_rest *rest, struct pn_str session_id, struct pn_session_state *out,
                     struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf path = pn_buf_init(4 * MAX_TEXT_BYTES);
    pn_auto(pn_value_freep) struct pn_value *answer = NULL;
    const struct pn_value *session;

    add_session_path(&path, session_id, "");
    if (!pn_rest_call(rest, "GET", pn_buf_str(&path), PN_NONE, &answer, err))
        return false;
    session = pn_value_get(answer, "session");
    copy_text(out->status, sizeof out->status, pn_value_get(session, "status"));
    copy_text(out->end_reason, sizeof out->end_reason, pn_value_get(session, "endReason"));
    copy_text(out->ended_by, sizeof out->ended_by, pn_value_get(session, "endedBy"));
    out->is_over = strcmp(out->status, "ended") == 0 || strcmp(out->status, "terminated") == 0;
    out->has_run_out = has_run_out(session);
    return true;
}

struct pn_str pn_access_state_text(struct pn_arena *arena, const struct pn_session_state *state)
{
    if (state->has_run_out)
        return PN_LIT("the session has expired");
    return pn_arena_printf(arena, "the session was %s%s%s%s%s", state->status,
                           state->ended_by[0] != '\0' ? " by " : "", state->ended_by,
                           state->end_reason[0] != '\0' ? ": " : "", state->end_reason);
}
