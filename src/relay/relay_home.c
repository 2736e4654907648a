/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/relay_home.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "crypto/hash.h"
#include "crypto/x509.h"
#include "json/shape.h"
#include "json/value.h"
#include "json/writer.h"
#include "net/fetch.h"
#include "sys/sys.h"

#define CALL_MS 8000
#define LOCK_WAIT_MS 2000
#define MAX_FILE_BYTES ((size_t)16384)
#define MAX_PEM 65536
#define MAX_HEARTBEAT_BYTES ((size_t)1 << 20)
#define ARENA_BYTES ((size_t)1 << 20)

struct pn_relay_home {
    char *url, *ca_pem, *path;
    int lock_fd;
    struct pn_fetcher *fetcher;
    struct pn_secret *access_token; /* NULL: not enrolled */
    struct pn_uuid id;
    uint8_t used_digest[PN_SHA256_BYTES]; /* of the one-time token */
};

/* ---- relay.json ---- */

struct stored {
    struct pn_secret *accessToken;
    struct pn_uuid relayId;
    struct pn_str enrolledWith;
};
static const struct pn_field stored_fields[] = {
    PN_FIELD(stored, accessToken, SECRET, .required = true, .min = 1, .max = 4096),
    PN_FIELD(stored, relayId, UUID, .required = true),
    PN_FIELD(stored, enrolledWith, STRING, .required = true, .min = 64, .max = 64),
};

static bool load(struct pn_relay_home *home, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(65536);
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_FILE_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf digest = pn_buf_init(PN_SHA256_BYTES + 1);
    struct stored stored;

    if (!pn_file_exists(home->path))
        return true;
    if (!pn_file_is_private(home->path))
        return pn_fail(err, PN_IO,
                       "%s can be read by others: make it private (chmod 600) and renew the token",
                       home->path);
    if (!pn_file_read(home->path, MAX_FILE_BYTES, &text, err) ||
        !pn_shape_parse(PN_SHAPE(stored), arena, pn_buf_str(&text), &stored, err))
        return pn_within(err, "%s", home->path);
    home->access_token = stored.accessToken;
    home->id = stored.relayId;
    if (!pn_hex_decode(stored.enrolledWith, &digest) || digest.len != PN_SHA256_BYTES)
        return pn_fail(err, PN_IO, "%s is damaged: remove it and enrol again", home->path);
    memcpy(home->used_digest, digest.ptr, PN_SHA256_BYTES);
    return true;
}

static bool save(const struct pn_relay_home *home, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_FILE_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf hex = pn_buf_init(2 * PN_SHA256_BYTES + 1);
    struct pn_writer w = pn_writer_of(&text);

    pn_hex_add(&hex, pn_str_of(home->used_digest, PN_SHA256_BYTES));
    pn_write_object(&w, NULL);
    pn_write_str(&w, "accessToken", pn_secret_reveal(home->access_token));
    pn_write_uuid(&w, "relayId", home->id);
    pn_write_str(&w, "enrolledWith", pn_buf_str(&hex));
    pn_write_end(&w);
    if (!pn_file_write(home->path, pn_buf_str(&text), 0600, err))
        return pn_within(err, "the relay is enrolled, but its token cannot be kept");
    return true;
}

/* ---- life ---- */

static char *joined(const char *directory, const char *name)
{
    size_t len = strlen(directory) + strlen(name) + 2;
    char *path = pn_heap_new(len);

    (void)snprintf(path, len, "%s/%s", directory, name);
    return path;
}

static char *copied(struct pn_str text)
{
    char *copy = pn_heap_new(text.len + 1);

    memcpy(copy, text.len > 0 ? text.ptr : "", text.len);
    return copy;
}

static bool open_state(struct pn_relay_home *home, const char *directory, struct pn_err *err)
{
    if (!pn_dir_make(directory, 0700, err))
        return pn_within(err, "state directory");

    char *lock = joined(directory, "lock");

    home->path = joined(directory, "relay.json");
    home->lock_fd = pn_file_lock(lock, LOCK_WAIT_MS, err);
    pn_heap_free(lock);
    if (home->lock_fd < 0)
        return pn_within(err, "another relay may be running on %s", directory);
    return load(home, err);
}

bool pn_relay_home_new(struct pn_str url, struct pn_str ca_pem, const char *state_dir,
                       struct pn_relay_home **out, struct pn_err *err)
{
    struct pn_relay_home *home = pn_heap_new(sizeof(*home));
    struct pn_fetcher_config config = { .user_agent = "postern-relay/" PN_VERSION };

    home->lock_fd = -1;
    home->url = copied(url);
    home->ca_pem = copied(ca_pem);
    if (ca_pem.len > 0)
        config.trust_pem = pn_str_of(home->ca_pem, ca_pem.len);
    if (!pn_url_parse(pn_str_of(home->url, url.len), &config.url, err) ||
        !pn_fetcher_new(&config, &home->fetcher, err) || !open_state(home, state_dir, err)) {
        pn_relay_home_free(home);
        return false;
    }
    *out = home;
    return true;
}

void pn_relay_home_free(struct pn_relay_home *home)
{
    if (home == NULL)
        return;
    if (home->lock_fd >= 0)
        pn_file_unlock(home->lock_fd);
    pn_fetcher_free(home->fetcher);
    pn_secret_free(home->access_token);
    pn_heap_free(home->path);
    pn_heap_free(home->url);
    pn_heap_free(home->ca_pem);
    pn_heap_free(home);
}

struct pn_uuid pn_relay_home_id(const struct pn_relay_home *home)
{
    return home->id;
}

/* ---- calls ---- */

bool pn_relay_home_is_away(const struct pn_err *err)
{
    static const enum pn_code passing[] = { PN_UNREACHABLE,  PN_TIMEOUT,  PN_BUSY,
                                            PN_UPSTREAM,     PN_INTERNAL, PN_IO,
                                            PN_RATE_LIMITED, PN_PROTOCOL };

    for (size_t i = 0; i < PN_COUNT(passing); i++)
        if (err->code == passing[i])
            return true;
    return false;
}

static bool refuse(const struct pn_fetched *answer, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *body = NULL;
    struct pn_err ignored = { 0 };
    struct pn_str message = PN_NONE;

    if (pn_value_parse(answer->body, &body, &ignored))
        message = pn_value_str(pn_value_get(body, "message"));
    if (message.len > 0)
        return pn_fail(err, pn_code_of_status(answer->status), "%.*s", PN_ARG(message));
    return pn_fail(err, pn_code_of_status(answer->status), "the server answered %d",
                   answer->status);
}

static bool call(struct pn_relay_home *home, const char *path, struct pn_str body,
                 struct pn_arena *arena, struct pn_str *answer_body, struct pn_err *err)
{
    const struct pn_fetch request = { .method = "POST",
                                      .path = pn_str_from(path),
                                      .bearer = home->access_token,
                                      .body = body,
                                      .deadline_ms = pn_clock_mono_ms() + CALL_MS };
    struct pn_fetched answer;

    if (!pn_fetch(home->fetcher, &request, arena, &answer, err))
        return false;
    if (answer.status >= 400)
        return refuse(&answer, err);
    if (answer.status < 200 || answer.status >= 300)
        return pn_fail(err, PN_PROTOCOL, "the server answered %d", answer.status);
    *answer_body = answer.body;
    return true;
}

struct enrolled {
    struct pn_secret *accessToken;
    struct pn_uuid relayId;
};
static const struct pn_field enrolled_fields[] = {
    PN_FIELD(enrolled, accessToken, SECRET, .required = true, .min = 1, .max = 4096),
    PN_FIELD(enrolled, relayId, UUID, .required = true),
};

bool pn_relay_home_enrol(struct pn_relay_home *home, const struct pn_secret *one_time,
                         struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(8192);
    struct pn_writer w = pn_writer_of(&json);
    struct pn_str token = pn_str_trim(pn_secret_reveal(one_time)), body;
    uint8_t digest[PN_SHA256_BYTES];
    struct enrolled reply;

    if (one_time == NULL && home->access_token == NULL)
        return pn_fail(err, PN_USAGE,
                       "the relay is not enrolled: give it its one-time token (--token-file)");
    pn_hash_sha256(token, digest);
    if (home->access_token != NULL &&
        (one_time == NULL || pn_hash_equal(pn_str_of(digest, sizeof(digest)),
                                           pn_str_of(home->used_digest, sizeof(digest)))))
        return true;
    pn_write_object(&w, NULL);
    pn_write_text(&w, "method", "token");
    pn_write_str(&w, "token", token);
    pn_write_end(&w);
    if (!call(home, "/api/v2/relays/login", pn_buf_str(&json), arena, &body, err) ||
        !pn_shape_parse(PN_SHAPE(enrolled), arena, body, &reply, err))
        return pn_within(err, "enrolment");
    pn_secret_free(home->access_token);
    home->access_token = reply.accessToken;
    home->id = reply.relayId;
    memcpy(home->used_digest, digest, sizeof(digest));
    return save(home, err);
}

struct pki {
    struct pn_str serverCertificate, serverCertificateChain, clientCertificateChain,
        relayClientCertificateChain;
    struct pn_secret *serverPrivateKey;
};
static const struct pn_field pki_fields[] = {
    PN_FIELD(pki, serverCertificate, STRING, .required = true, .min = 1, .max = MAX_PEM),
    PN_FIELD(pki, serverPrivateKey, SECRET, .required = true, .min = 1, .max = 8192),
    PN_FIELD(pki, serverCertificateChain, STRING, .max = MAX_PEM, .is_nullable = true),
    PN_FIELD(pki, clientCertificateChain, STRING, .required = true, .min = 1, .max = MAX_PEM),
    PN_FIELD(pki, relayClientCertificateChain, STRING, .max = MAX_PEM, .is_nullable = true),
};
static const struct pn_shape pki_shape = PN_SHAPE_OF(pki);

struct connected {
    struct pn_uuid relayId;
    struct pki pki;
};
static const struct pn_field connected_fields[] = {
    PN_FIELD(connected, relayId, UUID, .required = true),
    PN_FIELD(connected, pki, OBJECT, .required = true, .shape = &pki_shape),
};

struct pn_relay_identity *pn_relay_identity_hold(struct pn_relay_identity *identity)
{
    __atomic_add_fetch(&identity->references, 1, __ATOMIC_ACQ_REL);
    return identity;
}

void pn_relay_identity_free(struct pn_relay_identity *identity)
{
    if (identity == NULL || __atomic_sub_fetch(&identity->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    pn_secret_free(identity->key);
    pn_arena_free(identity->arena);
    pn_heap_free(identity);
}

bool pn_relay_home_connect(struct pn_relay_home *home, struct pn_relay_identity **out,
                           struct pn_err *err)
{
    struct pn_relay_identity *identity = pn_heap_new(sizeof(*identity));
    struct connected reply;
    struct pn_cert_info leaf;
    struct pn_str body;

    identity->references = 1;
    identity->arena = pn_arena_new(ARENA_BYTES);
    if (!call(home, "/api/v2/relays/connect", PN_LIT("{}"), identity->arena, &body, err) ||
        !pn_shape_parse(PN_SHAPE(connected), identity->arena, body, &reply, err)) {
        pn_relay_identity_free(identity);
        return pn_within(err, "relay connect");
    }
    identity->key = reply.pki.serverPrivateKey;
    identity->gateway_trust = reply.pki.clientCertificateChain;
    identity->client_trust = reply.pki.relayClientCertificateChain;
    identity->chain =
        pn_arena_printf(identity->arena, "%.*s\n%.*s", PN_ARG(reply.pki.serverCertificate),
                        PN_ARG(reply.pki.serverCertificateChain));
    if (!pn_x509_read(identity->arena, reply.pki.serverCertificate, &leaf, err)) {
        pn_relay_identity_free(identity);
        return pn_within(err, "relay connect: serverCertificate");
    }
    identity->not_before_ms = leaf.not_before_ms;
    identity->not_after_ms = leaf.not_after_ms;
    home->id = reply.relayId;
    *out = identity;
    return true;
}

struct heard {
    struct pn_strs refused;
};
static const struct pn_field heard_fields[] = {
    PN_FIELD(heard, refused, STRINGS, .is_nullable = true, .item_max = 36),
};

/* Only what was asked about can be refused. */
static void keep_refused(const struct pn_strs *refused, struct pn_uuid *gateways, size_t *count)
{
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++)
        for (size_t j = 0; j < refused->count; j++) {
            struct pn_uuid id;

            if (pn_uuid_parse(refused->items[j], &id) && pn_uuid_eq(id, gateways[i])) {
                gateways[kept++] = id;
                break;
            }
        }
    *count = kept;
}

bool pn_relay_home_heartbeat(struct pn_relay_home *home, struct pn_uuid *gateways, size_t *count,
                             struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(ARENA_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(MAX_HEARTBEAT_BYTES);
    struct pn_writer w = pn_writer_of(&json);
    struct heard heard;
    struct pn_str body;

    pn_write_object(&w, NULL);
    pn_write_array(&w, "tunnels");
    for (size_t i = 0; i < *count; i++)
        pn_write_uuid(&w, NULL, gateways[i]);
    pn_write_end(&w);
    pn_write_end(&w);
    if (!call(home, "/api/v2/relays/heartbeat", pn_buf_str(&json), arena, &body, err) ||
        !pn_shape_parse(PN_SHAPE(heard), arena, body, &heard, err))
        return pn_within(err, "relay heartbeat");
    keep_refused(&heard.refused, gateways, count);
    return true;
}
