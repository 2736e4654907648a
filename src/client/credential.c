/* SPDX-License-Identifier: Apache-2.0 */
#include "client/credential.h"

#include <dirent.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "json/writer.h"
#include "sys/sys.h"

#define MAX_FILE_BYTES ((size_t)128 * 1024)
#define LOCK_WAIT_MS (2 * PN_REST_TIMEOUT_MS + 5000) /* who holds it makes two calls at most */
#define MAX_LOGINS 256
/* A credential this close to its end is not handed out: the request would meet the expiry. */
#define EARLY_MS 5000

/* A file's content; the access owns the memory of all. */
struct stored {
    struct pn_access access;
    struct pn_str path, project_id, duration, reason;
};

static const char *directory(struct pn_arena *arena)
{
    return pn_cstr(arena, pn_arena_printf(arena, "%s/kube", pn_dir_config(arena)));
}

static const char *file_of(struct pn_arena *arena, struct pn_str account_id, const char *ending)
{
    return pn_cstr(
        arena, pn_arena_printf(arena, "%s/%.*s%s", directory(arena), PN_ARG(account_id), ending));
}

const char *pn_credential_kubeconfig(struct pn_arena *arena, struct pn_str account_id)
{
    return file_of(arena, account_id, ".yaml");
}

/* An id from a command line becomes a file name: nothing but a UUID may. */
static bool check_id(struct pn_str account_id, struct pn_err *err)
{
    struct pn_uuid id;

    return pn_uuid_parse(account_id, &id) ||
           pn_fail(err, PN_USAGE, "%.*s is not the id of an account", PN_ARG(account_id));
}

static bool store(const struct pn_access_wish *wish, const struct pn_access *access,
                  struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_FILE_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_FILE_BYTES),
                                       answer = pn_buf_init_wiped(MAX_FILE_BYTES);
    struct pn_writer w = pn_writer_of(&text);

    pn_access_print(access, &answer);
    pn_write_object(&w, NULL);
    pn_write_str(&w, "path", wish->path);
    pn_write_str(&w, "projectId", wish->project_id);
    pn_write_str(&w, "duration", wish->duration);
    pn_write_str(&w, "reason", wish->reason);
    pn_write_raw(&w, "access", pn_buf_str(&answer));
    pn_write_end(&w);
    if (text.is_full)
        return pn_fail(err, PN_TOO_LARGE, "the session is too large to store");
    return pn_dir_make(directory(arena), 0700, err) &&
           pn_file_write(file_of(arena, access->account_id, ".json"), pn_buf_str(&text), 0600, err);
}

static struct pn_str wish_member(struct stored *stored, const struct pn_value *file,
                                 const char *name)
{
    struct pn_str text = pn_value_str(pn_value_get(file, name));

    return text.len > 0 ? pn_arena_copy(stored->access.arena, text) : PN_NONE;
}

static bool load(struct pn_str account_id, struct stored *out, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_FILE_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_FILE_BYTES);
    pn_auto(pn_value_freep) struct pn_value *file = NULL;
    const char *path;

    if (!check_id(account_id, err))
        return false;
    path = file_of(arena, account_id, ".json");
    if (!pn_file_exists(path))
        return pn_fail(err, PN_UNAUTHENTICATED,
                       "not logged in to this cluster: run `postern kube login RESOURCE/ACCOUNT`");
    if (!pn_file_read(path, MAX_FILE_BYTES, &text, err))
        return false;
    if (!pn_value_parse(pn_buf_str(&text), &file, err) ||
        !pn_access_read(pn_value_get(file, "access"), &out->access, err))
        return pn_recast(err, PN_UNAUTHENTICATED,
                         "%s is damaged: run `postern kube login RESOURCE/ACCOUNT`", path);
    out->path = wish_member(out, file, "path");
    out->project_id = wish_member(out, file, "projectId");
    out->duration = wish_member(out, file, "duration");
    out->reason = wish_member(out, file, "reason");
    return true;
}

struct pn_str pn_credential_path(struct pn_arena *arena, struct pn_str account_id)
{
    struct stored stored = { 0 };
    struct pn_err err = { 0 };
    struct pn_str path;

    if (!load(account_id, &stored, &err))
        return PN_NONE;
    path = pn_arena_copy(arena, stored.path);
    pn_access_drop(&stored.access);
    return path;
}

struct pn_str pn_credential_context(struct pn_arena *arena, struct pn_str account_id)
{
    struct stored stored = { 0 };
    struct pn_err err = { 0 };
    struct pn_str name;

    if (!load(account_id, &stored, &err))
        return PN_NONE;
    name = pn_arena_printf(arena, "postern/%.*s", PN_ARG(stored.access.account_path));
    pn_access_drop(&stored.access);
    return name;
}

/* Did the session simply run out? Only then may the next one be opened without being asked. */
static bool may_reopen(struct pn_rest *rest, const struct stored *stored, struct pn_err *err)
{
    struct pn_session_state state;

    if (!pn_access_state(rest, stored->access.session_id, &state, err))
        return false;
    if (state.is_over && !state.has_run_out)
        return pn_fail(err, PN_FORBIDDEN, "%.*s: run `postern kube login %.*s`",
                       PN_ARG(pn_access_state_text(stored->access.arena, &state)),
                       PN_ARG(stored->path));
    return true;
}

/* The kubeconfig names the account: a new one of the same name needs a new kubeconfig. */
static bool is_same_account(const struct stored *stored, const struct pn_access *access,
                            struct pn_err *err)
{
    return pn_str_eq(stored->access.account_id, access->account_id) ||
           pn_fail(err, PN_FORBIDDEN,
                   "%.*s is another account than it was: run `postern kube login %.*s`",
                   PN_ARG(stored->path), PN_ARG(stored->path));
}

static bool reopen(struct pn_rest *rest, const struct stored *stored, struct pn_access *out,
                   struct pn_err *err)
{
    const struct pn_access_wish wish = { .path = stored->path,
                                         .project_id = stored->project_id,
                                         .duration = stored->duration,
                                         .reason = stored->reason };

    if (!may_reopen(rest, stored, err) || !pn_access_open(rest, &wish, out, err))
        return false;
    if (is_same_account(stored, out, err) && store(&wish, out, err))
        return true;
    pn_access_drop(out);
    return false;
}

static bool is_fresh(const struct pn_access *access)
{
    return pn_clock_wall_ms() + EARLY_MS < access->expires_ms;
}

/* True with *is_found false when the stored credential is not fresh: then *stored is the caller's. */
static bool look(struct pn_str account_id, struct stored *stored, struct pn_access *out,
                 bool *is_found, struct pn_err *err)
{
    *stored = (struct stored){ 0 };
    if (!load(account_id, stored, err))
        return false;
    *is_found = is_fresh(&stored->access);
    if (*is_found)
        *out = stored->access;
    return true;
}

/* Under the lock: somebody else may have renewed it while we waited. */
static bool get_locked(struct pn_str account_id, pn_credential_rest_fn *rest_of, void *context,
                       struct pn_access *out, struct pn_err *err)
{
    struct stored stored;
    struct pn_rest *rest;
    bool is_found, done;

    if (!look(account_id, &stored, out, &is_found, err) || is_found)
        return err->code == PN_OK;
    done = rest_of(context, &rest, err) && reopen(rest, &stored, out, err);
    pn_access_drop(&stored.access);
    return done;
}

static int lock(struct pn_arena *arena, struct pn_str account_id, struct pn_err *err)
{
    return pn_file_lock(file_of(arena, account_id, ".lock"), LOCK_WAIT_MS, err);
}

/* The session of the login before, or nothing. */
static struct pn_str stored_session(struct pn_arena *arena, struct pn_str account_id)
{
    struct stored stored = { 0 };
    struct pn_err ignored = { 0 };
    struct pn_str id;

    if (!load(account_id, &stored, &ignored))
        return PN_NONE;
    id = pn_arena_copy(arena, stored.access.session_id);
    pn_access_drop(&stored.access);
    return id;
}

/* Under the lock: a plugin that renews may not come between. */
static bool replace(struct pn_arena *arena, const struct pn_access_wish *wish,
                    const struct pn_access *access, struct pn_str *before, struct pn_err *err)
{
    bool done;
    int held;

    if (!check_id(access->account_id, err) || !pn_dir_make(directory(arena), 0700, err))
        return false;
    held = lock(arena, access->account_id, err);
    if (held < 0)
        return false;
    *before = stored_session(arena, access->account_id);
    done = store(wish, access, err);
    pn_file_unlock(held);
    return done;
}

bool pn_credential_login(struct pn_rest *rest, const struct pn_access_wish *wish,
                         struct pn_access *out, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_FILE_BYTES);
    struct pn_str before = PN_NONE;
    struct pn_err ended = { 0 };

    if (!pn_access_open(rest, wish, out, err))
        return false;
    if (!replace(arena, wish, out, &before, err)) {
        pn_access_drop(out);
        return false;
    }
    if (before.len > 0 && !pn_str_eq(before, out->session_id) &&
        !pn_access_end(rest, before, &ended))
        pn_err_clear(&ended); /* it ends by itself */
    return true;
}

bool pn_credential_get(struct pn_str account_id, pn_credential_rest_fn *rest_of, void *context,
                       struct pn_access *out, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_FILE_BYTES);
    struct stored stored;
    bool is_found, done;
    int held;

    if (!look(account_id, &stored, out, &is_found, err) || is_found)
        return err->code == PN_OK;
    pn_access_drop(&stored.access);
    held = lock(arena, account_id, err);
    if (held < 0)
        return false;
    done = get_locked(account_id, rest_of, context, out, err);
    pn_file_unlock(held);
    return done;
}

static bool remove_files(struct pn_arena *arena, struct pn_str account_id, struct pn_err *err)
{
    return pn_file_remove(file_of(arena, account_id, ".json"), err) &&
           pn_file_remove(pn_credential_kubeconfig(arena, account_id), err) &&
           pn_file_remove(file_of(arena, account_id, ".lock"), err);
}

/* The files go in any case; what the server could not be told ends with its certificate. */
static bool logout_locked(struct pn_rest *rest, struct pn_str account_id, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_FILE_BYTES);
    struct stored stored = { 0 };
    struct pn_err remote = { 0 };

    if (!load(account_id, &stored, err))
        return false;
    if (!pn_access_end(rest, stored.access.session_id, &remote))
        pn_within(&remote, "the login is removed here, the session ends by itself");
    pn_access_drop(&stored.access);
    if (!remove_files(arena, account_id, err))
        return false;
    *err = remote;
    return remote.code == PN_OK;
}

bool pn_credential_logout(struct pn_rest *rest, struct pn_str account_id, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_FILE_BYTES);
    struct stored stored = { 0 };
    bool done;
    int held;

    if (!load(account_id, &stored, err)) /* before a lock file is made for nothing */
        return false;
    pn_access_drop(&stored.access);
    held = lock(arena, account_id, err);
    if (held < 0)
        return false;
    done = logout_locked(rest, account_id, err);
    pn_file_unlock(held);
    return done;
}

struct pn_strs pn_credential_list(struct pn_arena *arena)
{
    struct pn_strs ids = { .items = pn_new(arena, struct pn_str, MAX_LOGINS) };
    DIR *dir = opendir(directory(arena));
    struct dirent *entry;
    struct pn_uuid id;

    while (dir != NULL && ids.count < MAX_LOGINS && (entry = readdir(dir)) != NULL) {
        struct pn_str name = pn_str_from(entry->d_name);
        struct pn_str stem = pn_str_slice(name, 0, name.len < 5 ? 0 : name.len - 5);

        if (pn_str_ends(name, PN_LIT(".json")) && pn_uuid_parse(stem, &id))
            ids.items[ids.count++] = pn_arena_copy(arena, stem);
    }
    if (dir != NULL)
        closedir(dir);
    return ids;
}
