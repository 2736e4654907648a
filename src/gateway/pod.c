/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/pod.h"

#include "base/buf.h"
#include "crypto/x509.h"

#define MAX_AUTHORIZATION_BYTES ((size_t)64 * 1024)

static bool check_ca(const struct pn_pod *pod, struct pn_err *err)
{
    struct pn_err fault = { 0 };
    size_t count;

    return pn_x509_check_bundle(pod->ca_pem, &count, &fault) ||
           pn_fail(err, PN_IO, "the pod's ca.crt is unusable: %.160s", fault.message);
}

static bool print_authorization(struct pn_own_pod *own, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_AUTHORIZATION_BYTES);

    pn_buf_add(&text, PN_LIT("Bearer "));
    pn_buf_add(&text, pn_secret_reveal(own->pod.token));
    own->authorization = pn_secret_new(pn_buf_str(&text), err);
    return own->authorization != NULL;
}

bool pn_own_pod_read(const char *directory, struct pn_own_pod **out, struct pn_err *err)
{
    struct pn_own_pod *own = pn_heap_new(sizeof(*own));

    own->refs = 1;
    if (!pn_pod_read(directory, &own->pod, err) || !check_ca(&own->pod, err) ||
        !print_authorization(own, err)) {
        pn_own_pod_unref(own);
        return false;
    }
    *out = own;
    return true;
}

struct pn_own_pod *pn_own_pod_ref(struct pn_own_pod *pod)
{
    atomic_fetch_add(&pod->refs, 1);
    return pod;
}

void pn_own_pod_unref(struct pn_own_pod *pod)
{
    if (pod == NULL || atomic_fetch_sub(&pod->refs, 1) > 1)
        return;
    pn_pod_drop(&pod->pod);
    pn_secret_free(pod->authorization);
    pn_heap_free(pod);
}

bool pn_own_pod_is_same(const struct pn_own_pod *a, const struct pn_own_pod *b)
{
    return pn_secret_eq(a->pod.token, pn_secret_reveal(b->pod.token)) &&
           pn_str_eq(a->pod.ca_pem, b->pod.ca_pem) && pn_str_eq(a->pod.url, b->pod.url);
}
