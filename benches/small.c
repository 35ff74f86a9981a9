/* Asks for the paths of a file in turn over N keep-alive connections, for some seconds. It never sleeps: a client that does has
 * to be woken by the server at each answer, which costs the slower server more of its time than the faster one, whose client is
 * always busy. Usage: small PORT FILE CONNECTIONS SECONDS */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
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

static char piece[PIECE];
static char **requests;
static size_t *lengths, n_requests, next_one;
static long long n_bytes, n_whole, n_errors;

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

static void load(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[HEAD - 64], request[HEAD];
    size_t room = 0;
    if (!file)
        fail(path);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (n_requests == room) {
            room = room ? 2 * room : 1024;
            requests = realloc(requests, room * sizeof *requests);
            lengths = realloc(lengths, room * sizeof *lengths);
        }
        lengths[n_requests] = (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", line);
        requests[n_requests++] = strdup(request);
    }
    fclose(file);
}

static void ask(struct connection *c)
{
    size_t i = next_one++ % n_requests;
    c->left = -1;
    c->n_head = 0;
    if (write(c->fd, requests[i], lengths[i]) != (ssize_t)lengths[i])
        fail("write");
}

static void take(struct connection *c)
{
    for (;;) {
        char *into = c->left < 0 ? c->head + c->n_head : piece;
        size_t room = c->left < 0 ? HEAD - 1 - c->n_head : PIECE;
        ssize_t n = recv(c->fd, into, room, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            fail("read");
        if (c->left < 0) {
            char *end, *length;
            c->n_head += (size_t)n;
            c->head[c->n_head] = 0;
            end = strstr(c->head, "\r\n\r\n");
            if (!end)
                continue;
            n = (ssize_t)(c->head + c->n_head - (end + 4));
            if (strncmp(c->head, "HTTP/1.1 200", 12))
                n_errors++;
            length = strcasestr(c->head, "\ncontent-length:");
            if (!length)
                fail("no content-length");
            c->left = atoll(length + 16);
        }
        c->left -= n;
        n_bytes += n;
        if (c->left == 0) {
            n_whole++;
            ask(c);
            return;
        }
        if ((size_t)n < room && into == piece)
            return;
    }
}

int main(int argc, char **argv)
{
    struct connection *all = calloc(MAX_CONNECTIONS, sizeof *all);
    struct epoll_event events[64];
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int epoll = epoll_create1(0), n_connections;
    double start, end;
    if (argc != 5 || !all || (n_connections = atoi(argv[3])) > MAX_CONNECTIONS)
        return 2;
    load(argv[2]);
    address.sin_port = htons((unsigned short)atoi(argv[1]));
    for (int i = 0; i < n_connections; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &all[i] };
        int one = 1;
        all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(all[i].fd, (struct sockaddr *)&address, sizeof address))
            fail("connect");
        setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event))
            fail("epoll_ctl");
        ask(&all[i]);
    }
    start = now();
    end = start + atof(argv[4]);
    for (double t = start; t < end; t = now()) {
        int n = epoll_wait(epoll, events, 64, 0);
        for (int i = 0; i < n; i++)
            take(events[i].data.ptr);
    }
    printf("{\"requests\": %lld, \"bytes\": %lld, \"seconds\": %.3f, \"errors\": %lld}\n", n_whole, n_bytes, now() - start, n_errors);
    return 0;
}
