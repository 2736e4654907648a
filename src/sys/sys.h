/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PN_SYS_SYS_H
#define PN_SYS_SYS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <signal.h>

/* Files and processes: what belongs to the operating system. */

/* The whole file, at most max_bytes (PN_TOO_LARGE); "-" is standard input. PN_NOT_FOUND, PN_IO. */
bool pn_file_read(const char *path, size_t max_bytes, struct pn_buf *out, struct pn_err *err)
    PN_CHECKED;
/* Whole or not at all: temporary file beside it, fsync, rename; `mode` as given (0600). */
bool pn_file_write(const char *path, struct pn_str bytes, unsigned mode, struct pn_err *err)
    PN_CHECKED;
/* The same of a plain file only: a FIFO or a device, which would make us wait, is PN_IO. */
bool pn_file_read_plain(const char *path, size_t max_bytes, struct pn_buf *out, struct pn_err *err)
    PN_CHECKED;
/* A descriptor that writes behind what is there; a new file has 0600. -1 and err else. */
int pn_file_append(const char *path, struct pn_err *err) PN_CHECKED;
bool pn_file_exists(const char *path);
bool pn_file_remove(const char *path, struct pn_err *err) PN_CHECKED; /* absent is fine */
/* mkdir -p with `mode` for what it makes. */
bool pn_dir_make(const char *path, unsigned mode, struct pn_err *err) PN_CHECKED;
/* An exclusive advisory lock (flock) on a file it makes; waits at most wait_ms; -1 and err else. */
int pn_file_lock(const char *path, int64_t wait_ms, struct pn_err *err) PN_CHECKED;
void pn_file_unlock(int fd);
/*
 * A lock of those who know only whether a file is there, as kubectl does: makes it, exclusively; waits at most
 * wait_ms for another's to go. pn_file_remove gives it back. Errors: PN_TIMEOUT, PN_IO, PN_NOT_FOUND.
 */
bool pn_file_claim(const char *path, int64_t wait_ms, struct pn_err *err) PN_CHECKED;
/* Is anybody but the owner allowed to read it? Secrets must not be read from such files silently. */
bool pn_file_is_private(const char *path);

/*
 * A library closes this descriptor by a system call of its own. For the thread sanitizer, which did not see it: else
 * whoever is given the number next would race with what was done to its last bearer. Nothing in other builds.
 */
void pn_fd_closes_unseen(int fd);

/*
 * Descriptors from one process to another, by a name in a directory that only they may use (0700). Datagrams: there
 * is no connection, and of a receiver that died nothing is left but the name, which its successor removes.
 * pn_handover_open: to receive, non-blocking, or -1 and err. pn_handover_take: the next descriptor, or -1.
 */
enum pn_handover {
    PN_HANDOVER_DONE,
    PN_HANDOVER_LATER /* its queue is full */,
    PN_HANDOVER_NOBODY
};
int pn_handover_open(const char *path, struct pn_err *err);
enum pn_handover pn_handover_send(const char *path, int fd); /* `fd` stays the caller's, to close */
int pn_handover_take(int socket);

/* No core dumps, no ptrace by others of this user. For who holds keys; commands it runs do not inherit it. */
void pn_process_harden(void);
/* Raises the descriptor limit to the hard limit. */
void pn_process_raise_files(void);
/* Resident memory in bytes and open descriptors of this process, for metrics. */
int64_t pn_process_resident_bytes(void);
int64_t pn_process_open_files(void);

/* Is there a file that argv[0] = `word` would run, by its path or by PATH? */
bool pn_process_finds(const char *word);
/* Where the program lies that we are; "postern" where the system does not say. */
struct pn_str pn_process_path(struct pn_arena *arena);
/*
 * Runs argv with `environment` ("NAME=value"… added to ours) in the foreground and waits. Signals
 * that another process sends us meanwhile are passed on; keys on the terminal reach the child
 * anyway. Returns its exit code (128 + signal when killed); 127 when it does not exist, 126 when
 * it cannot be run. One at a time: signals have one handler.
 */
int pn_process_run(char *const argv[], char *const environment[]);
/*
 * The same for who has blocked the signals of `held`: they are let through while the command runs, which
 * does not begin with them blocked, and are blocked again before this returns.
 */
int pn_process_run_held(char *const argv[], char *const environment[], const sigset_t *held);

/* Reads a password from the terminal without echo; PN_USAGE when there is no terminal. */
bool pn_terminal_password(const char *prompt, struct pn_buf *out, struct pn_err *err) PN_CHECKED;
bool pn_terminal_is_tty(int fd);

/* XDG directories with "/postern" added; into the arena. */
const char *pn_dir_config(struct pn_arena *arena);
/* $XDG_RUNTIME_DIR/postern, else /tmp/postern-UID; made 0700. NULL when it is not ours alone. */
const char *pn_dir_runtime(struct pn_arena *arena);

#endif
