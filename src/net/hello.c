/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/reader.h"
#include "net/tls.h"

/* RFC 8446 §4.1.2, §5.1 (TLS 1.2 looks the same); server_name: RFC 6066 §3; ALPN: RFC 7301 §3.1. */
#define MAX_HELLO_BYTES ((size_t)16 * 1024)
#define MAX_EXTENSIONS 64
#define RECORD_HEADER_BYTES 5
#define RECORD_HANDSHAKE 22
#define HANDSHAKE_HEADER_BYTES 4
#define HANDSHAKE_CLIENT_HELLO 1
#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN 16

static bool parse_server_name(struct pn_str body, struct pn_hello *out)
{
    struct pn_reader r = pn_reader_of(body);
    size_t list_len = pn_read_u16(&r);
    uint8_t kind = pn_read_u8(&r);
    struct pn_str name = pn_read_str(&r, pn_read_u16(&r));

    /* One host name: nobody has ever sent two, and two would be a way to disagree about which counts. */
    if (!pn_read_done(&r) || list_len != body.len - 2 || kind != 0)
        return false;
    if (name.len == 0 || name.len >= sizeof(out->server_name) || out->server_name[0] != '\0')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 'a' - 'A');
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
            return false;
        out->server_name[i] = c;
    }
    return true;
}

static bool parse_alpn(struct pn_str body, const char *alpn, struct pn_hello *out)
{
    struct pn_reader r = pn_reader_of(body);

    if (pn_read_u16(&r) != body.len - 2 || r.rest.len == 0)
        return false;
    while (r.rest.len > 0 && !r.is_short) {
        struct pn_str name = pn_read_str(&r, pn_read_u8(&r));

        if (name.len == 0)
            return false;
        if (pn_str_is(name, alpn))
            out->has_alpn = true;
    }
    return pn_read_done(&r);
}

static bool parse_extensions(struct pn_str body, const char *alpn, struct pn_hello *out)
{
    struct pn_reader r = pn_reader_of(body);
    bool has_alpn_extension = false;

    for (int count = 0; r.rest.len > 0 && !r.is_short; count++) {
        uint16_t type = pn_read_u16(&r);
        struct pn_str data = pn_read_str(&r, pn_read_u16(&r));

        if (r.is_short || count >= MAX_EXTENSIONS)
            return false;
        if (type == EXTENSION_SERVER_NAME && !parse_server_name(data, out))
            return false;
        if (type == EXTENSION_ALPN && (has_alpn_extension || !parse_alpn(data, alpn, out)))
            return false;
        has_alpn_extension |= type == EXTENSION_ALPN;
    }
    return pn_read_done(&r);
}

static bool parse_hello(struct pn_str body, const char *alpn, struct pn_hello *out)
{
    struct pn_reader r = pn_reader_of(body);

    (void)pn_read_u16(&r);     /* legacy_version */
    (void)pn_read_str(&r, 32); /* random */
    struct pn_str session = pn_read_str(&r, pn_read_u8(&r));
    struct pn_str ciphers = pn_read_str(&r, pn_read_u16(&r));
    struct pn_str compression = pn_read_str(&r, pn_read_u8(&r));

    if (r.is_short || session.len > 32 || ciphers.len < 2 || ciphers.len % 2 != 0 ||
        compression.len == 0)
        return false;
    if (r.rest.len == 0)
        return true; /* TLS 1.2 without extensions */

    struct pn_str extensions = pn_read_str(&r, pn_read_u16(&r));

    return pn_read_done(&r) && parse_extensions(extensions, alpn, out);
}

/*
 * Joins the handshake bytes of the records in `bytes` until a whole message is there. BAD for what
 * cannot become a ClientHello any more.
 */
static enum pn_hello_result join_records(struct pn_str bytes, char *message, size_t *message_len)
{
    size_t want = HANDSHAKE_HEADER_BYTES;

    *message_len = 0;
    while (*message_len < want) {
        struct pn_reader r = pn_reader_of(bytes);

        if (bytes.len > 0 && (uint8_t)bytes.ptr[0] != RECORD_HANDSHAKE)
            return PN_HELLO_BAD;
        if (bytes.len > 1 && bytes.ptr[1] != 3)
            return PN_HELLO_BAD;
        if (bytes.len < RECORD_HEADER_BYTES)
            return PN_HELLO_MORE;
        (void)pn_read_u24(&r);

        size_t record_len = pn_read_u16(&r);

        if (record_len == 0 || record_len > MAX_HELLO_BYTES - *message_len)
            return PN_HELLO_BAD;

        struct pn_str fragment = pn_str_slice(r.rest, 0, record_len);

        memcpy(message + *message_len, fragment.ptr, fragment.len);
        *message_len += fragment.len;
        if (*message_len >= HANDSHAKE_HEADER_BYTES && want == HANDSHAKE_HEADER_BYTES) {
            struct pn_reader header = pn_reader_of(pn_str_of(message, HANDSHAKE_HEADER_BYTES));

            if (pn_read_u8(&header) != HANDSHAKE_CLIENT_HELLO)
                return PN_HELLO_BAD;
            want += pn_read_u24(&header);
            if (want > MAX_HELLO_BYTES)
                return PN_HELLO_BAD;
        }
        if (fragment.len < record_len && *message_len < want)
            return PN_HELLO_MORE;
        bytes = pn_str_slice(r.rest, record_len, r.rest.len);
    }
    *message_len = want;
    return PN_HELLO_DONE;
}

enum pn_hello_result pn_tls_peek(struct pn_str bytes, const char *alpn, struct pn_hello *out)
{
    char message[MAX_HELLO_BYTES];
    size_t len;

    *out = (struct pn_hello){ 0 };

    enum pn_hello_result result = join_records(bytes, message, &len);

    if (result == PN_HELLO_MORE && bytes.len >= MAX_HELLO_BYTES)
        return PN_HELLO_BAD;
    if (result != PN_HELLO_DONE)
        return result;

    struct pn_str body = pn_str_of(message + HANDSHAKE_HEADER_BYTES, len - HANDSHAKE_HEADER_BYTES);

    return parse_hello(body, alpn, out) ? PN_HELLO_DONE : PN_HELLO_BAD;
}

static enum pn_hello_result wake_for_more(int fd, size_t len, const char **why)
{
    int enough = (int)len + 1;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &enough, sizeof(enough)) == 0)
        return PN_HELLO_MORE;
    *why = "its socket is of an odd kind";
    return PN_HELLO_BAD;
}

enum pn_hello_result pn_tls_peek_socket(struct pn_loop *loop, int fd, const char *alpn,
                                        struct pn_hello *out, const char **why)
{
    char *bytes = pn_loop_scratch(loop);
    ssize_t len = recv(fd, bytes, MAX_HELLO_BYTES, MSG_PEEK);
    enum pn_hello_result result;
    int awaited = 1;
    socklen_t size = sizeof(awaited);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return PN_HELLO_MORE;
    (void)getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &awaited, &size);
    if (len < awaited) { /* woken for less: it has ended, and would wake us again and again */
        *why = len > 0 ? "it left in the middle of a ClientHello" : "it left without a word";
        return PN_HELLO_BAD;
    }
    result = pn_tls_peek(pn_str_of(bytes, (size_t)len), alpn, out);
    if (result == PN_HELLO_MORE)
        return wake_for_more(fd, (size_t)len, why);
    if (result == PN_HELLO_DONE)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &(int){ 1 }, sizeof(int));
    *why = "not a ClientHello";
    return result;
}
