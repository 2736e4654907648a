/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_KUBE_REQUESTINFO_H
#define PN_KUBE_REQUESTINFO_H

#include "base/arena.h"
#include "base/err.h"

/*
 * What a Kubernetes API server will understand a request to be: the one thing that policy, record
 * and display go by. The algorithm is the server's own (apiserver: pkg/endpoints/request/requestinfo.go).
 */
struct pn_request_info {
    bool is_resource;
    bool is_long_running; /* watch, log, exec, attach, portforward, proxy: no deadline */
    bool is_opaque; /* pods, services or nodes proxy: another server's HTTP, with its own headers */
    struct pn_str verb; /* "" when the server knows none for the method */
    struct pn_str api_group, api_version, namespace, resource, name, subresource;
    struct pn_str label_selector, field_selector; /* of list, watch and deletecollection */
};

/*
 * Reads method and origin-form target. Slices point into the target or the arena.
 *
 * Refuses what two parsers could read in two ways: an encoded slash, a dot segment, NUL, a backslash
 * or an empty segment inside the path (but not behind a `proxy` subresource, which is forwarded byte
 * for byte), a broken escape, a byte that no URL may hold.
 *
 * Errors:  PN_BAD_REQUEST  such a path, or no path at all
 *          PN_INTERNAL     a path on which the API server itself fails (500): /api/v1/watch
 */
bool pn_request_info_parse(struct pn_arena *arena, struct pn_str method, struct pn_str target,
                           struct pn_request_info *out, struct pn_err *err) PN_CHECKED;

#endif
