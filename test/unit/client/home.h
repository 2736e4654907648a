/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_TEST_UNIT_CLIENT_HOME_H
#define PN_TEST_UNIT_CLIENT_HOME_H

/* A home directory of its own for each test, and none of the variables of whoever runs it. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "check.h"
#include "sys/sys.h"

struct home {
    struct pn_arena *arena;
    char path[64];
};

static inline int home_setup(void **state)
{
    static const char *const names[] = { "POSTERN_DOMAIN",
                                         "POSTERN_TOKEN",
                                         "POSTERN_CA_FILE",
                                         "POSTERN_PROJECT_ID",
                                         "INFISICAL_DOMAIN",
                                         "INFISICAL_API_URL",
                                         "INFISICAL_TOKEN",
                                         "INFISICAL_CA_FILE",
                                         "INFISICAL_PROJECT_ID",
                                         "POSTERN_CLIENT_ID",
                                         "POSTERN_CLIENT_SECRET",
                                         "POSTERN_IDENTITY_ID",
                                         "POSTERN_KUBERNETES_TOKEN_FILE",
                                         "INFISICAL_UNIVERSAL_AUTH_ACCESS_TOKEN",
                                         "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID",
                                         "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET",
                                         "INFISICAL_MACHINE_IDENTITY_ID",
                                         "INFISICAL_AUTH_METHOD",
                                         "INFISICAL_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH" };
    struct home *home = calloc(1, sizeof *home);

    for (size_t i = 0; i < PN_COUNT(names); i++)
        unsetenv(names[i]);
    snprintf(home->path, sizeof home->path, "/tmp/postern-home-XXXXXX");
    CHECK(mkdtemp(home->path) != NULL);
    CHECK(setenv("XDG_CONFIG_HOME", home->path, 1) == 0);
    CHECK(setenv("XDG_RUNTIME_DIR", home->path, 1) == 0);
    home->arena = pn_arena_new(1 << 20);
    *state = home;
    return 0;
}

static inline int home_remove(const char *path, const struct stat *info PN_UNUSED,
                              int kind PN_UNUSED, struct FTW *walk PN_UNUSED)
{
    return remove(path);
}

static inline int home_teardown(void **state)
{
    struct home *home = *state;

    nftw(home->path, home_remove, 8, FTW_DEPTH | FTW_PHYS);
    pn_arena_free(home->arena);
    free(home);
    return 0;
}
#define H(name) cmocka_unit_test_setup_teardown(name, home_setup, home_teardown)

static inline const char *home_file(const struct home *home, const char *name)
{
    return pn_cstr(home->arena, pn_arena_printf(home->arena, "%s/%s", home->path, name));
}

static inline void home_write(const struct home *home, const char *name, const char *text,
                              unsigned mode)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_dir_make(home_file(home, "postern/kube"), 0700, &err), err);
    CHECK_OK(pn_file_write(home_file(home, name), pn_str_from(text), mode, &err), err);
}

static inline unsigned home_mode(const struct home *home, const char *name)
{
    struct stat info;

    CHECK(stat(home_file(home, name), &info) == 0);
    return info.st_mode & 0777;
}

static inline struct pn_str home_read(const struct home *home, const char *name)
{
    struct pn_buf text = pn_buf_init(1 << 18);
    struct pn_err err = { 0 };
    struct pn_str copy;

    CHECK_OK(pn_file_read(home_file(home, name), 1 << 18, &text, &err), err);
    copy = pn_arena_copy(home->arena, pn_buf_str(&text));
    pn_buf_drop(&text);
    return copy;
}

#endif
