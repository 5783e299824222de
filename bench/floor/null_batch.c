/* SPDX-License-Identifier: MIT
 *
 * A null disk's queue whose requests come and go by the list (F_BATCH_IO, Linux 7.0), in the modes copy and auto: one FETCH_IO_CMDS stays and
 * puts the tags of what has arrived into provided buffers; what was answered in one pass goes out in one COMMIT_IO_CMDS.
 *
 * Permanent SQEs: for every tag a commit alone, which posts a completion only if it fails; then one for a list, which always does: it may
 * stop half-way, and that is no failure. Its completion is there when the enter that submits it has submitted: the wait counts it in.
 */
#include "null_serve.h"

#define GROUP 0u
#define TAGS_MAX 128u /* in one completion: the driver's limit */

struct buffer_entry {
	uint64_t addr;
	uint32_t len;
	uint16_t bid, tail; /* the tail of the ring is in the first entry */
};

_Static_assert(sizeof(struct buffer_entry) == 16, "io_uring_buf");

struct batch {
	struct queue *q;
	uint32_t list_slot, fetch_slot; /* SQEs behind those of the tags */
	uint16_t flags;
	uint32_t element_words; /* of 8 bytes: 2 with the address of a buffer */
	uint64_t *elements;     /* one for each tag, and behind them the list */
	uint16_t *answered;     /* tags, in this pass */
	uint32_t answered_count;
	uint32_t listed; /* elements of the list that the kernel has; 0: it is free */
	struct buffer_entry *buffers;
	uint32_t buffer_count, tags_per_buffer;
	uint16_t buffers_tail;
	uint16_t *tags; /* of all buffers */
	int over;
};

static inline uint64_t *element(const struct batch *b, uint32_t index)
{
	return b->elements + (size_t)index * b->element_words;
}

/* A command that points to elements. */
static void write_command(struct batch *b, uint32_t slot, uint32_t command, uint8_t flags, const uint64_t *elements, uint32_t count)
{
	struct sqe *e = queue_command(b->q, slot, command, flags);
	struct batch_io *c = (struct batch_io *)e->cmd;

	e->addr = (uint64_t)elements;
	c->q_id = b->q->id;
	c->flags = b->flags;
	c->nr_elem = (uint16_t)count;
	c->elem_bytes = (uint8_t)(b->element_words * 8);
}

static void *anonymous_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap", errno);
	return memory;
}

static inline void give_buffer(struct batch *b, uint32_t id)
{
	struct buffer_entry *e = &b->buffers[b->buffers_tail & (b->buffer_count - 1)];

	e->addr = (uint64_t)(b->tags + (size_t)id * b->tags_per_buffer);
	e->len = b->tags_per_buffer * 2;
	e->bid = (uint16_t)id;
	b->buffers_tail++;
	__atomic_store_n(&b->buffers[0].tail, b->buffers_tail, __ATOMIC_RELEASE);
}

/* As many buffers as there are tags, so that it never runs out: a completion brings one tag at least. */
static void buffers_open(struct batch *b)
{
	struct { uint64_t addr; uint32_t entries; uint16_t group, flags; uint64_t resv[3]; } ring = { .group = GROUP };

	for (b->buffer_count = 1; b->buffer_count < b->q->depth;)
		b->buffer_count *= 2;
	b->tags_per_buffer = b->q->depth < TAGS_MAX ? b->q->depth : TAGS_MAX;
	b->buffers = anonymous_memory(b->buffer_count * sizeof(*b->buffers));
	b->tags = anonymous_memory((size_t)b->buffer_count * b->tags_per_buffer * 2);
	ring.addr = (uint64_t)b->buffers;
	ring.entries = b->buffer_count;
	if (syscall(NR_REGISTER, b->q->r.fd, REGISTER_PBUF_RING, &ring, 1) < 0)
		die("register the buffer ring", errno);
	for (uint32_t id = 0; id < b->buffer_count; id++)
		give_buffer(b, id);
}

static void elements_open(struct batch *b)
{
	struct queue *q = b->q;
	int copies = q->server->mode == MODE_COPY;

	b->flags = copies ? BATCH_HAS_BUF_ADDR : BATCH_AUTO_BUF_REG_FALLBACK;
	b->element_words = copies ? 2 : 1;
	b->elements = anonymous_memory((size_t)q->depth * 2 * b->element_words * 8);
	b->answered = anonymous_memory(q->depth * sizeof(*b->answered));
	for (uint32_t tag = 0; tag < q->depth; tag++) {
		struct elem_header *h = (struct elem_header *)element(b, tag);

		h->tag = (uint16_t)tag;
		h->buf_index = copies ? 0 : (uint16_t)tag;
		if (copies)
			element(b, tag)[1] = (uint64_t)queue_buffer(q, tag);
		write_command(b, tag, IO_COMMIT_IO_CMDS, SQE_CQE_SKIP_SUCCESS, element(b, tag), 1);
	}
	write_command(b, b->list_slot, IO_COMMIT_IO_CMDS, 0, element(b, q->depth), 0);
}

/* Hands all tags to the kernel, by the SQE that fetches later. */
static void prepare(struct batch *b)
{
	struct ring *r = &b->q->r;
	uint32_t head = *r->cq_head;
	int err;

	write_command(b, b->fetch_slot, IO_PREP_IO_CMDS, 0, b->elements, b->q->depth);
	ring_queue(r, b->fetch_slot);
	queue_enter(b->q, 1);
	err = r->cqes[head & r->cq_mask].res;
	if (err < 0)
		die("PREP_IO_CMDS", err);
	store_release(r->cq_head, head + 1);
}

static void fetch(struct batch *b)
{
	struct sqe *e = queue_command(b->q, b->fetch_slot, IO_FETCH_IO_CMDS, SQE_BUFFER_SELECT);
	struct batch_io *c = (struct batch_io *)e->cmd;

	e->op_flags = URING_CMD_MULTISHOT;
	e->buf_index = GROUP;
	c->q_id = b->q->id;
	c->elem_bytes = 2;
	ring_queue(&b->q->r, b->fetch_slot);
}

static inline void answer(struct batch *b, uint32_t tag)
{
	((struct elem_header *)element(b, tag))->result = whole(&b->q->descriptors[tag]);
	b->answered[b->answered_count++] = (uint16_t)tag;
}

static inline void answer_buffer(struct batch *b, uint32_t id, uint32_t count)
{
	const uint16_t *tags = b->tags + (size_t)id * b->tags_per_buffer;

	for (uint32_t i = 0; i < count; i++)
		answer(b, tags[i]);
	give_buffer(b, id);
}

static inline void fetched(struct batch *b, const struct cqe *c)
{
	if (c->flags & CQE_HAS_BUFFER)
		answer_buffer(b, c->flags >> CQE_BUFFER_SHIFT, (uint32_t)c->res / 2);
	if (c->flags & CQE_MORE)
		return;
	if (c->res == -ENODEV)
		b->over = 1;
	else if (c->res < 0 && c->res != -ENOBUFS)
		die("FETCH_IO_CMDS", c->res);
	else
		fetch(b);
}

static inline void committed(struct batch *b, const struct cqe *c)
{
	if (c->res < 0)
		die("COMMIT_IO_CMDS", c->res);
	if ((uint32_t)c->res != b->listed * b->element_words * 8)
		die("COMMIT_IO_CMDS stopped half-way", EIO);
	b->listed = 0;
}

static inline void reap(struct batch *b)
{
	struct ring *r = &b->q->r;
	uint32_t head = *r->cq_head, tail = load_acquire(r->cq_tail);

	for (; head != tail; head++) {
		const struct cqe *c = &r->cqes[head & r->cq_mask];

		if (c->user_data == b->fetch_slot)
			fetched(b, c);
		else
			committed(b, c);
	}
	store_release(r->cq_head, head);
}

static inline void commit_list(struct batch *b)
{
	uint64_t *to = element(b, b->q->depth);

	for (uint32_t i = 0; i < b->answered_count; i++) {
		const uint64_t *from = element(b, b->answered[i]);

		*to++ = from[0];
		if (b->element_words == 2)
			*to++ = from[1];
	}
	((struct batch_io *)b->q->r.sqes[b->list_slot].cmd)->nr_elem = (uint16_t)b->answered_count;
	b->listed = b->answered_count;
	ring_queue(&b->q->r, b->list_slot);
}

/* Queues the commits of what was answered: one alone, and each alone should the kernel still have the list. */
static inline void commit(struct batch *b)
{
	if (b->answered_count > 1 && !b->listed)
		commit_list(b);
	else
		for (uint32_t i = 0; i < b->answered_count; i++)
			ring_queue(&b->q->r, b->answered[i]);
	b->answered_count = 0;
}

void null_serve_batch(struct queue *q)
{
	struct batch b = { .q = q, .list_slot = q->depth, .fetch_slot = q->depth + 1 };

	queue_open(q, q->depth + 2);
	buffers_open(&b);
	elements_open(&b);
	prepare(&b);
	fetch(&b);
	queue_enter(q, 0);
	queue_fetched(q);
	while (!b.over) {
		queue_enter(q, 1 + (b.listed != 0));
		reap(&b);
		commit(&b);
	}
	queue_close(q);
}
