/* SPDX-License-Identifier: Apache-2.0 */
/* What accounts have in common. Spec: pam-gateway §11.2. */
#include "core/org/names.h"
#include "core/pam/account.h"
#include "core/pam/rules.h"
#include "core/pam/template.h"
#include "json/value.h"
#include "json/writer.h"
#include "server/api/pam.h"
#include "server/routes.h"

#define MAX_DESCRIPTION 256
#define MAX_POLICIES_BYTES 4096

/* ---- as it is shown ---- */

struct settings_out {
    bool recordingEnabled;
    struct pn_str recordingStorageBackend;
};
static const struct pn_field settings_out_fields[] = {
    PN_FIELD(settings_out, recordingEnabled, BOOL),
    PN_FIELD(settings_out, recordingStorageBackend, STRING),
};
static const struct pn_shape settings_view = PN_SHAPE_OF(settings_out);

struct template_out {
    struct pn_uuid id, projectId, gatewayId, gatewayPoolId, recordingConnectionId;
    struct pn_str name, description, type, policies;
    struct settings_out settings;
    int64_t accountCount, createdAt, updatedAt;
};
static const struct pn_field template_out_fields[] = {
    PN_FIELD(template_out, id, UUID),
    PN_FIELD(template_out, projectId, UUID),
    PN_FIELD(template_out, name, STRING),
    PN_FIELD(template_out, description, STRING),
    PN_FIELD(template_out, type, STRING),
    PN_FIELD(template_out, policies, RAW),
    PN_FIELD(template_out, settings, OBJECT, .shape = &settings_view),
    PN_FIELD(template_out, gatewayId, UUID),
    PN_FIELD(template_out, gatewayPoolId, UUID),
    PN_FIELD(template_out, recordingConnectionId, UUID, .doc = "Always none"),
    PN_FIELD(template_out, accountCount, INT),
    PN_FIELD(template_out, createdAt, TIME),
    PN_FIELD(template_out, updatedAt, TIME),
};
static const struct pn_shape template_shape = PN_SHAPE_OF(template_out);

struct one_out {
    struct template_out template;
};
static const struct pn_field one_out_fields[] = {
    PN_FIELD(one_out, template, OBJECT, .shape = &template_shape),
};
static const struct pn_shape out_shape = PN_SHAPE_OF(one_out);

static struct pn_str print_policies(struct pn_arena *arena, const struct pn_pam_template *template)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(256);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    if (template->needs_reason)
        pn_write_bool(&w, "require-reason", true);
    if (template->max_duration_s > 0)
        pn_write_int(&w, "max-session-duration", template->max_duration_s);
    pn_write_end(&w);
    return pn_arena_copy(arena, pn_buf_str(&json));
}

static struct template_out show(struct pn_arena *arena, const struct pn_pam_template *template)
{
    return (struct template_out){
        .id = template->id,
        .projectId = template->projectId,
        .name = template->name,
        .description = template->description,
        .type = PN_LIT("kubernetes"),
        .policies = print_policies(arena, template),
        .settings = { true, PN_LIT("postgres") }, /* what clients call the database */
        .gatewayId = template->gatewayId,
        .gatewayPoolId = template->gatewayPoolId,
        .accountCount = template->accountCount,
        .createdAt = template->createdAt,
        .updatedAt = template->updatedAt,
    };
}

/* ---- policies and settings of a request: what cannot be kept is refused, never dropped ---- */

static bool read_duration(struct pn_call *call, const struct pn_value *value,
                          struct pn_pam_template_change *change, struct pn_err *err)
{
    change->max_duration_s = pn_value_is_null(value) ? 0 : pn_value_int(value, -1);
    return change->max_duration_s == 0 ||
           (change->max_duration_s >= PN_PAM_TEMPLATE_MIN_S &&
            change->max_duration_s <= PN_PAM_SESSION_MAX_S) ||
           pn_pam_invalid(call->arena, "policies.max-session-duration",
                          "Whole seconds from 60 to 86400", err);
}

static bool read_reason(struct pn_call *call, const struct pn_value *value,
                        struct pn_pam_template_change *change, struct pn_err *err)
{
    change->needs_reason = pn_value_bool(value, false);
    return pn_value_is_null(value) || pn_value_bool(value, false) == pn_value_bool(value, true) ||
           pn_pam_invalid(call->arena, "policies.require-reason", "Either true or false", err);
}

/* Off is what it is without; on would leave accounts less guarded than their owner thinks. */
static bool is_off(const struct pn_value *value)
{
    return pn_value_is_null(value) || !pn_value_bool(value, true) ||
           (pn_value_is_object(value) && pn_value_count(pn_value_get(value, "patterns")) == 0);
}

static bool read_policy(struct pn_call *call, struct pn_str name, const struct pn_value *value,
                        struct pn_pam_template_change *change, struct pn_err *err)
{
    if (pn_str_is(name, "max-session-duration"))
        return read_duration(call, value, change, err);
    if (pn_str_is(name, "require-reason"))
        return read_reason(call, value, change, err);
    return is_off(value) ||
           pn_pam_invalid(call->arena, "policies",
                          "Available are max-session-duration and require-reason", err);
}

static bool read_policies(struct pn_call *call, struct pn_str json,
                          struct pn_pam_template_change *change, struct pn_err *err)
{
    pn_auto(pn_value_freep) struct pn_value *policies = NULL;

    if (json.ptr == NULL)
        return true;
    change->has_policies = true;
    if (!pn_value_parse(json, &policies, err))
        return false;
    if (!pn_value_is_object(policies))
        return pn_value_is_null(policies) ||
               pn_pam_invalid(call->arena, "policies", "Expected an object", err);
    for (size_t i = 0; i < pn_value_count(policies); i++) {
        const struct pn_value *value;
        struct pn_str name;

        if (pn_value_member(policies, i, &name, &value) &&
            !read_policy(call, name, value, change, err))
            return false;
    }
    return true;
}

static const char *const types[] = { "kubernetes", NULL };
static const char *const backends[] = { "postgres", NULL };

struct settings_in {
    bool recordingEnabled;
    int recordingStorageBackend;
    struct pn_str recordingS3Config, sessionLogMaskingPatterns;
};
static const struct pn_field settings_in_fields[] = {
    PN_FIELD(settings_in, recordingEnabled, BOOL, .fallback = true, .has_fallback = true,
             .doc = "Every session is recorded: false is refused"),
    PN_FIELD(settings_in, recordingStorageBackend, ENUM, .names = backends),
    PN_FIELD(settings_in, recordingS3Config, RAW),
    PN_FIELD(settings_in, sessionLogMaskingPatterns, RAW,
             .doc = "Bodies are not recorded, so there is nothing to mask: only empty ones"),
};
static const struct pn_shape settings_shape = PN_SHAPE_OF(settings_in);

static bool is_empty(struct pn_str json)
{
    return json.ptr == NULL || pn_str_is(json, "null") || pn_str_is(json, "\"\"") ||
           pn_str_is(json, "[]") || pn_str_is(json, "{}");
}

static bool check_settings(struct pn_call *call, const struct settings_in *in, struct pn_err *err)
{
    if (!in->recordingEnabled)
        return pn_pam_invalid(call->arena, "settings.recordingEnabled", "Every session is recorded",
                              err);
    if (!is_empty(in->recordingS3Config))
        return pn_pam_invalid(call->arena, "settings.recordingS3Config",
                              "Recordings are kept in the database, and nowhere else", err);
    return is_empty(in->sessionLogMaskingPatterns) ||
           pn_pam_invalid(call->arena, "settings.sessionLogMaskingPatterns",
                          "Bodies are not recorded: there is nothing to mask", err);
}

/* ---- create, change ---- */

struct body {
    struct pn_uuid id, projectId, gatewayId, gatewayPoolId, recordingConnectionId;
    struct pn_str name, description, policies;
    int type;
    struct settings_in settings;
    bool has_name, has_description, has_gateway, has_pool, has_settings;
};
#define BODY_REST                                                                                  \
    PN_FIELD(body, description, STRING, .is_nullable = true, .trim = true, .max = MAX_DESCRIPTION, \
             .has_offset = offsetof(struct body, has_description)),                                \
        PN_FIELD(body, policies, RAW, .max = MAX_POLICIES_BYTES,                                   \
                 .doc = "max-session-duration (seconds), require-reason"),                         \
        PN_FIELD(body, settings, OBJECT, .shape = &settings_shape,                                 \
                 .has_offset = offsetof(struct body, has_settings)),                               \
        PN_FIELD(body, gatewayId, UUID, .is_nullable = true,                                       \
                 .has_offset = offsetof(struct body, has_gateway)),                                \
        PN_FIELD(body, gatewayPoolId, UUID, .is_nullable = true,                                   \
                 .has_offset = offsetof(struct body, has_pool)),                                   \
        PN_FIELD(body, recordingConnectionId, UUID, .is_nullable = true)

static const struct pn_field create_fields[] = {
    PN_FIELD(body, projectId, UUID, .is_nullable = true,
             .doc = "Without it: the caller's one project for access"),
    PN_FIELD(body, name, STRING, .required = true, .min = 1, .max = PN_PAM_NAME_MAX, PN_NAME_SLUG,
             .has_offset = offsetof(struct body, has_name)),
    PN_FIELD(body, type, ENUM, .required = true, .names = types),
    BODY_REST,
};
static const struct pn_shape create_shape = { "template_create", sizeof(struct body), create_fields,
                                              PN_COUNT(create_fields) };

static const struct pn_field patch_fields[] = {
    PN_FIELD(body, id, UUID, .required = true),
    PN_FIELD(body, name, STRING, .min = 1, .max = PN_PAM_NAME_MAX, PN_NAME_SLUG,
             .has_offset = offsetof(struct body, has_name)),
    BODY_REST,
};
static const struct pn_shape patch_shape = { "template_patch", sizeof(struct body), patch_fields,
                                             PN_COUNT(patch_fields) };

static bool read_body(struct pn_call *call, const struct body *in,
                      struct pn_pam_template_change *out, struct pn_err *err)
{
    *out = (struct pn_pam_template_change){
        .name = in->name,
        .has_name = in->has_name,
        .description = in->description,
        .has_description = in->has_description,
        .way = { .gateway_id = in->gatewayId,
                 .has_gateway = in->has_gateway,
                 .pool_id = in->gatewayPoolId,
                 .has_pool = in->has_pool },
    };
    return read_policies(call, in->policies, out, err) &&
           (!in->has_settings || check_settings(call, &in->settings, err)) &&
           pn_pam_check_recording(call->arena, in->recordingConnectionId, err);
}

static bool create(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct body *in = in_;
    struct one_out *out = out_;
    struct pn_pam_template_change change;
    struct pn_pam_template made;

    if (!read_body(call, in, &change, err) ||
        !pn_pam_project_of(call, in->projectId, &change.project_id, err) ||
        !pn_pam_template_create(call, &change, &made, err))
        return false;
    out->template = show(call->arena, &made);
    return true;
}

static bool patch(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct body *in = in_;
    struct one_out *out = out_;
    struct pn_pam_template_change change;
    struct pn_pam_template changed;

    if (!read_body(call, in, &change, err) ||
        !pn_pam_template_update(call, in->id, &change, &changed, err))
        return false;
    out->template = show(call->arena, &changed);
    return true;
}

/* ---- show, list, delete ---- */

struct one_in {
    struct pn_uuid id;
};
static const struct pn_field one_in_fields[] = {
    PN_FIELD(one_in, id, UUID, .required = true),
};

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct one_out *out = out_;
    struct pn_pam_template found;

    if (!pn_pam_template_get(call, in->id, &found, err))
        return false;
    out->template = show(call->arena, &found);
    return true;
}

struct list_in {
    struct pn_uuid projectId;
    struct pn_str search;
    int type;
    int64_t offset, limit;
};
static const struct pn_field list_in_fields[] = {
    PN_FIELD(list_in, projectId, UUID, .doc = "Without it: the caller's one project for access"),
    PN_FIELD(list_in, search, STRING, .max = 256),
    PN_FIELD(list_in, type, ENUM, .names = types),
    PN_FIELD(list_in, offset, INT, .max = INT32_MAX),
    PN_FIELD(list_in, limit, INT, .min = 1, .max = PN_PAM_PAGE_MAX, .fallback = PN_PAM_PAGE_MAX,
             .has_fallback = true),
};
struct list_out {
    struct pn_list templates;
    int64_t totalCount;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, templates, OBJECTS, .shape = &template_shape),
    PN_FIELD(list_out, totalCount, INT),
};

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct list_in *in = in_;
    struct list_out *out = out_;
    struct pn_pam_page page = { .search = in->search, .offset = in->offset, .limit = in->limit };
    const struct pn_pam_template *found;
    struct template_out *shown;
    struct pn_list templates;

    if (!pn_pam_project_of(call, in->projectId, &page.project_id, err) ||
        !pn_pam_template_list(call, &page, &templates, &out->totalCount, err))
        return false;
    found = templates.items;
    shown = pn_new(call->arena, struct template_out, templates.count);
    for (size_t i = 0; i < templates.count; i++)
        shown[i] = show(call->arena, &found[i]);
    out->templates = (struct pn_list){ shown, templates.count };
    return true;
}

static bool delete (struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct one_in *in = in_;
    struct one_out *out = out_;
    struct pn_pam_template gone;

    if (!pn_pam_template_delete(call, in->id, &gone, err))
        return false;
    out->template = show(call->arena, &gone);
    return true;
}

const struct pn_route pn_pam_templates_routes[] = {
    { PN_GET, "/api/v1/pam/account-templates", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:read", .in = PN_SHAPE(list_in),
      .out = PN_SHAPE(list_out), .handle = list, .doc = "Lists templates of accounts by name." },
    { PN_POST, "/api/v1/pam/account-templates", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:create",
      .audit = "pam-template-create", .in = &create_shape, .out = &out_shape, .handle = create,
      .doc = "Creates a template of accounts." },
    { PN_GET, "/api/v1/pam/account-templates/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_READ,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:read", .in = PN_SHAPE(one_in),
      .out = &out_shape, .handle = get, .doc = "Shows a template of accounts." },
    { PN_PATCH, "/api/v1/pam/account-templates/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:edit",
      .audit = "pam-template-update", .in = &patch_shape, .out = &out_shape, .handle = patch,
      .doc = "Changes what is given of a template; policies are replaced as a whole." },
    { PN_DELETE, "/api/v1/pam/account-templates/:id", .access = PN_BY_PEOPLE, .rate = PN_RATE_WRITE,
      .lane = PN_LANE_FAST, .permission = "project pam-resources:delete",
      .audit = "pam-template-delete", .in = PN_SHAPE(one_in), .out = &out_shape, .handle = delete,
      .doc = "Deletes a template that no account uses." },
    { 0 },
};
