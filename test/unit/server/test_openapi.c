/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "json/value.h"
#include "server/openapi.h"
#include "server/route.h"

#include <string.h>

/* The document, parsed; the caller frees it. */
static struct pn_value *describe(void)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init((size_t)16 << 20);
    struct pn_value *document = NULL;
    struct pn_err err = { 0 };

    CHECK_OK(pn_openapi_print(&text, &err), err);
    CHECK_OK(pn_value_parse(pn_buf_str(&text), &document, &err), err);
    return document;
}

static const struct pn_value *at(const struct pn_value *v, const char *const *names)
{
    for (; *names != NULL; names++)
        v = pn_value_get(v, *names);
    return v;
}
#define AT(v, ...) at(v, (const char *const[]){ __VA_ARGS__, NULL })

PN_TEST(every_route_is_described)
{
    struct pn_value *document = describe();
    const struct pn_value *paths = pn_value_get(document, "paths");
    size_t routes = 0, operations = 0;

    for (size_t i = 0; pn_route_tables[i] != NULL; i++)
        for (const struct pn_route *r = pn_route_tables[i]; r->path != NULL; r++)
            routes++;
    for (size_t i = 0; i < pn_value_count(paths); i++) {
        const struct pn_value *item;
        struct pn_str path;

        CHECK(pn_value_member(paths, i, &path, &item));
        CHECK(pn_str_find(path, ':') < 0);
        operations += pn_value_count(item);
    }
    CHECK_EQ(operations, routes);
    pn_value_free(document);
}

PN_TEST(an_operation_says_who_may_and_what_comes)
{
    struct pn_value *document = describe();
    const struct pn_value *create = AT(document, "paths", "/api/v1/projects", "post");
    const struct pn_value *body =
        AT(create, "requestBody", "content", "application/json", "schema");
    const struct pn_value *project = AT(create, "responses", "200", "content", "application/json",
                                        "schema", "properties", "project", "allOf");

    CHECK_STR(pn_value_str(pn_value_get(create, "x-postern-permission")), "org workspace:create");
    CHECK_STR(pn_value_str(pn_value_get(create, "x-postern-audit")), "create-project");
    CHECK_EQ(pn_value_count(pn_value_get(create, "security")), 1);
    CHECK_EQ(pn_value_int(AT(body, "properties", "projectName", "maxLength"), 0), 64);
    CHECK_STR(pn_value_str(pn_value_at(body, "required.0")), "projectName");
    CHECK_STR(pn_value_str(pn_value_get(pn_value_item(project, 0), "$ref")),
              "#/components/schemas/project");
    CHECK(AT(document, "components", "schemas", "project", "properties", "slug") != NULL);
    pn_value_free(document);
}

PN_TEST(what_is_in_the_path_is_in_no_body)
{
    struct pn_value *document = describe();
    const struct pn_value *change = AT(document, "paths", "/api/v1/projects/{projectId}", "patch");

    CHECK_STR(pn_value_str(pn_value_at(change, "parameters.0.name")), "projectId");
    CHECK_STR(pn_value_str(pn_value_at(change, "parameters.0.in")), "path");
    CHECK(AT(change, "requestBody", "content", "application/json", "schema", "properties",
             "projectId") == NULL);
    pn_value_free(document);
}

static void check_named(const struct pn_value *operation, struct pn_str path)
{
    const struct pn_value *parameters = pn_value_get(operation, "parameters");
    struct pn_str rest = path, piece;

    while (pn_str_cut(&rest, '/', &piece)) {
        size_t found = 0;

        if (piece.len == 0 || piece.ptr[0] != '{')
            continue;
        for (size_t i = 0; i < pn_value_count(parameters); i++) {
            const struct pn_value *one = pn_value_item(parameters, i);

            found += pn_str_eq(pn_value_str(pn_value_get(one, "name")),
                               pn_str_slice(piece, 1, piece.len - 1)) &&
                     pn_str_is(pn_value_str(pn_value_get(one, "in")), "path");
        }
        CHECK_EQ(found, 1);
    }
}

/* An alias has the identity in its path and not in its shape. */
PN_TEST(what_is_in_the_path_is_a_parameter_once)
{
    struct pn_value *document = describe();
    const struct pn_value *paths = pn_value_get(document, "paths"), *item, *operation;
    struct pn_str path, method;

    for (size_t i = 0; i < pn_value_count(paths); i++) {
        CHECK(pn_value_member(paths, i, &path, &item));
        for (size_t k = 0; k < pn_value_count(item); k++) {
            CHECK(pn_value_member(item, k, &method, &operation));
            check_named(operation, path);
        }
    }
    pn_value_free(document);
}

PN_TEST(a_public_route_needs_no_credential_and_a_secret_never_comes_back)
{
    struct pn_value *document = describe();
    const struct pn_value *login = AT(document, "paths", "/api/v3/auth/login", "post");

    CHECK_EQ(pn_value_count(pn_value_get(login, "security")), 0);
    CHECK_STR(pn_value_str(AT(login, "requestBody", "content", "application/json", "schema",
                              "properties", "password", "format")),
              "password");
    CHECK(AT(login, "responses", "429") != NULL && AT(login, "responses", "default") != NULL);
    pn_value_free(document);
}

/* Without a limit any number that fits 64 bits would come in, and be added to and multiplied. */
static size_t count_unlimited(const struct pn_shape *shape, const char *path)
{
    size_t count = 0;

    for (size_t i = 0; shape != NULL && i < shape->count; i++) {
        const struct pn_field *field = &shape->fields[i];

        if (field->kind == PN_KIND_INT && field->max == 0) {
            print_error("%s: %s.%s has no .max\n", path, shape->name, field->name);
            count++;
        }
        if (field->kind == PN_KIND_OBJECT || field->kind == PN_KIND_OBJECTS)
            count += count_unlimited(field->shape, path);
    }
    return count;
}

PN_TEST(every_number_that_comes_in_has_a_limit)
{
    size_t unlimited = 0, shapes = 0;

    for (size_t i = 0; pn_route_tables[i] != NULL; i++)
        for (const struct pn_route *r = pn_route_tables[i]; r->path != NULL; r++) {
            unlimited += count_unlimited(r->in, r->path);
            shapes += r->in != NULL;
        }
    CHECK(shapes > 100);
    CHECK_EQ(unlimited, 0);
}

PN_TEST_MAIN(T(every_route_is_described), T(an_operation_says_who_may_and_what_comes),
             T(what_is_in_the_path_is_in_no_body), T(what_is_in_the_path_is_a_parameter_once),
             T(a_public_route_needs_no_credential_and_a_secret_never_comes_back),
             T(every_number_that_comes_in_has_a_limit))
