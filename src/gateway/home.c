/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/home.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "crypto/x509.h"
#include "json/shape.h"
#include "json/value.h"
#include "json/writer.h"
#include "kube/names.h"
#include "net/fetch.h"

#include <stdio.h>
#include <string.h>

#define CALL_MS 8000
#define UPLOAD_MS 20000
#define USER_AGENT "postern-gateway/" PN_VERSION
#define MAX_PEM 65536
#define MAX_IDLE_S (7 * 24 * 3600)
#define SPOOL_KEY_BYTES 32
#define ARENA_BYTES ((size_t)1 << 20)

struct pn_home {
    char *url, *ca_pem;
    struct pn_fetcher *fetcher;
    struct pn_secret *token;
};

bool pn_home_new(struct pn_str url, struct pn_str ca_pem, struct pn_home **out, struct pn_err *err)
{
    struct pn_home *home = pn_heap_new(sizeof(*home));
    struct pn_fetcher_config config = { .user_agent = USER_AGENT };

    home->url = pn_heap_new(url.len + 1);
    memcpy(home->url, url.ptr, url.len);
    if (ca_pem.len > 0) {
        home->ca_pem = pn_heap_new(ca_pem.len + 1);
        memcpy(home->ca_pem, ca_pem.ptr, ca_pem.len);
        config.trust_pem = pn_str_of(home->ca_pem, ca_pem.len);
    }
    if (!pn_url_parse(pn_str_of(home->url, url.len), &config.url, err) ||
        !pn_fetcher_new(&config, &home->fetcher, err)) {
        pn_home_free(home);
        return pn_within(err, "the server's URL");
    }
    *out = home;
    return true;
}

void pn_home_free(struct pn_home *home)
{
    if (home == NULL)
        return;
    pn_fetcher_free(home->fetcher);
    pn_secret_free(home->token);
    pn_heap_free(home->url);
    pn_heap_free(home->ca_pem);
    pn_heap_free(home);
}

bool pn_home_set_token(struct pn_home *home, const struct pn_secret *token, struct pn_err *err)
{
    struct pn_secret *copy = pn_secret_copy(token, err);

    if (copy == NULL)
        return false;
    pn_secret_free(home->token);
    home->token = copy;
    return true;
}

bool pn_home_is_away(const struct pn_err *err)
{
    static const enum pn_code passing[] = { PN_UNREACHABLE,  PN_TIMEOUT,  PN_BUSY,
                                            PN_UPSTREAM,     PN_INTERNAL, PN_IO,
                                            PN_RATE_LIMITED, PN_PROTOCOL };

    for (size_t i = 0; i < PN_COUNT(passing); i++)
        if (err->code == passing[i])
            return true;
    return false;
}

/* The server's refusal as ours: its sentence, and the reason a session gives. */
static bool refuse(const struct pn_fetched *answer, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *body = NULL;
    struct pn_err ignored = { 0 };
    struct pn_str message = PN_NONE, reason = PN_NONE;
    enum pn_code code = pn_code_of_status(answer->status);

    if (pn_value_parse(answer->body, &body, &ignored)) {
        message = pn_value_str(pn_value_get(body, "message"));
        reason = pn_value_str(pn_value_at(body, "details.reason"));
    }
    if (reason.len > 0)
        return pn_fail(err, code, "%.*s", PN_ARG(reason));
    if (message.len > 0)
        return pn_fail(err, code, "%.*s", PN_ARG(message));
    return pn_fail(err, code, "the server answered %d", answer->status);
}

static bool call(struct pn_home *home, const struct pn_fetch *request, struct pn_arena *arena,
                 struct pn_str *body, struct pn_err *err)
{
    struct pn_fetched answer;
    struct pn_fetch timed = *request;

    timed.bearer = timed.bearer != NULL ? timed.bearer : home->token;
    if (timed.deadline_ms == 0)
        timed.deadline_ms = pn_clock_mono_ms() + CALL_MS;
    if (!pn_fetch(home->fetcher, &timed, arena, &answer, err))
        return false;
    if (answer.status >= 400)
        return refuse(&answer, err);
    if (answer.status < 200 || answer.status >= 300)
        return pn_fail(err, PN_PROTOCOL, "the server answered %d", answer.status);
    *body = answer.body;
    return true;
}

/* ---- G1 ---- */

struct enrolled {
    struct pn_secret *accessToken;
    struct pn_uuid gatewayId;
};
static const struct pn_field enrolled_fields[] = {
    PN_FIELD(enrolled, accessToken, SECRET, .required = true, .min = 1, .max = 4096),
    PN_FIELD(enrolled, gatewayId, UUID, .required = true),
};

bool pn_home_enrol(struct pn_home *home, const struct pn_secret *one_time, struct pn_secret **token,
                   struct pn_uuid *gateway_id, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(8192);
    struct pn_writer w = pn_writer_of(&json);
    struct pn_fetch request = { .method = "POST",
                                .path = PN_LIT("/api/v3/gateways/token-auth/enroll") };
    struct enrolled reply;
    struct pn_str body;

    pn_write_object(&w, NULL);
    pn_write_str(&w, "token", pn_secret_reveal(one_time));
    pn_write_end(&w);
    request.body = pn_buf_str(&json);
    if (!call(home, &request, arena, &body, err) ||
        !pn_shape_parse(PN_SHAPE(enrolled), arena, body, &reply, err))
        return pn_within(err, "enrolment");
    *token = reply.accessToken;
    *gateway_id = reply.gatewayId;
    return true;
}

/* ---- G2 ---- */

struct relay {
    struct pn_str name, host;
};
static const struct pn_field relay_fields[] = {
    PN_FIELD(relay, name, STRING, .max = 256),
    PN_FIELD(relay, host, STRING, .required = true, .max = 300),
};
static const struct pn_shape relay_shape = PN_SHAPE_OF(relay);

struct pki {
    struct pn_str serverCertificate, serverCertificateChain, clientCertificateChain,
        relayCertificateChain;
    struct pn_secret *serverPrivateKey;
};
static const struct pn_field pki_fields[] = {
    PN_FIELD(pki, serverCertificate, STRING, .required = true, .max = MAX_PEM),
    PN_FIELD(pki, serverPrivateKey, SECRET, .required = true, .max = 8192),
    PN_FIELD(pki, serverCertificateChain, STRING, .required = true, .max = MAX_PEM),
    PN_FIELD(pki, clientCertificateChain, STRING, .required = true, .max = MAX_PEM),
    PN_FIELD(pki, relayCertificateChain, STRING, .max = MAX_PEM, .is_nullable = true),
};
static const struct pn_shape pki_shape = PN_SHAPE_OF(pki);

struct connected {
    struct pn_uuid gatewayId;
    struct pn_str gatewayName;
    struct pn_list relays;
    struct pki pki;
    struct pn_secret *spoolKey;
};
static const struct pn_field connected_fields[] = {
    PN_FIELD(connected, gatewayId, UUID, .required = true),
    PN_FIELD(connected, gatewayName, STRING, .max = 256),
    PN_FIELD(connected, relays, OBJECTS, .shape = &relay_shape, .max = 1000),
    PN_FIELD(connected, pki, OBJECT, .required = true, .shape = &pki_shape),
    PN_FIELD(connected, spoolKey, SECRET, .required = true, .max = 128),
};
static const struct pn_shape connected_shape = PN_SHAPE_OF(connected);

struct pn_identity *pn_identity_ref(struct pn_identity *identity)
{
    atomic_fetch_add(&identity->refs, 1);
    return identity;
}

void pn_identity_unref(struct pn_identity *identity)
{
    if (identity == NULL || atomic_fetch_sub(&identity->refs, 1) > 1)
        return;
    pn_secret_free(identity->key);
    pn_secret_free(identity->spool_key);
    pn_arena_free(identity->arena);
    pn_heap_free(identity);
}

static struct pn_secret *decode_key(const struct pn_secret *base64, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init_wiped(256);

    if (!pn_base64_decode(pn_secret_reveal(base64), &bytes) || bytes.len != SPOOL_KEY_BYTES) {
        (void)pn_fail(err, PN_PROTOCOL, "the server sent a spool key that is none");
        return NULL;
    }
    return pn_secret_new(pn_buf_str(&bytes), err);
}

static bool read_leaf(struct pn_identity *identity, struct pn_str leaf, struct pn_err *err)
{
    struct pn_cert_info info;

    if (!pn_x509_read(identity->arena, leaf, &info, err))
        return pn_within(err, "the gateway's certificate");
    identity->organization = info.organization;
    identity->not_before_ms = info.not_before_ms;
    identity->not_after_ms = info.not_after_ms;
    return true;
}

/* Copies what is needed: the reply itself, with the key in it, does not stay in ordinary memory. */
static struct pn_identity *identity_of(struct connected *reply)
{
    struct pn_identity *identity = pn_heap_new(sizeof(*identity));
    const struct relay *relays = reply->relays.items;
    struct pn_arena *arena = pn_arena_new(ARENA_BYTES);

    identity->refs = 1;
    identity->arena = arena;
    identity->gateway_id = reply->gatewayId;
    identity->name = pn_arena_copy(arena, reply->gatewayName);
    identity->chain = pn_arena_printf(arena, "%.*s\n%.*s", PN_ARG(reply->pki.serverCertificate),
                                      PN_ARG(reply->pki.serverCertificateChain));
    identity->client_trust = pn_arena_copy(arena, reply->pki.clientCertificateChain);
    identity->relay_trust = pn_arena_copy(arena, reply->pki.relayCertificateChain);
    identity->key = pn_take(&reply->pki.serverPrivateKey);
    identity->relays = pn_new(arena, struct pn_identity_relay, reply->relays.count + 1);
    for (size_t i = 0; i < reply->relays.count; i++)
        identity->relays[identity->relay_count++] =
            (struct pn_identity_relay){ pn_arena_copy(arena, relays[i].name),
                                        pn_arena_copy(arena, relays[i].host) };
    return identity;
}

static struct pn_str print_place(struct pn_str relay_name, struct pn_str direct_address,
                                 struct pn_buf *json)
{
    struct pn_writer w = pn_writer_of(json);

    pn_write_object(&w, NULL);
    if (relay_name.len > 0)
        pn_write_str(&w, "relayName", relay_name);
    if (direct_address.len > 0)
        pn_write_str(&w, "directAddress", direct_address);
    pn_write_end(&w);
    return pn_buf_str(json);
}

static bool take_reply(struct connected *reply, struct pn_identity **out, struct pn_err *err)
{
    struct pn_identity *identity = identity_of(reply);

    identity->spool_key = decode_key(reply->spoolKey, err);
    if (identity->spool_key == NULL || !read_leaf(identity, reply->pki.serverCertificate, err)) {
        pn_identity_unref(identity);
        return false;
    }
    *out = identity;
    return true;
}

bool pn_home_connect(struct pn_home *home, struct pn_str relay_name, struct pn_str direct_address,
                     struct pn_identity **out, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4096);
    struct pn_fetch request = { .method = "POST",
                                .path = PN_LIT("/api/v3/gateways/connect"),
                                .body = print_place(relay_name, direct_address, &json) };
    struct connected reply;
    struct pn_str body;
    bool is_taken;

    if (!call(home, &request, arena, &body, err) ||
        !pn_shape_parse(&connected_shape, arena, body, &reply, err))
        return pn_within(err, "connect");
    is_taken = take_reply(&reply, out, err);
    pn_shape_drop(&connected_shape, &reply);
    return is_taken || pn_within(err, "connect");
}

/* ---- G3 ---- */

struct beaten {
    struct pn_list relays;
};
static const struct pn_field beaten_fields[] = {
    PN_FIELD(beaten, relays, OBJECTS, .required = true, .shape = &relay_shape, .max = 1000),
};
static const struct pn_shape beaten_shape = PN_SHAPE_OF(beaten);

static bool knows(const struct pn_identity *identity, struct pn_str host)
{
    for (size_t i = 0; i < identity->relay_count; i++)
        if (pn_str_eq(identity->relays[i].host, host))
            return true;
    return false;
}

static bool are_known(const struct pn_identity *identity, struct pn_list relays)
{
    const struct relay *items = relays.items;

    for (size_t i = 0; i < relays.count; i++)
        if (!knows(identity, items[i].host))
            return false;
    return relays.count == identity->relay_count;
}

bool pn_home_heartbeat(struct pn_home *home, struct pn_str relay_name, struct pn_str direct_address,
                       const struct pn_identity *known, bool *has_news, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4096);
    struct pn_fetch request = { .method = "POST",
                                .path = PN_LIT("/api/v2/gateways/heartbeat"),
                                .body = print_place(relay_name, direct_address, &json) };
    struct beaten reply;
    struct pn_str body;

    if (!call(home, &request, arena, &body, err) ||
        !pn_shape_parse(&beaten_shape, arena, body, &reply, err))
        return pn_within(err, "heartbeat");
    *has_news = !are_known(known, reply.relays);
    return true;
}

/* ---- G4 ---- */

struct credentials {
    struct pn_str url, sslCertificate, authMethod, namespace, serviceAccountName;
    bool sslRejectUnauthorized;
    struct pn_secret *serviceAccountToken;
};
static const struct pn_field credentials_fields[] = {
    PN_FIELD(credentials, url, STRING, .required = true, .max = 2048),
    PN_FIELD(credentials, sslRejectUnauthorized, BOOL, .required = true),
    PN_FIELD(credentials, sslCertificate, STRING, .is_nullable = true, .max = MAX_PEM),
    PN_FIELD(credentials, authMethod, STRING, .required = true, .max = 64),
    PN_FIELD(credentials, serviceAccountToken, SECRET, .is_nullable = true, .max = 16384),
    PN_FIELD(credentials, namespace, STRING, .is_nullable = true, .max = 253),
    PN_FIELD(credentials, serviceAccountName, STRING, .is_nullable = true, .max = 253),
};
static const struct pn_shape credentials_shape = PN_SHAPE_OF(credentials);

struct session {
    struct pn_uuid id, accountId;
    int64_t expiresAt, idleTimeoutSeconds;
};
static const struct pn_field session_fields[] = {
    PN_FIELD(session, id, UUID, .required = true),
    PN_FIELD(session, accountId, UUID, .required = true),
    PN_FIELD(session, expiresAt, TIME, .required = true),
    PN_FIELD(session, idleTimeoutSeconds, INT, .max = MAX_IDLE_S),
};
static const struct pn_shape session_shape = PN_SHAPE_OF(session);

struct granted {
    struct credentials credentials;
    struct session session;
};
static const struct pn_field granted_fields[] = {
    PN_FIELD(granted, credentials, OBJECT, .required = true, .shape = &credentials_shape),
    PN_FIELD(granted, session, OBJECT, .required = true, .shape = &session_shape),
};
static const struct pn_shape granted_shape = PN_SHAPE_OF(granted);

struct pn_grant *pn_grant_ref(struct pn_grant *grant)
{
    atomic_fetch_add(&grant->refs, 1);
    return grant;
}

void pn_grant_unref(struct pn_grant *grant)
{
    if (grant == NULL || atomic_fetch_sub(&grant->refs, 1) > 1)
        return;
    pn_secret_free(grant->authorization);
    pn_arena_free(grant->arena);
    pn_heap_free(grant);
}

static bool take_token(const struct credentials *credentials, struct pn_grant *grant,
                       struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(32768);

    if (credentials->serviceAccountToken == NULL)
        return pn_fail(err, PN_UPSTREAM, "the account has no token");
    pn_buf_add(&text, PN_LIT("Bearer "));
    pn_buf_add(&text, pn_str_trim(pn_secret_reveal(credentials->serviceAccountToken)));
    grant->authorization = pn_secret_new(pn_buf_str(&text), err);
    return grant->authorization != NULL;
}

static bool take_service_account(const struct credentials *credentials, struct pn_grant *grant,
                                 struct pn_err *err)
{
    return pn_kube_service_account(grant->arena, credentials->namespace,
                                   credentials->serviceAccountName, &grant->impersonate, err);
}

/* Ways of acting in a cluster; a method that is not here is no way. */
static const struct {
    const char *name;
    bool (*take)(const struct credentials *credentials, struct pn_grant *grant, struct pn_err *err);
} methods[] = {
    { "service-account-token", take_token },
    { "gateway-kubernetes-auth", take_service_account },
};

static bool take_method(const struct credentials *credentials, struct pn_grant *grant,
                        struct pn_err *err)
{
    for (size_t i = 0; i < PN_COUNT(methods); i++)
        if (pn_str_is(credentials->authMethod, methods[i].name))
            return methods[i].take(credentials, grant, err);
    return pn_fail(err, PN_UPSTREAM, "this gateway does not know the account's way of logging in");
}

static bool make_grant(struct pn_arena *body_arena, struct pn_str body, struct pn_grant *grant,
                       struct pn_err *err)
{
    struct granted reply;
    bool is_taken;

    if (!pn_shape_parse(&granted_shape, body_arena, body, &reply, err))
        return false;
    grant->session = reply.session.id;
    grant->account = reply.session.accountId;
    grant->expires_ms = reply.session.expiresAt;
    grant->idle_ms = 1000 * reply.session.idleTimeoutSeconds;
    grant->url = pn_arena_copy(grant->arena, reply.credentials.url);
    grant->ca_pem = pn_arena_copy(grant->arena, reply.credentials.sslCertificate);
    grant->is_insecure = !reply.credentials.sslRejectUnauthorized;
    is_taken = take_method(&reply.credentials, grant, err);
    pn_shape_drop(&granted_shape, &reply);
    return is_taken;
}

bool pn_home_credentials(struct pn_home *home, struct pn_uuid session, struct pn_grant **out,
                         struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    struct pn_fetch request = { .method = "GET" };
    struct pn_grant *grant;
    struct pn_str body;

    request.path =
        pn_arena_printf(arena, "/api/v1/pam/sessions/%s/credentials", pn_uuid_format(session).text);
    if (!call(home, &request, arena, &body, err))
        return pn_within(err, "credentials");
    grant = pn_heap_new(sizeof(*grant));
    grant->refs = 1;
    grant->arena = pn_arena_new(ARENA_BYTES);
    if (!make_grant(arena, body, grant, err)) {
        pn_grant_unref(grant);
        return pn_within(err, "credentials");
    }
    *out = grant;
    return true;
}

/* ---- G7 ---- */

bool pn_home_end(struct pn_home *home, struct pn_uuid session, struct pn_str reason,
                 struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(4096);
    struct pn_writer w = pn_writer_of(&json);
    struct pn_fetch request = { .method = "POST" };
    struct pn_str body;

    pn_write_object(&w, NULL);
    pn_write_str(&w, "reason", reason);
    pn_write_end(&w);
    request.body = pn_buf_str(&json);
    request.path =
        pn_arena_printf(arena, "/api/v1/pam/sessions/%s/end", pn_uuid_format(session).text);
    return call(home, &request, arena, &body, err) || pn_within(err, "end of a session");
}

/* ---- G5 ---- */

struct over {
    struct pn_uuid id;
    struct pn_str status, reason;
};
static const struct pn_field over_fields[] = {
    PN_FIELD(over, id, UUID, .required = true),
    PN_FIELD(over, status, STRING, .is_nullable = true, .max = 64),
    PN_FIELD(over, reason, STRING, .is_nullable = true, .max = 4096),
};
static const struct pn_shape over_shape = PN_SHAPE_OF(over);

struct synced {
    struct pn_list ended;
};
static const struct pn_field synced_fields[] = {
    PN_FIELD(synced, ended, OBJECTS, .required = true, .shape = &over_shape, .max = 10000),
};

static struct pn_str sync_body(const struct pn_uuid *sessions, size_t count, struct pn_buf *json)
{
    struct pn_writer w = pn_writer_of(json);

    pn_write_object(&w, NULL);
    pn_write_array(&w, "sessions");
    for (size_t i = 0; i < count; i++)
        pn_write_uuid(&w, NULL, sessions[i]);
    pn_write_end(&w);
    pn_write_end(&w);
    return pn_buf_str(json);
}

bool pn_home_sync(struct pn_home *home, const struct pn_uuid *sessions, size_t count,
                  struct pn_ended *ended, size_t *ended_count, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new((size_t)8 << 20);
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init((size_t)1 << 20);
    struct pn_fetch request = { .method = "POST", .path = PN_LIT("/api/v1/pam/gateways/sync") };
    struct synced reply;
    const struct over *overs;
    struct pn_str body;

    request.body = sync_body(sessions, count, &json);
    if (!call(home, &request, arena, &body, err) ||
        !pn_shape_parse(PN_SHAPE(synced), arena, body, &reply, err))
        return pn_within(err, "sync");
    overs = reply.ended.items;
    *ended_count = reply.ended.count < count ? reply.ended.count : count;
    for (size_t i = 0; i < *ended_count; i++) {
        struct pn_str why = overs[i].reason.len > 0 ? overs[i].reason : overs[i].status;

        ended[i].session = overs[i].id;
        (void)snprintf(ended[i].reason, sizeof(ended[i].reason), "%.*s", PN_ARG(why));
    }
    return true;
}

/* ---- G6 ---- */

bool pn_home_upload(struct pn_home *home, struct pn_uuid session, uint64_t first,
                    struct pn_str events, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    struct pn_fetch request = { .method = "POST",
                                .body = events,
                                .deadline_ms = pn_clock_mono_ms() + UPLOAD_MS };
    struct pn_str body;

    request.path = pn_arena_printf(arena, "/api/v1/pam/sessions/%s/event-batches?startOffset=%llu",
                                   pn_uuid_format(session).text, (unsigned long long)first);
    if (!call(home, &request, arena, &body, err))
        return pn_within(err, "upload of events from %llu", (unsigned long long)first);
    return true;
}
