/* SPDX-License-Identifier: Apache-2.0 */
#include "server/envelope.h"

#include "crypto/random.h"
#include "json/writer.h"

#include <string.h>

/* A 422 lists issues, always: one that no field is to blame for has an empty path. */
static void write_issues(struct pn_writer *w, const struct pn_err *err)
{
    if (err->details.len > 0) {
        pn_write_raw(w, "message", err->details);
        return;
    }
    pn_write_array(w, "message");
    pn_write_object(w, NULL);
    pn_write_text(w, "code", "custom");
    pn_write_array(w, "path");
    pn_write_end(w);
    pn_write_text(w, "message", err->message);
    pn_write_end(w);
    pn_write_end(w);
}

void pn_envelope_print(const struct pn_err *err, struct pn_str request_id, struct pn_buf *out)
{
    struct pn_writer w = pn_writer_of(out);
    bool is_ours = err->code == PN_INTERNAL || err->code == PN_IO;

    pn_write_object(&w, NULL);
    pn_write_str(&w, "reqId", request_id);
    pn_write_int(&w, "statusCode", pn_code_status(err->code));
    if (err->code == PN_VALIDATION)
        write_issues(&w, err);
    else
        pn_write_text(&w, "message", is_ours ? "Something went wrong" : err->message);
    pn_write_text(&w, "error", err->name[0] != '\0' ? err->name : pn_code_name(err->code));
    if (err->code != PN_VALIDATION && err->details.len > 0 && !is_ours)
        pn_write_raw(&w, "details", err->details);
    if (err->reason != NULL) {
        pn_write_object(&w, "context");
        pn_write_text(&w, "code", err->reason);
        pn_write_end(&w);
    }
    pn_write_end(&w);
}

void pn_request_id_make(char out[PN_REQUEST_ID_BYTES])
{
    static const char alphabet[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01";
    uint8_t random[PN_REQUEST_ID_BYTES];

    pn_random_bytes(random, sizeof(random));
    memcpy(out, "req-", 4);
    for (size_t i = 4; i < PN_REQUEST_ID_BYTES; i++)
        out[i] = alphabet[random[i] & 63];
}
