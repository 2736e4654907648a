/* SPDX-License-Identifier: Apache-2.0 */
#include "server/openapi.h"

#include "base/secret.h"
#include "json/value.h"
#include "json/writer.h"
#include "server/router.h"
#include "server/routes.h"

#include <stdio.h>
#include <string.h>

#define DOCUMENT_BYTES ((size_t)8 << 20)
#define MAX_NAME 160
#define JSON_TYPE "application/json"

#define MAX_VIEWS 256

/* The document being written, and the views that answers share: named, and described once at its end. */
struct document {
    struct pn_writer w;
    const struct pn_shape *views[MAX_VIEWS];
    size_t view_count;
};

/* Which way a shape goes: limits count on the way in, null and required on the way out. */
enum way { WAY_IN, WAY_OUT };

static void write_shape(struct pn_writer *w, const char *name, const struct pn_shape *shape,
                        enum way way, const char *but_path);

/* ---- schemas ---- */

struct bounds {
    const char *least, *most; /* keywords of JSON Schema */
    int64_t fallback;         /* what max means when it is 0; 0: no bound */
};
static const struct bounds bounds_of[] = {
    [PN_KIND_STRING] = { "minLength", "maxLength", PN_SHAPE_STRING_BYTES },
    [PN_KIND_SECRET] = { "minLength", "maxLength", PN_SHAPE_SECRET_BYTES },
    [PN_KIND_INT] = { "minimum", "maximum", 0 },
    [PN_KIND_STRINGS] = { "minItems", "maxItems", PN_SHAPE_ITEMS },
    [PN_KIND_OBJECTS] = { "minItems", "maxItems", PN_SHAPE_ITEMS },
    [PN_KIND_MAP] = { "minProperties", "maxProperties", PN_SHAPE_ITEMS },
};

static void write_bounds(struct pn_writer *w, const struct pn_field *f)
{
    const struct bounds *b = (size_t)f->kind < PN_COUNT(bounds_of) ? &bounds_of[f->kind] : NULL;
    int64_t most;

    if (b == NULL || b->least == NULL)
        return;
    most = f->max != 0 ? f->max : b->fallback;
    if (f->min != 0 || f->kind == PN_KIND_INT)
        pn_write_int(w, b->least, f->min);
    if (most != 0)
        pn_write_int(w, b->most, most);
}

static void write_type(struct pn_writer *w, const char *type, const char *format)
{
    pn_write_text(w, "type", type);
    if (format != NULL)
        pn_write_text(w, "format", format);
}

static void write_names(struct pn_writer *w, const char *const *names)
{
    pn_write_text(w, "type", "string");
    pn_write_array(w, "enum");
    for (size_t i = 0; names[i] != NULL; i++)
        pn_write_text(w, NULL, names[i]);
    pn_write_end(w);
}

static void write_texts(struct pn_writer *w, const char *member, const struct pn_field *f)
{
    pn_write_object(w, member);
    pn_write_text(w, "type", "string");
    pn_write_int(w, "maxLength", f->item_max != 0 ? f->item_max : PN_SHAPE_STRING_BYTES);
    pn_write_end(w);
}

static void write_kind(struct pn_writer *w, const struct pn_field *f, enum way way)
{
    switch (f->kind) {
    case PN_KIND_STRING: write_type(w, "string", NULL); break;
    case PN_KIND_SECRET: write_type(w, "string", "password"); break;
    case PN_KIND_INT: write_type(w, "integer", "int64"); break;
    case PN_KIND_BOOL: write_type(w, "boolean", NULL); break;
    case PN_KIND_UUID: write_type(w, "string", "uuid"); break;
    case PN_KIND_TIME: write_type(w, "string", "date-time"); break;
    case PN_KIND_ENUM: write_names(w, f->names); break;
    case PN_KIND_STRINGS:
        write_type(w, "array", NULL);
        write_texts(w, "items", f);
        break;
    case PN_KIND_OBJECTS:
        write_type(w, "array", NULL);
        write_shape(w, "items", f->shape, way, NULL);
        break;
    case PN_KIND_MAP:
        write_type(w, "object", NULL);
        write_texts(w, "additionalProperties", f);
        break;
    case PN_KIND_OBJECT:
    case PN_KIND_RAW: break; /* its shape is written around; any value */
    }
}

static bool may_be_null(const struct pn_field *f, enum way way)
{
    if (way == WAY_IN)
        return f->is_nullable;
    if (f->omit_empty)
        return false;
    return f->has_offset != 0 || f->kind == PN_KIND_STRING || f->kind == PN_KIND_UUID ||
           f->kind == PN_KIND_TIME || f->kind == PN_KIND_ENUM || f->kind == PN_KIND_RAW;
}

static void write_fallback(struct pn_writer *w, const struct pn_field *f)
{
    if (!f->has_fallback)
        return;
    if (f->kind == PN_KIND_BOOL)
        pn_write_bool(w, "default", f->fallback != 0);
    else if (f->kind == PN_KIND_ENUM)
        pn_write_text(w, "default", f->names[f->fallback]);
    else
        pn_write_int(w, "default", f->fallback);
}

static void write_field(struct pn_writer *w, const char *member, const struct pn_field *f,
                        enum way way)
{
    pn_write_object(w, member);
    if (f->kind == PN_KIND_OBJECT) {
        pn_write_array(w, "allOf");
        write_shape(w, NULL, f->shape, way, NULL);
        pn_write_end(w);
    }
    write_kind(w, f, way);
    if (way == WAY_IN) {
        write_bounds(w, f);
        write_fallback(w, f);
    }
    if (may_be_null(f, way) && f->kind != PN_KIND_RAW && f->kind != PN_KIND_OBJECT)
        pn_write_bool(w, "nullable", true);
    if (f->doc != NULL || f->rule != NULL)
        pn_write_text(w, "description", f->doc != NULL ? f->doc : f->rule);
    pn_write_end(w);
}

static bool is_required(const struct pn_field *f, enum way way)
{
    return way == WAY_IN ? f->required : !f->omit_empty && f->kind != PN_KIND_SECRET;
}

/* Is it ":name" in the path? */
static bool is_in_path(const char *path, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = path == NULL ? NULL : strchr(path, ':'); at != NULL;
         at = strchr(at + 1, ':'))
        if (strncmp(at + 1, name, len) == 0 && (at[1 + len] == '/' || at[1 + len] == '\0'))
            return true;
    return false;
}

static size_t count_required(const struct pn_shape *shape, enum way way, const char *but_path)
{
    size_t count = 0;

    for (size_t i = 0; i < shape->count; i++)
        count +=
            is_required(&shape->fields[i], way) && !is_in_path(but_path, shape->fields[i].name);
    return count;
}

static void write_members(struct pn_writer *w, const struct pn_shape *shape, enum way way,
                          const char *but_path)
{
    pn_write_text(w, "type", "object");
    pn_write_object(w, "properties");
    for (size_t i = 0; i < shape->count; i++) {
        const struct pn_field *f = &shape->fields[i];

        if (!is_in_path(but_path, f->name) && (way == WAY_IN || f->kind != PN_KIND_SECRET))
            write_field(w, f->name, f, way);
    }
    pn_write_end(w);
    if (count_required(shape, way, but_path) == 0)
        return;
    pn_write_array(w, "required");
    for (size_t i = 0; i < shape->count; i++)
        if (is_required(&shape->fields[i], way) && !is_in_path(but_path, shape->fields[i].name))
            pn_write_text(w, NULL, shape->fields[i].name);
    pn_write_end(w);
}

/* Shapes of core structs are shared by routes; those of a handler are its own. One name, one view. */
static bool is_view(struct document *d, const struct pn_shape *shape)
{
    if (strncmp(shape->name, "pn_", 3) != 0)
        return false;
    for (size_t i = 0; i < d->view_count; i++)
        if (strcmp(d->views[i]->name, shape->name) == 0)
            return d->views[i]->fields == shape->fields;
    if (d->view_count == MAX_VIEWS)
        return false;
    d->views[d->view_count++] = shape;
    return true;
}

/* `but_path`: without the members that are parameters of that path; NULL: all. */
static void write_shape(struct pn_writer *w, const char *name, const struct pn_shape *shape,
                        enum way way, const char *but_path)
{
    char reference[MAX_NAME];

    pn_write_object(w, name);
    if (way == WAY_OUT && is_view(pn_container_of(w, struct document, w), shape)) {
        (void)snprintf(reference, sizeof(reference), "#/components/schemas/%s", shape->name + 3);
        pn_write_text(w, "$ref", reference);
    } else {
        write_members(w, shape, way, but_path);
    }
    pn_write_end(w);
}

/* ---- operations ---- */

/* "/api/v1/projects/:id" as "/api/v1/projects/{id}". */
static void template_of(const char *path, char out[MAX_NAME])
{
    size_t len = 0;
    bool is_name = false;

    for (;; path++) {
        if (is_name && (*path == '/' || *path == '\0')) {
            out[len++] = '}';
            is_name = false;
        }
        out[len] = *path;
        if (*path == '\0')
            return;
        if (*path == ':') {
            out[len] = '{';
            is_name = true;
        }
        len++;
        pn_assert(len + 2 < MAX_NAME);
    }
}

/* "GET /api/v1/projects/:id" as "get_v1_projects_id". */
static void id_of(const struct pn_route *r, char out[MAX_NAME])
{
    const char *path = strncmp(r->path, "/api/", 5) == 0 ? r->path + 4 : r->path;
    size_t len = 0;

    for (const char *at = pn_method_name(r->method); *at != '\0'; at++)
        out[len++] = (char)(*at + 32);
    for (; *path != '\0'; path++) {
        bool is_plain = (*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z') ||
                        (*path >= '0' && *path <= '9');

        if (is_plain)
            out[len++] = *path;
        else if (len > 0 && out[len - 1] != '_')
            out[len++] = '_';
        pn_assert(len + 1 < MAX_NAME);
    }
    out[len] = '\0';
}

/* The first segment that says what it is about: "projects" of "/api/v1/projects/:id". */
static struct pn_str tag_of(const char *path)
{
    struct pn_str rest = pn_str_from(path), piece = PN_NONE;

    while (pn_str_cut(&rest, '/', &piece))
        if (piece.len > 0 && !pn_str_is(piece, "api") &&
            !(piece.len == 2 && piece.ptr[0] == 'v' && piece.ptr[1] >= '0' && piece.ptr[1] <= '9'))
            break;
    return piece;
}

static void write_parameter(struct pn_writer *w, const struct pn_field *f, const char *place)
{
    bool is_in_its_path = strcmp(place, "path") == 0;

    pn_write_object(w, NULL);
    pn_write_text(w, "name", f->name);
    pn_write_text(w, "in", place);
    if (is_in_its_path || f->required)
        pn_write_bool(w, "required", true);
    write_field(w, "schema", f, WAY_IN);
    pn_write_end(w);
}

static bool has_field(const struct pn_shape *shape, struct pn_str name)
{
    for (size_t i = 0; shape != NULL && i < shape->count; i++)
        if (pn_str_is(name, shape->fields[i].name))
            return true;
    return false;
}

/* What stands in the path and in no shape is text: all of a raw route, and what an alias ignores. */
static void write_text_parameters(struct pn_writer *w, const struct pn_route *r)
{
    struct pn_str rest = pn_str_from(r->path), piece;

    while (pn_str_cut(&rest, '/', &piece)) {
        struct pn_str name = pn_str_slice(piece, piece.len > 0, piece.len);

        if (piece.len == 0 || piece.ptr[0] != ':' || (!r->is_raw && has_field(r->in, name)))
            continue;
        pn_write_object(w, NULL);
        pn_write_str(w, "name", name);
        pn_write_text(w, "in", "path");
        pn_write_bool(w, "required", true);
        pn_write_object(w, "schema");
        pn_write_text(w, "type", "string");
        pn_write_end(w);
        pn_write_end(w);
    }
}

static void write_parameters(struct pn_writer *w, const struct pn_route *r)
{
    pn_write_array(w, "parameters");
    write_text_parameters(w, r);
    for (size_t i = 0; r->in != NULL && !r->is_raw && i < r->in->count; i++) {
        const struct pn_field *f = &r->in->fields[i];

        if (is_in_path(r->path, f->name))
            write_parameter(w, f, "path");
        else if (r->method == PN_GET)
            write_parameter(w, f, "query");
    }
    pn_write_end(w);
}

static size_t count_body(const struct pn_route *r)
{
    size_t count = 0;

    for (size_t i = 0; r->in != NULL && i < r->in->count; i++)
        count += !is_in_path(r->path, r->in->fields[i].name);
    return count;
}

static void write_body(struct pn_writer *w, const struct pn_route *r)
{
    bool has_any = r->method != PN_GET && (r->is_raw || count_body(r) > 0);

    if (!has_any)
        return;
    pn_write_object(w, "requestBody");
    if (!r->is_raw && count_required(r->in, WAY_IN, r->path) > 0)
        pn_write_bool(w, "required", true);
    pn_write_object(w, "content");
    pn_write_object(w, r->is_raw ? "application/octet-stream" : JSON_TYPE);
    if (r->is_raw) {
        pn_write_object(w, "schema");
        write_type(w, "string", "binary");
        pn_write_end(w);
    } else {
        write_shape(w, "schema", r->in, WAY_IN, r->path);
    }
    pn_write_end(w);
    pn_write_end(w);
    pn_write_end(w);
}

static void write_success(struct pn_writer *w, const struct pn_route *r)
{
    pn_write_object(w, "200");
    pn_write_text(w, "description", r->doc != NULL ? r->doc : "Done");
    pn_write_object(w, "content");
    pn_write_object(w, r->is_raw ? "*/*" : r->is_stream ? "text/event-stream" : JSON_TYPE);
    if (r->is_raw || r->out == NULL) {
        pn_write_object(w, "schema");
        pn_write_end(w);
    } else if (r->is_top_array) {
        pn_write_object(w, "schema");
        pn_write_text(w, "type", "array");
        write_shape(w, "items", r->out->fields[0].shape, WAY_OUT, NULL);
        pn_write_end(w);
    } else {
        write_shape(w, "schema", r->out, WAY_OUT, NULL);
    }
    pn_write_end(w);
    pn_write_end(w);
    pn_write_end(w);
}

static void write_error_reference(struct pn_writer *w, const char *status, const char *to)
{
    pn_write_object(w, status);
    pn_write_text(w, "$ref", to);
    pn_write_end(w);
}

static void write_responses(struct pn_writer *w, const struct pn_route *r)
{
    pn_write_object(w, "responses");
    write_success(w, r);
    if (r->in != NULL)
        write_error_reference(w, "422", "#/components/responses/Invalid");
    if (r->rate != PN_RATE_NONE)
        write_error_reference(w, "429", "#/components/responses/TooMany");
    write_error_reference(w, "default", "#/components/responses/Error");
    pn_write_end(w);
}

static void write_security(struct pn_writer *w, const struct pn_route *r)
{
    pn_write_array(w, "security");
    if ((r->access & PN_ANYONE) == 0) {
        pn_write_object(w, NULL);
        pn_write_array(w, "bearer");
        pn_write_end(w);
        pn_write_end(w);
    }
    pn_write_end(w);
}

static void write_operation(struct pn_writer *w, const struct pn_route *r)
{
    char id[MAX_NAME], method[8] = "";

    id_of(r, id);
    memcpy(method, id, strcspn(id, "_"));
    pn_write_object(w, method);
    pn_write_text(w, "operationId", id);
    if (r->doc != NULL)
        pn_write_text(w, "summary", r->doc);
    pn_write_array(w, "tags");
    pn_write_str(w, NULL, tag_of(r->path));
    pn_write_end(w);
    write_security(w, r);
    pn_routes_write_facts(w, r);
    if (r->max_body_bytes != 0)
        pn_write_int(w, "x-postern-max-body-bytes", (int64_t)r->max_body_bytes);
    write_parameters(w, r);
    write_body(w, r);
    write_responses(w, r);
    pn_write_end(w);
}

static void write_paths(struct pn_writer *w)
{
    const struct pn_route **routes;
    size_t count = pn_routes_sorted(&routes);
    const char *last = "";

    pn_write_object(w, "paths");
    for (size_t i = 0; i < count; i++) {
        char path[MAX_NAME];

        if (strcmp(routes[i]->path, last) != 0) {
            if (i > 0)
                pn_write_end(w);
            template_of(routes[i]->path, path);
            pn_write_object(w, path);
            last = routes[i]->path;
        }
        write_operation(w, routes[i]);
    }
    if (count > 0)
        pn_write_end(w);
    pn_write_end(w);
    pn_heap_free(routes);
}

/* ---- what all operations share: the error envelope (platform.md §1.3) and the bearer ---- */

static const char security[] = "{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}}";

static const struct {
    const char *name, *json;
} errors[] = {
    { "Error", "{\"type\":\"object\",\"properties\":{\"reqId\":{\"type\":\"string\"},"
               "\"statusCode\":{\"type\":\"integer\"},\"message\":{\"type\":\"string\"},"
               "\"error\":{\"type\":\"string\"},\"details\":{}},"
               "\"required\":[\"reqId\",\"statusCode\",\"message\",\"error\"]}" },
    { "Issue", "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\"},"
               "\"path\":{\"type\":\"array\",\"items\":{\"oneOf\":[{\"type\":\"string\"},"
               "{\"type\":\"integer\"}]}},\"message\":{\"type\":\"string\"}},"
               "\"required\":[\"code\",\"path\",\"message\"]}" },
    { "Invalid", "{\"type\":\"object\",\"properties\":{\"reqId\":{\"type\":\"string\"},"
                 "\"statusCode\":{\"type\":\"integer\",\"enum\":[422]},"
                 "\"message\":{\"type\":\"array\","
                 "\"items\":{\"$ref\":\"#/components/schemas/Issue\"}},"
                 "\"error\":{\"type\":\"string\"}},"
                 "\"required\":[\"reqId\",\"statusCode\",\"message\",\"error\"]}" },
};

static const char responses[] =
    "{\"Error\":{\"description\":\"Refused or failed\",\"content\":{\"application/json\":{"
    "\"schema\":{\"$ref\":\"#/components/schemas/Error\"}}}},"
    "\"Invalid\":{\"description\":\"All that is wrong with the input, at once\",\"content\":{"
    "\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Invalid\"}}}},"
    "\"TooMany\":{\"description\":\"Over the rate of the class; try again later\",\"headers\":{"
    "\"Retry-After\":{\"schema\":{\"type\":\"integer\"}}},\"content\":{\"application/json\":{"
    "\"schema\":{\"$ref\":\"#/components/schemas/Error\"}}}}}";

static void write_components(struct document *d)
{
    struct pn_writer *w = &d->w;

    pn_write_object(w, "components");
    pn_write_raw(w, "securitySchemes", pn_str_from(security));
    pn_write_object(w, "schemas");
    for (size_t i = 0; i < PN_COUNT(errors); i++)
        pn_write_raw(w, errors[i].name, pn_str_from(errors[i].json));
    for (size_t i = 0; i < d->view_count; i++) { /* grows while they are written */
        pn_write_object(w, d->views[i]->name + 3);
        write_members(w, d->views[i], WAY_OUT, NULL);
        pn_write_end(w);
    }
    pn_write_end(w);
    pn_write_raw(w, "responses", pn_str_from(responses));
    pn_write_end(w);
}

bool pn_openapi_print(struct pn_buf *out, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init(DOCUMENT_BYTES);
    pn_auto(pn_value_freep) struct pn_value *document = NULL;
    struct document d = { .w = pn_writer_of(&json) };
    struct pn_writer *w = &d.w;

    pn_write_object(w, NULL);
    pn_write_text(w, "openapi", "3.0.3");
    pn_write_object(w, "info");
    pn_write_text(w, "title", "Postern");
    pn_write_text(w, "version", PN_VERSION);
    pn_write_text(w, "description",
                  "Every route that the server declares. Members of a body may also be sent in the"
                  " query; unknown ones are ignored.");
    pn_write_end(w);
    write_paths(w);
    write_components(&d);
    pn_write_end(w);
    if (!pn_value_parse(pn_buf_str(&json), &document, err))
        return pn_within(err, "the description of the routes");
    pn_value_print(document, true, out);
    pn_buf_add_byte(out, '\n');
    return !out->is_full || pn_fail(err, PN_INTERNAL, "the description is too large");
}
