/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/official.h"

#include <string.h>

#include "gateway/session.h"
#include "json/writer.h"

#define HEALTH "{\"status\":\"ok\",\"heartbeatTTL\":180}\n"

static void say_health(struct pn_worker *worker, const struct pn_claim *claim, struct pn_buf *out)
{
    (void)worker;
    (void)claim;
    pn_buf_add(out, PN_LIT(HEALTH));
}

static void say_pong(struct pn_worker *worker, const struct pn_claim *claim, struct pn_buf *out)
{
    (void)worker;
    (void)claim;
    pn_buf_add(out, PN_LIT("PONG\n"));
}

/* Four bytes of length, big-endian, and JSON. */
static void say_capabilities(struct pn_worker *worker, const struct pn_claim *claim,
                             struct pn_buf *out)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(PN_WORD_BYTES - 4);
    struct pn_writer w = pn_writer_of(&json);

    (void)claim;
    pn_write_object(&w, NULL);
    pn_write_str(&w, "gatewayName", worker->identity->name);
    pn_write_array(&w, "supportedResourceTypes");
    pn_write_text(&w, NULL, "kubernetes");
    pn_write_end(&w);
    pn_write_end(&w);
    pn_buf_add_bytes(out, (const char[]){ 0, 0, (char)(json.len >> 8), (char)json.len }, 4);
    pn_buf_add(out, pn_buf_str(&json));
}

/* The handshake was the message. */
static void cancel(struct pn_worker *worker, const struct pn_claim *claim, struct pn_buf *out)
{
    (void)out;
    pn_session_cancel(worker, claim->session, claim->not_after_ms);
}

struct pn_official {
    const char *alpn;
    void (*act)(struct pn_worker *worker, const struct pn_claim *claim, struct pn_buf *out);
};

static const struct pn_official officials[] = {
    { PN_OFFICIAL_HEALTH, say_health },
    { PN_OFFICIAL_PING, say_pong },
    { PN_OFFICIAL_CAPABILITIES, say_capabilities },
    { PN_OFFICIAL_CANCELLATION, cancel },
};

const struct pn_official *pn_official_find(const char *alpn)
{
    for (size_t i = 0; i < PN_COUNT(officials); i++)
        if (strcmp(officials[i].alpn, alpn) == 0)
            return &officials[i];
    return NULL;
}

void pn_official_do(const struct pn_official *official, struct pn_worker *worker,
                    const struct pn_claim *claim, struct pn_buf *out)
{
    official->act(worker, claim, out);
}
