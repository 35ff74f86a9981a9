/* Reads one URL over and over on N keep-alive connections, in pieces of 256 KiB, for some seconds; prints the bytes of all
 * bodies and the whole responses among them. Usage: large PORT PATH CONNECTIONS SECONDS */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 256 << 10, MAX_CONNECTIONS = 1024, HEAD = 8 << 10 };

struct connection {
    int fd;
    long long left; /* of the body; -1: in the head */
    char head[HEAD];
    size_t n_head;
};

static char piece[PIECE], request[HEAD];
static size_t n_request;
static long long n_bytes, n_whole;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void ask(struct connection *c)
{
    c->left = -1;
    c->n_head = 0;
    if (write(c->fd, request, n_request) != (ssize_t)n_request)
        fail("write");
}

/* The body's bytes that came behind the head; -1 while the head is not whole. */
static ssize_t take_head(struct connection *c, const char *from, size_t n)
{
    if (c->n_head + n >= HEAD)
        n = HEAD - 1 - c->n_head;
    memcpy(c->head + c->n_head, from, n);
    size_t before = c->n_head;
    c->n_head += n;
    c->head[c->n_head] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end)
        return -1;
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    if (strncmp(c->head, "HTTP/1.1 200", 12) != 0 || !length || length > end) {
        fprintf(stderr, "unexpected answer: %.80s\n", c->head);
        exit(1);
    }
    c->left = atoll(length + 17);
    return (ssize_t)(end + 4 - c->head) - (ssize_t)before;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int n = atoi(argv[3]);
    if (n < 1 || n > MAX_CONNECTIONS)
        return 2;
    n_request = (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[2]);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1])) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct connection *all = calloc((size_t)n, sizeof *all);
    int poll = epoll_create1(0);
    if (!all || poll < 0)
        fail("set up");
    for (int i = 0; i < n; i++) {
        all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(all[i].fd, (struct sockaddr *)&address, sizeof address) != 0)
            fail("connect");
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &all[i] };
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
        ask(&all[i]);
    }
    double begun = now(), until = begun + atof(argv[4]);
    while (now() < until) {
        struct epoll_event events[64];
        int ready = epoll_wait(poll, events, 64, 1000);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            ssize_t got = recv(c->fd, piece, PIECE, MSG_DONTWAIT);
            if (got < 0 && errno == EAGAIN)
                continue;
            if (got <= 0)
                fail("read");
            if (c->left < 0) {
                ssize_t skip = take_head(c, piece, (size_t)got);
                if (skip < 0)
                    continue;
                got -= skip;
            }
            c->left -= got;
            n_bytes += got;
            if (c->left == 0) {
                n_whole++;
                ask(c);
            }
        }
    }
    printf("{\"bytes\": %lld, \"requests\": %lld, \"seconds\": %.3f}\n", n_bytes, n_whole, now() - begun);
    return 0;
}
