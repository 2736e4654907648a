/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_CRYPTO_TOTP_H
#define PN_CRYPTO_TOTP_H

#include "base/base.h"
#include "base/str.h"

/*
 * One-time codes of authenticator apps (RFC 6238), in the one form all of them know: HMAC-SHA-1, six digits, a new
 * code every thirty seconds.
 */
#define PN_TOTP_SECRET_BYTES 20 /* RFC 4226 §4, R6: what HMAC-SHA-1 makes full use of */
#define PN_TOTP_DIGITS 6
#define PN_TOTP_STEP_MS INT64_C(30000)

/* The code of step `step`, counted from 1970, as text. */
struct pn_totp_code {
    char text[PN_TOTP_DIGITS + 1];
};
struct pn_totp_code pn_totp_at(struct pn_str secret, int64_t step);

/*
 * The step among `now_step` and its two neighbours (clocks differ) whose code this is, or -1. Every candidate is
 * compared, in constant time. Whether that step was used before is for the caller to ask.
 */
int64_t pn_totp_find(struct pn_str secret, int64_t now_step, struct pn_str code);

#endif
