/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/outer.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/x509.h"
#include "json/shape.h"
#include "net/pump.h"
#include "net/tls.h"

#define HANDSHAKE_MS 5000
#define IP_BYTES 48
#define OID_GATEWAY \
    "1.3.6.1.4.1.12345.100.3" /* contract §7.4: {"name":…}; where it is there it has that form */

/* A client: handshaking, then pumping between its TLS and our end of the socketpair. */
struct outer {
    struct outer *next, **at;
    struct pn_outers *outers;
    struct pn_stream *tls; /* handshaking */
    struct pn_pump *pump;
    char ip[IP_BYTES];
};

struct pn_outers {
    struct pn_loop *loop;
    const struct pn_outers_events *events;
    void *owner;
    struct pn_tls_context *tls; /* NULL: nobody's clients are taken */
    struct outer *first;
};

static void end(struct outer *outer, const char *why)
{
    struct pn_outers *outers = outer->outers;

    *outer->at = outer->next;
    if (outer->next != NULL)
        outer->next->at = outer->at;
    outers->events->over(outers->owner, outer->ip, why);
    pn_heap_free(outer);
}

static void refuse(struct outer *outer, struct pn_stream *tls, const char *why)
{
    pn_stream_close(tls);
    end(outer, why);
}

/* ---- whom does the certificate lead to? ---- */

struct gateway_extension {
    struct pn_str name;
};
static const struct pn_field gateway_extension_fields[] = {
    PN_FIELD(gateway_extension, name, STRING, .max = 255),
};

/* The handshake has shown that the authority for relays' clients signed it, which signs nothing else. */
static bool read_gateway(const struct pn_stream *tls, struct pn_uuid *gateway, struct pn_err *err)
{
    static const char *const oid = OID_GATEWAY;
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(65536);
    struct pn_str der = pn_tls_peer_der(tls, arena), json;
    struct gateway_extension extension;
    struct pn_cert_info info;

    if (!pn_x509_read_with(arena, der, &info, &oid, 1, &json, err))
        return false;
    if (json.ptr != NULL &&
        !pn_shape_parse(PN_SHAPE(gateway_extension), arena, json, &extension, err))
        return pn_within(err, "the certificate's extension");
    return pn_uuid_parse(info.common_name, gateway) ||
           pn_fail(err, PN_FORBIDDEN, "the certificate names no gateway");
}

/* ---- its bytes ---- */

static void on_over(void *outer_, const struct pn_pump_end *how)
{
    (void)how; /* the pump inside says it too */
    end(outer_, NULL);
}

static void pass_in(struct outer *outer, struct pn_stream *tls, struct pn_uuid gateway)
{
    struct pn_outers *outers = outer->outers;
    struct pn_stream *ours;
    struct pn_err err = { 0 };
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        refuse(outer, tls, "no descriptor left");
        return;
    }
    if (!pn_socket_stream(outers->loop, ends[0], &ours, &err)) { /* has closed it */
        close(ends[1]);
        refuse(outer, tls, err.message);
        return;
    }
    outer->pump = pn_pump_start(tls, ours, on_over, outer);
    outers->events->inside(outers->owner, ends[1], outer->ip, gateway);
}

static void on_tls(void *outer_, struct pn_stream *tls, const struct pn_err *failure)
{
    struct outer *outer = outer_;
    struct pn_uuid gateway;
    struct pn_err err = { 0 };

    outer->tls = NULL;
    if (failure != NULL) {
        refuse(outer, NULL, failure->message);
    } else if (!read_gateway(tls, &gateway, &err)) {
        refuse(outer, tls, err.message);
    } else if (pn_uuid_is_zero(gateway)) {
        (void)pn_stream_finish(tls); /* contract §8.2: it only asks whether somebody is there */
        refuse(outer, tls, "it asked for no gateway");
    } else {
        pass_in(outer, tls, gateway);
    }
}

/* ---- life ---- */

void pn_outers_take(struct pn_outers *outers, int fd, const char *ip)
{
    struct outer *outer;
    struct pn_stream *socket;
    struct pn_err err = { 0 };

    if (outers->tls == NULL) {
        close(fd);
        outers->events->over(outers->owner, ip, "no certificates yet");
        return;
    }
    if (!pn_socket_stream(outers->loop, fd, &socket, &err)) { /* has closed fd */
        outers->events->over(outers->owner, ip, err.message);
        return;
    }
    outer = pn_heap_new(sizeof(*outer));
    outer->outers = outers;
    (void)snprintf(outer->ip, sizeof(outer->ip), "%s", ip);
    outer->next = outers->first;
    outer->at = &outers->first;
    if (outer->next != NULL)
        outer->next->at = &outer->next;
    outers->first = outer;
    if (!pn_tls_start(outers->tls, socket, NULL, HANDSHAKE_MS, on_tls, outer, &outer->tls, &err))
        refuse(outer, NULL, err.message);
}

void pn_outers_identify(struct pn_outers *outers, const struct pn_relay_identity *identity)
{
    const struct pn_tls_settings settings = { .is_server = true,
                                              .chain_pem = identity->chain,
                                              .key_pem = identity->key,
                                              .trust_pem = identity->client_trust,
                                              .requires_client_certificate = true };
    struct pn_tls_context *context = NULL;
    struct pn_err err = { 0 };

    if (identity->client_trust.len > 0 && !pn_tls_context_new(&settings, &context, &err)) {
        pn_log(PN_ERROR, "relay-client-authority-unusable", PN_F_ERR(&err));
        return;
    }
    pn_tls_context_free(outers->tls); /* streams in use keep theirs */
    outers->tls = context;
}

bool pn_outers_are_none(const struct pn_outers *outers)
{
    return outers->first == NULL;
}

void pn_outers_abort(struct pn_outers *outers, bool only_handshakes)
{
    struct outer *next;

    for (struct outer *outer = outers->first; outer != NULL; outer = next) {
        next = outer->next;
        if (outer->pump == NULL) {
            refuse(outer, pn_take(&outer->tls), "the relay stops");
        } else if (!only_handshakes) {
            pn_pump_cancel(outer->pump);
            end(outer, NULL);
        }
    }
}

struct pn_outers *pn_outers_new(struct pn_loop *loop, const struct pn_outers_events *events,
                                void *owner)
{
    struct pn_outers *outers = pn_heap_new(sizeof(*outers));

    outers->loop = loop;
    outers->events = events;
    outers->owner = owner;
    return outers;
}

void pn_outers_free(struct pn_outers *outers)
{
    if (outers == NULL)
        return;
    pn_assert(outers->first == NULL);
    pn_tls_context_free(outers->tls);
    pn_heap_free(outers);
}
