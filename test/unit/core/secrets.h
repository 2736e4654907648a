/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_CORE_SECRETS_H
#define PN_TEST_UNIT_CORE_SECRETS_H

/* A project with secrets in folders, and people whose role is what its rules say. */
#include "home.h"

#include "core/org/rules.h"
#include "core/secret/change.h"
#include "core/secret/move.h"
#include "core/secret/read.h"

/* ---- folders ---- */

struct vault_folder {
    struct pn_uuid id, project_id;
    const char *environment, *path;
};

static inline bool vault_add_folder(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct vault_folder *f = context;
    struct pn_query *q = pn_query(
        tx, "INSERT INTO folders (id, environment_id, parent_id, name, path, version, created_ms,"
            " updated_ms) SELECT $id, e.id, f.id, $name, $path, 1, 1, 1 FROM environments e JOIN"
            " folders f ON f.environment_id = e.id AND f.path = $parent"
            " WHERE e.project_id = $project AND e.slug = $slug");
    const char *last = strrchr(f->path, '/');

    pn_bind_uuid(q, "$id", f->id);
    pn_bind_str(q, "$name", pn_str_from(last + 1));
    pn_bind_str(q, "$path", pn_str_from(f->path));
    pn_bind_str(q, "$parent",
                last == f->path ? PN_LIT("/") : pn_str_of(f->path, (size_t)(last - f->path)));
    pn_bind_uuid(q, "$project", f->project_id);
    pn_bind_str(q, "$slug", pn_str_from(f->environment));
    return pn_query_run(q, NULL, err);
}

static inline struct pn_uuid vault_folder(struct home *h, struct pn_uuid project,
                                          const char *environment, const char *path)
{
    struct vault_folder f = { pn_random_uuid(), project, environment, path };
    struct pn_err err = { 0 };

    CHECK_OK(pn_db_write(h->db, vault_add_folder, &f, &err), err);
    return f.id;
}

/* ---- people ---- */

struct vault_role {
    struct home *h;
    struct pn_uuid project_id, user_id, member_id, role_id;
    struct pn_str json, packed;
};

static inline bool vault_add_role(struct pn_db_conn *tx, void *context, struct pn_err *err)
{
    const struct vault_role *r = context;
    struct pn_query *q = pn_query(
        tx,
        "INSERT INTO roles (id, scope_id, org_id, project_id, slug, name, rules, packed, version,"
        " created_ms, updated_ms) VALUES ($id, $project, $org, $project, $slug, 'r', $rules,"
        " $packed, 1, 1, 1)");
    struct pn_uuid_text slug = pn_uuid_format(r->role_id);

    pn_bind_uuid(q, "$id", r->role_id);
    pn_bind_uuid(q, "$project", r->project_id);
    pn_bind_uuid(q, "$org", r->h->first.org.id);
    pn_bind_str(q, "$slug", pn_str_from(slug.text));
    pn_bind_str(q, "$rules", r->json);
    pn_bind_bytes(q, "$packed", r->packed);
    if (!pn_query_run(q, NULL, err))
        return false;
    q = pn_query(tx, "INSERT INTO project_members (id, project_id, user_id, created_ms, updated_ms)"
                     " VALUES ($id, $project, $user, 1, 1)");
    pn_bind_uuid(q, "$id", r->member_id);
    pn_bind_uuid(q, "$project", r->project_id);
    pn_bind_uuid(q, "$user", r->user_id);
    if (!pn_query_run(q, NULL, err))
        return false;
    q = pn_query(tx, "INSERT INTO project_member_roles (id, member_id, role) VALUES ($id, $member,"
                     " $role)");
    pn_bind_uuid(q, "$id", pn_random_uuid());
    pn_bind_uuid(q, "$member", r->member_id);
    pn_bind_str(q, "$role", pn_str_from(slug.text));
    return pn_query_run(q, NULL, err);
}

/* A person whose only role in the project has these rules (JSON, with ' for "). */
static inline struct pn_call vault_person(struct home *h, struct pn_uuid project, const char *email,
                                          const char *rules)
{
    struct pn_call call = home_new_person(h, email, "member");
    pn_auto(pn_buf_drop) struct pn_buf packed = pn_buf_init(PN_RULES_MAX_PACKED);
    struct pn_err err = { 0 };
    struct pn_rules parsed;
    struct vault_role r = { .h = h,
                            .project_id = project,
                            .user_id = call.actor.id,
                            .member_id = pn_random_uuid(),
                            .role_id = pn_random_uuid() };
    char json[2048];

    snprintf(json, sizeof(json), "%s", rules);
    for (char *at = json; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    r.json = pn_str_from(json);
    CHECK_OK(pn_rules_parse(h->arena, "project", r.json, &parsed, &err), err);
    pn_rules_pack(&parsed, &packed);
    r.packed = pn_buf_str(&packed);
    CHECK_OK(pn_db_write(h->db, vault_add_role, &r, &err), err);
    return call;
}

/* ---- secrets ---- */

static inline struct pn_secrets_batch vault_batch(struct pn_uuid project, const char *environment,
                                                  const char *path, struct pn_secrets_change *c)
{
    return (struct pn_secrets_batch){ .project_id = project,
                                      .environment = pn_str_from(environment),
                                      .path = pn_str_from(path),
                                      .changes = c,
                                      .count = 1,
                                      .is_single = true };
}

static inline struct pn_secret_item vault_put(struct pn_call *call, struct pn_uuid project,
                                              const char *path, const char *name, const char *value)
{
    struct pn_secrets_change c = { .secretKey = pn_str_from(name),
                                   .secretValue = pn_str_from(value) };
    const struct pn_secrets_batch batch = vault_batch(project, "dev", path, &c);
    struct pn_err err = { 0 };
    struct pn_list out;

    CHECK_OK(pn_secrets_create(call, &batch, &out, &err), err);
    CHECK_EQ(out.count, 1);
    return *(const struct pn_secret_item *)out.items;
}

static inline struct pn_secrets_query vault_query(struct pn_uuid project, const char *path)
{
    return (struct pn_secrets_query){ .project_id = project,
                                      .environment = PN_LIT("dev"),
                                      .path = pn_str_from(path),
                                      .has_values = true };
}

/* What a list shows, as "path:name=value" with spaces between. */
static inline struct pn_str vault_list(struct pn_call *call, const struct pn_secrets_query *query)
{
    struct pn_str text = PN_LIT("");
    struct pn_secrets_found found;
    const struct pn_secret_item *items;
    struct pn_err err = { 0 };

    CHECK_OK(pn_secrets_list(call, query, &found, &err), err);
    items = found.secrets.items;
    for (size_t i = 0; i < found.secrets.count; i++)
        text = pn_arena_printf(call->arena, "%.*s%s%.*s:%.*s=%.*s", PN_ARG(text), i > 0 ? " " : "",
                               PN_ARG(items[i].secretPath), PN_ARG(items[i].secretKey),
                               PN_ARG(items[i].secretValue));
    return text;
}

#endif
