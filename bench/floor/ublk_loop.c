/* SPDX-License-Identifier: MIT
 *
 * A file as a disk in C, as the floor of ours, in mode auto: the kernel registers a request's pages, and one READ_FIXED or WRITE_FIXED moves
 * the data between them and the file.
 *   ublk_loop --file PATH --mode auto [--depth 128] [--queues 1] [--max-io BYTES] [--id N]
 * Prints "ready /dev/ublkbN" when the disk is there. SIGTERM or SIGINT stops and deletes it. The file is used through the page cache.
 *
 * Permanent SQEs: a commit for every tag, then the operation on the file that its request needs.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "ublk_tags.h"

static inline struct sqe *operation(struct queue *q, uint32_t tag)
{
	return &q->r.sqes[q->depth + tag];
}

static void write_operations(struct queue *q)
{
	for (uint32_t tag = 0; tag < q->depth; tag++) {
		struct sqe *e = operation(q, tag);

		memset(e, 0, sizeof(*e));
		e->flags = SQE_FIXED_FILE;
		e->fd = BACKING_FILE;
		e->user_data = q->depth + tag;
	}
}

static inline void move(struct queue *q, uint32_t tag, const struct io_desc *d, uint8_t opcode)
{
	struct sqe *e = operation(q, tag);

	e->opcode = opcode;
	e->off = d->start << 9;
	e->addr = 0; /* within the request */
	e->len = d->sectors << 9;
	e->op_flags = 0;
	e->buf_index = (uint16_t)tag;
	ring_queue(&q->r, q->depth + tag);
}

static void flush(struct queue *q, uint32_t tag)
{
	struct sqe *e = operation(q, tag);

	e->opcode = OP_FSYNC;
	e->off = e->addr = 0;
	e->len = 0;
	e->op_flags = FSYNC_DATASYNC;
	e->buf_index = 0;
	ring_queue(&q->r, q->depth + tag);
}

static inline void arrived(struct queue *q, uint32_t tag)
{
	const struct io_desc *d = &q->descriptors[tag];
	uint32_t op = d->op_flags & 0xff;

	if (d->op_flags & IO_F_NEED_REG_BUF)
		tag_commit(q, tag, -ENOMEM);
	else if (op == OP_READ_BLOCKS)
		move(q, tag, d, OP_READ_FIXED);
	else if (op == OP_WRITE_BLOCKS)
		move(q, tag, d, OP_WRITE_FIXED);
	else if (op == OP_FLUSH_CACHE)
		flush(q, tag);
	else
		tag_commit(q, tag, -EOPNOTSUPP);
}

/* What is left of a range that was moved in part goes out again. */
static void move_rest(struct queue *q, uint32_t tag, uint32_t done)
{
	struct sqe *e = operation(q, tag);

	e->off += done;
	e->addr += done;
	e->len -= done;
	ring_queue(&q->r, q->depth + tag);
}

static inline void moved(struct queue *q, uint32_t tag, int32_t result)
{
	const struct sqe *e = operation(q, tag);

	if (result < 0)
		tag_commit(q, tag, result);
	else if ((uint32_t)result == e->len) /* nothing of a flush */
		tag_commit(q, tag, whole(&q->descriptors[tag]));
	else if (result == 0)
		tag_commit(q, tag, -EIO); /* the file has become shorter */
	else
		move_rest(q, tag, (uint32_t)result);
}

/* Returns how many tags the kernel has taken back for good. */
static inline uint32_t reap(struct queue *q)
{
	uint32_t head = *q->r.cq_head, tail = load_acquire(q->r.cq_tail), aborted = 0, depth = q->depth;

	for (; head != tail; head++) {
		const struct cqe *c = &q->r.cqes[head & q->r.cq_mask];
		uint32_t slot = (uint32_t)c->user_data;

		if (slot >= depth)
			moved(q, slot - depth, c->res);
		else if (c->res == -ENODEV)
			aborted++;
		else if (c->res < 0)
			die("a ublk command", c->res);
		else
			arrived(q, slot);
	}
	store_release(q->r.cq_head, head);
	return aborted;
}

static void serve(struct queue *q)
{
	uint32_t live = q->depth;

	queue_open(q, 2 * q->depth);
	write_operations(q);
	tags_fetch(q);
	while (live) {
		queue_enter(q, 1);
		live -= reap(q);
	}
	queue_close(q);
}

static void open_backing(struct server *s, const char *path)
{
	struct stat about;

	s->backing = open(path, O_RDWR | O_CLOEXEC);
	if (s->backing < 0 || fstat(s->backing, &about))
		die(path, errno);
	s->size = (uint64_t)about.st_size & ~511ull;
}

int main(int argc, char **argv)
{
	static const char *const valued[] = { SERVER_OPTIONS, "--file", NULL };
	static const char *const flags[] = { NULL };
	struct server s = { .attributes = ATTR_VOLATILE_CACHE, .serve = serve };
	const char *path = option(argc, argv, "--file", NULL);

	options_check(argc, argv, valued, flags);
	server_options(&s, argc, argv);
	if (!path || s.mode != MODE_AUTO) {
		fprintf(stderr, "usage: ublk_loop --file PATH --mode auto\n");
		return 2;
	}
	open_backing(&s, path);
	server_run(&s);
	return 0;
}
