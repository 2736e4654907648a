/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int status;
    const char *name;
    int exit_code;
} codes[] = {
    [PN_OK] = { 200, "OK", 0 },
#define X(code, status, name, exit_code) [PN_##code] = { status, name, exit_code },
#include "base/codes.def"
#undef X
};

/* What a status says when one of our servers sent it; where several codes share it, the commonest. */
static const struct {
    int status;
    enum pn_code code;
} meanings[] = {
    { 400, PN_BAD_REQUEST }, { 401, PN_UNAUTHENTICATED },
    { 403, PN_FORBIDDEN },   { 404, PN_NOT_FOUND },
    { 409, PN_CONFLICT },    { 413, PN_TOO_LARGE },
    { 422, PN_VALIDATION },  { 429, PN_RATE_LIMITED },
    { 500, PN_INTERNAL },    { 502, PN_UPSTREAM },
    { 503, PN_BUSY },        { 504, PN_TIMEOUT },
};

/* vsnprintf that never leaves half a UTF-8 sequence at the end. */
static void format_text(char *out, size_t bytes, const char *format, va_list args)
{
    int len = vsnprintf(out, bytes, format, args);
    size_t end = bytes - 1;

    if (len < 0)
        out[0] = '\0';
    if (len < 0 || (size_t)len < bytes)
        return;
    while (end > 0 && end > bytes - 5 && ((uint8_t)out[end - 1] & 0xc0) == 0x80)
        end--;
    if (end > 0 && (uint8_t)out[end - 1] >= 0xc0) {
        size_t rest = strlen(out + end - 1);

        if (pn_str_utf8_step(pn_str_of(out + end - 1, rest)) != rest)
            out[end - 1] = '\0';
    }
}

/* Appends what fits and leaves room for the terminator. */
static size_t append(char *out, size_t at, size_t bytes, const char *text)
{
    size_t len = strnlen(text, bytes - 1 - at);

    memcpy(out + at, text, len);
    return at + len;
}

static void prepend_trace(struct pn_err *err, const char *context)
{
    char joined[sizeof(err->trace)];
    size_t at = append(joined, 0, sizeof(joined), context);

    at = append(joined, at, sizeof(joined), err->trace[0] != '\0' ? ": " : "");
    at = append(joined, at, sizeof(joined), err->trace);
    joined[at] = '\0';
    memcpy(err->trace, joined, at + 1);
}

bool pn_err_raise(struct pn_err *err, enum pn_code code, int cause, const char *at,
                  const char *format, ...)
{
    va_list args;

    pn_assert(err->code == PN_OK && code != PN_OK);
    *err = (struct pn_err){ .code = code, .cause = cause, .at = at };
    va_start(args, format);
    format_text(err->message, sizeof(err->message), format, args);
    va_end(args);
    memcpy(err->trace, err->message, sizeof(err->message));
    return false;
}

bool pn_err_within(struct pn_err *err, const char *format, ...)
{
    char context[256];
    va_list args;

    pn_assert(err->code != PN_OK);
    va_start(args, format);
    format_text(context, sizeof(context), format, args);
    va_end(args);
    prepend_trace(err, context);
    return false;
}

bool pn_err_recast(struct pn_err *err, enum pn_code code, const char *format, ...)
{
    va_list args;
    char message[sizeof(err->message)]; /* the arguments may point into *err */

    pn_assert(err->code != PN_OK && code != PN_OK);
    va_start(args, format);
    format_text(message, sizeof(message), format, args);
    va_end(args);
    memcpy(err->message, message, sizeof(message));
    prepend_trace(err, err->message);
    err->code = code;
    err->name[0] = '\0';
    err->details = PN_NONE;
    return false;
}

bool pn_err_named(struct pn_err *err, const char *name)
{
    pn_assert(err->code != PN_OK && strlen(name) < sizeof(err->name));
    memcpy(err->name, name, strlen(name) + 1);
    return false;
}

void pn_err_clear(struct pn_err *err)
{
    *err = (struct pn_err){ 0 };
}

int pn_code_status(enum pn_code code)
{
    return codes[code].status;
}

const char *pn_code_name(enum pn_code code)
{
    return codes[code].name;
}

int pn_code_exit(enum pn_code code)
{
    return codes[code].exit_code;
}

enum pn_code pn_code_of_status(int status)
{
    for (size_t i = 0; i < PN_COUNT(meanings); i++) {
        if (meanings[i].status == status)
            return meanings[i].code;
    }
    if (status >= 200 && status < 300)
        return PN_OK;
    return status >= 400 && status < 500 ? PN_BAD_REQUEST : PN_UPSTREAM;
}
