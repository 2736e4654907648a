/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/port.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "crypto/x509.h"
#include "net/pump.h"
#include "net/tls.h"
#include "net/tunnel.h"
#include "relay/outer.h"

#define HELLO_MS 5000
#define HANDSHAKE_MS 5000
#define GATEWAY_SUFFIX ".gateway.postern.internal"
#define GATEWAY_URI "urn:postern:gateway:"
#define OID_SUBJECT_ALT_NAME "2.5.29.17"
#define TAG_URI 0x86 /* RFC 5280 §4.2.1.6: GeneralName [6] IA5String */

#define IP_BYTES 48

/* ---- addresses ---- */

struct pn_addresses_open {
    pthread_mutex_t mutex;
    struct pn_map *counts; /* ip → unsigned * */
    unsigned max_per_address;
};

struct pn_addresses_open *pn_addresses_open_new(unsigned max_per_address)
{
    struct pn_addresses_open *addresses = pn_heap_new(sizeof(*addresses));

    pthread_mutex_init(&addresses->mutex, NULL);
    addresses->counts = pn_map_new();
    addresses->max_per_address = max_per_address;
    return addresses;
}

void pn_addresses_open_free(struct pn_addresses_open *addresses)
{
    if (addresses == NULL)
        return;
    pn_assert(pn_map_count(addresses->counts) == 0); /* somebody kept a place */
    pn_map_free(addresses->counts);
    pthread_mutex_destroy(&addresses->mutex);
    pn_heap_free(addresses);
}

static bool take_place(struct pn_addresses_open *addresses, const char *ip)
{
    pthread_mutex_lock(&addresses->mutex);

    unsigned *count = pn_map_get(addresses->counts, pn_str_from(ip));

    if (count == NULL) {
        count = pn_heap_new(sizeof(*count));
        pn_map_put(addresses->counts, pn_str_from(ip), count);
    }

    bool has_place = *count < addresses->max_per_address;

    *count += has_place;
    pthread_mutex_unlock(&addresses->mutex);
    return has_place;
}

static void leave_place(struct pn_addresses_open *addresses, const char *ip)
{
    pthread_mutex_lock(&addresses->mutex);

    unsigned *count = pn_map_get(addresses->counts, pn_str_from(ip));

    pn_assert(count != NULL && *count > 0);
    if (--*count == 0) {
        pn_map_remove(addresses->counts, pn_str_from(ip));
        pn_heap_free(count);
    }
    pthread_mutex_unlock(&addresses->mutex);
}

/* ---- what is open on this port ---- */

/* A connection whose ClientHello is not complete yet. */
struct visitor {
    struct visitor *next, **at;
    struct pn_port *port;
    struct pn_poll *poll;
    struct pn_timer deadline;
    int fd;
    char ip[IP_BYTES];
};

/* A client being passed on. */
struct client {
    struct client *next, **at;
    struct pn_port *port;
    struct pn_pump *pump;
    bool has_place; /* of its address; else the connection around it has that */
    char ip[IP_BYTES];
};

/* A gateway's connection, from its TLS handshake to its end. */
struct link {
    struct link *next, **at;
    struct pn_port *port;
    struct pn_stream *tls; /* handshaking */
    struct pn_tunnel *tunnel;
    struct pn_registry_tunnel entry; /* .id 0 until hello */
    char ip[IP_BYTES];
};

struct pn_port {
    struct pn_loop *loop;
    unsigned index;
    struct pn_port_shared *shared;
    struct pn_listener *listener;
    struct pn_tls_context *tls; /* NULL until the server gave certificates */
    struct visitor *visitors;
    struct client *clients;
    struct link *links;
    struct pn_outers *outers; /* clients whose outer TLS ends here */
    struct pn_task stop;
    struct pn_timer grace;
    int64_t grace_ms;
    bool is_stopping;
};

#define LINK_INTO(list, item)                 \
    do {                                      \
        (item)->next = (list);                \
        (item)->at = &(list);                 \
        if ((item)->next != NULL)             \
            (item)->next->at = &(item)->next; \
        (list) = (item);                      \
    } while (0)

#define UNLINK(item)                       \
    do {                                   \
        *(item)->at = (item)->next;        \
        if ((item)->next != NULL)          \
            (item)->next->at = (item)->at; \
    } while (0)

static void add(unsigned *counter, int by)
{
    __atomic_add_fetch(counter, (unsigned)by, __ATOMIC_RELAXED);
}

static void count_up(uint64_t *counter)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void copy_ip(char out[IP_BYTES], struct pn_str ip)
{
    (void)snprintf(out, IP_BYTES, "%.*s", PN_ARG(ip));
}

static void stop_when_empty(struct pn_port *port)
{
    if (port->is_stopping && port->clients == NULL && port->links == NULL &&
        pn_outers_are_none(port->outers))
        pn_loop_stop(port->loop);
}

/* ---- clients ---- */

static void client_free(struct client *client)
{
    struct pn_port *port = client->port;

    UNLINK(client);
    if (client->has_place)
        leave_place(port->shared->addresses, client->ip);
    add(&port->shared->clients, -1);
    pn_heap_free(client);
    stop_when_empty(port);
}

static void on_client_over(void *client_, const struct pn_pump_end *end)
{
    struct client *client = client_;

    pn_log(PN_DEBUG, "client-over", PN_F_TEXT("ip", client->ip), PN_F_BOOL("clean", end->is_clean),
           PN_F_INT("bytesIn", end->a_to_b), PN_F_INT("bytesOut", end->b_to_a));
    client_free(client);
}

static struct link *link_by_id(struct pn_port *port, uint64_t id)
{
    struct link *link = port->links;

    while (link != NULL && (link->tunnel == NULL || link->entry.id != id))
        link = link->next;
    return link;
}

static void note_refusal(struct pn_port *port, const char *ip, const char *why)
{
    count_up(&port->shared->refused);
    pn_log(PN_DEBUG, "client-refused", PN_F_TEXT("ip", ip), PN_F_TEXT("why", why));
}

static void refuse(struct pn_port *port, int fd, const char *ip, const char *why)
{
    note_refusal(port, ip, why);
    leave_place(port->shared->addresses, ip);
    close(fd);
}

/* A client on its way to a tunnel. */
struct guest {
    int fd;
    bool has_place;
    char ip[IP_BYTES];
};

static void send_away(struct pn_port *port, const struct guest *guest, const char *why)
{
    if (guest->has_place) {
        refuse(port, guest->fd, guest->ip, why);
        return;
    }
    note_refusal(port, guest->ip, why);
    close(guest->fd);
}

/* Joins the guest to a tunnel of this loop. */
static void pass_on(struct pn_port *port, const struct guest *guest,
                    const struct pn_registry_tunnel *to)
{
    struct link *link = link_by_id(port, to->id);
    struct pn_uuid_text gateway = pn_uuid_format(to->gateway);
    struct pn_stream *socket = NULL, *stream = NULL;
    struct pn_err err = { 0 };

    if (link == NULL || port->is_stopping) {
        send_away(port, guest, "the tunnel has just gone");
        return;
    }
    if (!pn_tunnel_open(link->tunnel, pn_str_from(gateway.text), pn_str_from(guest->ip), &stream,
                        &err)) {
        send_away(port, guest, err.message);
        return;
    }
    if (!pn_socket_stream(port->loop, guest->fd, &socket, &err)) { /* has closed it */
        pn_stream_close(stream);
        if (guest->has_place)
            leave_place(port->shared->addresses, guest->ip);
        return;
    }

    struct client *client = pn_heap_new(sizeof(*client));

    client->port = port;
    client->has_place = guest->has_place;
    copy_ip(client->ip, pn_str_from(guest->ip));
    LINK_INTO(port->clients, client);
    add(&port->shared->clients, 1);
    count_up(&port->shared->accepted);
    client->pump = pn_pump_start(socket, stream, on_client_over, client);
}

/* A client whose tunnel lives on another loop. */
struct handover {
    struct pn_task task;
    struct pn_port *to;
    struct pn_registry_tunnel tunnel;
    struct guest guest;
};

static void on_handover(struct pn_task *task)
{
    struct handover *handover = pn_container_of(task, struct handover, task);

    pass_on(handover->to, &handover->guest, &handover->tunnel);
    pn_heap_free(handover);
}

static void to_gateway(struct pn_port *port, const struct guest *guest, struct pn_uuid gateway)
{
    struct pn_registry_tunnel tunnel;
    struct handover *handover;

    if (!pn_registry_find(port->shared->registry, gateway, port->index, &tunnel)) {
        send_away(port, guest, "no tunnel of that gateway");
        return;
    }
    if (tunnel.loop == port->index) {
        pass_on(port, guest, &tunnel);
        return;
    }
    handover = pn_heap_new(sizeof(*handover));
    handover->task.run = on_handover;
    handover->to = port->shared->ports[tunnel.loop];
    handover->tunnel = tunnel;
    handover->guest = *guest;
    pn_loop_post(handover->to->loop, &handover->task);
}

/* ---- clients with a TLS for us around theirs for the gateway ---- */

static void on_outer_inside(void *port, int fd, const char *ip, struct pn_uuid gateway)
{
    struct guest guest = { .fd = fd };

    copy_ip(guest.ip, pn_str_from(ip));
    to_gateway(port, &guest, gateway);
}

static void on_outer_over(void *port_, const char *ip, const char *why)
{
    struct pn_port *port = port_;

    if (why != NULL)
        note_refusal(port, ip, why);
    leave_place(port->shared->addresses, ip);
    stop_when_empty(port);
}

static const struct pn_outers_events outer_events = {
    .inside = on_outer_inside,
    .over = on_outer_over,
};

/* ---- tunnels ---- */

static void link_free(struct link *link)
{
    struct pn_port *port = link->port;

    UNLINK(link);
    if (link->entry.id != 0) {
        add(&port->shared->tunnels, -1);
        if (pn_registry_remove(port->shared->registry, link->entry.gateway, link->entry.id))
            port->shared->changed(port->shared->context);
    }
    leave_place(port->shared->addresses, link->ip);
    pn_heap_free(link);
    stop_when_empty(port);
}

/* A newer tunnel has taken the place of one that may live on another loop. */
struct replacement {
    struct pn_task task;
    struct pn_port *port;
    uint64_t id;
};

static void on_replaced(struct pn_task *task)
{
    struct replacement *replacement = pn_container_of(task, struct replacement, task);
    struct link *link = link_by_id(replacement->port, replacement->id);

    if (link != NULL) {
        pn_tunnel_free(link->tunnel); /* its clients fail: the peer has vanished or has moved on */
        link_free(link);
    }
    pn_heap_free(replacement);
}

static void close_replaced(struct pn_port *port, const struct pn_registry_tunnel *old)
{
    struct replacement *replacement = pn_heap_new(sizeof(*replacement));

    replacement->task.run = on_replaced;
    replacement->port = port->shared->ports[old->loop];
    replacement->id = old->id;
    pn_loop_post(replacement->port->loop, &replacement->task);
}

static void on_hello(void *link_, struct pn_tunnel *tunnel, const char *process, unsigned index)
{
    struct link *link = link_;
    struct pn_port *port = link->port;
    struct pn_registry_tunnel replaced;
    struct pn_uuid_text gateway = pn_uuid_format(link->entry.gateway);

    if (port->is_stopping) {
        pn_tunnel_drain(tunnel);
        return;
    }
    memcpy(link->entry.process, process, strlen(process) + 1);
    link->entry.index = index;
    link->entry.loop = port->index;
    if (pn_registry_add(port->shared->registry, &link->entry, &replaced))
        close_replaced(port, &replaced);
    add(&port->shared->tunnels, 1);
    port->shared->changed(port->shared->context);
    pn_log(PN_INFO, "tunnel-open", PN_F_TEXT("gateway", gateway.text),
           PN_F_TEXT("process", process), PN_F_INT("index", index), PN_F_TEXT("ip", link->ip));
}

static void on_draining(void *link_, struct pn_tunnel *tunnel)
{
    struct link *link = link_;
    struct pn_port *port = link->port;

    (void)tunnel;
    if (link->entry.id != 0 &&
        pn_registry_remove(port->shared->registry, link->entry.gateway, link->entry.id))
        port->shared->changed(port->shared->context);
}

static void on_tunnel_closed(void *link_, struct pn_tunnel *tunnel, const struct pn_err *why)
{
    struct link *link = link_;
    struct pn_uuid_text gateway = pn_uuid_format(link->entry.gateway);

    (void)tunnel;
    link->tunnel = NULL;
    if (why != NULL)
        pn_log(PN_WARN, "tunnel-lost", PN_F_TEXT("gateway", gateway.text),
               PN_F_TEXT("ip", link->ip), PN_F_ERR(why));
    else
        pn_log(PN_INFO, "tunnel-closed", PN_F_TEXT("gateway", gateway.text),
               PN_F_TEXT("ip", link->ip));
    link_free(link);
}

static const struct pn_tunnel_events tunnel_events = {
    .hello = on_hello,
    .draining = on_draining,
    .closed = on_tunnel_closed,
};

/*
 * Whose certificate is it? The handshake has shown that the organisation's tree signed it; only a
 * gateway's own leaf names itself both as common name and as URI (clients' leaves have other names).
 */
static bool read_gateway(const struct pn_stream *tls, struct pn_uuid *gateway, struct pn_err *err)
{
    static const char *const oid = OID_SUBJECT_ALT_NAME;
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(65536);
    struct pn_str der = pn_tls_peer_der(tls, arena), names;
    struct pn_cert_info info;
    struct pn_str uri;

    if (!pn_x509_read_with(arena, der, &info, &oid, 1, &names, err))
        return false;
    if (!pn_uuid_parse(info.common_name, gateway))
        return pn_fail(err, PN_FORBIDDEN, "the certificate is not a gateway's");
    uri = pn_arena_printf(arena, "%c%c" GATEWAY_URI "%s", TAG_URI,
                          (int)(sizeof(GATEWAY_URI) - 1 + 36), pn_uuid_format(*gateway).text);
    if (pn_str_search(names, uri) < 0)
        return pn_fail(err, PN_FORBIDDEN, "the certificate is not a gateway's");
    return true;
}

static void on_tls(void *link_, struct pn_stream *tls, const struct pn_err *failure)
{
    struct link *link = link_;
    struct pn_err err = { 0 };

    link->tls = NULL;
    if (failure == NULL && read_gateway(tls, &link->entry.gateway, &err) &&
        pn_tunnel_relay_side(pn_take(&tls), &tunnel_events, link, &link->tunnel, &err))
        return;
    count_up(&link->port->shared->refused);
    pn_log(PN_INFO, "tunnel-refused", PN_F_TEXT("ip", link->ip),
           PN_F_ERR(failure != NULL ? failure : &err));
    pn_stream_close(tls);
    link_free(link);
}

static void to_tunnel(struct pn_port *port, int fd, const char *ip)
{
    struct pn_stream *socket = NULL;
    struct pn_err err = { 0 };

    if (port->tls == NULL) {
        refuse(port, fd, ip, "no certificates yet");
        return;
    }
    if (!pn_socket_stream(port->loop, fd, &socket, &err)) {
        leave_place(port->shared->addresses, ip);
        return;
    }
    pn_socket_tune_tunnel(socket);

    struct link *link = pn_heap_new(sizeof(*link));

    link->port = port;
    copy_ip(link->ip, pn_str_from(ip));
    LINK_INTO(port->links, link);
    if (!pn_tls_start(port->tls, socket, NULL, HANDSHAKE_MS, on_tls, link, &link->tls, &err))
        link_free(link);
}

/* ---- visitors ---- */

/* Ends the visit; the descriptor and the address's place are the caller's. */
static int visitor_free(struct visitor *visitor)
{
    int fd = visitor->fd;

    UNLINK(visitor);
    pn_timer_stop(&visitor->deadline);
    pn_poll_close(visitor->poll, -1);
    pn_heap_free(visitor);
    return fd;
}

static void turn_away(struct visitor *visitor, const char *why)
{
    struct pn_port *port = visitor->port;
    char ip[IP_BYTES];

    memcpy(ip, visitor->ip, sizeof(ip));
    refuse(port, visitor_free(visitor), ip, why);
}

static void on_hello_deadline(struct pn_timer *timer)
{
    turn_away(pn_container_of(timer, struct visitor, deadline), "no ClientHello in time");
}

/* "ID.gateway.postern.internal" */
static bool names_gateway(const char *server_name, struct pn_uuid *gateway)
{
    struct pn_str name = pn_str_from(server_name);

    return pn_str_ends(name, PN_LIT(GATEWAY_SUFFIX)) &&
           pn_uuid_parse(pn_str_slice(name, 0, name.len - (sizeof(GATEWAY_SUFFIX) - 1)), gateway);
}

static void guide(struct visitor *visitor, const struct pn_hello *hello)
{
    struct pn_port *port = visitor->port;
    struct guest guest = { .has_place = true };
    struct pn_uuid gateway;

    memcpy(guest.ip, visitor->ip, sizeof(guest.ip));
    guest.fd = visitor_free(visitor);
    if (names_gateway(hello->server_name, &gateway))
        to_gateway(port, &guest, gateway);
    else if (hello->has_alpn)
        to_tunnel(port, guest.fd, guest.ip);
    else
        pn_outers_take(port->outers, guest.fd, guest.ip);
}

static void on_visitor_ready(void *visitor_, unsigned events PN_UNUSED)
{
    struct visitor *visitor = visitor_;
    struct pn_hello hello;
    const char *why;

    switch (pn_tls_peek_socket(visitor->port->loop, visitor->fd, PN_TUNNEL_ALPN, &hello, &why)) {
    case PN_HELLO_MORE: return;
    case PN_HELLO_BAD: turn_away(visitor, why); return;
    case PN_HELLO_DONE: guide(visitor, &hello); return;
    }
}

static void on_accepted(void *port_, int fd, struct pn_str peer_ip)
{
    struct pn_port *port = port_;
    struct visitor *visitor;
    struct pn_err err = { 0 };
    char ip[IP_BYTES];

    copy_ip(ip, peer_ip);
    if (!take_place(port->shared->addresses, ip)) {
        count_up(&port->shared->refused);
        close(fd);
        return;
    }
    visitor = pn_heap_new(sizeof(*visitor));
    visitor->port = port;
    visitor->fd = fd;
    memcpy(visitor->ip, ip, sizeof(ip));
    if (!pn_poll_new(port->loop, fd, on_visitor_ready, visitor, &visitor->poll, &err)) {
        pn_heap_free(visitor);
        refuse(port, fd, ip, err.message);
        return;
    }
    LINK_INTO(port->visitors, visitor);
    visitor->deadline.run = on_hello_deadline;
    pn_timer_start(port->loop, &visitor->deadline, HELLO_MS);
    pn_poll_want(visitor->poll, PN_POLL_READ);
}

/* ---- certificates ---- */

struct fresh_identity {
    struct pn_task task;
    struct pn_port *port;
    struct pn_relay_identity *identity;
};

static void on_identity(struct pn_task *task)
{
    struct fresh_identity *fresh = pn_container_of(task, struct fresh_identity, task);
    struct pn_port *port = fresh->port;
    static const char *const alpn[] = { PN_TUNNEL_ALPN, NULL };
    const struct pn_tls_settings settings = { .is_server = true,
                                              .chain_pem = fresh->identity->chain,
                                              .key_pem = fresh->identity->key,
                                              .trust_pem = fresh->identity->gateway_trust,
                                              .requires_client_certificate = true,
                                              .is_tls13_only = true,
                                              .alpn = alpn };
    struct pn_tls_context *context = NULL;
    struct pn_err err = { 0 };

    if (pn_tls_context_new(&settings, &context, &err)) {
        pn_tls_context_free(port->tls); /* streams in use keep theirs */
        port->tls = context;
    } else {
        pn_log(PN_ERROR, "relay-certificate-unusable", PN_F_ERR(&err));
    }
    pn_outers_identify(port->outers, fresh->identity);
    pn_relay_identity_free(fresh->identity);
    pn_heap_free(fresh);
}

void pn_port_identify(struct pn_port *port, struct pn_relay_identity *identity)
{
    struct fresh_identity *fresh = pn_heap_new(sizeof(*fresh));

    fresh->task.run = on_identity;
    fresh->port = port;
    fresh->identity = pn_relay_identity_hold(identity);
    pn_loop_post(port->loop, &fresh->task);
}

struct expulsion {
    struct pn_task task;
    struct pn_port *port;
    struct pn_uuid gateway;
};

/* The server does not know the gateway any more: its certificate is worth nothing before it runs out. */
static void on_expulsion(struct pn_task *task)
{
    struct expulsion *expulsion = pn_container_of(task, struct expulsion, task);

    for (struct link *link = expulsion->port->links, *next; link != NULL; link = next) {
        next = link->next;
        if (link->entry.id == 0 || !pn_uuid_eq(link->entry.gateway, expulsion->gateway))
            continue;
        pn_log(PN_INFO, "tunnel-expelled",
               PN_F_TEXT("gateway", pn_uuid_format(link->entry.gateway).text),
               PN_F_TEXT("ip", link->ip));
        pn_tunnel_free(link->tunnel);
        link_free(link);
    }
    pn_heap_free(expulsion);
}

void pn_port_expel(struct pn_port *port, struct pn_uuid gateway)
{
    struct expulsion *expulsion = pn_heap_new(sizeof(*expulsion));

    expulsion->task.run = on_expulsion;
    expulsion->port = port;
    expulsion->gateway = gateway;
    pn_loop_post(port->loop, &expulsion->task);
}

/* ---- life ---- */

static void abort_all(struct pn_port *port)
{
    pn_outers_abort(port->outers, false);
    while (port->clients != NULL) {
        pn_pump_cancel(port->clients->pump);
        client_free(port->clients);
    }
    while (port->links != NULL) {
        pn_stream_close(port->links->tls);
        pn_tunnel_free(port->links->tunnel);
        link_free(port->links);
    }
}

static void on_grace_over(struct pn_timer *timer)
{
    struct pn_port *port = pn_container_of(timer, struct pn_port, grace);

    abort_all(port);
    stop_when_empty(port);
}

static void on_stop(struct pn_task *task)
{
    struct pn_port *port = pn_container_of(task, struct pn_port, stop);

    port->is_stopping = true;
    pn_listener_close(pn_take(&port->listener));
    while (port->visitors != NULL)
        turn_away(port->visitors, "the relay stops");
    pn_outers_abort(port->outers, true);
    for (struct link *link = port->links, *next; link != NULL; link = next) {
        next = link->next;
        if (link->tunnel != NULL) {
            pn_tunnel_drain(link->tunnel);
            continue;
        }
        pn_stream_close(link->tls);
        link_free(link);
    }
    pn_timer_start(port->loop, &port->grace, port->grace_ms);
    stop_when_empty(port);
}

void pn_port_stop(struct pn_port *port, int64_t grace_ms)
{
    port->grace_ms = grace_ms;
    pn_loop_post(port->loop, &port->stop);
}

bool pn_port_new(struct pn_loop *loop, unsigned index, struct pn_port_shared *shared,
                 const struct pn_endpoint *at, int first_fd, struct pn_port **out,
                 struct pn_err *err)
{
    struct pn_port *port = pn_heap_new(sizeof(*port));

    port->loop = loop;
    port->index = index;
    port->shared = shared;
    port->stop.run = on_stop;
    port->grace.run = on_grace_over;
    if (first_fd < 0 ? !pn_listen(loop, at, on_accepted, port, &port->listener, err)
                     : !pn_listen_also(loop, first_fd, on_accepted, port, &port->listener, err)) {
        pn_heap_free(port);
        return false;
    }
    port->outers = pn_outers_new(loop, &outer_events, port);
    *out = port;
    return true;
}

void pn_port_free(struct pn_port *port)
{
    if (port == NULL)
        return;
    pn_listener_close(port->listener);
    while (port->visitors != NULL)
        turn_away(port->visitors, "the relay stops");
    abort_all(port);
    pn_outers_free(port->outers);
    pn_timer_stop(&port->grace);
    pn_tls_context_free(port->tls);
    pn_heap_free(port);
}

int pn_port_fd(const struct pn_port *port)
{
    return pn_listener_fd(port->listener);
}

uint16_t pn_port_number(const struct pn_port *port)
{
    return pn_listener_port(port->listener);
}
