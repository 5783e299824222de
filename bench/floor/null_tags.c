/* SPDX-License-Identifier: MIT
 *
 * A null disk's queue with a command per tag, in the modes copy, user-copy and auto. Where the server copies by itself, a READ's data goes
 * out before its commit; the data of a WRITE is not looked at, and so not fetched.
 */
#include "null_serve.h"
#include "ublk_tags.h"

static void give(const struct queue *q, uint32_t tag, const struct io_desc *d)
{
	uint64_t at = IO_BUF_OFFSET + ((uint64_t)q->id << QID_OFF) + ((uint64_t)tag << TAG_OFF);
	long length = (long)d->sectors << 9;
	/* Not the C library's: it has a cancellation point around it, which the threads of this program do not need. */
	long done = syscall(SYS_pwrite64, q->server->fd, queue_buffer(q, tag), length, at);

	if (done != length)
		die("pwrite of a READ's data", done < 0 ? errno : EIO);
}

/* Answers all requests that arrived; returns how many tags the kernel has taken back for good. */
static inline uint32_t reap(struct queue *q, int copies)
{
	uint32_t head = *q->r.cq_head, tail = load_acquire(q->r.cq_tail), aborted = 0;

	for (; head != tail; head++) {
		const struct cqe *c = &q->r.cqes[head & q->r.cq_mask];
		uint32_t tag = (uint32_t)c->user_data;
		const struct io_desc *d = &q->descriptors[tag];

		if (c->res == -ENODEV) {
			aborted++;
			continue;
		}
		if (c->res < 0)
			die("a ublk command", c->res);
		if (copies && (d->op_flags & 0xff) == OP_READ_BLOCKS)
			give(q, tag, d);
		tag_commit(q, tag, whole(d));
	}
	store_release(q->r.cq_head, head);
	return aborted;
}

void null_serve_tags(struct queue *q)
{
	uint32_t live = q->depth;
	int copies = q->server->mode == MODE_USER_COPY;

	queue_open(q, q->depth);
	tags_fetch(q);
	while (live) {
		queue_enter(q, 1);
		live -= copies ? reap(q, 1) : reap(q, 0);
	}
	queue_close(q);
}
