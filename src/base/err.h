/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_BASE_ERR_H
#define PN_BASE_ERR_H

#include "base/str.h"

enum pn_code {
    PN_OK,
#define X(code, status, name, exit_code) PN_##code,
#include "base/codes.def"
#undef X
};

/*
 * A failure as a value: raised once, gains context on the way up, answered or logged once, at the
 * top. A zeroed pn_err is no failure.
 */
struct pn_err {
    enum pn_code code;
    char message[512]; /* for the caller of the API; never a secret, never an address */
    char trace[768];   /* for the operator: outermost context first, joined with ": " */
    char name[48];     /* machine name where clients test for one ("PAM_REASON_REQUIRED") or "" */
    int cause;         /* errno, SQLite or X509_V_ERR_… code; 0 if none */
    const char *at;    /* "file:line" that raised it */
    const char *
        reason; /* the answer's context.code, where clients test for one ("mfa_invalid"), or NULL */
    struct pn_str details; /* JSON of `details` (PN_VALIDATION: of `message`); call arena */
};

#define PN_STRINGIFY_(x) #x
#define PN_STRINGIFY(x) PN_STRINGIFY_(x)
#define PN_AT __FILE__ ":" PN_STRINGIFY(__LINE__)

/* That what raises returns false, for compilers and analysers, which do not see into err.c. */
static inline bool pn_err_false(bool raised)
{
    (void)raised;
    return false;
}

/* All return false, so failing is one statement. Raising over a live error asserts. */
#define pn_fail(err, code, ...) pn_fail_cause((err), (code), 0, __VA_ARGS__)
#define pn_fail_cause(err, code, cause, ...) \
    pn_err_false(pn_err_raise((err), (code), (cause), PN_AT, __VA_ARGS__))
bool pn_err_raise(struct pn_err *err, enum pn_code code, int cause, const char *at,
                  const char *format, ...) PN_PRINTF(5, 6);

/* Adds context in front of the trace; the caller's message stays. */
#define pn_within(err, ...) pn_err_false(pn_err_within((err), __VA_ARGS__))
bool pn_err_within(struct pn_err *err, const char *format, ...) PN_PRINTF(2, 3);
/* Replaces code and message; the old message joins the trace (404 instead of 403). */
#define pn_recast(err, code, ...) pn_err_false(pn_err_recast((err), (code), __VA_ARGS__))
bool pn_err_recast(struct pn_err *err, enum pn_code code, const char *format, ...) PN_PRINTF(3, 4);
/* Sets the machine name that clients compare. */
bool pn_err_named(struct pn_err *err, const char *name);
void pn_err_clear(struct pn_err *err);

int pn_code_status(enum pn_code code);       /* HTTP status */
const char *pn_code_name(enum pn_code code); /* wire name */
int pn_code_exit(enum pn_code code);         /* exit code of the CLI */
/* The kind a status means when a server of ours answered it (for clients). */
enum pn_code pn_code_of_status(int status);

#endif
