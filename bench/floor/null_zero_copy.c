/* SPDX-License-Identifier: MIT
 *
 * A null disk's queue in mode zero-copy: the pages of a READ or WRITE are put into the ring's buffer table, slot = tag, and the request is
 * answered when they are; they are given back in front of the commit. Permanent SQEs: a commit for every tag, then a REGISTER_IO_BUF, then an
 * UNREGISTER_IO_BUF. The latter posts a completion only if it fails: one that succeeds must not end the wait, which goes out with it.
 */
#include "null_serve.h"
#include "ublk_tags.h"

enum { COMMIT, REGISTER, UNREGISTER, COMMANDS };

static void write_commands(struct queue *q)
{
	for (uint32_t tag = 0; tag < q->depth; tag++) {
		tag_command(q, REGISTER * q->depth + tag, tag, IO_REGISTER_IO_BUF, 0)->addr = tag;
		tag_command(q, UNREGISTER * q->depth + tag, tag, IO_UNREGISTER_IO_BUF, SQE_CQE_SKIP_SUCCESS)->addr = tag;
	}
}

static inline void arrived(struct queue *q, uint32_t tag)
{
	const struct io_desc *d = &q->descriptors[tag];

	if (has_data(d))
		ring_queue(&q->r, REGISTER * q->depth + tag);
	else
		tag_commit(q, tag, whole(d));
}

static inline void registered(struct queue *q, uint32_t tag)
{
	ring_queue(&q->r, UNREGISTER * q->depth + tag);
	tag_commit(q, tag, whole(&q->descriptors[tag]));
}

/* Returns how many tags the kernel has taken back for good. */
static inline uint32_t reap(struct queue *q)
{
	uint32_t head = *q->r.cq_head, tail = load_acquire(q->r.cq_tail), aborted = 0, depth = q->depth;

	for (; head != tail; head++) {
		const struct cqe *c = &q->r.cqes[head & q->r.cq_mask];
		uint32_t slot = (uint32_t)c->user_data;

		if (c->res == -ENODEV && slot < depth)
			aborted++;
		else if (c->res < 0)
			die("a ublk command", c->res);
		else if (slot < depth)
			arrived(q, slot);
		else
			registered(q, slot - depth);
	}
	store_release(q->r.cq_head, head);
	return aborted;
}

void null_serve_zero_copy(struct queue *q)
{
	uint32_t live = q->depth;

	queue_open(q, COMMANDS * q->depth);
	write_commands(q);
	tags_fetch(q);
	while (live) {
		queue_enter(q, 1);
		live -= reap(q);
	}
	queue_close(q);
}
