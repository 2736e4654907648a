/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "sys/sys.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[64];
static struct pn_arena *arena;

static int make_base(void **state PN_UNUSED)
{
    arena = pn_arena_new(1 << 16);
    strcpy(base, "/tmp/postern-test-XXXXXX");
    return mkdtemp(base) != NULL ? 0 : -1;
}

static int remove_base(void **state PN_UNUSED)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/postern", base);
    unlink(path);
    rmdir(path);
    snprintf(path, sizeof(path), "%s/postern-%u", base, (unsigned)geteuid());
    rmdir(path);
    rmdir(base);
    pn_arena_free(arena);
    return 0;
}

PN_TEST(follows_the_xdg_variables)
{
    setenv("XDG_CONFIG_HOME", "/c", 1);
    CHECK_STR(pn_str_from(pn_dir_config(arena)), "/c/postern");
}

PN_TEST(falls_back_to_the_home_directory)
{
    setenv("XDG_CONFIG_HOME", "relative", 1);
    setenv("HOME", "/h", 1);
    CHECK_STR(pn_str_from(pn_dir_config(arena)), "/h/.config/postern");
    unsetenv("HOME");
    CHECK(pn_dir_config(arena)[0] == '/');
}

PN_TEST(makes_a_private_runtime_directory)
{
    const char *path;
    struct stat info;

    setenv("XDG_RUNTIME_DIR", base, 1);
    path = pn_dir_runtime(arena);
    CHECK(path != NULL);
    CHECK_EQ(stat(path, &info), 0);
    CHECK_EQ(info.st_mode & 0777, 0700);
    CHECK(pn_dir_runtime(arena) != NULL); /* again */

    unsetenv("XDG_RUNTIME_DIR");
    setenv("TMPDIR", base, 1);
    path = pn_dir_runtime(arena);
    CHECK(path != NULL && strncmp(path, base, strlen(base)) == 0);
}

PN_TEST(refuses_a_runtime_directory_others_may_enter)
{
    char path[128];

    setenv("XDG_RUNTIME_DIR", base, 1);
    snprintf(path, sizeof(path), "%s/postern", base);
    CHECK_EQ(mkdir(path, 0700), 0);
    CHECK_EQ(chmod(path, 0711), 0);
    CHECK(pn_dir_runtime(arena) == NULL);
}

PN_TEST(refuses_a_link_to_a_runtime_directory)
{
    char path[128];

    setenv("XDG_RUNTIME_DIR", base, 1);
    snprintf(path, sizeof(path), "%s/postern", base);
    CHECK_EQ(symlink(base, path), 0);
    CHECK(pn_dir_runtime(arena) == NULL);
}

PN_TEST(refuses_what_it_cannot_make)
{
    setenv("XDG_RUNTIME_DIR", "/proc/none", 1);
    CHECK(pn_dir_runtime(arena) == NULL);
}

#define TD(name) cmocka_unit_test_setup_teardown(name, make_base, remove_base)

PN_TEST_MAIN(TD(follows_the_xdg_variables), TD(falls_back_to_the_home_directory),
             TD(makes_a_private_runtime_directory),
             TD(refuses_a_runtime_directory_others_may_enter),
             TD(refuses_a_link_to_a_runtime_directory), TD(refuses_what_it_cannot_make))
