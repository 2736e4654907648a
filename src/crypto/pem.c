/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/pem.h"

#include "base/encode.h"

#define LINE_CHARS 64
#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"

bool pn_pem_is(struct pn_str text)
{
    return pn_str_starts(pn_str_trim(text), PN_LIT(BEGIN));
}

/* Takes `expected` off the front of `*rest`. */
static bool skip(struct pn_str *rest, struct pn_str expected)
{
    if (!pn_str_starts(*rest, expected))
        return false;
    *rest = pn_str_slice(*rest, expected.len, rest->len);
    return true;
}

static bool skip_label(struct pn_str *rest, const char *label)
{
    return skip(rest, pn_str_from(label)) && skip(rest, PN_LIT(DASHES));
}

/* The label of a block somebody pasted by mistake, for the error. */
static struct pn_str label_of(struct pn_str rest)
{
    ptrdiff_t end = pn_str_search(rest, PN_LIT(DASHES));

    return pn_str_slice(rest, 0, end > 0 && end < 40 ? (size_t)end : 0);
}

/* Base64 without the line ends between its lines. */
static bool decode_lines(struct pn_str body, struct pn_buf *der)
{
    pn_auto(pn_buf_drop) struct pn_buf joined = pn_buf_init_wiped(2 * PN_PEM_MAX_BYTES);
    struct pn_str rest = body, line;

    while (pn_str_cut(&rest, '\n', &line))
        pn_buf_add(&joined, pn_str_trim(line));
    return !joined.is_full && joined.len > 0 && pn_base64_decode(pn_buf_str(&joined), der);
}

bool pn_pem_next(struct pn_str *rest, const char *label, struct pn_buf *der, struct pn_err *err)
{
    struct pn_str text = pn_str_trim(*rest), found;
    ptrdiff_t end;

    if (!skip(&text, PN_LIT(BEGIN)))
        return pn_fail(err, PN_BAD_REQUEST, "expected -----BEGIN %s-----", label);
    found = label_of(text);
    if (!skip_label(&text, label))
        return pn_fail(err, PN_BAD_REQUEST, "expected a block %s, found %.*s", label,
                       pn_str_is_printable(found) ? (int)found.len : 0, found.ptr);
    end = pn_str_search(text, PN_LIT(END));
    if (end < 0)
        return pn_fail(err, PN_BAD_REQUEST, "no -----END %s-----", label);
    if (!decode_lines(pn_str_slice(text, 0, (size_t)end), der))
        return pn_fail(err, PN_BAD_REQUEST, "a block %s that is not base64", label);
    text = pn_str_slice(text, (size_t)end + PN_LIT(END).len, text.len);
    if (!skip_label(&text, label))
        return pn_fail(err, PN_BAD_REQUEST, "a block %s that ends as another", label);
    *rest = pn_str_trim(text);
    return true;
}

bool pn_pem_add(struct pn_buf *out, const char *label, struct pn_str der)
{
    pn_auto(pn_buf_drop) struct pn_buf base64 = pn_buf_init_wiped(2 * PN_PEM_MAX_BYTES);

    if (!pn_base64_add(&base64, der))
        return false;
    pn_buf_add_text(out, BEGIN);
    pn_buf_add_text(out, label);
    pn_buf_add_text(out, DASHES "\n");
    for (size_t at = 0; at < base64.len; at += LINE_CHARS) {
        pn_buf_add(out, pn_str_slice(pn_buf_str(&base64), at, at + LINE_CHARS));
        pn_buf_add_byte(out, '\n');
    }
    pn_buf_add_text(out, END);
    pn_buf_add_text(out, label);
    return pn_buf_add_text(out, DASHES "\n");
}
