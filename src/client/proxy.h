/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CLIENT_PROXY_H
#define PN_CLIENT_PROXY_H

#include "client/access.h"

/*
 * The local proxy of `pam access`: TLS on 127.0.0.1 with a certificate of its own per run, one
 * bearer per session, a Host check against DNS rebinding, and on the other side one HTTP/2
 * connection to the gateway for the ordinary requests of all kubectl processes and an HTTP/1.1
 * connection for each upgrade. Runs on a loop thread of its own.
 */
struct pn_proxy;

struct pn_proxy_config {
    const struct pn_access *access; /* borrowed until pn_proxy_stop */
    uint16_t port;                  /* 0: a free one */
    const char *directory;          /* client/door.h: shares the port; NULL: has it alone */
    bool (*is_cancelled)(void);     /* asked now and then while pn_proxy_start waits; may be NULL */
};

/*
 * The road to the gateway is tried before it returns. Errors: PN_CONFLICT (the port is taken), PN_IO;
 * PN_UNREACHABLE, PN_FORBIDDEN … say why the road is not open, with the gateway's own sentence;
 * PN_TIMEOUT, also when cancelled.
 */
bool pn_proxy_start(const struct pn_proxy_config *config, struct pn_proxy **out, struct pn_err *err)
    PN_CHECKED;
/*
 * No new request passes from now on; what is open goes on, for the gateway to end with a reason. Then: how many
 * requests are open. Any thread.
 */
void pn_proxy_close_door(struct pn_proxy *proxy);
unsigned pn_proxy_open_requests(const struct pn_proxy *proxy);
/* Aborts what is open, ends the thread. NULL is fine. */
void pn_proxy_stop(struct pn_proxy *proxy);

/* What its kubeconfig takes for tls-server-name. */
struct pn_str pn_proxy_server_name(const struct pn_proxy *proxy);
uint16_t pn_proxy_port(const struct pn_proxy *proxy);
struct pn_str pn_proxy_ca_pem(const struct pn_proxy *proxy);
const struct pn_secret *pn_proxy_bearer(const struct pn_proxy *proxy);

#endif
