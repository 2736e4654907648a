/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "sys/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static const char *at(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *to = path[turn++ % 4];

    snprintf(to, sizeof(path[0]), "%s/%s", dir, name);
    return to;
}

static int make_dir(void **state PN_UNUSED)
{
    strcpy(dir, "/tmp/postern-test-XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static void remove_tree(const char *path)
{
    DIR *open_dir = opendir(path);
    struct dirent *entry;

    while (open_dir != NULL && (entry = readdir(open_dir)) != NULL) {
        char below[600];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
        if (unlink(below) != 0)
            remove_tree(below);
    }
    if (open_dir != NULL)
        closedir(open_dir);
    rmdir(path);
}

static int remove_dir(void **state PN_UNUSED)
{
    remove_tree(dir);
    return 0;
}

static unsigned mode_of(const char *path)
{
    struct stat info;

    CHECK_EQ(stat(path, &info), 0);
    return info.st_mode & 07777;
}

static int count_entries(void)
{
    DIR *open_dir = opendir(dir);
    int count = 0;

    while (readdir(open_dir) != NULL)
        count++;
    closedir(open_dir);
    return count - 2;
}

PN_TEST(what_is_written_reads_back)
{
    pn_auto(pn_buf_drop) struct pn_buf big = pn_buf_init(1 << 20);
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(1 << 20);
    struct pn_err err = { 0 };

    for (int i = 0; i < 50000; i++)
        pn_buf_addf(&big, "%d%c", i, 0);
    CHECK_OK(pn_file_write(at("f"), pn_buf_str(&big), 0600, &err), err);
    CHECK_OK(pn_file_read(at("f"), big.len, &out, &err), err); /* exactly the maximum */
    CHECK(pn_str_eq(pn_buf_str(&out), pn_buf_str(&big)));
    CHECK_EQ(mode_of(at("f")), 0600);
    CHECK(pn_file_exists(at("f")));

    pn_buf_clear(&out);
    CHECK_OK(pn_file_write(at("f"), PN_LIT(""), 0644, &err), err);
    CHECK_OK(pn_file_read(at("f"), 0, &out, &err), err);
    CHECK_EQ(out.len, 0);
    CHECK_EQ(mode_of(at("f")), 0644);
    CHECK_EQ(count_entries(), 1); /* nothing temporary is left */
}

PN_TEST(reading_has_a_maximum)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(100);
    pn_auto(pn_buf_drop) struct pn_buf small = pn_buf_init(3);
    struct pn_err err = { 0 };

    CHECK_OK(pn_file_write(at("f"), PN_LIT("12345"), 0600, &err), err);
    CHECK_FAILS(pn_file_read(at("f"), 4, &out, &err), err, TOO_LARGE);
    CHECK_FAILS(pn_file_read(at("f"), 100, &small, &err), err, TOO_LARGE);
    pn_buf_clear(&out);
    CHECK_FAILS(pn_file_read("/dev/zero", 100, &out, &err), err, TOO_LARGE);
}

/* In a directory of others a name may be anything, also what is waited for without an end. */
PN_TEST(only_a_plain_file_is_one)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(100);
    struct pn_err err = { 0 };

    CHECK_EQ(mkfifo(at("fifo"), 0600), 0);
    CHECK_FAILS(pn_file_read_plain(at("fifo"), 100, &out, &err), err, IO);
    CHECK_EQ(unlink(at("fifo")), 0);
    CHECK_FAILS(pn_file_read_plain("/dev/zero", 100, &out, &err), err, IO);
    CHECK_FAILS(pn_file_read_plain(dir, 100, &out, &err), err, IO);
    CHECK_FAILS(pn_file_read_plain(at("none"), 100, &out, &err), err, NOT_FOUND);
    CHECK_OK(pn_file_write(at("f"), PN_LIT("12345"), 0600, &err), err);
    CHECK_FAILS(pn_file_read_plain(at("f"), 4, &out, &err), err, TOO_LARGE);
    pn_buf_clear(&out);
    CHECK_OK(pn_file_read_plain(at("f"), 5, &out, &err), err);
    CHECK_STR(pn_buf_str(&out), "12345");
}

PN_TEST(reading_what_is_not_there_fails)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init(100);
    struct pn_err err = { 0 };

    CHECK(!pn_file_read(at("none"), 9, &out, &err));
    CHECK_EQ(err.code, PN_NOT_FOUND);
    CHECK_EQ(err.cause, ENOENT);
    pn_err_clear(&err);
    CHECK_FAILS(pn_file_read(dir, 9, &out, &err), err, IO);
    CHECK_OK(pn_file_write(at("f"), PN_LIT("x"), 0600, &err), err);
    CHECK_FAILS(pn_file_read(at("f/x"), 9, &out, &err), err, NOT_FOUND);
    CHECK(!pn_file_exists(at("none")));
}

PN_TEST(a_failed_write_changes_nothing)
{
    char name[5000];
    struct pn_err err = { 0 };

    CHECK_FAILS(pn_file_write(at("none/f"), PN_LIT("x"), 0600, &err), err, NOT_FOUND);
    CHECK_OK(pn_dir_make(at("d"), 0700, &err), err);
    CHECK_FAILS(pn_file_write(at("d"), PN_LIT("x"), 0600, &err), err,
                IO); /* a directory stands there */
    CHECK_EQ(count_entries(), 1);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    CHECK_FAILS(pn_file_write(name, PN_LIT("x"), 0600, &err), err, IO);
}

PN_TEST(removing_twice_is_fine)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_file_write(at("f"), PN_LIT("x"), 0600, &err), err);
    CHECK_OK(pn_file_remove(at("f"), &err), err);
    CHECK(!pn_file_exists(at("f")));
    CHECK_OK(pn_file_remove(at("f"), &err), err);
    CHECK_FAILS(pn_file_remove(dir, &err), err, IO);
}

PN_TEST(makes_directories_with_parents)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_dir_make(at("a/b//c/"), 0700, &err), err);
    CHECK_EQ(mode_of(at("a/b/c")), 0700);
    CHECK_OK(pn_dir_make(at("a/b/c"), 0755, &err), err);
    CHECK_EQ(mode_of(at("a/b/c")), 0700); /* only what it makes */
    CHECK_OK(pn_file_write(at("f"), PN_LIT("x"), 0600, &err), err);
    CHECK_FAILS(pn_dir_make(at("f"), 0700, &err), err, IO);
    CHECK(!pn_dir_make(at("f/x"), 0700, &err));
    pn_err_clear(&err);
    CHECK(!pn_dir_make("", 0700, &err));
}

PN_TEST(a_lock_is_exclusive)
{
    struct pn_err err = { 0 };
    int first = pn_file_lock(at("lock"), 0, &err);
    int second;

    CHECK(first >= 0);
    second = pn_file_lock(at("lock"), 30, &err);
    CHECK_EQ(second, -1);
    CHECK_EQ(err.code, PN_BUSY);
    pn_err_clear(&err);
    pn_file_unlock(first);
    second = pn_file_lock(at("lock"), 0, &err);
    CHECK(second >= 0);
    pn_file_unlock(second);
    pn_file_unlock(-1);
    CHECK_EQ(pn_file_lock(at("none/lock"), 0, &err), -1);
    CHECK_EQ(err.code, PN_NOT_FOUND);
}

PN_TEST(private_means_nobody_else)
{
    struct pn_err err = { 0 };

    CHECK_OK(pn_file_write(at("f"), PN_LIT("x"), 0600, &err), err);
    CHECK(pn_file_is_private(at("f")));
    CHECK_OK(pn_file_write(at("f"), PN_LIT("x"), 0640, &err), err);
    CHECK(!pn_file_is_private(at("f")));
    CHECK_OK(pn_file_write(at("f"), PN_LIT("x"), 0604, &err), err);
    CHECK(!pn_file_is_private(at("f")));
    CHECK(!pn_file_is_private(at("none")));
}

#define TD(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

PN_TEST_MAIN(TD(what_is_written_reads_back), TD(reading_has_a_maximum),
             TD(only_a_plain_file_is_one), TD(reading_what_is_not_there_fails),
             TD(a_failed_write_changes_nothing), TD(removing_twice_is_fine),
             TD(makes_directories_with_parents), TD(a_lock_is_exclusive),
             TD(private_means_nobody_else))
