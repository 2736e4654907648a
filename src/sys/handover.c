/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/sys.h"

/*
 * The name as a socket has it. Those are 107 bytes long and directories may be longer, so it goes through the
 * directory's descriptor, which the caller closes; -1: there is no such directory.
 */
static int name_of(const char *path, struct sockaddr_un *out)
{
    const char *slash = strrchr(path, '/');
    char directory[4096];
    int fd;

    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (slash == NULL || (size_t)(slash - path) >= sizeof directory)
        return -1;
    memcpy(directory, path, (size_t)(slash - path));
    directory[slash - path] = '\0';
    fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && (size_t)snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d%s", fd,
                                    slash) >= sizeof out->sun_path) {
        close(fd);
        return -1;
    }
    return fd;
}

int pn_handover_open(const char *path, struct pn_err *err)
{
    struct sockaddr_un name;
    int directory = name_of(path, &name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)unlink(path); /* of one that died */
    if (directory < 0 || fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) < 0) {
        (void)pn_fail_cause(err, PN_IO, errno, "%s cannot be made: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    if (directory >= 0)
        close(directory);
    return fd;
}

enum pn_handover pn_handover_send(const char *path, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { .bytes = { 0 } };
    struct sockaddr_un name;
    char byte = 0;
    struct iovec iov = { &byte, 1 };
    struct msghdr message = { .msg_name = &name,
                              .msg_namelen = sizeof name,
                              .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control.bytes };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    int directory = name_of(path, &name), from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ssize_t sent = -1;
    int cause = EBADF;

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
    if (directory >= 0 && from >= 0) {
        sent = sendmsg(from, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        cause = errno;
    }
    if (from >= 0)
        close(from);
    if (directory >= 0)
        close(directory);
    if (sent >= 0)
        return PN_HANDOVER_DONE;
    return cause == EAGAIN || cause == ENOBUFS ? PN_HANDOVER_LATER : PN_HANDOVER_NOBODY;
}

int pn_handover_take(int socket)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr message = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = CMSG_LEN(sizeof(int)) };
    int fd = -1;

    /*
     * What carries no descriptor is passed over; room for one means that the kernel closes all others: without the
     * padding of CMSG_SPACE, in which there is room for a second.
     */
    while (fd < 0 && recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) >= 0) {
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
            header->cmsg_len == CMSG_LEN(sizeof(int)))
            memcpy(&fd, CMSG_DATA(header), sizeof(int));
        message.msg_controllen = CMSG_LEN(sizeof(int));
    }
    return fd;
}
