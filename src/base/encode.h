/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_ENCODE_H
#define PN_BASE_ENCODE_H

#include "base/arena.h"
#include "base/buf.h"

/* Text forms of bytes: base64 (RFC 4648 §4 padded, §5 URL-safe without padding), base32, hex, percent. */
bool pn_base64_add(struct pn_buf *out, struct pn_str bytes);
bool pn_base64url_add(struct pn_buf *out, struct pn_str bytes);
bool pn_hex_add(struct pn_buf *out, struct pn_str bytes);
bool pn_base32_add(struct pn_buf *out, struct pn_str bytes); /* RFC 4648 §6, without padding */
/* Strict: the right alphabet, right padding, zero trailing bits; false for anything else. */
bool pn_base64_decode(struct pn_str text, struct pn_buf *out) PN_CHECKED;
bool pn_base64url_decode(struct pn_str text, struct pn_buf *out) PN_CHECKED;
bool pn_hex_decode(struct pn_str text, struct pn_buf *out) PN_CHECKED;
/* %XX → byte, once; `+` stays. False for a broken escape. */
bool pn_percent_decode(struct pn_str text, struct pn_buf *out) PN_CHECKED;
/* Escapes everything but unreserved characters (RFC 3986 §2.3). */
bool pn_percent_add(struct pn_buf *out, struct pn_str bytes);
/*
 * The first value of `key` in a query string ("a=1&b=2"), decoded (`+` as space), into the arena.
 * False when absent or broken; an empty value is true with len 0.
 */
bool pn_query_get(struct pn_arena *arena, struct pn_str query, const char *key,
                  struct pn_str *value);
/* How much of the beginning stands for itself in a JSON string: words of eight bytes, and a rest that is plain to its end. */
size_t pn_json_plain_len(struct pn_str text);
/* What stands between the quotes of a JSON string; invalid UTF-8 becomes U+FFFD. */
bool pn_json_escape_add(struct pn_buf *out, struct pn_str text);
/* The same with its quotes. */
bool pn_json_quote_add(struct pn_buf *out, struct pn_str text);
/* 0..15, or -1. */
int pn_hex_digit(char digit);

#endif
