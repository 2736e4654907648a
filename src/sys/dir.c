/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/sys.h"

#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The variable's value when it is an absolute path; the XDG specification ignores relative ones. */
static const char *absolute_variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] == '/' ? value : NULL;
}

static const char *home(struct pn_arena *arena)
{
    const char *value = absolute_variable("HOME");
    struct passwd entry;
    struct passwd *found = NULL;
    char text[4096];

    if (value != NULL)
        return value;
    if (getpwuid_r(geteuid(), &entry, text, sizeof(text), &found) != 0 || found == NULL)
        return "/";
    return pn_arena_copy(arena, pn_str_from(found->pw_dir)).ptr;
}

const char *pn_dir_config(struct pn_arena *arena)
{
    const char *base = absolute_variable("XDG_CONFIG_HOME");

    if (base != NULL)
        return pn_arena_printf(arena, "%s/postern", base).ptr;
    return pn_arena_printf(arena, "%s/.config/postern", home(arena)).ptr;
}

const char *pn_dir_runtime(struct pn_arena *arena)
{
    const char *base = absolute_variable("XDG_RUNTIME_DIR");
    const char *temporary = absolute_variable("TMPDIR");
    const char *path =
        base != NULL ? pn_arena_printf(arena, "%s/postern", base).ptr
                     : pn_arena_printf(arena, "%s/postern-%u",
                                       temporary != NULL ? temporary : "/tmp", (unsigned)geteuid())
                           .ptr;
    struct stat info;

    /* Below /tmp anybody may have made it first: then it is theirs, or a link, and not used. */
    mkdir(path, 0700);
    if (lstat(path, &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid() ||
        (info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return NULL;
    return path;
}
