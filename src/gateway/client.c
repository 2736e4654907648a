/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/client.h"

#include "base/log.h"
#include "crypto/x509.h"
#include "gateway/official.h"
#include "gateway/session.h"
#include "json/shape.h"
#include "kube/road.h"

#include <string.h>

#define HANDSHAKE_MS 10000
#define SESSION_OID "1.3.6.1.4.1.12345.100.3"

struct pam_extension {
    struct pn_uuid sessionId;
    struct pn_str resourceType;
};
static const struct pn_field pam_extension_fields[] = {
    PN_FIELD(pam_extension, sessionId, UUID, .required = true),
    PN_FIELD(pam_extension, resourceType, STRING, .required = true, .max = 64),
};

static bool is_ours(const struct pn_identity *identity, const struct pn_cert_info *info,
                    struct pn_str gateway)
{
    struct pn_uuid id;

    return pn_uuid_parse(gateway, &id) && pn_uuid_eq(id, identity->gateway_id) &&
           pn_str_eq(info->organization, identity->organization);
}

static bool is_made_for(const struct pn_identity *identity, const struct pn_cert_info *info)
{
    struct pn_str rest = info->common_name, actor;

    return pn_str_cut(&rest, ':', &actor) &&
           (pn_str_is(actor, "user") || pn_str_is(actor, "identity")) &&
           is_ours(identity, info, rest);
}

/* Name, unit, extension, and no session: each alone would do, and a session's certificate has none. */
bool pn_client_check_platform(struct pn_arena *arena, struct pn_str der,
                              const struct pn_identity *identity, struct pn_err *err)
{
    static const char *const oids[] = { PN_ROAD_OID, SESSION_OID };
    struct pn_cert_info info;
    struct pn_str found[PN_COUNT(oids)], name = PN_LIT(PN_ROAD_CN);

    if (!pn_x509_read_with(arena, der, &info, oids, PN_COUNT(oids), found, err))
        return false;
    if (!pn_str_starts(info.common_name, name) || !pn_str_is(info.unit, PN_ROAD_UNIT) ||
        !pn_str_is(found[0], PN_ROAD_EXTENSION) || found[1].ptr != NULL)
        return pn_fail(err, PN_FORBIDDEN, "the certificate is not the platform's");
    return is_ours(identity, &info,
                   pn_str_slice(info.common_name, name.len, info.common_name.len)) ||
           pn_fail(err, PN_FORBIDDEN, "the platform's certificate was made for another gateway");
}

bool pn_client_read_claim(struct pn_arena *arena, struct pn_str der,
                          const struct pn_identity *identity, struct pn_claim *out,
                          struct pn_err *err)
{
    static const char *const oid = SESSION_OID;
    struct pn_cert_info info;
    struct pam_extension extension;
    struct pn_str json;

    if (!pn_x509_read_with(arena, der, &info, &oid, 1, &json, err))
        return false;
    if (!is_made_for(identity, &info))
        return pn_fail(err, PN_FORBIDDEN, "the client certificate was made for another gateway");
    if (json.ptr == NULL)
        return pn_fail(err, PN_FORBIDDEN, "the client certificate names no session");
    if (!pn_shape_parse(PN_SHAPE(pam_extension), arena, json, &extension, err))
        return pn_within(err, "session extension");
    if (!pn_str_is(extension.resourceType, "kubernetes"))
        return pn_fail(err, PN_FORBIDDEN, "the client certificate is not for Kubernetes");
    out->session = extension.sessionId;
    out->not_after_ms = info.not_after_ms;
    return true;
}

static void unlink_client(struct pn_client *client)
{
    *client->at = client->next;
    if (client->next != NULL)
        client->next->at = client->at;
    atomic_fetch_sub(&client->worker->connections, 1);
    pn_heap_free(client);
}

void pn_client_closed(void *worker, void *client_)
{
    struct pn_client *client = client_;

    (void)worker;
    if (client->session != NULL)
        pn_session_leave(client->session);
    unlink_client(client);
}

static bool join_session(struct pn_client *client, struct pn_stream *tls, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(65536);
    struct pn_claim claim;

    if (!pn_client_read_claim(arena, pn_tls_peer_der(tls, arena), client->worker->identity, &claim,
                              err))
        return false;
    if (pn_tls_peer_has_expired(tls))
        return true; /* no session: every request is answered 401 */
    return pn_session_join(client->worker, claim.session, claim.not_after_ms, &client->session,
                           err);
}

static void refuse(struct pn_client *client, struct pn_stream *tls, const struct pn_err *err)
{
    pn_log(PN_INFO, "client-refused", PN_F_TEXT("ip", client->ip), PN_F_ERR(err));
    pn_stream_close(tls);
    unlink_client(client);
}

/* The server itself; nobody else has such a certificate, and it speaks nothing else. */
static void serve_platform(struct pn_client *client, struct pn_stream *tls)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(65536);
    struct pn_err why = { 0 };

    if (pn_tls_peer_has_expired(tls))
        (void)pn_fail(&why, PN_FORBIDDEN, "the platform's certificate has expired");
    else if (pn_client_check_platform(arena, pn_tls_peer_der(tls, arena), client->worker->identity,
                                      &why))
        client->conn =
            pn_http_serve(client->worker->platform, tls, false, pn_str_from(client->ip), client);
    if (client->conn == NULL)
        refuse(client, tls, &why);
}

static void on_word_said(void *client_)
{
    struct pn_client *client = client_;

    client->word = NULL;
    unlink_client(client);
}

/* Infisical's own client, with a question or a wish that is no request. */
static void serve_official(struct pn_client *client, struct pn_stream *tls,
                           const struct pn_official *official)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(65536);
    pn_auto(pn_buf_drop) struct pn_buf word = pn_buf_init(PN_WORD_BYTES);
    struct pn_err why = { 0 };
    struct pn_claim claim;

    if (!pn_client_read_claim(arena, pn_tls_peer_der(tls, arena), client->worker->identity, &claim,
                              &why)) {
        refuse(client, tls, &why);
    } else if (pn_tls_peer_has_expired(tls)) {
        (void)pn_fail(&why, PN_FORBIDDEN, "the session's certificate has expired");
        refuse(client, tls, &why);
    } else {
        pn_official_do(official, client->worker, &claim, &word);
        client->word = pn_word_say(tls, pn_buf_str(&word), on_word_said, client);
    }
}

static void on_tls(void *client_, struct pn_stream *tls, const struct pn_err *err)
{
    struct pn_client *client = client_;
    const struct pn_official *official;
    struct pn_err why = { 0 };

    client->tls = NULL;
    if (err != NULL) {
        refuse(client, NULL, err);
        return;
    }
    if (client->worker->is_draining) {
        (void)pn_fail(&why, PN_BUSY, "the gateway is stopping");
        refuse(client, tls, &why);
        return;
    }
    if (strcmp(pn_tls_alpn(tls), PN_ROAD_ALPN) == 0) {
        serve_platform(client, tls);
        return;
    }
    official = pn_official_find(pn_tls_alpn(tls));
    if (official != NULL) {
        serve_official(client, tls, official);
        return;
    }
    if (!join_session(client, tls, &why)) {
        refuse(client, tls, &why);
        return;
    }
    client->conn = pn_http_serve(client->worker->http, tls, strcmp(pn_tls_alpn(tls), "h2") == 0,
                                 pn_str_from(client->ip), client);
    if (client->is_leaving && client->conn != NULL)
        pn_http_conn_drain(client->conn);
}

static struct pn_client *new_client(struct pn_worker *worker, struct pn_str ip)
{
    struct pn_client *client = pn_heap_new(sizeof(*client));

    client->worker = worker;
    memcpy(client->ip, ip.len > 0 ? ip.ptr : "", ip.len < sizeof(client->ip) ? ip.len : 0);
    client->next = worker->clients;
    client->at = &worker->clients;
    if (client->next != NULL)
        client->next->at = &client->next;
    worker->clients = client;
    atomic_fetch_add(&worker->connections, 1);
    return client;
}

void pn_client_accept(struct pn_worker *worker, struct pn_stream *stream, uint64_t link,
                      struct pn_str ip)
{
    struct pn_client *client;
    struct pn_err err = { 0 };

    pn_on_loop(worker->loop);
    if (worker->is_draining || worker->tls == NULL) {
        pn_stream_close(stream);
        return;
    }
    client = new_client(worker, ip);
    client->link = link;
    if (!pn_tls_start(worker->tls, stream, NULL, HANDSHAKE_MS, on_tls, client, &client->tls, &err))
        refuse(client, NULL, &err);
}

void pn_client_drain_link(struct pn_worker *worker, uint64_t link)
{
    struct pn_client *next;

    pn_on_loop(worker->loop);
    for (struct pn_client *client = worker->clients; client != NULL; client = next) {
        next = client->next;
        if (client->link != link)
            continue;
        client->is_leaving = true;
        if (client->conn != NULL)
            pn_http_conn_drain(client->conn);
    }
}

void pn_client_close_all(struct pn_worker *worker)
{
    struct pn_client *next;

    for (struct pn_client *client = worker->clients; client != NULL; client = next) {
        next = client->next;
        if (client->tls == NULL && client->word == NULL)
            continue;
        pn_stream_close(client->tls);
        if (client->word != NULL)
            pn_word_cancel(client->word);
        unlink_client(client);
    }
}
