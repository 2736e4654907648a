/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/spdy.h"

/* A word of the dictionary: its length as a big-endian u32, then its letters. */
/* clang-format off */
#define W(length, word) "\0\0\0" length word

static const char dictionary[] =
    W("\x07", "options") W("\x04", "head") W("\x04", "post") W("\x03", "put") W("\x06", "delete")
    W("\x05", "trace") W("\x06", "accept") W("\x0e", "accept-charset") W("\x0f", "accept-encoding")
    W("\x0f", "accept-language") W("\x0d", "accept-ranges") W("\x03", "age") W("\x05", "allow")
    W("\x0d", "authorization") W("\x0d", "cache-control") W("\x0a", "connection")
    W("\x0c", "content-base") W("\x10", "content-encoding") W("\x10", "content-language")
    W("\x0e", "content-length") W("\x10", "content-location") W("\x0b", "content-md5")
    W("\x0d", "content-range") W("\x0c", "content-type") W("\x04", "date") W("\x04", "etag")
    W("\x06", "expect") W("\x07", "expires") W("\x04", "from") W("\x04", "host")
    W("\x08", "if-match") W("\x11", "if-modified-since") W("\x0d", "if-none-match")
    W("\x08", "if-range") W("\x13", "if-unmodified-since") W("\x0d", "last-modified")
    W("\x08", "location") W("\x0c", "max-forwards") W("\x06", "pragma")
    W("\x12", "proxy-authenticate") W("\x13", "proxy-authorization") W("\x05", "range")
    W("\x07", "referer") W("\x0b", "retry-after") W("\x06", "server") W("\x02", "te")
    W("\x07", "trailer") W("\x11", "transfer-encoding") W("\x07", "upgrade")
    W("\x0a", "user-agent") W("\x04", "vary") W("\x03", "via") W("\x07", "warning")
    W("\x10", "www-authenticate") W("\x06", "method") W("\x03", "get") W("\x06", "status")
    W("\x06", "200 OK") W("\x07", "version") W("\x08", "HTTP/1.1") W("\x03", "url")
    W("\x06", "public") W("\x0a", "set-cookie") W("\x0a", "keep-alive") W("\x06", "origin")
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age="
    "gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
/* clang-format on */

const struct pn_str pn_spdy_dictionary = { dictionary, sizeof(dictionary) - 1 };
