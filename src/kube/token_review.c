/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/token_review.h"

#include "json/writer.h"

#define MAX_TEXT 8192
#define MAX_AUDIENCES 256

void pn_kube_token_review_print(const struct pn_secret *token, struct pn_str audience,
                                struct pn_buf *out)
{
    struct pn_writer w = pn_writer_of(out);

    pn_write_object(&w, NULL);
    pn_write_text(&w, "apiVersion", "authentication.k8s.io/v1");
    pn_write_text(&w, "kind", "TokenReview");
    pn_write_object(&w, "spec");
    pn_write_str(&w, "token", pn_secret_reveal(token));
    if (audience.len > 0) {
        pn_write_array(&w, "audiences");
        pn_write_str(&w, NULL, audience);
        pn_write_end(&w);
    }
    pn_write_end(&w);
    pn_write_end(&w);
}

struct extra {
    struct pn_strs pod, node;
};
static const struct pn_field extra_fields[] = {
    { .name = "authentication.kubernetes.io/pod-name",
      .kind = PN_KIND_STRINGS,
      .offset = offsetof(struct extra, pod),
      .is_nullable = true },
    { .name = "authentication.kubernetes.io/node-name",
      .kind = PN_KIND_STRINGS,
      .offset = offsetof(struct extra, node),
      .is_nullable = true },
};
struct user {
    struct pn_str username, uid;
    struct extra extra;
    bool has_extra;
};
static const struct pn_field user_fields[] = {
    PN_FIELD(user, username, STRING, .max = MAX_TEXT, .is_nullable = true),
    PN_FIELD(user, uid, STRING, .max = MAX_TEXT, .is_nullable = true),
    PN_FIELD(user, extra, OBJECT, .shape = PN_SHAPE(extra), .is_nullable = true,
             .has_offset = offsetof(struct user, has_extra)),
};
struct status {
    bool authenticated;
    struct pn_str error;
    struct user user;
    bool has_user;
    struct pn_strs audiences;
};
static const struct pn_field status_fields[] = {
    PN_FIELD(status, authenticated, BOOL, .is_nullable = true),
    PN_FIELD(status, error, STRING, .max = MAX_TEXT, .is_nullable = true),
    PN_FIELD(status, user, OBJECT, .shape = PN_SHAPE(user), .is_nullable = true,
             .has_offset = offsetof(struct status, has_user)),
    PN_FIELD(status, audiences, STRINGS, .max = MAX_AUDIENCES, .is_nullable = true),
};
struct review {
    struct status status;
};
static const struct pn_field review_fields[] = {
    PN_FIELD(review, status, OBJECT, .shape = PN_SHAPE(status), .required = true),
};

static struct pn_str first_of(struct pn_strs strings)
{
    return strings.count > 0 ? strings.items[0] : PN_NONE;
}

bool pn_kube_token_review_parse(struct pn_arena *arena, struct pn_str body,
                                struct pn_kube_review *out, struct pn_err *err)
{
    struct review review;

    if (!pn_shape_parse(PN_SHAPE(review), arena, body, &review, err))
        return pn_recast(err, PN_PROTOCOL, "Unexpected TokenReview response");
    *out = (struct pn_kube_review){
        .is_authenticated = review.status.authenticated,
        .error = review.status.error,
        .username = review.status.user.username,
        .uid = review.status.user.uid,
        .audiences = review.status.audiences,
        .pod_name = first_of(review.status.user.extra.pod),
        .node_name = first_of(review.status.user.extra.node),
    };
    return true;
}

struct api_status {
    struct pn_str message;
};
static const struct pn_field api_status_fields[] = {
    PN_FIELD(api_status, message, STRING, .max = MAX_TEXT, .is_nullable = true),
};

struct pn_str pn_kube_answer_text(struct pn_arena *arena, struct pn_str content_type,
                                  struct pn_str body)
{
    struct pn_str text = pn_str_trim(body);
    struct pn_err ignored = { 0 };
    struct api_status status;

    if (pn_str_starts(text, PN_LIT("{")))
        return pn_shape_parse(PN_SHAPE(api_status), arena, text, &status, &ignored) &&
                       status.message.len > 0
                   ? status.message
                   : PN_NONE;
    if (!pn_str_istarts(content_type, PN_LIT("text/plain")) || text.len == 0 ||
        text.len > MAX_TEXT || !pn_str_is_utf8(text))
        return PN_NONE;
    return text;
}

struct details {
    struct pn_str name;
};
static const struct pn_field details_fields[] = {
    PN_FIELD(details, name, STRING, .max = MAX_TEXT, .is_nullable = true),
};
struct api_object {
    struct pn_str kind;
    struct details details;
};
static const struct pn_field api_object_fields[] = {
    PN_FIELD(api_object, kind, STRING, .min = 1, .max = MAX_TEXT),
    PN_FIELD(api_object, details, OBJECT, .shape = PN_SHAPE(details), .is_nullable = true),
};

static bool read_object(struct pn_arena *arena, struct pn_str body, struct api_object *out)
{
    struct pn_err ignored = { 0 };

    *out = (struct api_object){ 0 };
    return body.len > 0 && pn_shape_parse(PN_SHAPE(api_object), arena, body, out, &ignored);
}

bool pn_kube_answer_is_object(struct pn_arena *arena, struct pn_str body)
{
    struct api_object object;

    return read_object(arena, body, &object) && object.kind.len > 0;
}

bool pn_kube_answer_is_about(struct pn_arena *arena, struct pn_str body, struct pn_str name)
{
    struct api_object object;

    return read_object(arena, body, &object) && pn_str_is(object.kind, "Status") &&
           pn_str_eq(object.details.name, name);
}
