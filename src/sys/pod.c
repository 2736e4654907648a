/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/pod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/sys.h"

#define MAX_CA_BYTES ((size_t)256 * 1024)
#define MAX_TOKEN_BYTES ((size_t)32 * 1024)
#define MAX_NAMESPACE_BYTES ((size_t)256)
#define MAX_HOST_BYTES 255
#define ARENA_BYTES ((size_t)1 << 20)

/* A host as the kubelet writes it: a name or an address, an IPv6 one without brackets. */
static bool is_host(struct pn_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '-' || c == ':'))
            return false;
    }
    return host.len > 0 && host.len <= MAX_HOST_BYTES;
}

static bool is_port(struct pn_str port)
{
    unsigned number = 0;

    for (size_t i = 0; i < port.len && number <= UINT16_MAX; i++) {
        if (port.ptr[i] < '0' || port.ptr[i] > '9')
            return false;
        number = number * 10 + (unsigned)(port.ptr[i] - '0');
    }
    return number > 0 && number <= UINT16_MAX;
}

static struct pn_str variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL ? pn_str_from(value) : PN_NONE;
}

static bool read_address(struct pn_pod *pod, struct pn_err *err)
{
    struct pn_str host = variable("KUBERNETES_SERVICE_HOST"),
                  port = variable("KUBERNETES_SERVICE_PORT_HTTPS");

    if (host.len == 0 || port.len == 0)
        return pn_fail(err, PN_IO,
                       "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT_HTTPS are not set: it "
                       "does not run as a pod of the cluster");
    if (!is_host(host) || !is_port(port))
        return pn_fail(err, PN_IO,
                       "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT_HTTPS are no address");
    pod->url = pn_arena_printf(
        pod->arena, pn_str_find(host, ':') >= 0 ? "https://[%.*s]:%.*s" : "https://%.*s:%.*s",
        PN_ARG(host), PN_ARG(port));
    return true;
}

static bool read_file(const char *directory, const char *name, struct pn_buf *out,
                      struct pn_err *err)
{
    char path[4096];
    int length = snprintf(path, sizeof(path), "%s/%s", directory, name);

    if (length < 0 || (size_t)length >= sizeof(path))
        return pn_fail(err, PN_IO, "the name of the pod's directory is too long");
    return pn_file_read(path, out->max_bytes, out, err) ||
           pn_recast(err, PN_IO, "the pod's %s cannot be read: %.120s", name,
                     err->cause != 0 ? strerror(err->cause) : "it is too large");
}

static bool read_ca(struct pn_pod *pod, const char *directory, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(MAX_CA_BYTES);

    if (!read_file(directory, "ca.crt", &text, err))
        return false;
    pod->ca_pem = pn_arena_copy(pod->arena, pn_str_trim(pn_buf_str(&text)));
    return pod->ca_pem.len > 0 || pn_fail(err, PN_IO, "the pod's ca.crt is empty");
}

static bool read_token(struct pn_pod *pod, const char *directory, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_TOKEN_BYTES);
    struct pn_str token;

    if (!read_file(directory, "token", &text, err))
        return false;
    token = pn_str_trim(pn_buf_str(&text));
    if (token.len == 0 || !pn_str_is_printable(token) || pn_str_find(token, ' ') >= 0)
        return pn_fail(err, PN_IO, "the pod's token is %s", token.len == 0 ? "empty" : "no token");
    pod->token = pn_secret_new(token, err);
    return pod->token != NULL;
}

static void read_namespace(struct pn_pod *pod, const char *directory)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(MAX_NAMESPACE_BYTES);
    struct pn_err ignored = { 0 };

    if (read_file(directory, "namespace", &text, &ignored))
        pod->namespace = pn_arena_copy(pod->arena, pn_str_trim(pn_buf_str(&text)));
}

bool pn_pod_read(const char *directory, struct pn_pod *out, struct pn_err *err)
{
    struct pn_pod pod = { .arena = pn_arena_new(ARENA_BYTES) };

    if (directory == NULL)
        directory = PN_POD_DIRECTORY;
    if (!read_address(&pod, err) || !read_ca(&pod, directory, err) ||
        !read_token(&pod, directory, err)) {
        pn_pod_drop(&pod);
        return false;
    }
    read_namespace(&pod, directory);
    *out = pod;
    return true;
}

void pn_pod_drop(struct pn_pod *pod)
{
    pn_secret_freep(&pod->token);
    if (pod->arena != NULL)
        pn_arena_free(pod->arena);
    *pod = (struct pn_pod){ 0 };
}
