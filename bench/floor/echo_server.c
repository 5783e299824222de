/* SPDX-License-Identifier: MIT
 *
 * A TCP server that sends everything back, on one thread: a multishot accept, a multishot receive per connection into a common ring
 * of buffers, plain sends from those buffers.
 *   echo_server
 * Prints "port N" when it listens; a signal ends it. bench/echo-server.ts is the same in TypeScript.
 */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring.h"

#define BUFFERS 256u
#define SIZE 2048u
#define GROUP 1
#define ENTRIES 256u
#define CQ_ENTRIES 1024u

enum { ACCEPT, RECEIVE, SEND };

struct server {
	struct io_uring r;
	struct io_uring_buf_ring *group;
	char *memory;
	int fd;
	uint32_t sent[BUFFERS], length[BUFFERS]; /* of the data in each buffer */
};

/* user_data: what completed, and for which connection and buffer. */
static inline uint64_t tag(uint32_t what, int fd, uint32_t buffer)
{
	return (uint64_t)what << 56 | (uint64_t)buffer << 32 | (uint32_t)fd;
}

/* A full queue is submitted to make room. */
static inline struct io_uring_sqe *next_sqe(struct server *s)
{
	struct io_uring_sqe *e = io_uring_get_sqe(&s->r);

	if (!e) {
		io_uring_submit(&s->r);
		e = io_uring_get_sqe(&s->r);
	}
	return e;
}

static inline void queue_accept(struct server *s)
{
	struct io_uring_sqe *e = next_sqe(s);

	io_uring_prep_multishot_accept(e, s->fd, NULL, NULL, 0);
	io_uring_sqe_set_data64(e, tag(ACCEPT, 0, 0));
}

static inline void queue_receive(struct server *s, int fd)
{
	struct io_uring_sqe *e = next_sqe(s);

	io_uring_prep_recv_multishot(e, fd, NULL, 0, 0);
	e->flags |= IOSQE_BUFFER_SELECT;
	e->buf_group = GROUP;
	io_uring_sqe_set_data64(e, tag(RECEIVE, fd, 0));
}

static inline void queue_send(struct server *s, int fd, uint32_t buffer)
{
	struct io_uring_sqe *e = next_sqe(s);
	uint32_t sent = s->sent[buffer];

	io_uring_prep_send(e, fd, s->memory + buffer * SIZE + sent, s->length[buffer] - sent, MSG_NOSIGNAL);
	io_uring_sqe_set_data64(e, tag(SEND, fd, buffer));
}

static inline void give(struct server *s, uint32_t buffer)
{
	io_uring_buf_ring_add(s->group, s->memory + buffer * SIZE, SIZE, (unsigned short)buffer, BUFFERS - 1, 0);
	io_uring_buf_ring_advance(s->group, 1);
}

static inline void received(struct server *s, int fd, int32_t result, uint32_t flags)
{
	if (flags & IORING_CQE_F_BUFFER) {
		uint32_t buffer = flags >> IORING_CQE_BUFFER_SHIFT;

		s->sent[buffer] = 0;
		s->length[buffer] = (uint32_t)result;
		if (result > 0)
			queue_send(s, fd, buffer);
		else
			give(s, buffer);
	}
	if (flags & IORING_CQE_F_MORE)
		return;
	if (result > 0 || result == -ENOBUFS) /* the queue or the group ran over: start it again */
		queue_receive(s, fd);
	else
		close(fd);
}

static inline void sent(struct server *s, int fd, uint32_t buffer, int32_t result)
{
	s->sent[buffer] += result > 0 ? (uint32_t)result : 0;
	if (result > 0 && s->sent[buffer] < s->length[buffer])
		queue_send(s, fd, buffer);
	else
		give(s, buffer); /* a broken connection shows in its receive */
}

static inline void completed(struct server *s, const struct io_uring_cqe *c)
{
	int fd = (int)(uint32_t)c->user_data;

	switch (c->user_data >> 56) {
	case RECEIVE:
		received(s, fd, c->res, c->flags);
		break;
	case SEND:
		sent(s, fd, (uint32_t)(c->user_data >> 32) & 0xffff, c->res);
		break;
	default:
		if (c->res < 0)
			die("accept", c->res);
		queue_receive(s, c->res);
		if (!(c->flags & IORING_CQE_F_MORE))
			queue_accept(s);
	}
}

static void listen_somewhere(struct server *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(a);

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, length) || listen(s->fd, 1024) ||
	    getsockname(s->fd, (struct sockaddr *)&a, &length))
		die("listen", errno);
	printf("port %u\n", ntohs(a.sin_port));
	fflush(stdout);
}

int main(void)
{
	static struct server s;
	int err;

	ring_open(&s.r, ENTRIES, CQ_ENTRIES);
	s.memory = aligned_alloc(4096, BUFFERS * SIZE);
	memset(s.memory, 0, BUFFERS * SIZE);
	s.group = io_uring_setup_buf_ring(&s.r, BUFFERS, GROUP, 0, &err);
	if (!s.group)
		die("io_uring_setup_buf_ring", err);
	for (uint32_t buffer = 0; buffer < BUFFERS; buffer++)
		give(&s, buffer);
	listen_somewhere(&s);
	queue_accept(&s);
	for (;;) {
		struct io_uring_cqe *c;
		unsigned head, count = 0;

		ring_enter(&s.r, 1);
		io_uring_for_each_cqe(&s.r, head, c) {
			completed(&s, c);
			count++;
		}
		io_uring_cq_advance(&s.r, count);
	}
}
