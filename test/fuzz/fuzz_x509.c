/* SPDX-License-Identifier: Apache-2.0 */
/* pn_x509_read, pn_x509_extension and pn_x509_check_bundle on certificates from anywhere. */
#include "crypto/x509.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void must_be_text(struct pn_str name)
{
    must(pn_str_is_utf8(name) && pn_str_find(name, '\0') < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_arena *arena = pn_arena_new((size_t)1 << 20);
    struct pn_str input = pn_str_of(data, size), value, again;
    struct pn_cert_info info;
    struct pn_err read = { 0 }, extension = { 0 }, bundle = { 0 };
    size_t count = 0;
    bool is_pem = pn_str_starts(pn_str_trim(input), PN_LIT("-----BEGIN"));

    if (pn_x509_read(arena, input, &info, &read)) {
        must_be_text(info.common_name);
        must_be_text(info.organization);
        must(pn_str_is_printable(info.serial_hex));
        must(!is_pem || (pn_x509_check_bundle(input, &count, &bundle) && count == 1));
    } else {
        must(read.code == PN_BAD_REQUEST);
    }
    if (pn_x509_extension(arena, input, "1.3.6.1.4.1.12345.100.1", &value, &extension)) {
        must(pn_x509_extension(arena, input, "1.3.6.1.4.1.12345.100.1", &again, &extension));
        must(pn_str_eq(value, again));
    }
    pn_err_clear(&bundle);
    must(pn_x509_check_bundle(input, &count, &bundle) ? count > 0 : bundle.code == PN_BAD_REQUEST);
    pn_arena_free(arena);
    return 0;
}
