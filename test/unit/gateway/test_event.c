/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "gateway/event.h"
#include "gateway/spool.h"
#include "json/value.h"

#include <stdio.h>

#define F(name, value)                        \
    {                                         \
        PN_LIT_INIT(name), PN_LIT_INIT(value) \
    }
#define EVENT(...)                                    \
    event_of((struct pn_http_field[]){ __VA_ARGS__ }, \
             PN_COUNT(((struct pn_http_field[]){ __VA_ARGS__ })))

static struct pn_buf buf;
static struct pn_arena *arena;

static struct pn_value *parsed(void)
{
    struct pn_value *value;
    struct pn_err err = { 0 };
    struct pn_str text = pn_str_trim(pn_buf_str(&buf)); /* the spool's room is blank */

    CHECK_OK(pn_value_parse(text, &value, &err), err);
    return value;
}

static struct pn_value *event_of(struct pn_http_field *fields, size_t count)
{
    struct pn_http_head head = { .method = PN_LIT("GET"), .fields = fields, .count = count };
    struct pn_request_info info;
    struct pn_err err = { 0 };
    struct pn_event_request event = { .id = PN_LIT("id"),
                                      .is_forwarded = true,
                                      .head = &head,
                                      .info = &info,
                                      .url = PN_LIT(
                                          "/api/v1/namespaces/dev/pods/web-0/exec?command=sh"),
                                      .upgrade = PN_LIT("SPDY/3.1") };

    pn_arena_free(arena);
    arena = pn_arena_new(1 << 20);
    event.arena = arena;
    buf = pn_buf_init(1 << 20);
    CHECK_OK(pn_request_info_parse(arena, head.method, event.url, &info, &err), err);
    pn_event_request(&buf, &event);
    return parsed();
}

static bool is_in_record(const char *text)
{
    return pn_str_search(pn_buf_str(&buf), pn_str_from(text)) >= 0;
}

static void done(struct pn_value *value)
{
    pn_value_free(value);
    pn_buf_drop(&buf);
}

PN_TEST(request_has_the_members_of_the_contract)
{
    struct pn_value *v = EVENT(F("Accept", "a/b"));
    static const char *const members[][2] = {
        { "eventType", "request" }, { "requestId", "id" },
        { "auditId", "id" },        { "method", "GET" },
        { "verb", "get" },          { "apiGroup", "" },
        { "resource", "pods" },     { "subresource", "exec" },
        { "namespace", "dev" },     { "name", "web-0" },
        { "upgrade", "SPDY/3.1" },  { "url", "/api/v1/namespaces/dev/pods/web-0/exec?command=sh" },
    };

    for (size_t i = 0; i < PN_COUNT(members); i++)
        CHECK_STR(pn_value_str(pn_value_get(v, members[i][0])), members[i][1]);
    CHECK(pn_value_str(pn_value_get(v, "timestamp")).len == 24);
    done(v);
}

PN_TEST(values_that_give_access_never_enter)
{
    struct pn_value *v =
        EVENT(F("Authorization", "Bearer s3cret"), F("COOKIE", "s3cret"),
              F("Proxy-Authorization", "s3cret"), F("X_Remote_User", "s3cret"),
              F("x-remote-extra-key", "s3cret"), F("Set-Cookie", "s3cret"),
              F("Sec-WebSocket-Protocol",
                "base64url.bearer.authorization.k8s.io.s3cret, v4.channel.k8s.io"));

    CHECK(!is_in_record("s3cret"));
    CHECK_STR(pn_value_str(pn_value_at(v, "headers.Authorization.0")), "[redacted]");
    CHECK_STR(pn_value_str(pn_value_at(v, "headers.Sec-Websocket-Protocol.0")),
              "v4.channel.k8s.io");
    done(v);
    v = EVENT(F("Sec-WebSocket-Protocol", "base64url.bearer.authorization.k8s.io.s3cret"));
    CHECK(!is_in_record("s3cret"));
    CHECK_STR(pn_value_str(pn_value_at(v, "headers.Sec-Websocket-Protocol.0")), "[redacted]");
    done(v);
}

PN_TEST(names_are_canonical_and_values_collected)
{
    struct pn_value *v = EVENT(F("x-stream-protocol-version", "v5"), F("accept", "x"),
                               F("X-Stream-Protocol-Version", "v4"));

    CHECK_EQ(pn_value_count(pn_value_get(v, "headers")), 2);
    CHECK_STR(pn_value_str(pn_value_at(v, "headers.X-Stream-Protocol-Version.0")), "v5");
    CHECK_STR(pn_value_str(pn_value_at(v, "headers.X-Stream-Protocol-Version.1")), "v4");
    done(v);
}

PN_TEST(claims_are_short_and_printable)
{
    char longer[400], agent[3000];
    struct pn_value *v;

    memset(longer, 'k', sizeof(longer));
    memset(agent, 'u', sizeof(agent));
    longer[0] = '\t';
    v = EVENT({ PN_LIT("kubectl-command"), pn_str_of(longer, sizeof(longer)) },
              { PN_LIT("user-agent"), pn_str_of(agent, sizeof(agent)) });
    CHECK_EQ(pn_value_str(pn_value_at(v, "headers.Kubectl-Command.0")).len, 256);
    CHECK_EQ(pn_value_str(pn_value_at(v, "headers.Kubectl-Command.0")).ptr[0], '?');
    CHECK_EQ(pn_value_str(pn_value_at(v, "headers.User-Agent.0")).len, 1024);
    done(v);
}

PN_TEST(a_flood_of_headers_is_cut)
{
    struct pn_http_field fields[100];
    char names[100][16], value[1024];
    struct pn_value *v;

    memset(value, 0x80, sizeof(value)); /* each byte becomes U+FFFD */
    for (size_t i = 0; i < 100; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "x-%zu", i);
        fields[i] =
            (struct pn_http_field){ pn_str_from(names[i]), pn_str_of(value, sizeof(value)) };
    }
    v = event_of(fields, 100);
    CHECK(buf.len < 64 * 1024);
    CHECK(pn_value_at(v, "headers.Postern-Cut") != NULL);
    done(v);
}

PN_TEST(response_has_the_members_of_the_contract)
{
    struct pn_event_response event = { .id = PN_LIT("id"),
                                       .is_forwarded = true,
                                       .status = 101,
                                       .duration_ms = 12,
                                       .request_bytes = 3,
                                       .response_bytes = 4,
                                       .is_upgraded = true,
                                       .upgrade = PN_LIT("websocket"),
                                       .headers = PN_LIT("{\"A\":[\"b\"]}") };
    struct pn_value *v;

    buf = pn_buf_init(1 << 16);
    pn_event_response(&buf, &event);
    v = parsed();
    CHECK_STR(pn_value_str(pn_value_get(v, "status")), "101 Switching Protocols");
    CHECK_EQ(pn_value_int(pn_value_get(v, "statusCode"), 0), 101);
    CHECK_EQ(pn_value_int(pn_value_get(v, "durationMs"), 0), 12);
    CHECK_EQ(pn_value_int(pn_value_get(v, "requestBytes"), 0), 3);
    CHECK_EQ(pn_value_int(pn_value_get(v, "responseBytes"), 0), 4);
    CHECK_STR(pn_value_str(pn_value_get(v, "upgrade")), "websocket");
    CHECK_STR(pn_value_str(pn_value_at(v, "headers.A.0")), "b");
    CHECK(pn_value_get(v, "error") == NULL);
    done(v);
    event = (struct pn_event_response){ .id = PN_LIT("id"), .error = PN_LIT("it broke") };
    buf = pn_buf_init(1 << 16);
    pn_event_response(&buf, &event);
    v = parsed();
    CHECK_STR(pn_value_str(pn_value_get(v, "status")), "");
    CHECK_STR(pn_value_str(pn_value_get(v, "error")), "it broke");
    CHECK(pn_value_is_null(pn_value_get(v, "auditId"))); /* nothing was forwarded */
    done(v);
}

PN_TEST_MAIN(T(request_has_the_members_of_the_contract), T(values_that_give_access_never_enter),
             T(names_are_canonical_and_values_collected), T(claims_are_short_and_printable),
             T(a_flood_of_headers_is_cut), T(response_has_the_members_of_the_contract))
