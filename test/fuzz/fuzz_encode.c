/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"
#include "base/uuid.h"

/* Every byte string survives each encoding; every text that decodes is the one spelling of its bytes. */

#define MAX_BYTES ((size_t)1 << 20)

typedef bool add_fn(struct pn_buf *out, struct pn_str bytes);
typedef bool decode_fn(struct pn_str text, struct pn_buf *out);

static const struct {
    add_fn *add;
    decode_fn *decode;
    bool is_unique; /* one text per byte string, but for the case of letters */
} pairs[] = {
    { pn_base64_add, pn_base64_decode, true },
    { pn_base64url_add, pn_base64url_decode, true },
    { pn_hex_add, pn_hex_decode, true },
    { pn_percent_add, pn_percent_decode, false },
};

static void check_pair(size_t i, struct pn_str input)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(MAX_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init(MAX_BYTES);

    pn_assert(pairs[i].add(&text, input));
    pn_assert(pairs[i].decode(pn_buf_str(&text), &bytes));
    pn_assert(pn_str_eq(pn_buf_str(&bytes), input));

    pn_buf_clear(&text);
    pn_buf_clear(&bytes);
    if (!pairs[i].decode(input, &bytes)) {
        pn_assert(bytes.len == 0);
        return;
    }
    pn_assert(pairs[i].add(&text, pn_buf_str(&bytes)));
    if (pairs[i].decode == pn_hex_decode)
        pn_assert(pn_str_ieq(pn_buf_str(&text), input));
    else if (pairs[i].is_unique)
        pn_assert(pn_str_eq(pn_buf_str(&text), input));
}

static void check_query(struct pn_str input)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_BYTES);
    struct pn_str value = PN_NONE;

    if (pn_query_get(arena, input, "a", &value))
        pn_assert(value.ptr != NULL && value.len < input.len);
    else
        pn_assert(value.ptr == NULL);
}

static void check_json(struct pn_str input)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init(MAX_BYTES);

    pn_assert(pn_json_escape_add(&text, input));
    pn_assert(pn_str_is_utf8(pn_buf_str(&text)));
    for (size_t i = 0; i < text.len; i++) {
        pn_assert((uint8_t)text.ptr[i] >= 0x20);
        pn_assert(text.ptr[i] != '"' || (i > 0 && text.ptr[i - 1] == '\\'));
    }
}

static void check_uuid(struct pn_str input)
{
    struct pn_uuid id;

    if (pn_uuid_parse(input, &id))
        pn_assert(pn_str_ieq(pn_str_from(pn_uuid_format(id).text), input));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_str input = pn_str_of(data, size);

    if (size > MAX_BYTES / 8)
        return 0;
    for (size_t i = 0; i < PN_COUNT(pairs); i++)
        check_pair(i, input);
    check_query(input);
    check_json(input);
    check_uuid(input);
    return 0;
}
