/* SPDX-License-Identifier: Apache-2.0 */
#include "client/access.h"

#include <string.h>

#include "base/clock.h"
#include "json/writer.h"

#define MAX_ANSWER_BYTES ((size_t)64 * 1024)

static struct pn_str text_of(struct pn_arena *arena, const struct pn_value *answer,
                             const char *path)
{
    struct pn_str text = pn_value_str(pn_value_at(answer, path));

    return text.len > 0 ? pn_arena_copy(arena, text) : PN_NONE;
}

static void read_relays(const struct pn_value *list, struct pn_access *out)
{
    out->relays.count = pn_value_count(list);
    out->relays.items = pn_new(out->arena, struct pn_str, out->relays.count);
    for (size_t i = 0; i < out->relays.count; i++)
        out->relays.items[i] = pn_arena_copy(out->arena, pn_value_str(pn_value_item(list, i)));
}

/* Leaves what it filled in `out`; the caller drops it on failure. */
static bool fill(const struct pn_value *answer, struct pn_access *out, struct pn_err *err)
{
    struct pn_arena *arena = out->arena;

    out->session_id = text_of(arena, answer, "sessionId");
    out->account_id = text_of(arena, answer, "accountId");
    out->account_path = text_of(arena, answer, "metadata.accountPath");
    out->gateway_id = text_of(arena, answer, "gatewayId");
    out->server_name = text_of(arena, answer, "gatewayServerName");
    out->direct_address = text_of(arena, answer, "directAddress");
    out->certificate_pem = text_of(arena, answer, "gatewayClientCertificate");
    out->trust_pem = text_of(arena, answer, "gatewayServerCertificateChain");
    read_relays(pn_value_get(answer, "relays"), out);
    if (out->session_id.len == 0 || out->account_id.len == 0 || out->server_name.len == 0 ||
        out->certificate_pem.len == 0 || out->trust_pem.len == 0 ||
        (out->relays.count == 0 && out->direct_address.len == 0) ||
        !pn_clock_parse_iso(pn_value_str(pn_value_get(answer, "expiresAt")), &out->expires_ms))
        return pn_fail(
            err, PN_UPSTREAM,
            "the server's answer lacks what a session needs: is it older than this program?");
    out->key_pem =
        pn_secret_new(pn_value_str(pn_value_get(answer, "gatewayClientPrivateKey")), err);
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
    pn_write_str(&w, "gatewayId", access->gateway_id);
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

/* The seed form when the project is known, so that equal names in two projects do not meet. */
static bool print_wish(const struct pn_access_wish *wish, struct pn_buf *body, struct pn_err *err)
{
    struct pn_str rest = wish->path, resource;
    struct pn_writer w = pn_writer_of(body);

    while (pn_str_starts(rest, PN_LIT("/")))
        rest = pn_str_slice(rest, 1, rest.len);
    if (!pn_str_cut(&rest, '/', &resource) || resource.len == 0 || rest.len == 0)
        return pn_fail(err, PN_USAGE, "an account is named RESOURCE/ACCOUNT, not \"%.*s\"",
                       PN_ARG(wish->path));
    pn_write_object(&w, NULL);
    if (wish->project_id.len > 0) {
        pn_write_str(&w, "resourceName", resource);
        pn_write_str(&w, "accountName", rest);
        pn_write_str(&w, "projectId", wish->project_id);
    } else {
        pn_write_str(&w, "path", wish->path);
    }
    if (wish->duration.len > 0)
        pn_write_str(&w, "duration", wish->duration);
    if (wish->reason.len > 0)
        pn_write_str(&w, "reason", wish->reason);
    pn_write_end(&w);
    return true;
}

bool pn_access_open(struct pn_rest *rest, const struct pn_access_wish *wish, struct pn_access *out,
                    struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(4 * MAX_ANSWER_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(MAX_ANSWER_BYTES);
    pn_auto(pn_value_freep) struct pn_value *answer = NULL;

    return print_wish(wish, &body, err) &&
           pn_rest_call(rest, arena, "POST", PN_LIT("/v1/pam/accounts/access"), pn_buf_str(&body),
                        &answer, err) &&
           pn_access_read(answer, out, err);
}

bool pn_access_end(struct pn_rest *rest, struct pn_str session_id, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_ANSWER_BYTES);

    return pn_rest_call(rest, arena, "POST",
                        pn_arena_printf(arena, "/v1/pam/sessions/%.*s/end", PN_ARG(session_id)),
                        PN_LIT("{}"), NULL, err);
}

static void copy_text(char *out, size_t size, const struct pn_value *from)
{
    struct pn_str text = pn_str_slice(pn_value_str(from), 0, size - 1);

    if (text.len > 0)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

bool pn_access_state(struct pn_rest *rest, struct pn_str session_id, struct pn_session_state *out,
                     struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_ANSWER_BYTES);
    pn_auto(pn_value_freep) struct pn_value *answer = NULL;

    if (!pn_rest_call(rest, arena, "GET",
                      pn_arena_printf(arena, "/v1/pam/sessions/%.*s", PN_ARG(session_id)), PN_NONE,
                      &answer, err))
        return false;
    copy_text(out->status, sizeof out->status, pn_value_at(answer, "session.status"));
    copy_text(out->end_reason, sizeof out->end_reason, pn_value_at(answer, "session.endReason"));
    copy_text(out->ended_by, sizeof out->ended_by, pn_value_at(answer, "session.endedBy"));
    return true;
}
