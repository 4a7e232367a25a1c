/* The load generator: asks a server on 127.0.0.1, and checks every byte that comes back.
 *
 *     load MODE PORT [-n CONNECTIONS] [-s BYTES] [-w WARM-UP] [-d DURATION] [-c COUNT] [-p PID]...
 *
 *     echo     one message of BYTES in flight on each connection
 *     bulk     as many bytes as a connection takes, with at most a mebibyte in flight
 *     udp      one datagram of BYTES in flight on each socket; what is lost is counted
 *     daytime  CONNECTIONS at a time, each until the server has closed it
 *
 * It warms up and then measures for DURATION, both in seconds, and until there are as many messages
 * as connections; or, if COUNT is given, for so many messages after a tenth of that. In bulk mode a
 * message is a mebibyte. It prints one line of JSON once all that was asked has been answered.
 * cpu_us in it is the processor time that the processes with these PIDs, which are the server, have
 * used meanwhile: all their threads, those that have ended too. It keeps its connections open until
 * its input ends; with a DURATION of 0 they are idle by then, and have been asked twice. Whatever is
 * wrong is told in one line on stderr, exit status 1; wrong arguments are 2.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PERIOD = 251,     /* of the bytes sent; a prime, so that no buffer's size hides a shift */
    CHUNK = 1 << 18,  /* bytes sent or received at once */
    WINDOW = 1 << 20, /* bytes in flight in bulk mode */
    REST_S = 60,      /* beside warm-up and duration; then SIGALRM ends it */
    MOST_EVENTS = 512,
    MOST_PIDS = 64,
    MOST_LINE = 128,  /* bytes of daytime's answer */
    FINE_BITS = 7,    /* of a latency are kept: less than one per cent is lost */
};
static const uint64_t SECOND = 1000000000, PATIENCE = 10 * SECOND, LOSS = SECOND / 10;

struct flow { /* a connection, or a UDP socket; in UDP, due counts the datagrams */
    int fd, have;
    uint64_t sent, received, due, asked_at;
    char line[MOST_LINE];
};

struct mode {
    const char *name;
    void (*open)(struct flow *); /* before anything is measured */
    void (*ask)(struct flow *);
    void (*turn)(struct flow *);
};

static const struct mode *mode;
static int port, connections = 1, size = 64, count, pids;
static double warm_up = 0.2, duration = 1;
static pid_t pid[MOST_PIDS];

static struct flow *flows;
static int poller, is_over, asking; /* asking: flows whose answer is due */
static char pattern[PERIOD + CHUNK], buffer[CHUNK], result[512];
static uint64_t messages, bytes, timed, lost, opened, measured_from, cpu_from;
static uint32_t latencies[(64 - FINE_BITS + 1) << FINE_BITS];

#define fail(...) (fprintf(stderr, "load: " __VA_ARGS__), fputc('\n', stderr), exit(1))

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time))
        fail("clock: %s", strerror(errno));
    return time.tv_sec * SECOND + time.tv_nsec;
}

static uint64_t now(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t server_cpu(void)
{
    uint64_t sum = 0;
    clockid_t clock;
    for (int i = 0; i < pids; i++) {
        int error = clock_getcpuclockid(pid[i], &clock);
        if (error)
            fail("process %d: %s", pid[i], strerror(error));
        sum += clock_ns(clock);
    }
    return sum;
}

/* Latencies are counted in buckets: exact below 2^FINE_BITS ns, above with that many bits. */
static void count_latency(uint64_t ns)
{
    int shift = ns >> FINE_BITS ? 63 - __builtin_clzll(ns) - FINE_BITS : -1;
    uint64_t fine = shift < 0 ? ns : (ns >> shift) - (1 << FINE_BITS);
    latencies[((uint64_t)(shift + 1) << FINE_BITS) + fine]++;
    timed++;
}

static double latency_us(double share)
{
    uint64_t seen = 0, bucket = 0;
    while (timed && (seen += latencies[bucket]) <= timed * share)
        bucket++;
    int shift = (int)(bucket >> FINE_BITS) - 1;
    uint64_t fine = bucket & ((1 << FINE_BITS) - 1);
    return (shift < 0 ? fine : (fine + (1 << FINE_BITS)) << shift) / 1e3;
}

static void answered(const struct flow *flow, uint64_t answer)
{
    messages++;
    bytes += answer;
    count_latency(now() - flow->asked_at);
}

static void begin_to_measure(void)
{
    messages = bytes = timed = lost = 0;
    memset(latencies, 0, sizeof latencies);
    cpu_from = server_cpu();
    measured_from = now();
}

static void take_result(void)
{
    double cpu_us = (server_cpu() - cpu_from) / 1e3, seconds = (now() - measured_from) / 1e9;
    snprintf(result, sizeof result,
             "{\"seconds\": %.6f, \"messages\": %ju, \"bytes\": %ju, \"cpu_us\": %.1f, "
             "\"p50_us\": %.2f, \"p99_us\": %.2f, \"lost\": %ju",
             seconds, (uintmax_t)messages, (uintmax_t)bytes, cpu_us, latency_us(.50),
             latency_us(.99), (uintmax_t)lost);
}

static void open_socket(struct flow *flow, int type, uint32_t events)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {PATIENCE / SECOND, 0};
    struct epoll_event event = {.events = events, .data.ptr = flow};
    flow->fd = socket(AF_INET, type, 0);
    if (flow->fd < 0)
        fail("socket: %s", strerror(errno));
    setsockopt(flow->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(flow->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(flow->fd, (struct sockaddr *)&server, sizeof server) ||
        epoll_ctl(poller, EPOLL_CTL_ADD, flow->fd, &event))
        fail("connect: %s", strerror(errno));
    opened++;
}

/* What a flow sends at a position of its stream. Each flow begins elsewhere in the pattern, so
 * that what belongs to one is wrong on the next. */
static const char *expected(const struct flow *flow, uint64_t position)
{
    return pattern + (position + (flow - flows)) % PERIOD;
}

/* Receive what is there; whether there may be more. */
static int receive(struct flow *flow, int flags)
{
    ssize_t got = recv(flow->fd, buffer, CHUNK, flags);
    if (got < 0 && errno == EAGAIN && flags)
        return 0;
    if (got < 0)
        fail("connection %td: %s", flow - flows, strerror(errno));
    if (!got)
        fail("connection %td: the server closed it", flow - flows);
    if ((uint64_t)got > flow->sent - flow->received)
        fail("connection %td: more came back than was sent", flow - flows);
    if (memcmp(buffer, expected(flow, flow->received), got))
        fail("connection %td: wrong bytes", flow - flows);
    flow->received += got;
    return got == CHUNK;
}

static void send_due(struct flow *flow, int flags)
{
    while (flow->sent < flow->due) {
        uint64_t rest = flow->due - flow->sent;
        ssize_t sent = send(flow->fd, expected(flow, flow->sent), rest < CHUNK ? rest : CHUNK,
                            flags | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN && flags)
            return;
        if (sent < 0)
            fail("connection %td: %s", flow - flows, strerror(errno));
        flow->sent += sent;
    }
}

/* Open a connection that has been answered once, so the server has it. Its close will be a reset:
 * no TIME_WAIT is left of it, neither here nor in the table of whoever tracks connections. */
static void open_stream(struct flow *flow)
{
    struct linger reset = {1, 0};
    int yes = 1;
    open_socket(flow, SOCK_STREAM, EPOLLIN | EPOLLOUT | EPOLLET);
    setsockopt(flow->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt(flow->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    flow->due = size;
    send_due(flow, 0);
    while (flow->received < flow->due)
        receive(flow, 0);
}

static void ask_message(struct flow *flow)
{
    flow->due += size;
    flow->asked_at = now();
    send_due(flow, MSG_DONTWAIT);
}

static void ask_bulk(struct flow *flow)
{
    flow->due = flow->received + WINDOW;
    send_due(flow, MSG_DONTWAIT);
}

static void end_or_ask(struct flow *flow)
{
    if (is_over)
        asking--;
    else
        mode->ask(flow);
}

static void turn_of_message(struct flow *flow)
{
    if (flow->received == flow->due)
        return;
    while (receive(flow, MSG_DONTWAIT))
        ;
    send_due(flow, MSG_DONTWAIT);
    if (flow->received < flow->due)
        return;
    answered(flow, size);
    end_or_ask(flow);
}

static void turn_of_bulk(struct flow *flow)
{
    uint64_t before = flow->received;
    if (before == flow->due)
        return;
    while (receive(flow, MSG_DONTWAIT))
        ;
    bytes += flow->received - before;
    messages = bytes / WINDOW;
    send_due(flow, MSG_DONTWAIT);
    if (!is_over || flow->received == flow->due)
        end_or_ask(flow);
}

static void open_datagram(struct flow *flow)
{
    open_socket(flow, SOCK_DGRAM, EPOLLIN);
}

/* A datagram begins with its number; the rest tells its socket. */
static void ask_datagram(struct flow *flow)
{
    flow->asked_at = now();
    flow->due++;
    memcpy(buffer, expected(flow, 0), size);
    memcpy(buffer, &flow->due, sizeof flow->due);
    if (send(flow->fd, buffer, size, 0) < 0)
        fail("socket %td: %s", flow - flows, strerror(errno));
}

static void turn_of_datagram(struct flow *flow)
{
    uint64_t number = 0;
    ssize_t got = recv(flow->fd, buffer, CHUNK, MSG_DONTWAIT);
    if (got < 0)
        fail("socket %td: %s", flow - flows, strerror(errno));
    memcpy(&number, buffer, sizeof number);
    if (got != size || number > flow->due ||
        memcmp(buffer + sizeof number, expected(flow, sizeof number), got - sizeof number))
        fail("socket %td: wrong bytes", flow - flows);
    if (number <= flow->received || number < flow->due)
        return; /* taken for lost already */
    flow->received = number;
    answered(flow, got);
    end_or_ask(flow);
}

static void repeat_lost_datagrams(void)
{
    for (struct flow *flow = flows; flow < flows + connections; flow++)
        if (flow->received < flow->due && now() - flow->asked_at > LOSS) {
            lost++;
            ask_datagram(flow);
        }
}

static void call(struct flow *flow)
{
    flow->asked_at = now();
    flow->have = 0;
    open_socket(flow, SOCK_STREAM, EPOLLIN);
}

static void check_line(const char *line, int length)
{
    if (length < 3 || memcmp(line + length - 2, "\r\n", 2))
        fail("connection %ju: not a line", (uintmax_t)opened);
    for (int i = 0; i < length - 2; i++)
        if (line[i] < ' ' || line[i] > '~')
            fail("connection %ju: not one printable line", (uintmax_t)opened);
}

static void turn_of_call(struct flow *flow)
{
    ssize_t got;
    while ((got = recv(flow->fd, flow->line + flow->have, MOST_LINE - flow->have,
                       MSG_DONTWAIT)) > 0)
        flow->have += got;
    if (got < 0 && errno == EAGAIN)
        return;
    if (got < 0)
        fail("connection %ju: %s", (uintmax_t)opened, strerror(errno));
    check_line(flow->line, flow->have);
    close(flow->fd);
    answered(flow, flow->have);
    end_or_ask(flow);
}

static const struct mode modes[] = {
    {"echo", open_stream, ask_message, turn_of_message},
    {"bulk", open_stream, ask_bulk, turn_of_bulk},
    {"udp", open_datagram, ask_datagram, turn_of_datagram},
    {"daytime", NULL, call, turn_of_call},
};

static void look_at_the_clock(uint64_t start)
{
    uint64_t begin = start + warm_up * SECOND, end = measured_from + duration * SECOND;
    uint64_t enough = count ? count : duration > 0 ? connections : 0;
    if (!measured_from && (count ? messages >= enough / 10 : now() >= begin))
        begin_to_measure();
    else if (measured_from && !is_over && messages >= enough && (count || now() >= end)) {
        take_result();
        is_over = 1;
    }
    if (mode->ask == ask_datagram)
        repeat_lost_datagrams();
}

static void run(void)
{
    struct epoll_event events[MOST_EVENTS];
    uint64_t start = now(), heard = start;
    for (asking = 0; asking < connections; asking++)
        mode->ask(&flows[asking]);
    while (asking) {
        int ready = epoll_wait(poller, events, MOST_EVENTS, LOSS * 1000 / SECOND);
        if (ready > 0)
            heard = now();
        else if (now() - heard > PATIENCE)
            fail("no answer in %d s", (int)(PATIENCE / SECOND));
        look_at_the_clock(start);
        for (int i = 0; i < ready; i++)
            mode->turn(events[i].data.ptr);
    }
}

static void read_options(int argc, char **argv)
{
    for (int letter; (letter = getopt(argc, argv, "n:s:w:d:c:p:")) != -1;)
        switch (letter) {
        case 'n': connections = atoi(optarg); break;
        case 's': size = atoi(optarg); break;
        case 'w': warm_up = atof(optarg); break;
        case 'd': duration = atof(optarg); break;
        case 'c': count = atoi(optarg); break;
        case 'p': pid[pids++ % MOST_PIDS] = atoi(optarg); break;
        default: exit(2);
        }
    for (size_t i = 0; i < sizeof modes / sizeof *modes && argc - optind == 2; i++)
        if (!strcmp(argv[optind], modes[i].name))
            mode = &modes[i];
    port = mode ? atoi(argv[optind + 1]) : 0;
    if (port < 1 || connections < 1 || size < 8 || size > CHUNK || count < 0 ||
        pids > MOST_PIDS) {
        fputs("load: echo|bulk|udp|daytime PORT [-n CONNECTIONS] [-s BYTES, 8 to 262144] "
              "[-w WARM-UP] [-d DURATION] [-c COUNT] [-p PID]...\n", stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    read_options(argc, argv);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = i % PERIOD;
    alarm(warm_up + duration + REST_S);
    poller = epoll_create1(0);
    flows = calloc(connections, sizeof *flows);
    for (int i = 0; i < connections && mode->open; i++)
        mode->open(&flows[i]);
    run();
    printf("%s, \"connections\": %ju}\n", result, (uintmax_t)opened);
    fflush(stdout);
    alarm(0);
    while (read(STDIN_FILENO, buffer, CHUNK) > 0)
        ;
    return 0;
}
