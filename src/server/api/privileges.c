/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Additional privileges of machine identities in projects (platform.md §7.5): by id, as Terraform's permissions_v2
 * asks for them, and by the slugs of project and privilege, as its older permissions do.
 */
#include "base/clock.h"
#include "core/org/names.h"
#include "core/org/privilege.h"
#include "core/org/project.h"
#include "core/org/rules.h"
#include "json/writer.h"
#include "server/route.h"

#define MAX_SLUG 60

/* ---- what is shown ---- */

/* clang-format off */
#define AS(member, what, as)                                                                       \
    { .name = as, .kind = PN_KIND_##what, .offset = offsetof(struct pn_privilege, member) }
/* clang-format on */
static const struct pn_field privilege_fields[] = {
    PN_FIELD(pn_privilege, id, UUID),
    PN_FIELD(pn_privilege, slug, STRING),
    AS(slug, STRING, "name"), /* what newer servers call it */
    PN_FIELD(pn_privilege, projectMembershipId, UUID),
    PN_FIELD(pn_privilege, identityId, UUID),
    PN_FIELD(pn_privilege, projectId, UUID),
    PN_FIELD(pn_privilege, isTemporary, BOOL),
    PN_FIELD(pn_privilege, temporaryMode, STRING),
    PN_FIELD(pn_privilege, temporaryRange, STRING),
    PN_FIELD(pn_privilege, temporaryAccessStartTime, TIME),
    PN_FIELD(pn_privilege, temporaryAccessEndTime, TIME),
    PN_FIELD(pn_privilege, createdAt, TIME),
    PN_FIELD(pn_privilege, updatedAt, TIME),
    PN_FIELD(pn_privilege, permissions, RAW),
};
static const struct pn_shape privilege_view = { "privilege", sizeof(struct pn_privilege),
                                                privilege_fields, PN_COUNT(privilege_fields) };
/* The newer list leaves the rules out. */
static const struct pn_shape privilege_item = { "privilege_item", sizeof(struct pn_privilege),
                                                privilege_fields, PN_COUNT(privilege_fields) - 1 };

struct one_out {
    struct pn_privilege privilege;
};
static const struct pn_field one_out_fields[] = {
    PN_FIELD(one_out, privilege, OBJECT, .shape = &privilege_view),
};
struct list_out {
    struct pn_list privileges;
};
static const struct pn_field list_out_fields[] = {
    PN_FIELD(list_out, privileges, OBJECTS, .shape = &privilege_view),
};
static const struct pn_field items_out_fields[] = {
    PN_FIELD(list_out, privileges, OBJECTS, .shape = &privilege_item),
};
static const struct pn_shape items_out = { "items_out", sizeof(struct list_out), items_out_fields,
                                           1 };

/* ---- what is said: everything, whatever the path ---- */

/* Terraform sends a mode, a range and a time with isTemporary false too: then they are not looked at. */
struct term {
    bool isTemporary, has_isTemporary;
    struct pn_str temporaryMode, temporaryRange, temporaryAccessStartTime;
};
static const struct pn_field term_fields[] = {
    PN_FIELD(term, isTemporary, BOOL, .required = true,
             .has_offset = offsetof(struct term, has_isTemporary)),
    PN_FIELD(term, temporaryMode, STRING, .max = 32, .is_nullable = true),
    PN_FIELD(term, temporaryRange, STRING, .max = 32, .is_nullable = true),
    PN_FIELD(term, temporaryAccessStartTime, STRING, .max = 40, .is_nullable = true),
};
/* The oldest form of rules: one for each action. */
struct old_rule {
    struct pn_strs actions;
    struct pn_str subject, conditions;
};
static const struct pn_field old_rule_fields[] = {
    PN_FIELD(old_rule, actions, STRINGS, .required = true, .min = 1, .max = 32, .item_max = 64),
    PN_FIELD(old_rule, subject, STRING, .required = true, .min = 1, .max = 64),
    PN_FIELD(old_rule, conditions, RAW),
};
struct privilege_in {
    struct pn_uuid id, identityId, projectId;
    struct pn_str projectSlug, privilegeSlug;
    struct pn_str slug, permissions;
    struct old_rule privilegePermission;
    bool has_privilegePermission;
    struct term type;
};

/* clang-format off */
#define IN_TERM(member, what, ...)                                                                 \
    { .name = #member, .kind = PN_KIND_##what, .offset = offsetof(struct privilege_in, type.member), __VA_ARGS__ }
/* clang-format on */
#define ID PN_FIELD(privilege_in, id, UUID, .required = true)
#define OF_PROJECT                                              \
    PN_FIELD(privilege_in, identityId, UUID, .required = true), \
        PN_FIELD(privilege_in, projectId, UUID, .required = true)
#define OF_SLUG                                                 \
    PN_FIELD(privilege_in, identityId, UUID, .required = true), \
        PN_FIELD(privilege_in, projectSlug, STRING, .required = true, .min = 1, .max = 64)
#define NAMED PN_FIELD(privilege_in, privilegeSlug, STRING, .required = true, .min = 1, .max = 64)
#define SLUG \
    PN_FIELD(privilege_in, slug, STRING, .min = 1, .max = MAX_SLUG, .trim = true, PN_NAME_SLUG)
#define RULES(is_needed) \
    PN_FIELD(privilege_in, permissions, RAW, .required = is_needed, .max = PN_RULES_MAX_BYTES)
#define OLD_RULE                                                                     \
    PN_FIELD(privilege_in, privilegePermission, OBJECT, .shape = PN_SHAPE(old_rule), \
             .has_offset = offsetof(struct privilege_in, has_privilegePermission))
#define TYPE(is_needed) \
    PN_FIELD(privilege_in, type, OBJECT, .shape = PN_SHAPE(term), .required = is_needed)
#define TERM                                                             \
    IN_TERM(temporaryMode, STRING, .max = 32, .is_nullable = true),      \
        IN_TERM(temporaryRange, STRING, .max = 32, .is_nullable = true), \
        IN_TERM(temporaryAccessStartTime, STRING, .max = 40, .is_nullable = true)

static const struct pn_field create_fields[] = { OF_PROJECT, SLUG, RULES(true), TYPE(true) };
static const struct pn_field change_fields[] = { ID, SLUG, RULES(false), TYPE(false) };
static const struct pn_field one_fields[] = { ID };
static const struct pn_field list_fields[] = { OF_PROJECT };
static const struct pn_field named_fields[] = { OF_SLUG, NAMED };
static const struct pn_field old_list_fields[] = { OF_SLUG };
static const struct pn_field permanent_fields[] = { OF_SLUG, SLUG, RULES(false), OLD_RULE };
static const struct pn_field temporary_fields[] = { OF_SLUG, SLUG, RULES(false), OLD_RULE, TERM };
static const struct pn_field details_fields[] = {
    SLUG,
    RULES(false),
    OLD_RULE,
    TERM,
    IN_TERM(isTemporary, BOOL, .has_offset = offsetof(struct privilege_in, type.has_isTemporary)),
};
static const struct pn_shape details_shape = { "privilege_details", sizeof(struct privilege_in),
                                               details_fields, PN_COUNT(details_fields) };
struct old_change_in {
    struct privilege_in at;
    struct privilege_in privilegeDetails;
};
static const struct pn_field old_change_in_fields[] = {
    OF_SLUG,
    NAMED, /* of `at`, which comes first */
    PN_FIELD(old_change_in, privilegeDetails, OBJECT, .shape = &details_shape, .required = true),
};

/* One rule for each action, as the server that made this form keeps them. */
static bool expand_rule(struct pn_call *call, const struct old_rule *rule, struct pn_str *out,
                        struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(PN_RULES_MAX_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_array(&w, NULL);
    for (size_t i = 0; i < rule->actions.count; i++) {
        pn_write_object(&w, NULL);
        pn_write_str(&w, "action", rule->actions.items[i]);
        pn_write_str(&w, "subject", rule->subject);
        if (rule->conditions.ptr != NULL)
            pn_write_raw(&w, "conditions", rule->conditions);
        pn_write_end(&w);
    }
    pn_write_end(&w);
    if (json.is_full)
        return pn_fail(err, PN_BAD_REQUEST, "The rules of a privilege are too long");
    *out = pn_arena_copy(call->arena, pn_buf_str(&json));
    return true;
}

static bool read_content(struct pn_call *call, const struct privilege_in *in,
                         struct pn_privilege_in *out, struct pn_err *err)
{
    const struct term *term = &in->type;

    *out = (struct pn_privilege_in){ .slug = in->slug,
                                     .permissions = in->permissions,
                                     .has_term = term->has_isTemporary,
                                     .isTemporary = term->isTemporary,
                                     .temporaryRange = term->temporaryRange };
    if (in->has_privilegePermission &&
        !expand_rule(call, &in->privilegePermission, &out->permissions, err))
        return false;
    if ((term->has_isTemporary && !term->isTemporary) || term->temporaryAccessStartTime.len == 0)
        return true;
    return pn_clock_parse_iso(term->temporaryAccessStartTime, &out->temporaryAccessStartTime) ||
           pn_fail(err, PN_BAD_REQUEST, "temporaryAccessStartTime must be an ISO 8601 time");
}

/* ---- by id ---- */

static bool create_in(struct pn_call *call, struct pn_uuid project, const struct privilege_in *in,
                      struct one_out *out, struct pn_err *err)
{
    struct pn_privilege_in content;

    if (!read_content(call, in, &content, err))
        return false;
    if (content.permissions.ptr == NULL)
        return pn_fail(err, PN_BAD_REQUEST, "Say what is allowed: permissions");
    return pn_privilege_create(call, project, in->identityId, &content, &out->privilege, err);
}

static bool create(struct pn_call *call, const void *in_, void *out, struct pn_err *err)
{
    const struct privilege_in *in = in_;

    return create_in(call, in->projectId, in, out, err);
}

static bool change(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct privilege_in *in = in_;
    struct one_out *out = out_;
    struct pn_privilege_in content;

    return read_content(call, in, &content, err) &&
           pn_privilege_change(call, in->id, &content, &out->privilege, err);
}

static bool take(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct privilege_in *in = in_;
    struct one_out *out = out_;

    return pn_privilege_delete(call, in->id, &out->privilege, err);
}

static bool get(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct privilege_in *in = in_;
    struct one_out *out = out_;

    return pn_privilege_get(call, in->id, &out->privilege, err);
}

static bool list(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct privilege_in *in = in_;
    struct list_out *out = out_;

    return pn_privilege_list(call, in->projectId, in->identityId, &out->privileges, err);
}

/* ---- by slugs ---- */

static bool find(struct pn_call *call, const struct privilege_in *in, struct pn_privilege *out,
                 struct pn_err *err)
{
    struct pn_project project;

    return pn_project_get_by_slug(call, in->projectSlug, &project, err) &&
           pn_privilege_get_by_slug(call, project.id, in->identityId, in->privilegeSlug, out, err);
}

static bool get_named(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct one_out *out = out_;

    return find(call, in, &out->privilege, err);
}

static bool list_named(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct privilege_in *in = in_;
    struct list_out *out = out_;
    struct pn_project project;

    return pn_project_get_by_slug(call, in->projectSlug, &project, err) &&
           pn_privilege_list(call, project.id, in->identityId, &out->privileges, err);
}

static bool create_named(struct pn_call *call, const struct privilege_in *in, bool is_temporary,
                         struct one_out *out, struct pn_err *err)
{
    struct privilege_in whole = *in;
    struct pn_project project;

    whole.type.has_isTemporary = true;
    whole.type.isTemporary = is_temporary;
    return pn_project_get_by_slug(call, in->projectSlug, &project, err) &&
           create_in(call, project.id, &whole, out, err);
}

static bool create_permanent(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    return create_named(call, in, false, out, err);
}

static bool create_temporary(struct pn_call *call, const void *in, void *out, struct pn_err *err)
{
    return create_named(call, in, true, out, err);
}

static bool change_named(struct pn_call *call, const void *in_, void *out_, struct pn_err *err)
{
    const struct old_change_in *in = in_;
    struct one_out *out = out_;
    struct pn_privilege_in content;
    struct pn_privilege there;

    return find(call, &in->at, &there, err) &&
           read_content(call, &in->privilegeDetails, &content, err) &&
           pn_privilege_change(call, there.id, &content, &out->privilege, err);
}

static bool take_named(struct pn_call *call, const void *in, void *out_, struct pn_err *err)
{
    struct one_out *out = out_;
    struct pn_privilege there;

    return find(call, in, &there, err) && pn_privilege_delete(call, there.id, &out->privilege, err);
}

/* ---- the rows ---- */

#define IN(table)                                                                  \
    (&(const struct pn_shape){ "privilege_in", sizeof(struct privilege_in), table, \
                               PN_COUNT(table) })
#define READS(at, table, shape, what, says)                                              \
    {                                                                                    \
        PN_GET, at, .access = PN_BY_PEOPLE, .permission = "project identity:read",       \
                    .rate = PN_RATE_READ, .in = IN(table), .out = shape, .handle = what, \
                    .doc = says                                                          \
    }
#define WRITES(method, at, event, input, what, says)                                      \
    {                                                                                     \
        method, at, .access = PN_BY_PEOPLE, .permission = "project identity:edit",        \
                    .rate = PN_RATE_WRITE,                                                \
                    .audit = event "-identity-project-additional-privilege", .in = input, \
                    .out = PN_SHAPE(one_out), .handle = what, .doc = says                 \
    }
#define BASE "/api/v2/identity-project-additional-privilege"
#define OLD "/api/v1/additional-privilege/identity"

const struct pn_route pn_privileges_routes[] = {
    WRITES(PN_POST, BASE, "create", IN(create_fields), create,
           "Lets an identity do in a project what its roles do not say, for good or for a time"),
    WRITES(PN_PATCH, BASE "/:id", "update", IN(change_fields), change,
           "Changes a privilege; what is absent stays"),
    WRITES(PN_DELETE, BASE "/:id", "delete", IN(one_fields), take, "Takes a privilege away"),
    READS(BASE "/:id", one_fields, PN_SHAPE(one_out), get, "One privilege"),
    READS(BASE "/slug/:privilegeSlug", named_fields, PN_SHAPE(one_out), get_named,
          "One privilege of an identity, by its slug"),
    READS(BASE, list_fields, &items_out, list,
          "Privileges of an identity in a project, without their rules"),
    WRITES(PN_POST, OLD "/permanent", "create", IN(permanent_fields), create_permanent,
           "The same as an older client asks for it"),
    WRITES(PN_POST, OLD "/temporary", "create", IN(temporary_fields), create_temporary,
           "The same for a time"),
    WRITES(PN_PATCH, OLD, "update", PN_SHAPE(old_change_in), change_named,
           "Changes a privilege, by its slug"),
    WRITES(PN_DELETE, OLD, "delete", IN(named_fields), take_named,
           "Takes a privilege away, by its slug"),
    READS(OLD "/:privilegeSlug", named_fields, PN_SHAPE(one_out), get_named,
          "One privilege of an identity, by its slug"),
    READS(OLD, old_list_fields, PN_SHAPE(list_out), list_named,
          "Privileges of an identity in a project"),
    { 0 },
};
