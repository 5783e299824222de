/* SPDX-License-Identifier: MIT
 *
 * Random 4 KiB reads of a cached file through the ring, `depth` of them in flight.
 *   ring_read --file PATH [--depth N] [--ms MILLISECONDS]
 * Without --depth it measures 1, 32 and 128. Prints one JSON object per line.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "uring.h"

#define BLOCK 4096u

struct bench {
	struct ring r;
	int fd;
	uint32_t blocks, seed;
	char *buffers;
};

static inline uint32_t next_random(struct bench *b)
{
	uint32_t x = b->seed;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return b->seed = x;
}

static inline void queue_read(struct bench *b, uint32_t slot)
{
	struct sqe *e = &b->r.sqes[slot];

	memset(e, 0, sizeof(*e));
	e->opcode = OP_READ;
	e->fd = b->fd;
	e->off = (uint64_t)(next_random(b) % b->blocks) * BLOCK;
	e->addr = (uint64_t)(b->buffers + (size_t)slot * BLOCK);
	e->len = BLOCK;
	e->user_data = slot;
	ring_queue(&b->r, slot);
}

/* Reaps all that is there, starts a new read for each; returns how many. */
static inline uint32_t reap(struct bench *b)
{
	uint32_t head = *b->r.cq_head, tail = load_acquire(b->r.cq_tail), count = tail - head;

	for (; head != tail; head++) {
		struct cqe *c = &b->r.cqes[head & b->r.cq_mask];

		if (c->res != (int32_t)BLOCK)
			die("read", c->res < 0 ? c->res : EIO);
		queue_read(b, (uint32_t)c->user_data);
	}
	store_release(b->r.cq_head, head);
	return count;
}

static double measure(struct bench *b, uint32_t depth, uint64_t ms)
{
	uint64_t ops = 0, start, end;

	ring_open(&b->r, depth, SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN);
	ring_register_fd(&b->r);
	b->seed = 0x2545f491;
	for (uint32_t slot = 0; slot < depth; slot++)
		queue_read(b, slot);
	start = now_ns();
	do {
		for (uint32_t round = 0; round < 1000 / depth + 1; round++) {
			int err = ring_enter(&b->r, 1);

			if (err)
				die("io_uring_enter", err);
			ops += reap(b);
		}
		end = now_ns();
	} while (end - start < ms * 1000000);
	ring_close(&b->r); /* the reads queued last were never submitted */
	return (double)(end - start) / (double)ops;
}

int main(int argc, char **argv)
{
	static const uint32_t usual[] = { 1, 32, 128 };
	const char *path = option(argc, argv, "--file", NULL);
	uint64_t ms = option_number(argc, argv, "--ms", 500);
	uint64_t only = option_number(argc, argv, "--depth", 0);
	struct bench b = { 0 };
	struct stat st;

	if (!path) {
		fprintf(stderr, "usage: ring_read --file PATH [--depth N] [--ms MILLISECONDS]\n");
		return 2;
	}
	b.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (b.fd < 0 || fstat(b.fd, &st) < 0)
		die(path, errno);
	b.blocks = (uint32_t)(st.st_size / BLOCK);
	if (!b.blocks)
		die("the file is smaller than a block", EINVAL);
	b.buffers = aligned_alloc(BLOCK, (only > 128 ? only : 128) * (size_t)BLOCK);
	for (size_t i = 0; i < (only ? 1 : sizeof(usual) / sizeof(*usual)); i++) {
		uint32_t depth = only ? (uint32_t)only : usual[i];

		printf("{\"depth\":%u,\"nsPerOp\":%.2f}\n", depth, measure(&b, depth, ms));
	}
	return 0;
}
