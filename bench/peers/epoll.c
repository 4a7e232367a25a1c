/* The peer in C: epoll_c echo|daytime|udp PORT
 *
 * echo is one level-triggered epoll loop with read and write and one buffer for all. What a caller
 * does not take is kept, at most one buffer of it, and nothing more is read until it is gone.
 * daytime closes plainly, as the textbooks do. daytime and udp have one socket to wait for, so
 * they block on it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 18, MOST_EVENTS = 512 };

struct caller {
    int fd;
    size_t size, written;  /* of what the caller has not taken yet */
    char *rest;
};

static char buffer[BUFFER];
static int poller;

static void check(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static int bound(int type, int port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int yes = 1, no = 0, fd = socket(AF_INET6, type, 0);
    check(fd >= 0, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    check(!bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
    if (type != SOCK_DGRAM)
        check(!listen(fd, SOMAXCONN), "listen");
    return fd;
}

static void watch(int operation, struct caller *caller, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = caller};
    check(!epoll_ctl(poller, operation, caller->fd, &event), "epoll_ctl");
}

static void take_caller(int listener)
{
    int yes = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct caller *caller = calloc(1, sizeof *caller);
    check(caller != NULL, "calloc");
    caller->fd = fd;
    watch(EPOLL_CTL_ADD, caller, EPOLLIN);
}

static void drop(struct caller *caller)
{
    close(caller->fd);
    free(caller->rest);
    free(caller);
}

static void write_rest(struct caller *caller)
{
    ssize_t written = write(caller->fd, caller->rest + caller->written,
                            caller->size - caller->written);
    if (written < 0 && errno != EAGAIN) {
        drop(caller);
        return;
    }
    caller->written += written < 0 ? 0 : written;
    if (caller->written == caller->size) {
        free(caller->rest);
        caller->rest = NULL;
        watch(EPOLL_CTL_MOD, caller, EPOLLIN);
    }
}

static void keep_rest(struct caller *caller, const char *rest, size_t size)
{
    caller->rest = malloc(size);
    check(caller->rest != NULL, "malloc");
    memcpy(caller->rest, rest, size);
    caller->size = size;
    caller->written = 0;
    watch(EPOLL_CTL_MOD, caller, EPOLLOUT);
}

static void turn(struct caller *caller)
{
    if (caller->rest) {
        write_rest(caller);
        return;
    }
    ssize_t size = read(caller->fd, buffer, BUFFER);
    if (size < 0 && errno == EAGAIN)
        return;
    ssize_t written = size > 0 ? write(caller->fd, buffer, size) : -1;
    if (size <= 0 || (written < 0 && errno != EAGAIN))
        drop(caller);
    else if (written < size)
        keep_rest(caller, buffer + (written < 0 ? 0 : written), size - (written < 0 ? 0 : written));
}

static void echo(int port)
{
    struct caller listener = {.fd = bound(SOCK_STREAM | SOCK_NONBLOCK, port)};
    struct epoll_event events[MOST_EVENTS];
    poller = epoll_create1(0);
    watch(EPOLL_CTL_ADD, &listener, EPOLLIN);
    for (;;) {
        int count = epoll_wait(poller, events, MOST_EVENTS, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr == &listener)
                take_caller(listener.fd);
            else
                turn(events[i].data.ptr);
    }
}

static void daytime(int port)
{
    int listener = bound(SOCK_STREAM, port);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        time_t now = time(NULL);
        struct tm utc;
        char line[64];
        size_t size = strftime(line, sizeof line, "%a %b %e %H:%M:%S UTC %Y\r\n",
                               gmtime_r(&now, &utc));
        if (fd < 0)
            continue;
        send(fd, line, size, MSG_NOSIGNAL);
        close(fd);
    }
}

static void udp(int port)
{
    int fd = bound(SOCK_DGRAM, port);
    struct sockaddr_in6 peer;
    for (;;) {
        socklen_t length = sizeof peer;
        ssize_t size = recvfrom(fd, buffer, BUFFER, 0, (struct sockaddr *)&peer, &length);
        if (size >= 0)
            sendto(fd, buffer, size, 0, (struct sockaddr *)&peer, length);
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc == 3 ? argv[1] : "";
    if (!strcmp(mode, "echo"))
        echo(atoi(argv[2]));
    else if (!strcmp(mode, "daytime"))
        daytime(atoi(argv[2]));
    else if (!strcmp(mode, "udp"))
        udp(atoi(argv[2]));
    fputs("epoll: echo|daytime|udp PORT\n", stderr);
    return 2;
}
