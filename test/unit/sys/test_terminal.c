/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "sys/sys.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* What the child on the terminal reports at the end: by its exit code. */
enum { GOT_RIGHT = 10, GOT_WRONG, GOT_USAGE, GOT_LARGE, STILL_SILENT };

static bool echoes(int tty)
{
    struct termios now;

    return tcgetattr(tty, &now) == 0 && (now.c_lflag & ECHO) != 0;
}

static int ask(void)
{
    pn_auto(pn_buf_drop) struct pn_buf out = pn_buf_init_wiped(16);
    struct pn_err err = { 0 };
    bool is_read = pn_terminal_password("Password: ", &out, &err);

    if (isatty(STDIN_FILENO) && !echoes(STDIN_FILENO))
        return STILL_SILENT;
    if (is_read)
        return pn_str_is(pn_buf_str(&out), "s3cret pass") ? GOT_RIGHT : GOT_WRONG;
    return err.code == PN_TOO_LARGE ? GOT_LARGE : GOT_USAGE;
}

/* Reads what the terminal shows until `wanted` is there or the other side is gone. */
static void read_until(int master, char *seen, size_t bytes, const char *wanted)
{
    size_t len = strlen(seen);
    ssize_t got;

    while ((wanted == NULL || strstr(seen, wanted) == NULL) &&
           (got = read(master, seen + len, bytes - 1 - len)) > 0) {
        len += (size_t)got;
        seen[len] = '\0';
    }
}

static int answer_with(const char *typed, char seen[512])
{
    int master;
    int status = 0;
    pid_t child = forkpty(&master, NULL, NULL, NULL);

    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        _exit(ask());
    }
    CHECK(child > 0);
    seen[0] = '\0';
    read_until(master, seen, 512, "Password: ");
    CHECK(write(master, typed, strlen(typed)) > 0);
    read_until(master, seen, 512, NULL);
    close(master);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

PN_TEST(reads_a_line_without_echo)
{
    char seen[512];

    CHECK_EQ(answer_with("s3cret pass\n", seen), GOT_RIGHT);
    CHECK(strstr(seen, "Password: ") != NULL);
    CHECK(strstr(seen, "s3cret") == NULL);
}

PN_TEST(a_password_has_a_maximum)
{
    char seen[512];

    CHECK_EQ(answer_with("01234567890123456789\n", seen), GOT_LARGE);
    CHECK(strstr(seen, "0123") == NULL);
}

PN_TEST(end_of_input_is_no_password)
{
    char seen[512];

    CHECK_EQ(answer_with("\x04", seen), GOT_USAGE);
}

PN_TEST(an_interrupt_ends_us_after_restoring_the_terminal)
{
    char seen[512];

    CHECK_EQ(answer_with("\x03", seen), -SIGINT);
}

PN_TEST(no_terminal_is_a_usage_error)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        setsid(); /* no controlling terminal any more */
        _exit(ask());
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WEXITSTATUS(status), GOT_USAGE);
}

PN_TEST(tells_terminals_from_other_files)
{
    int master, slave;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    CHECK_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
    CHECK(pn_terminal_is_tty(slave));
    CHECK(!pn_terminal_is_tty(null));
    CHECK(!pn_terminal_is_tty(-1));
    close(master);
    close(slave);
    close(null);
}

PN_TEST_MAIN(T(reads_a_line_without_echo), T(a_password_has_a_maximum),
             T(end_of_input_is_no_password), T(an_interrupt_ends_us_after_restoring_the_terminal),
             T(no_terminal_is_a_usage_error), T(tells_terminals_from_other_files))
