/* SPDX-License-Identifier: Apache-2.0 */
#include "server/dev.h"

#include "core/gateway/gateways.h"
#include "core/gateway/relays.h"
#include "core/org/instance.h"
#include "core/org/project.h"
#include "core/org/project_member.h"
#include "crypto/random.h"
#include "json/value.h"
#include "json/writer.h"
#include "sys/sys.h"

#define PASSWORD_BYTES 18
#define MAX_ADMIN_BYTES ((size_t)64 * 1024)

struct setup {
    const struct pn_settings *settings;
    struct pn_dev *dev;
    struct pn_str password;
    struct pn_bootstrap first;
    struct pn_uuid identity_id, org_id;
};

static const char *admin_file(struct pn_arena *arena, const struct pn_settings *settings)
{
    return pn_arena_printf(arena, "%s/dev/admin.json", settings->data).ptr;
}

static struct pn_actor administrator(struct pn_uuid identity, struct pn_uuid org)
{
    return (struct pn_actor){ .kind = PN_ACTOR_IDENTITY,
                              .id = identity,
                              .org_id = org,
                              .name = PN_LIT("Instance Admin Identity"),
                              .org_role = PN_LIT("admin"),
                              .is_super_admin = true };
}

/* ---- the first start ---- */

/*
 * A file stands from before the database is made until admin.json is whole. Whoever finds it alone
 * knows that the database is the one it announced, and that nobody has its administrator's password.
 */
static const char *unfinished_file(struct pn_arena *arena, const struct pn_settings *settings)
{
    return pn_arena_printf(arena, "%s/dev/unfinished", settings->data).ptr;
}

static bool remove_database(struct pn_arena *arena, const struct pn_settings *settings,
                            struct pn_err *err)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };

    for (size_t i = 0; i < PN_COUNT(suffixes); i++) {
        if (!pn_file_remove(
                pn_arena_printf(arena, "%s/postern.db%s", settings->data, suffixes[i]).ptr, err))
            return false;
    }
    return true;
}

bool pn_dev_prepare(const struct pn_settings *settings, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(65536);
    const char *unfinished = unfinished_file(arena, settings);

    if (pn_file_exists(admin_file(arena, settings)))
        return true;
    if (pn_file_exists(unfinished))
        return remove_database(arena, settings, err);
    if (pn_file_exists(pn_arena_printf(arena, "%s/postern.db", settings->data).ptr))
        return true; /* not ours: pn_dev_setup says so */
    return pn_dir_make(pn_arena_printf(arena, "%s/dev", settings->data).ptr, 0700, err) &&
           pn_file_write(unfinished, PN_LIT("first start under way\n"), 0600, err);
}

static bool bootstrap(struct pn_call *call, struct setup *s, struct pn_err *err)
{
    pn_auto(pn_secret_freep) struct pn_secret *password = NULL;

    s->password = pn_random_token(call->arena, "", PASSWORD_BYTES);
    password = pn_secret_new(s->password, err);
    if (password == NULL ||
        !pn_instance_bootstrap(call,
                               &(struct pn_instance_first){ .email = PN_LIT(PN_DEV_EMAIL),
                                                            .first_name = PN_LIT("Admin"),
                                                            .last_name = PN_LIT("User"),
                                                            .organization = PN_LIT("dev"),
                                                            .password = password,
                                                            .has_identity = true },
                               &s->first, err))
        return false;
    s->identity_id = s->first.identity_id;
    s->org_id = s->first.org.id;
    call->actor = administrator(s->identity_id, s->org_id);
    return true;
}

/* The person and the machine identity both administer it. */
static bool make_project(struct pn_call *call, struct setup *s, struct pn_err *err)
{
    const struct pn_project_new fresh = { .name = PN_LIT("dev"),
                                          .slug = PN_LIT("dev"),
                                          .type = PN_LIT("pam"),
                                          .has_default_environments = true };
    struct pn_str email = PN_LIT(PN_DEV_EMAIL), role = PN_LIT("admin");
    struct pn_project project;
    struct pn_list added, invites;

    if (!pn_project_create(call, &fresh, &project, err))
        return false;
    s->dev->project_id = project.id;
    return pn_project_member_add_users(
        call, project.id, (struct pn_strs){ .items = &email, .count = 1 },
        (struct pn_strs){ .items = &role, .count = 1 }, &added, &invites, err);
}

static bool make_machines(struct pn_call *call, struct setup *s, struct pn_err *err)
{
    struct pn_gateways_view gateway;
    struct pn_relays_view relay;

    if (!pn_gateways_create(call, PN_LIT("dev"), &gateway, err) ||
        !pn_relays_create(call, PN_LIT("dev"), PN_LIT("127.0.0.1"), &relay, err))
        return false;
    s->dev->gateway_id = gateway.id;
    s->dev->relay_id = relay.id;
    return true;
}

/* By itself too, for `postern login --password-file`. */
static bool write_password(struct pn_call *call, const struct setup *s, struct pn_err *err)
{
    const char *path = pn_arena_printf(call->arena, "%s/dev/password", s->settings->data).ptr;

    return pn_file_write(path, s->password, 0600, err);
}

static bool write_admin(struct pn_call *call, const struct setup *s, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf json = pn_buf_init_wiped(MAX_ADMIN_BYTES);
    struct pn_writer w = pn_writer_of(&json);

    pn_write_object(&w, NULL);
    pn_write_text(&w, "email", PN_DEV_EMAIL);
    pn_write_str(&w, "password", s->password);
    pn_write_uuid(&w, "organizationId", s->org_id);
    pn_write_uuid(&w, "projectId", s->dev->project_id);
    pn_write_uuid(&w, "gatewayId", s->dev->gateway_id);
    pn_write_uuid(&w, "relayId", s->dev->relay_id);
    pn_write_uuid(&w, "identityId", s->identity_id);
    pn_write_str(&w, "token", s->first.token);
    pn_write_end(&w);
    pn_buf_add_byte(&json, '\n');
    return pn_file_write(admin_file(call->arena, s->settings), pn_buf_str(&json), 0600, err) &&
           pn_file_remove(unfinished_file(call->arena, s->settings), err);
}

/* ---- later starts ---- */

static bool read_admin(struct pn_call *call, struct setup *s, struct pn_err *err)
{
    const char *path = admin_file(call->arena, s->settings);
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_ADMIN_BYTES);
    pn_auto(pn_value_freep) struct pn_value *root = NULL;
    const struct {
        const char *name;
        struct pn_uuid *to;
    } ids[] = { { "organizationId", &s->org_id },
                { "identityId", &s->identity_id },
                { "projectId", &s->dev->project_id },
                { "gatewayId", &s->dev->gateway_id },
                { "relayId", &s->dev->relay_id } };

    if (!pn_file_read(path, MAX_ADMIN_BYTES, &text, err) ||
        !pn_value_parse(pn_buf_str(&text), &root, err))
        return pn_within(err, "reading %s", path);
    for (size_t i = 0; i < PN_COUNT(ids); i++) {
        if (!pn_uuid_parse(pn_value_str(pn_value_get(root, ids[i].name)), ids[i].to))
            return pn_fail(err, PN_USAGE, "%s lacks %s: choose another --data directory", path,
                           ids[i].name);
    }
    return true;
}

static bool set_up(struct pn_call *call, void *context, struct pn_err *err)
{
    struct setup *s = context;
    struct pn_instance instance;
    bool done;

    if (!pn_instance_get(call, &instance, err))
        return false;
    if (pn_file_exists(admin_file(call->arena, s->settings)))
        done = read_admin(call, s, err);
    else if (instance.is_initialized)
        done =
            pn_fail(err, PN_USAGE, "%s was set up without --dev: choose another --data directory",
                    s->settings->data);
    else
        done = bootstrap(call, s, err) && make_project(call, s, err) &&
               make_machines(call, s, err) && write_password(call, s, err) &&
               write_admin(call, s, err);
    s->dev->admin = administrator(s->identity_id, s->org_id);
    return done;
}

bool pn_dev_setup(struct pn_server *server, const struct pn_settings *settings, struct pn_dev *out,
                  struct pn_err *err)
{
    struct setup s = { .settings = settings, .dev = out };

    *out = (struct pn_dev){ 0 };
    return pn_server_call(server, set_up, &s, err);
}

/* ---- relay and gateway ---- */

struct errand {
    const struct pn_dev *dev;
    const char *host;
    uint16_t port;
    struct pn_secret *token;
};

static bool place_relay(struct pn_call *call, void *context, struct pn_err *err)
{
    const struct errand *e = context;
    struct pn_str host = pn_str_from(e->host), wanted;
    struct pn_relays_view relay;

    if (pn_str_find(host, ':') >= 0)
        host = pn_arena_printf(call->arena, "[%.*s]", PN_ARG(host));
    host = pn_arena_printf(call->arena, "%.*s:", PN_ARG(host));
    wanted = pn_arena_printf(call->arena, "%.*s%u", PN_ARG(host),
                             e->port != 0 ? e->port : PN_RELAYS_PORT);
    call->actor = e->dev->admin;
    if (!pn_relays_get(call, e->dev->relay_id, &relay, err))
        return false;
    if (pn_str_eq(relay.host, wanted) || (e->port == 0 && pn_str_starts(relay.host, host)))
        return true;
    return pn_relays_move(call, e->dev->relay_id, wanted, &relay, err);
}

bool pn_dev_place_relay(struct pn_server *server, const struct pn_dev *dev, const char *host,
                        uint16_t port, struct pn_err *err)
{
    struct errand e = { .dev = dev, .host = host, .port = port };

    return pn_server_call(server, place_relay, &e, err);
}

static bool mint_gateway(struct pn_call *call, void *context, struct pn_err *err)
{
    struct errand *e = context;
    struct pn_enrol enrol;

    call->actor = e->dev->admin;
    if (!pn_gateways_mint(call, e->dev->gateway_id, &enrol, err))
        return false;
    e->token = pn_secret_new(enrol.token, err);
    return e->token != NULL;
}

static bool mint_relay(struct pn_call *call, void *context, struct pn_err *err)
{
    struct errand *e = context;
    struct pn_enrol enrol;

    call->actor = e->dev->admin;
    if (!pn_relays_mint(call, e->dev->relay_id, &enrol, err))
        return false;
    e->token = pn_secret_new(enrol.token, err);
    return e->token != NULL;
}

bool pn_dev_gateway_token(struct pn_server *server, const struct pn_dev *dev,
                          struct pn_secret **out, struct pn_err *err)
{
    struct errand e = { .dev = dev };

    if (!pn_server_call(server, mint_gateway, &e, err))
        return false;
    *out = e.token;
    return true;
}

bool pn_dev_relay_token(struct pn_server *server, const struct pn_dev *dev, struct pn_secret **out,
                        struct pn_err *err)
{
    struct errand e = { .dev = dev };

    if (!pn_server_call(server, mint_relay, &e, err))
        return false;
    *out = e.token;
    return true;
}

struct sight {
    const struct pn_dev *dev;
    bool is_connected;
};

static bool look_at_gateway(struct pn_call *call, void *context, struct pn_err *err)
{
    struct sight *sight = context;
    struct pn_gateways_view view;

    call->actor = sight->dev->admin;
    if (!pn_gateways_get(call, sight->dev->gateway_id, &view, err))
        return false;
    sight->is_connected = view.isConnected;
    return true;
}

bool pn_dev_is_connected(struct pn_server *server, const struct pn_dev *dev)
{
    struct sight sight = { .dev = dev };
    struct pn_err ignored = { 0 };

    return pn_server_call(server, look_at_gateway, &sight, &ignored) && sight.is_connected;
}
