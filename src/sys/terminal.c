/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Signals that would leave the terminal without echo; as in OpenSSH's readpassphrase. */
static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

static volatile sig_atomic_t arrived_signal;

static void note_signal(int number)
{
    arrived_signal = number;
}

bool pn_terminal_is_tty(int fd)
{
    return isatty(fd) == 1;
}

/*
 * One line without its end. Stops at the first signal: they are let in (`mask`) only while we wait,
 * so that none comes between the question whether one has arrived and the wait.
 */
static bool read_line(int tty, const sigset_t *mask, struct pn_buf *out, struct pn_err *err)
{
    struct pollfd wait = { .fd = tty, .events = POLLIN };

    for (;;) {
        char byte;
        ssize_t got = ppoll(&wait, 1, NULL, mask) < 0 ? -1 : read(tty, &byte, 1);

        if (got < 0 && errno == EINTR && arrived_signal == 0)
            continue;
        if (got < 0 && errno != EINTR)
            return pn_fail_cause(err, PN_IO, errno, "cannot read from the terminal: %s",
                                 strerror(errno));
        if (got <= 0)
            return pn_fail(err, PN_USAGE, "no password was given");
        if (byte == '\n' || byte == '\r')
            return true;
        if (!pn_buf_add_byte(out, byte))
            return pn_fail(err, PN_TOO_LARGE, "the password is longer than %zu bytes",
                           out->max_bytes);
    }
}

static void put_text(int tty, const char *text)
{
    if (write(tty, text, strlen(text)) < 0)
        return; /* the question is not seen; the answer can still come */
}

static bool ask(int tty, const char *prompt, const sigset_t *mask, struct pn_buf *out,
                struct pn_err *err)
{
    struct termios before, silent;
    bool is_read;

    if (tcgetattr(tty, &before) != 0)
        return pn_fail_cause(err, PN_USAGE, errno, "there is no terminal to ask for the password");
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    tcsetattr(tty, TCSAFLUSH, &silent);
    put_text(tty, prompt);
    is_read = read_line(tty, mask, out, err);
    put_text(tty, "\n");
    tcsetattr(tty, TCSAFLUSH, &before);
    return is_read;
}

bool pn_terminal_password(const char *prompt, struct pn_buf *out, struct pn_err *err)
{
    struct sigaction action = { .sa_handler = note_signal }; /* no SA_RESTART: read must end */
    struct sigaction before[PN_COUNT(ending_signals)];
    sigset_t ending, mask;
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    bool is_read;

    if (tty < 0)
        return pn_fail_cause(err, PN_USAGE, errno, "there is no terminal to ask for the password");
    arrived_signal = 0;
    sigemptyset(&action.sa_mask);
    sigemptyset(&ending);
    for (size_t i = 0; i < PN_COUNT(ending_signals); i++)
        sigaddset(&ending, ending_signals[i]);
    pthread_sigmask(SIG_BLOCK, &ending, &mask);
    for (size_t i = 0; i < PN_COUNT(ending_signals); i++)
        sigaction(ending_signals[i], &action, &before[i]);
    is_read = ask(tty, prompt, &mask, out, err);
    pthread_sigmask(SIG_SETMASK, &mask, NULL); /* what came after the answer is noted, too */
    for (size_t i = 0; i < PN_COUNT(ending_signals); i++)
        sigaction(ending_signals[i], &before[i], NULL);
    close(tty);
    if (!is_read)
        pn_buf_clear(out);
    if (arrived_signal != 0)
        raise(arrived_signal);
    return is_read;
}
