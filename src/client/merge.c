/* SPDX-License-Identifier: Apache-2.0 */
#include "client/merge.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "crypto/hash.h"
#include "json/outline.h"
#include "json/value.h"
#include "json/writer.h"
#include "sys/sys.h"

#define LOCK_WAIT_MS 5000
#define MAX_TEXT_BYTES PN_OUTLINE_MAX_BYTES
#define MAX_STATE_BYTES (2 * MAX_TEXT_BYTES)
#define MAX_ENTRIES 32
#define MAX_ARENA_BYTES ((size_t)64 << 20) /* a text per entry at the most */
#define DEFAULT_MODE 0600
#define PRIVATE_MODE 07700u /* of a file with a session in it: a bearer is for its owner alone */

enum { CONTEXT = PN_KUBECONFIG_PARTS, MEMBERS };
static const char *const member_names[] = { "clusters", "users", "contexts", "current-context" };

struct entry {
    struct pn_str name;
    int64_t pid;
};

/* What is remembered of one file. */
struct state {
    const char *file;        /* of this state */
    const char *path, *real; /* the kubeconfig as it was named, and behind its links */
    bool is_there;           /* this state is stored */
    bool existed, is_exact;  /* is_exact: `original` is what the file was but for us */
    unsigned mode;           /* the file's; `kept`: what it was before us, and will be after */
    unsigned kept;
    struct pn_str original, context;
    struct pn_str written; /* hash of what we left */
    struct entry entries[MAX_ENTRIES];
    size_t count;
};

/* ---- changing text ---- */

struct edit {
    size_t from, to;
    struct pn_str text;
};
struct edits {
    struct edit items[3 * PN_OUTLINE_MAX_ITEMS];
    size_t count;
};

static void add_edit(struct edits *edits, size_t from, size_t to, struct pn_str text)
{
    size_t at = edits->count++;

    pn_assert(edits->count <= PN_COUNT(edits->items));
    for (; at > 0 && edits->items[at - 1].from > from; at--) /* stable */
        edits->items[at] = edits->items[at - 1];
    edits->items[at] = (struct edit){ from, to, text };
}

static struct pn_str apply(struct pn_arena *arena, struct pn_str text, const struct edits *edits)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init_wiped(2 * MAX_TEXT_BYTES);
    size_t at = 0;

    for (size_t i = 0; i < edits->count; i++) {
        pn_buf_add(&out, pn_str_slice(text, at, edits->items[i].from));
        pn_buf_add(&out, edits->items[i].text);
        at = edits->items[i].to;
    }
    pn_buf_add(&out, pn_str_slice(text, at, text.len));
    return pn_arena_copy(arena, pn_buf_str(&out));
}

struct outline {
    struct pn_outline_member members[MEMBERS];
    size_t end;
};

static bool read_outline(struct pn_arena *arena, const char *path, struct pn_str text,
                         struct outline *out, struct pn_err *err)
{
    return pn_outline_read(arena, text, member_names, MEMBERS, out->members, &out->end, err) ||
           pn_recast(err, PN_USAGE, "%s is left as it is: %s", path, err->message);
}

static bool fail_shape(const char *path, int part, struct pn_err *err)
{
    return pn_fail(err, PN_USAGE,
                   "%s is left as it is: its %s are written in a way that cannot be changed line "
                   "by line; use --kubeconfig FILE",
                   path, member_names[part]);
}

/* A line that must begin one. */
static struct pn_str own_line(struct pn_arena *arena, struct pn_str text, size_t at,
                              struct pn_str line)
{
    bool is_begun = at > 0 && text.ptr[at - 1] != '\n';

    return pn_arena_printf(arena, "%s%.*s\n", is_begun ? "\n" : "", PN_ARG(line));
}

static bool edit_list(struct pn_arena *arena, const char *path, struct pn_str text,
                      const struct outline *outline, int part, struct pn_str item,
                      struct edits *edits, struct pn_err *err)
{
    const struct pn_outline_member *member = &outline->members[part];
    size_t at;

    switch (member->kind) {
    case PN_OUTLINE_LIST:
        at = member->items[member->count - 1].to;
        add_edit(
            edits, at, at,
            own_line(arena, text, at,
                     pn_arena_printf(arena, "%*s- %.*s", (int)member->indent, "", PN_ARG(item))));
        return true;
    case PN_OUTLINE_EMPTY:
        add_edit(edits, member->from, member->to, pn_arena_printf(arena, "\n- %.*s", PN_ARG(item)));
        return true;
    case PN_OUTLINE_ABSENT:
        add_edit(edits, outline->end, outline->end,
                 pn_arena_printf(arena, "%s:\n- %.*s\n", member_names[part], PN_ARG(item)));
        return true;
    case PN_OUTLINE_SCALAR:
    case PN_OUTLINE_OTHER: break;
    }
    return fail_shape(path, part, err);
}

static bool edit_context(struct pn_arena *arena, const char *path, const struct outline *outline,
                         struct pn_str name, struct edits *edits, struct pn_err *err)
{
    const struct pn_outline_member *member = &outline->members[CONTEXT];
    pn_auto(pn_buf_drop) struct pn_buf scalar = pn_buf_init(8192);

    pn_kubeconfig_scalar(&scalar, name);
    if (member->kind == PN_OUTLINE_LIST || member->kind == PN_OUTLINE_OTHER || scalar.is_full)
        return fail_shape(path, CONTEXT, err);
    if (member->kind == PN_OUTLINE_ABSENT)
        add_edit(edits, outline->end, outline->end,
                 pn_arena_printf(arena, "current-context: %.*s\n", PN_ARG(pn_buf_str(&scalar))));
    else
        add_edit(edits, member->from, member->to,
                 pn_arena_printf(arena, "%s%.*s", member->from == member->to ? " " : "",
                                 PN_ARG(pn_buf_str(&scalar))));
    return true;
}

static bool has_name(const struct outline *outline, int part, struct pn_str name)
{
    for (size_t i = 0; i < outline->members[part].count; i++) {
        if (pn_str_eq(outline->members[part].items[i].name, name))
            return true;
    }
    return false;
}

/* The three entries and the context; what comes out must read as what was meant. */
static bool put_in(struct pn_arena *arena, const char *path, const struct pn_kubeconfig *config,
                   struct pn_str *text, struct pn_err *err)
{
    struct edits *edits = pn_new(arena, struct edits, 1);
    struct outline outline;
    bool is_right;

    if (!read_outline(arena, path, *text, &outline, err))
        return false;
    if (outline.end > 0 && text->ptr[outline.end - 1] != '\n')
        add_edit(edits, outline.end, outline.end, PN_LIT("\n"));
    for (int part = 0; part < PN_KUBECONFIG_PARTS; part++) {
        pn_auto(pn_buf_drop) struct pn_buf item = pn_buf_init_wiped(MAX_TEXT_BYTES / 4);

        if (has_name(&outline, part, config->name))
            return pn_fail(err, PN_USAGE,
                           "%s is left as it is: its %s have a \"%.*s\" that is not of a session "
                           "we know: remove it first",
                           path, member_names[part], PN_ARG(config->name));
        pn_kubeconfig_print_part(config, (enum pn_kubeconfig_part)part, &item);
        if (!edit_list(arena, path, *text, &outline, part, pn_arena_copy(arena, pn_buf_str(&item)),
                       edits, err))
            return false;
    }
    if (!edit_context(arena, path, &outline, config->name, edits, err))
        return false;
    *text = apply(arena, *text, edits);
    is_right = read_outline(arena, path, *text, &outline, err) &&
               pn_str_eq(outline.members[CONTEXT].text, config->name);
    for (int part = 0; part < PN_KUBECONFIG_PARTS; part++)
        is_right = is_right && has_name(&outline, part, config->name);
    return is_right || err->code != PN_OK || fail_shape(path, CONTEXT, err);
}

/* Our lines out; and the context, if it is still ours, to who was there before. */
static bool take_out(struct pn_arena *arena, const char *path, struct pn_str name,
                     struct pn_str context, struct pn_str *text, struct pn_err *err)
{
    struct edits *edits = pn_new(arena, struct edits, 1);
    struct outline outline;

    if (!read_outline(arena, path, *text, &outline, err))
        return false;
    for (int part = 0; part < PN_KUBECONFIG_PARTS; part++) {
        const struct pn_outline_member *member = &outline.members[part];

        for (size_t i = 0; i < member->count; i++) {
            if (pn_str_eq(member->items[i].name, name))
                add_edit(edits, member->items[i].from, member->items[i].to, PN_NONE);
        }
    }
    if (outline.members[CONTEXT].kind == PN_OUTLINE_SCALAR &&
        pn_str_eq(outline.members[CONTEXT].text, name) &&
        !edit_context(arena, path, &outline, context, edits, err))
        return false;
    *text = apply(arena, *text, edits);
    return true;
}

/* ---- the state ---- */

static struct pn_str hash_of(struct pn_arena *arena, struct pn_str text)
{
    pn_auto(pn_buf_drop) struct pn_buf hex = pn_buf_init(128);
    uint8_t digest[PN_SHA256_BYTES];

    pn_hash_sha256(text, digest);
    pn_hex_add(&hex, pn_str_of(digest, sizeof digest));
    return pn_arena_copy(arena, pn_buf_str(&hex));
}

static const char *directory(struct pn_arena *arena)
{
    return pn_cstr(arena, pn_arena_printf(arena, "%s/merge", pn_dir_config(arena)));
}

static struct pn_str text_of(struct pn_arena *arena, const struct pn_value *file, const char *name)
{
    return pn_arena_copy(arena, pn_value_str(pn_value_get(file, name)));
}

static bool read_entries(struct pn_arena *arena, const struct pn_value *file, struct state *state)
{
    const struct pn_value *list = pn_value_get(file, "entries");

    for (size_t i = 0; i < pn_value_count(list) && i < MAX_ENTRIES; i++)
        state->entries[state->count++] = (struct entry){
            .name = text_of(arena, pn_value_item(list, i), "name"),
            .pid = pn_value_int(pn_value_get(pn_value_item(list, i), "pid"), 0),
        };
    return state->count > 0;
}

/* `state->file` is set. Without one, or with one that is damaged, nothing is known. */
static bool load(struct pn_arena *arena, struct state *state, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_STATE_BYTES);
    pn_auto(pn_buf_drop) struct pn_buf original = pn_buf_init_wiped(MAX_TEXT_BYTES);
    pn_auto(pn_value_freep) struct pn_value *file = NULL;

    if (!pn_file_exists(state->file))
        return true;
    if (!pn_file_read(state->file, MAX_STATE_BYTES, &text, err))
        return false;
    if (!pn_value_parse(pn_buf_str(&text), &file, err) || !read_entries(arena, file, state) ||
        !pn_base64_decode(pn_value_str(pn_value_get(file, "original")), &original))
        return pn_fail(err, PN_USAGE, "%s is damaged: remove it", state->file);
    state->is_there = true;
    state->path = pn_cstr(arena, text_of(arena, file, "path"));
    state->existed = pn_value_bool(pn_value_get(file, "existed"), true);
    state->kept = (unsigned)pn_value_int(pn_value_get(file, "mode"), DEFAULT_MODE) & 07777;
    state->is_exact = pn_value_bool(pn_value_get(file, "isExact"), false);
    state->original = pn_arena_copy(arena, pn_buf_str(&original));
    state->context = text_of(arena, file, "context");
    state->written = text_of(arena, file, "written");
    return state->path != NULL || pn_fail(err, PN_USAGE, "%s is damaged: remove it", state->file);
}

static bool store(struct pn_arena *arena, const struct state *state, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf text = pn_buf_init_wiped(MAX_STATE_BYTES);
    struct pn_writer w = pn_writer_of(&text);

    pn_write_object(&w, NULL);
    pn_write_text(&w, "path", state->path);
    pn_write_bool(&w, "existed", state->existed);
    pn_write_int(&w, "mode", state->kept);
    pn_write_bool(&w, "isExact", state->is_exact);
    pn_write_base64(&w, "original", state->original);
    pn_write_str(&w, "context", state->context);
    pn_write_str(&w, "written", state->written);
    pn_write_array(&w, "entries");
    for (size_t i = 0; i < state->count; i++) {
        pn_write_object(&w, NULL);
        pn_write_str(&w, "name", state->entries[i].name);
        pn_write_int(&w, "pid", state->entries[i].pid);
        pn_write_end(&w);
    }
    pn_write_end(&w);
    pn_write_end(&w);
    if (text.is_full)
        return pn_fail(err, PN_TOO_LARGE, "%s is too large", state->path);
    return pn_dir_make(directory(arena), 0700, err) &&
           pn_file_write(state->file, pn_buf_str(&text), 0600, err);
}

/* The name before the i-th in the order of coming, else what was there before all. */
static struct pn_str context_before(const struct state *state, size_t i)
{
    return i > 0 ? state->entries[i - 1].name : state->context;
}

static bool drop_entry(struct pn_arena *arena, struct state *state, size_t i, struct pn_str *text,
                       struct pn_err *err)
{
    if (!take_out(arena, state->path, state->entries[i].name, context_before(state, i), text, err))
        return false;
    memmove(&state->entries[i], &state->entries[i + 1],
            (state->count - i - 1) * sizeof state->entries[0]);
    state->count--;
    return true;
}

/* ---- the file ---- */

/* What is behind the name, and whether it may be replaced. */
static bool look_at(struct pn_arena *arena, struct state *state, bool *exists, struct pn_err *err)
{
    char real[PATH_MAX];
    struct stat info;

    *exists = realpath(state->path, real) != NULL;
    if (!*exists && lstat(state->path, &info) == 0)
        return pn_fail(err, PN_USAGE, "%s leads nowhere", state->path);
    state->real = *exists ? pn_cstr(arena, pn_arena_copy(arena, pn_str_from(real))) : state->path;
    state->mode = DEFAULT_MODE;
    if (!*exists)
        return true;
    if (stat(state->real, &info) != 0 || !S_ISREG(info.st_mode))
        return pn_fail(err, PN_USAGE, "%s is no file", state->path);
    if (info.st_uid != geteuid())
        return pn_fail(err, PN_USAGE, "%s is another user's", state->path);
    if ((info.st_mode & S_IWUSR) == 0 || access(state->real, W_OK) != 0)
        return pn_fail(err, PN_USAGE, "%s is read-only", state->path);
    state->mode = info.st_mode & 07777;
    return true;
}

static bool read_text(struct pn_arena *arena, const struct state *state, bool exists,
                      struct pn_str *text, struct pn_err *err)
{
    pn_auto(pn_buf_drop) struct pn_buf bytes = pn_buf_init_wiped(MAX_TEXT_BYTES);

    *text = PN_LIT("");
    if (!exists)
        return true;
    if (!pn_file_read(state->real, MAX_TEXT_BYTES, &bytes, err))
        return pn_recast(err, PN_USAGE, "%s", err->message);
    if (bytes.len > 0)
        *text = pn_arena_copy(arena, pn_buf_str(&bytes));
    return true;
}

static struct pn_str context_of(struct pn_arena *arena, struct pn_str text)
{
    struct outline outline;
    struct pn_err ignored = { 0 };

    return read_outline(arena, "", text, &outline, &ignored) &&
                   outline.members[CONTEXT].kind == PN_OUTLINE_SCALAR
               ? outline.members[CONTEXT].text
               : PN_LIT("");
}

/* Those of processes that are gone, and an earlier one of this name. */
static bool drop_stale(struct pn_arena *arena, struct state *state, struct pn_str name,
                       struct pn_str *text, struct pn_err *err)
{
    for (size_t i = state->count; i-- > 0;) {
        int64_t pid = state->entries[i].pid;
        bool is_gone = pid != 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;

        if ((is_gone || pn_str_eq(state->entries[i].name, name)) &&
            !drop_entry(arena, state, i, text, err))
            return false;
    }
    return true;
}

static bool add_locked(struct pn_arena *arena, struct state *state,
                       const struct pn_kubeconfig *config, int64_t pid, struct pn_err *err)
{
    struct pn_str text;
    bool exists;

    if (!look_at(arena, state, &exists, err) || !read_text(arena, state, exists, &text, err))
        return false;
    if (!state->is_there) {
        state->original = text;
        state->existed = exists;
        state->kept = state->mode;
        state->is_exact = true;
        state->context = context_of(arena, text);
    } else {
        state->is_exact = state->is_exact && pn_str_eq(hash_of(arena, text), state->written);
    }
    if (!drop_stale(arena, state, config->name, &text, err))
        return false;
    if (state->count == MAX_ENTRIES)
        return pn_fail(err, PN_USAGE, "%s has too many sessions", state->path);
    if (text.len == 0)
        text = PN_LIT("apiVersion: v1\nkind: Config\n");
    if (!put_in(arena, state->path, config, &text, err))
        return false;
    state->entries[state->count++] = (struct entry){ config->name, pid };
    state->written = hash_of(arena, text);
    return store(arena, state, err) &&
           pn_file_write(state->real, text, state->mode & PRIVATE_MODE, err);
}

/* What it was, unless somebody has given it another one meanwhile. */
static unsigned mode_after(const struct state *state)
{
    return state->mode == (state->kept & PRIVATE_MODE) ? state->kept : state->mode;
}

static bool give_back(struct pn_arena *arena, struct state *state, struct pn_str text, bool exists,
                      struct pn_err *err)
{
    if (state->count > 0) {
        state->written = hash_of(arena, text);
        return store(arena, state, err) &&
               pn_file_write(state->real, text, state->mode & PRIVATE_MODE, err);
    }
    if (state->is_exact && !state->existed) {
        if (!pn_file_remove(state->real, err))
            return false;
    } else if (exists && !pn_file_write(state->real, state->is_exact ? state->original : text,
                                        mode_after(state), err)) {
        return false;
    }
    return pn_file_remove(state->file, err);
}

static bool remove_locked(struct pn_arena *arena, struct state *state, struct pn_str name,
                          int64_t pid, struct pn_err *err)
{
    struct pn_str text;
    bool exists;

    if (!look_at(arena, state, &exists, err) || !read_text(arena, state, exists, &text, err))
        return false;
    state->is_exact = state->is_exact && pn_str_eq(hash_of(arena, text), state->written);
    for (size_t i = state->count; i-- > 0;) {
        if (pn_str_eq(state->entries[i].name, name) && state->entries[i].pid == pid &&
            !drop_entry(arena, state, i, &text, err))
            return false;
    }
    return give_back(arena, state, text, exists, err);
}

/* ---- from outside ---- */

static const char *lock_of(struct pn_arena *arena, const char *path)
{
    return pn_cstr(arena, pn_arena_printf(arena, "%s.lock", path));
}

static bool unlock(const char *lock, bool is_done, struct pn_err *err)
{
    struct pn_err ignored = { 0 };

    return pn_file_remove(lock, is_done ? err : &ignored) && is_done;
}

const char *pn_merge_target(struct pn_arena *arena)
{
    struct pn_str list = pn_str_from(getenv("KUBECONFIG")), piece;
    const char *home = getenv("HOME");

    while (pn_str_cut(&list, ':', &piece)) {
        if (piece.len > 0)
            return pn_cstr(arena, pn_arena_copy(arena, piece));
    }
    return home != NULL && home[0] == '/'
               ? pn_cstr(arena, pn_arena_printf(arena, "%s/.kube/config", home))
               : NULL;
}

/* Absolute, so that the end finds it from any directory; links stay: kubectl locks the name it was given. */
static const char *absolute_of(struct pn_arena *arena, const char *path, struct pn_err *err)
{
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    struct pn_str parent = slash != NULL ? pn_str_of(path, (size_t)(slash - path)) : PN_LIT(".");
    char real[PATH_MAX];
    const char *folder = slash == path ? "/" : pn_cstr(arena, pn_arena_copy(arena, parent));

    if (folder == NULL || base[0] == '\0' || !pn_dir_make(folder, 0755, err))
        return NULL;
    if (realpath(folder, real) == NULL)
        return NULL;
    return pn_cstr(arena,
                   pn_arena_printf(arena, "%s/%s", strcmp(real, "/") == 0 ? "" : real, base));
}

bool pn_merge_add(const char *path, const struct pn_kubeconfig *config, int64_t pid,
                  struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_ARENA_BYTES);
    struct state *state = pn_new(arena, struct state, 1);
    const char *absolute = absolute_of(arena, path, err), *lock;

    if (absolute == NULL)
        return err->code != PN_OK ? false
                                  : pn_fail(err, PN_USAGE, "%s is no place for a file", path);
    state->file = pn_cstr(arena, pn_arena_printf(arena, "%s/%.*s.json", directory(arena),
                                                 PN_ARG(hash_of(arena, pn_str_from(absolute)))));
    lock = lock_of(arena, absolute);
    if (!pn_file_claim(lock, LOCK_WAIT_MS, err))
        return false;
    return unlock(lock,
                  load(arena, state, err) && ((state->path = absolute) != NULL) &&
                      add_locked(arena, state, config, pid, err),
                  err);
}

static bool has_entry(const struct state *state, struct pn_str name, int64_t pid)
{
    for (size_t i = 0; i < state->count; i++) {
        if (pn_str_eq(state->entries[i].name, name) && state->entries[i].pid == pid)
            return true;
    }
    return false;
}

/* Looked at twice: to learn which file to lock, and then for sure. */
static bool remove_from(struct pn_arena *arena, const char *file, struct pn_str name, int64_t pid,
                        struct pn_err *err)
{
    struct state *state = pn_new(arena, struct state, 1);
    const char *lock;

    state->file = file;
    if (!load(arena, state, err))
        return false;
    if (!has_entry(state, name, pid))
        return true;
    lock = lock_of(arena, state->path);
    if (!pn_file_claim(lock, LOCK_WAIT_MS, err))
        return false;
    *state = (struct state){ .file = file };
    return unlock(lock,
                  load(arena, state, err) && (!state->is_there || !has_entry(state, name, pid) ||
                                              remove_locked(arena, state, name, pid, err)),
                  err);
}

bool pn_merge_remove(struct pn_str name, int64_t pid, struct pn_err *err)
{
    pn_auto(pn_arena_freep) struct pn_arena *arena = pn_arena_new(MAX_ARENA_BYTES);
    DIR *dir = opendir(directory(arena));
    struct dirent *entry;
    bool is_done = true;

    while (dir != NULL && is_done && (entry = readdir(dir)) != NULL) {
        if (pn_str_ends(pn_str_from(entry->d_name), PN_LIT(".json")))
            is_done = remove_from(
                arena,
                pn_cstr(arena, pn_arena_printf(arena, "%s/%s", directory(arena), entry->d_name)),
                name, pid, err);
    }
    if (dir != NULL)
        closedir(dir);
    return is_done;
}
