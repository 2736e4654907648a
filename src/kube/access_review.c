/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/access_review.h"

#include "json/writer.h"

#define MAX_USERNAME 1024

static void write_unless_empty(struct pn_writer *w, const char *name, struct pn_str value)
{
    if (value.len > 0)
        pn_write_str(w, name, value);
}

void pn_kube_access_review_print(const struct pn_kube_right *right, struct pn_buf *out)
{
    struct pn_writer w = pn_writer_of(out);

    pn_write_object(&w, NULL);
    pn_write_text(&w, "apiVersion", "authorization.k8s.io/v1");
    pn_write_text(&w, "kind", "SelfSubjectAccessReview");
    pn_write_object(&w, "spec");
    pn_write_object(&w, "resourceAttributes");
    write_unless_empty(&w, "namespace", right->namespace);
    pn_write_text(&w, "verb", right->verb);
    write_unless_empty(&w, "group", pn_str_from(right->group));
    pn_write_text(&w, "resource", right->resource);
    write_unless_empty(&w, "subresource", pn_str_from(right->subresource));
    write_unless_empty(&w, "name", right->name);
    pn_write_end(&w);
    pn_write_end(&w);
    pn_write_end(&w);
}

struct access_status {
    bool allowed;
};
static const struct pn_field access_status_fields[] = {
    PN_FIELD(access_status, allowed, BOOL, .required = true),
};
struct access {
    struct access_status status;
};
static const struct pn_field access_fields[] = {
    PN_FIELD(access, status, OBJECT, .shape = PN_SHAPE(access_status), .required = true),
};

bool pn_kube_access_review_parse(struct pn_arena *arena, struct pn_str body, bool *is_allowed,
                                 struct pn_err *err)
{
    struct access review;

    if (!pn_shape_parse(PN_SHAPE(access), arena, body, &review, err))
        return pn_recast(err, PN_PROTOCOL, "Unexpected SelfSubjectAccessReview response");
    *is_allowed = review.status.allowed;
    return true;
}

void pn_kube_self_review_print(struct pn_buf *out)
{
    pn_buf_add_text(out, "{\"apiVersion\":\"authentication.k8s.io/v1\","
                         "\"kind\":\"SelfSubjectReview\"}");
}

struct user_info {
    struct pn_str username;
};
static const struct pn_field user_info_fields[] = {
    PN_FIELD(user_info, username, STRING, .required = true, .min = 1, .max = MAX_USERNAME),
};
struct self_status {
    struct user_info userInfo;
};
static const struct pn_field self_status_fields[] = {
    PN_FIELD(self_status, userInfo, OBJECT, .shape = PN_SHAPE(user_info), .required = true),
};
struct self {
    struct self_status status;
};
static const struct pn_field self_fields[] = {
    PN_FIELD(self, status, OBJECT, .shape = PN_SHAPE(self_status), .required = true),
};

bool pn_kube_self_review_parse(struct pn_arena *arena, struct pn_str body, struct pn_str *username,
                               struct pn_err *err)
{
    struct self self;

    if (!pn_shape_parse(PN_SHAPE(self), arena, body, &self, err))
        return pn_recast(err, PN_PROTOCOL, "Unexpected SelfSubjectReview response");
    *username = self.status.userInfo.username;
    return true;
}
