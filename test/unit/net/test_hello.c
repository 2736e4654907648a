/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/buf.h"
#include "net/tls.h"

/* Writes a ClientHello field by field, so that each can be made wrong. */
struct sample {
    const char *name;    /* NULL = no server_name extension */
    const char *alpn[4]; /* up to NULL; none = no extension */
    unsigned fillers;    /* other extensions */
    size_t filler_bytes; /* in the first of them */
    bool has_two_names, has_no_extensions, has_trailing_byte;
    uint8_t handshake_type; /* 0 = 1 */
    size_t record_bytes;    /* fragments; 0 = one record */
};

static void add_block(struct pn_buf *out, struct pn_str body, size_t len_bytes)
{
    CHECK(pn_buf_add_be(out, body.len, len_bytes) && pn_buf_add(out, body));
}

static void add_extension(struct pn_buf *out, uint16_t type, struct pn_str body)
{
    CHECK(pn_buf_add_be(out, type, 2));
    add_block(out, body, 2);
}

static void add_server_name(struct pn_buf *out, const char *name)
{
    pn_auto(pn_buf_drop) struct pn_buf entry = pn_buf_init(1024), list = pn_buf_init(1024);

    CHECK(pn_buf_add_byte(&entry, 0));
    add_block(&entry, pn_str_from(name), 2);
    add_block(&list, pn_buf_str(&entry), 2);
    add_extension(out, 0, pn_buf_str(&list));
}

static void add_alpn(struct pn_buf *out, const char *const *names)
{
    pn_auto(pn_buf_drop) struct pn_buf entry = pn_buf_init(1024), list = pn_buf_init(1024);

    for (; *names != NULL; names++)
        add_block(&entry, pn_str_from(*names), 1);
    add_block(&list, pn_buf_str(&entry), 2);
    add_extension(out, 16, pn_buf_str(&list));
}

static void add_extensions(struct pn_buf *body, const struct sample *s)
{
    pn_auto(pn_buf_drop) struct pn_buf extensions = pn_buf_init(1 << 20);
    static char zeros[32768];

    for (unsigned i = 0; i < s->fillers; i++)
        add_extension(&extensions, (uint16_t)(100 + i),
                      pn_str_of(zeros, i == 0 ? s->filler_bytes : 0));
    if (s->name != NULL)
        add_server_name(&extensions, s->name);
    if (s->has_two_names)
        add_server_name(&extensions, s->name);
    if (s->alpn[0] != NULL)
        add_alpn(&extensions, s->alpn);
    if (!s->has_no_extensions)
        add_block(body, pn_buf_str(&extensions), 2);
}

static struct pn_buf print(const struct sample *s)
{
    struct pn_buf out = pn_buf_init(1 << 20);
    pn_auto(pn_buf_drop) struct pn_buf body = pn_buf_init(1 << 20), message = pn_buf_init(1 << 20);
    struct pn_str rest;

    CHECK(pn_buf_add_be(&body, 0x0303, 2));
    CHECK(pn_buf_add(&body, PN_LIT("0123456789abcdef0123456789abcdef")));
    add_block(&body, PN_LIT("session"), 1);
    add_block(&body, BYTES(0x13, 1, 0x13, 2), 2);
    add_block(&body, BYTES(0), 1);
    add_extensions(&body, s);
    if (s->has_trailing_byte)
        CHECK(pn_buf_add_byte(&body, 0));
    CHECK(pn_buf_add_byte(&message, s->handshake_type != 0 ? (char)s->handshake_type : 1));
    add_block(&message, pn_buf_str(&body), 3);
    rest = pn_buf_str(&message);
    while (rest.len > 0) {
        size_t len =
            s->record_bytes != 0 && s->record_bytes < rest.len ? s->record_bytes : rest.len;

        CHECK(pn_buf_add(&out, BYTES(22, 3, 1)));
        add_block(&out, pn_str_slice(rest, 0, len), 2);
        rest = pn_str_slice(rest, len, rest.len);
    }
    return out;
}

static enum pn_hello_result peek(const struct sample *s, struct pn_hello *out)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = print(s);

    return pn_tls_peek(pn_buf_str(&bytes), "postern-tunnel/1", out);
}

PN_TEST(name_and_alpn_are_found)
{
    const struct sample s = { .name = "ID.Gateway.postern.internal",
                              .alpn = { "h2", "postern-tunnel/1" },
                              .fillers = 3 };
    struct pn_hello hello;

    CHECK_EQ(peek(&s, &hello), PN_HELLO_DONE);
    CHECK_STR(pn_str_from(hello.server_name), "id.gateway.postern.internal");
    CHECK(hello.has_alpn);
}

PN_TEST(both_may_be_missing)
{
    struct pn_hello hello;
    const struct sample other = { .name = "a", .alpn = { "h2", "postern-tunnel/11" } };

    CHECK_EQ(peek(&(struct sample){ 0 }, &hello), PN_HELLO_DONE);
    CHECK_STR(pn_str_from(hello.server_name), "");
    CHECK(!hello.has_alpn);
    CHECK_EQ(peek(&(struct sample){ .has_no_extensions = true }, &hello), PN_HELLO_DONE);
    CHECK_EQ(peek(&other, &hello), PN_HELLO_DONE);
    CHECK(!hello.has_alpn);
}

PN_TEST(every_prefix_wants_more_whole_and_in_pieces)
{
    for (size_t record_bytes = 0; record_bytes < 10; record_bytes += 3) {
        const struct sample s = { .name = "a.example.com",
                                  .alpn = { "postern-tunnel/1" },
                                  .record_bytes = record_bytes };
        pn_auto(pn_buf_drop) struct pn_buf bytes = print(&s);
        struct pn_hello hello;

        for (size_t len = 0; len < bytes.len; len++)
            CHECK_EQ(pn_tls_peek(pn_str_of(bytes.ptr, len), "postern-tunnel/1", &hello),
                     PN_HELLO_MORE);
        CHECK_EQ(pn_tls_peek(pn_buf_str(&bytes), "postern-tunnel/1", &hello), PN_HELLO_DONE);
        CHECK_STR(pn_str_from(hello.server_name), "a.example.com");
        CHECK(hello.has_alpn);
        CHECK(pn_buf_add(&bytes, PN_LIT("more")));
        CHECK_EQ(pn_tls_peek(pn_buf_str(&bytes), "postern-tunnel/1", &hello), PN_HELLO_DONE);
    }
}

PN_TEST(what_cannot_be_a_hello_is_bad_at_the_first_byte_that_shows_it)
{
    struct pn_hello hello;

    CHECK_EQ(pn_tls_peek(PN_LIT("G"), "h2", &hello), PN_HELLO_BAD);
    CHECK_EQ(pn_tls_peek(BYTES(22, 2), "h2", &hello), PN_HELLO_BAD);
    CHECK_EQ(pn_tls_peek(BYTES(22, 3, 1, 0, 0), "h2", &hello), PN_HELLO_BAD);
    CHECK_EQ(pn_tls_peek(BYTES(22, 3, 1, 0x7f, 0xff), "h2", &hello), PN_HELLO_BAD);
    CHECK_EQ(pn_tls_peek(BYTES(22, 3, 1, 0, 4, 1, 1, 0, 0), "h2", &hello), PN_HELLO_BAD);
    CHECK_EQ(peek(&(struct sample){ .handshake_type = 2 }, &hello), PN_HELLO_BAD);
}

PN_TEST(broken_extensions_are_bad)
{
    struct pn_hello hello;
    char long_name[300];

    memset(long_name, 'a', sizeof(long_name));
    long_name[256] = '\0';
    CHECK_EQ(peek(&(struct sample){ .name = long_name }, &hello), PN_HELLO_BAD);
    long_name[255] = '\0';
    CHECK_EQ(peek(&(struct sample){ .name = long_name }, &hello), PN_HELLO_DONE);
    CHECK_EQ(peek(&(struct sample){ .name = "" }, &hello), PN_HELLO_BAD);
    CHECK_EQ(peek(&(struct sample){ .name = "a b" }, &hello), PN_HELLO_BAD);
    CHECK_EQ(peek(&(struct sample){ .name = "a/../b" }, &hello), PN_HELLO_BAD);
    CHECK_EQ(peek(&(struct sample){ .name = "a", .has_two_names = true }, &hello), PN_HELLO_BAD);
    CHECK_EQ(peek(&(struct sample){ .alpn = { "" } }, &hello), PN_HELLO_BAD);
    CHECK_EQ(peek(&(struct sample){ .name = "a", .has_trailing_byte = true }, &hello),
             PN_HELLO_BAD);
}

PN_TEST(limits_hold)
{
    struct pn_hello hello;

    CHECK_EQ(peek(&(struct sample){ .name = "a", .fillers = 63 }, &hello), PN_HELLO_DONE);
    CHECK_EQ(peek(&(struct sample){ .name = "a", .fillers = 64 }, &hello), PN_HELLO_BAD);
    CHECK_EQ(peek(
                 &(struct sample){
                     .name = "a", .fillers = 1, .filler_bytes = 16000, .record_bytes = 8000 },
                 &hello),
             PN_HELLO_DONE);
    CHECK_EQ(peek(
                 &(struct sample){
                     .name = "a", .fillers = 1, .filler_bytes = 16384, .record_bytes = 8000 },
                 &hello),
             PN_HELLO_BAD);
}

PN_TEST_MAIN(T(name_and_alpn_are_found), T(both_may_be_missing),
             T(every_prefix_wants_more_whole_and_in_pieces),
             T(what_cannot_be_a_hello_is_bad_at_the_first_byte_that_shows_it),
             T(broken_extensions_are_bad), T(limits_hold))
