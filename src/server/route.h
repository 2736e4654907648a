/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SERVER_ROUTE_H
#define PN_SERVER_ROUTE_H

#include "base/call.h"
#include "json/shape.h"

/*
 * An endpoint is declared, not coded: one row of a table. The dispatcher (server/dispatch.c)
 * authenticates, limits, validates, calls the handler on its lane, audits and replies.
 */
enum pn_method { PN_GET, PN_POST, PN_PATCH, PN_PUT, PN_DELETE };

/* Who may call: a set. 0 stops the server at start-up; PN_ANYONE needs no credential. */
enum {
    PN_ANYONE = 1,         /* public; a bearer that comes along is ignored */
    PN_BY_USER = 2,        /* user token with an organisation selected */
    PN_BY_USER_NO_ORG = 4, /* user token, organisation or not */
    PN_BY_IDENTITY = 8,    /* machine identity's access token */
    PN_BY_GATEWAY = 16,    /* gateway access token */
    PN_BY_RELAY = 32,      /* relay access token */
    PN_BY_SERVICE = 64,    /* a project's service token */
    PN_BY_MFA = 128,       /* user token that waits for the second factor */
    PN_BY_PEOPLE = PN_BY_USER | PN_BY_IDENTITY,
    PN_BY_READERS = PN_BY_PEOPLE | PN_BY_SERVICE, /* of secrets, folders, imports; writers too */
};

enum pn_rate {
    PN_RATE_NONE,
    PN_RATE_READ,
    PN_RATE_WRITE,
    PN_RATE_LOGIN,
    PN_RATE_ENROL,
    PN_RATE_ACCESS
};
enum pn_lane_kind {
    PN_LANE_FAST,
    PN_LANE_SLOW,
    PN_LANE_INLINE,
    PN_LANE_MEMORY, /* tried on the loop first; what needs rows or has to wait is done again on FAST */
};

/* Returns false with err, or fills `out` (zeroed, of the route's out shape) from call->arena. */
typedef bool pn_handler(struct pn_call *call, const void *in, void *out, struct pn_err *err);

struct pn_route {
    enum pn_method method;
    const char *path; /* "/api/v1/projects/:projectId/memberships"; a trailing slash is ignored */
    unsigned access;
    enum pn_rate rate;
    enum pn_lane_kind lane;
    const char *permission; /* for the listing: "project pam-accounts:access"; checked in core */
    const char *audit;      /* event name; NULL only for what changes and reveals nothing */
    /*
     * One input struct: path parameters, query and JSON body members, by name (a path parameter wins
     * over the query, the query over the body). NULL: no input.
     */
    const struct pn_shape *in;
    const struct pn_shape *out; /* NULL with .is_raw */
    bool is_raw;                /* in/out are struct pn_raw: bytes as they are */
    bool is_top_array;          /* out has one OBJECTS field, printed as a bare array */
    bool is_stream;             /* the handler leaves call->subscription, which is told on */
    bool has_etag;              /* answers carry an ETag, If-None-Match is heard */
    size_t max_body_bytes;      /* 0 = 1 MiB; over it 413 */
    pn_handler *handle;
    const char *doc; /* one sentence, for the API description */
};

/* Input and output of raw routes; params are decoded path and query values. */
struct pn_raw {
    const struct pn_param *params;
    size_t param_count;
    struct pn_str body;
    struct pn_str content_type;
    int status; /* out: 0 = 200 */
};

/* All tables, NULL-terminated: server/routes.c. The rows of each end with { 0 }. */
extern const struct pn_route *const pn_route_tables[];

/* The parameter of that name, or PN_NONE. */
struct pn_str pn_raw_param(const struct pn_raw *raw, const char *name);

#endif
