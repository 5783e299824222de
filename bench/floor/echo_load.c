/* SPDX-License-Identifier: MIT
 *
 * A closed loop of messages against an echo server: every connection sends one, waits until all of it is back, and sends the next.
 *   echo_load --port N --server PID [--connections 64] [--bytes 64] [--ms MILLISECONDS] [--warm-ms MILLISECONDS]
 * Prints messages per second and the server's CPU time per message, both after the warm-up, as one JSON object.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring.h"

struct connection {
	int fd;
	uint64_t sequence;
	char *out, *in;
};

struct load {
	struct io_uring r;
	struct connection *connections;
	uint32_t count, bytes;
};

/* A send, and a receive linked to it: only the receive says that it is done. */
static inline void queue_message(struct load *l, uint32_t index)
{
	struct connection *c = &l->connections[index];
	struct io_uring_sqe *e = io_uring_get_sqe(&l->r);

	c->sequence++;
	memcpy(c->out, &c->sequence, sizeof(c->sequence));
	io_uring_prep_send(e, c->fd, c->out, l->bytes, MSG_NOSIGNAL | MSG_WAITALL);
	e->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data64(e, UINT64_MAX);
	e = io_uring_get_sqe(&l->r);
	io_uring_prep_recv(e, c->fd, c->in, l->bytes, MSG_WAITALL);
	io_uring_sqe_set_data64(e, index);
}

static inline uint64_t reap(struct load *l)
{
	struct io_uring_cqe *e;
	unsigned head, count = 0;

	ring_enter(&l->r, 1);
	io_uring_for_each_cqe(&l->r, head, e) {
		struct connection *c = &l->connections[e->user_data];

		if (e->user_data >= l->count)
			die("send", e->res);
		if (e->res != (int32_t)l->bytes)
			die("receive", e->res < 0 ? e->res : EPIPE);
		if (memcmp(c->in, c->out, l->bytes))
			die("the echo differs", EIO);
		queue_message(l, (uint32_t)e->user_data);
		count++;
	}
	io_uring_cq_advance(&l->r, count);
	return count;
}

static uint64_t run(struct load *l, uint64_t ms, uint64_t *elapsed)
{
	uint64_t messages = 0, start = now_ns();

	do {
		for (uint32_t i = 0; i < 100; i++)
			messages += reap(l);
		*elapsed = now_ns() - start;
	} while (*elapsed < ms * 1000000);
	return messages;
}

static void connect_all(struct load *l, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1;

	l->connections = calloc(l->count, sizeof(*l->connections));
	for (uint32_t i = 0; i < l->count; i++) {
		struct connection *c = &l->connections[i];

		c->out = calloc(1, l->bytes);
		c->in = calloc(1, l->bytes);
		c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof(a)))
			die("connect", errno);
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
}

int main(int argc, char **argv)
{
	static struct load l;
	uint64_t ms = option_number(argc, argv, "--ms", 1000), warm_ms = option_number(argc, argv, "--warm-ms", 100);
	uint16_t port = (uint16_t)option_number(argc, argv, "--port", 0);
	pid_t server = (pid_t)option_number(argc, argv, "--server", 0);
	uint64_t messages, elapsed, cpu;
	clockid_t clock;

	l.count = (uint32_t)option_number(argc, argv, "--connections", 64);
	l.bytes = (uint32_t)option_number(argc, argv, "--bytes", 64);
	if (!port || !server || l.bytes < 8) {
		fprintf(stderr, "usage: echo_load --port N --server PID [--connections N] [--bytes N>=8] [--ms N] [--warm-ms N]\n");
		return 2;
	}
	if (clock_getcpuclockid(server, &clock))
		die("the server's clock", ESRCH);
	ring_open(&l.r, 4 * l.count, 0);
	connect_all(&l, port);
	for (uint32_t i = 0; i < l.count; i++)
		queue_message(&l, i);
	run(&l, warm_ms, &elapsed);
	cpu = clock_ns(clock);
	messages = run(&l, ms, &elapsed);
	cpu = clock_ns(clock) - cpu;
	printf("{\"messagesPerSecond\":%.1f,\"serverNsPerMessage\":%.1f}\n", (double)messages * 1e9 / (double)elapsed,
	       (double)cpu / (double)messages);
	return 0;
}
