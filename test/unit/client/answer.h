/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_CLIENT_ANSWER_H
#define PN_TEST_UNIT_CLIENT_ANSWER_H

/* The server's answer that opens a session, as recorded, with members to be changed. */
#include "base/buf.h"
#include "base/clock.h"
#include "json/writer.h"

#define SESSION_ID "01a20591-b4b3-7a63-bac2-af80c2884fb1"
#define ACCOUNT_ID "01a20591-b49c-7ddc-8404-203a4a9778a6"
#define OTHER_ID "01a20591-0000-7000-8000-000000000000"

struct answer {
    const char *session_id, *account_id, *path, *server_name, *direct, *relay;
    struct pn_str certificate, key, trust;
    int64_t expires_ms;
};

static inline struct answer answer_good(void)
{
    return (struct answer){ .session_id = SESSION_ID,
                            .account_id = ACCOUNT_ID,
                            .path = "prod/viewer",
                            .server_name = "g.gateway.postern.internal",
                            .relay = "relay.example:8443",
                            .certificate = PN_LIT("CERTIFICATE\n"),
                            .key = PN_LIT("KEY\n"),
                            .trust = PN_LIT("TRUST\n"),
                            .expires_ms = pn_clock_wall_ms() + 3600000 };
}

/* NULL leaves a member out. */
static inline void answer_member(struct pn_writer *w, const char *name, const char *value)
{
    if (value != NULL)
        pn_write_text(w, name, value);
}

static inline struct pn_str answer_print(const struct answer *a, struct pn_buf *json)
{
    struct pn_writer w = pn_writer_of(json);

    pn_write_object(&w, NULL);
    answer_member(&w, "sessionId", a->session_id);
    answer_member(&w, "accountId", a->account_id);
    pn_write_text(&w, "accountType", "kubernetes");
    pn_write_object(&w, "metadata");
    answer_member(&w, "accountPath", a->path);
    pn_write_end(&w);
    answer_member(&w, "gatewayServerName", a->server_name);
    answer_member(&w, "directAddress", a->direct);
    answer_member(&w, "relayHost", a->relay);
    pn_write_array(&w, "relays");
    if (a->relay != NULL)
        pn_write_text(&w, NULL, a->relay);
    pn_write_end(&w);
    pn_write_str(&w, "gatewayClientCertificate", a->certificate);
    pn_write_str(&w, "gatewayClientPrivateKey", a->key);
    pn_write_str(&w, "gatewayServerCertificateChain", a->trust);
    pn_write_time(&w, "expiresAt", a->expires_ms);
    pn_write_end(&w);
    return pn_buf_str(json);
}

#endif
