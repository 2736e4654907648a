/* SPDX-License-Identifier: Apache-2.0 */
#include "client/renewal.h"

#include "base/clock.h"
#include "base/encode.h"
#include "json/writer.h"

#define MAX_TOKEN_BYTES ((size_t)16 * 1024)
#define NEVER INT64_MAX
#define SECOND_MS 1000 /* by so much a token may be younger than it says: it says seconds */
#define RETRY_MS 5000  /* a server that is away comes back before the other half is over */

struct pn_renewal {
    struct pn_secret *token; /* NULL: none that is renewed */
    int64_t due_ms;          /* on the monotonic clock */
};

/* What a token says of itself (RFC 7519 §4.1); whether it is true is the server's business. */
static bool read_claims(const struct pn_secret *token, struct pn_value **out)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(MAX_TOKEN_BYTES);
    struct pn_str rest = pn_secret_reveal(token), head, payload;
    struct pn_err ignored = { 0 };

    return pn_str_cut(&rest, '.', &head) && pn_str_cut(&rest, '.', &payload) &&
           pn_base64url_decode(payload, &json) && pn_value_parse(pn_buf_str(&json), out, &ignored);
}

/* Of a machine's token: how long it lasts in all, and how long still by this machine's clock. */
static bool read_life(const struct pn_secret *token, int64_t *life_ms, int64_t *left_ms)
{
    pn_auto(pn_value_freep) struct pn_value *claims = NULL;
    int64_t begin_s, end_s;

    if (!read_claims(token, &claims) || pn_value_get(claims, "identityAccessTokenId") == NULL)
        return false;
    begin_s = pn_value_int(pn_value_get(claims, "iat"), 0);
    end_s = pn_value_int(pn_value_get(claims, "exp"), 0);
    if (begin_s <= 0 || end_s <= begin_s || end_s > INT64_MAX / 1000)
        return false;
    *life_ms = (end_s - begin_s) * 1000;
    *left_ms = end_s * 1000 - pn_clock_wall_ms();
    return true;
}

/*
 * When half of its life is over. A new one began when it was asked for, whatever this machine's clock says: where it is
 * ahead, each would look as if it were nearly over and be renewed again at once. Where it is behind, none lasts longer
 * than its life.
 */
static int64_t due_of(const struct pn_secret *token, int64_t asked_ms)
{
    const int64_t now_ms = pn_clock_mono_ms();
    int64_t life_ms, left_ms;

    if (!read_life(token, &life_ms, &left_ms))
        return NEVER;
    if (asked_ms > 0)
        left_ms = life_ms - SECOND_MS - (now_ms - asked_ms);
    else if (left_ms > life_ms)
        left_ms = life_ms;
    return now_ms + (left_ms > life_ms / 2 ? left_ms - life_ms / 2 : 0);
}

/* `asked_ms`: when it was asked for, on the monotonic clock; 0: nobody knows. */
static void take(struct pn_renewal *renewal, const struct pn_secret *token, int64_t asked_ms)
{
    struct pn_err ignored = { 0 };
    struct pn_secret *copy = token != NULL ? pn_secret_copy(token, &ignored) : NULL;

    pn_secret_free(renewal->token);
    renewal->token = copy;
    renewal->due_ms = copy != NULL ? due_of(copy, asked_ms) : NEVER;
}

struct pn_renewal *pn_renewal_new(const struct pn_secret *token)
{
    struct pn_renewal *renewal = pn_heap_new(sizeof *renewal);

    take(renewal, token, 0);
    return renewal;
}

void pn_renewal_freep(struct pn_renewal **renewal)
{
    if (*renewal == NULL)
        return;
    pn_secret_free((*renewal)->token);
    pn_heap_free(*renewal);
    *renewal = NULL;
}

static bool renew(const struct pn_renewal *renewal, struct pn_rest *rest, struct pn_secret **out,
                  struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init_wiped(2 * MAX_TOKEN_BYTES);
    pn_auto(pn_value_freep) struct pn_value *reply = NULL;
    struct pn_writer w = pn_writer_of(&body);
    struct pn_str token;

    pn_write_object(&w, NULL);
    pn_write_str(&w, "accessToken", pn_secret_reveal(renewal->token));
    pn_write_end(&w);
    if (!pn_rest_call(rest, "POST", PN_LIT("/v1/auth/token/renew"), pn_buf_str(&body), &reply, err))
        return false;
    token = pn_value_str(pn_value_get(reply, "accessToken"));
    if (token.len == 0)
        return pn_fail(err, PN_UPSTREAM, "the answer has no access token");
    *out = pn_secret_new(token, err);
    return *out != NULL;
}

/* What the server refuses once it refuses again: then the token lasts as long as it lasts. */
static bool may_pass(enum pn_code code)
{
    return code == PN_UNREACHABLE || code == PN_TIMEOUT || code == PN_BUSY || code == PN_UPSTREAM ||
           code == PN_RATE_LIMITED;
}

void pn_renewal_tend(struct pn_renewal *renewal, struct pn_rest *rest)
{
    pn_auto(pn_secret_freep) struct pn_secret *fresh = NULL;
    const int64_t asked_ms = pn_clock_mono_ms();
    struct pn_err err = { 0 };

    if (asked_ms < renewal->due_ms)
        return;
    renewal->due_ms = NEVER;
    if (renew(renewal, rest, &fresh, &err) && pn_rest_set_token(rest, fresh, &err))
        take(renewal, fresh, asked_ms);
    else if (may_pass(err.code))
        renewal->due_ms = pn_clock_mono_ms() + RETRY_MS;
}
