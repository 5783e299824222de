/* SPDX-License-Identifier: MIT
 *
 * A permanent SQE for every tag (its slot is the tag), so that a commit is one store of the result and one in the SQ index array.
 */
#ifndef FLOOR_UBLK_TAGS_H
#define FLOOR_UBLK_TAGS_H

#include "ublk_server.h"

static inline struct io_cmd *tag_command(struct queue *q, uint32_t slot, uint32_t tag, uint32_t command, uint8_t flags)
{
	struct io_cmd *c = (struct io_cmd *)queue_command(q, slot, command, flags)->cmd;

	c->q_id = q->id;
	c->tag = (uint16_t)tag;
	return c;
}

static inline void tag_commit(struct queue *q, uint32_t tag, int32_t result)
{
	((struct io_cmd *)q->r.sqes[tag].cmd)->result = result;
	ring_queue(&q->r, tag);
}

/* Fills a tag's SQE and queues it as a FETCH; from then on only its result changes. */
static inline void tag_fetch(struct queue *q, uint32_t tag)
{
	struct io_cmd *c = tag_command(q, tag, tag, IO_FETCH, 0);

	if (q->server->mode == MODE_AUTO)
		q->r.sqes[tag].addr = tag | AUTO_BUF_REG_FALLBACK;
	else if (q->server->mode == MODE_COPY)
		c->addr = (uint64_t)queue_buffer(q, tag);
	ring_queue(&q->r, tag);
}

/* Asks for the first request of every tag. The kernel has read every FETCH when its SQE turns into a COMMIT. */
static inline void tags_fetch(struct queue *q)
{
	for (uint32_t tag = 0; tag < q->depth; tag++)
		tag_fetch(q, tag);
	queue_enter(q, 0);
	for (uint32_t tag = 0; tag < q->depth; tag++)
		q->r.sqes[tag].off = IO_COMMIT_AND_FETCH;
	queue_fetched(q);
}

#endif
