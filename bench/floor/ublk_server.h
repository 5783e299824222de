/* SPDX-License-Identifier: MIT
 *
 * What the floor's disks have in common: the device from ADD_DEV to DEL_DEV, and the thread, ring and memory of each queue. How requests
 * are fetched, answered and committed is a function of its own for each way.
 */
#ifndef FLOOR_UBLK_SERVER_H
#define FLOOR_UBLK_SERVER_H

#include <pthread.h>

#include "ublk.h"
#include "uring.h"

enum mode { MODE_COPY, MODE_USER_COPY, MODE_ZERO_COPY, MODE_AUTO };

/* Places in the file table of every queue's ring. */
enum { CHAR_FILE, BACKING_FILE };

struct queue {
	pthread_t thread;
	const struct server *server;
	uint16_t id;
	uint32_t depth;
	struct ring r;
	struct io_desc *descriptors;
	size_t descriptors_size;
	char *buffers; /* of the tags, in the modes that copy */
	pthread_barrier_t *fetched;
};

/* Serves a queue until its device stops, on a thread of its own. Begins with queue_open(), has queue_fetched() in it, ends with queue_close(). */
typedef void serve_fn(struct queue *);

struct server {
	struct dev_info info;
	uint64_t size;
	enum mode mode;
	int batch;
	uint32_t attributes; /* of the disk */
	int backing; /* the file behind the disk, or -1 */
	serve_fn *serve;
	int fd;
	struct ring control;
	int control_fd;
	struct queue *queues;
};

/* Options that every server takes, for options_check(). */
#define SERVER_OPTIONS "--mode", "--depth", "--queues", "--max-io", "--id"

/* Reads those; the caller says which disk it is. */
void server_options(struct server *s, int argc, char **argv);

/* Runs the disk: prints "ready /dev/ublkbN" when it is there, and removes it on SIGTERM or SIGINT. */
void server_run(struct server *s);

/* Opens the ring, with so many SQEs, and maps the descriptors and the tags' buffers. */
void queue_open(struct queue *q, uint32_t sqes);

/* Every request of the queue is asked for. The calling thread makes a system call less per enter from here on. */
void queue_fetched(struct queue *q);

void queue_close(struct queue *q);

static inline char *queue_buffer(const struct queue *q, uint32_t tag)
{
	return q->buffers + (size_t)tag * q->server->info.max_io_bytes;
}

static inline int has_data(const struct io_desc *d)
{
	return (d->op_flags & 0xff) <= OP_WRITE_BLOCKS;
}

/* The result of a request that is done as a whole. */
static inline int32_t whole(const struct io_desc *d)
{
	return has_data(d) ? (int32_t)(d->sectors << 9) : 0;
}

/* Submits, and waits for `wait` completions. */
static inline void queue_enter(struct queue *q, uint32_t wait)
{
	int err = ring_enter(&q->r, wait);

	if (err)
		die("io_uring_enter", err);
}

/* An SQE for a command to the char device, with nothing in its payload. */
static inline struct sqe *queue_command(struct queue *q, uint32_t slot, uint32_t command, uint8_t flags)
{
	struct sqe *e = &q->r.sqes[slot];

	memset(e, 0, sizeof(*e));
	e->opcode = OP_URING_CMD;
	e->flags = SQE_FIXED_FILE | flags;
	e->fd = CHAR_FILE;
	e->off = command;
	e->user_data = slot;
	return e;
}

#endif
