/* SPDX-License-Identifier: MIT
 *
 * Random 4 KiB reads of a cached file through the ring, `depth` of them in flight.
 *   ring_read --file PATH [--depth N] [--fixed 1] [--ms MILLISECONDS]
 * --fixed 1 reads into one registered buffer (READ_FIXED). Without --depth it measures 1, 32 and 128. Prints one JSON object per line.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "ring.h"

#define BLOCK 4096u

struct bench {
	struct io_uring r;
	int fd, fixed;
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

static inline void queue_read(struct bench *b, uint64_t slot)
{
	struct io_uring_sqe *e = io_uring_get_sqe(&b->r);
	uint64_t offset = (uint64_t)(next_random(b) % b->blocks) * BLOCK;
	char *to = b->buffers + slot * BLOCK;

	if (b->fixed)
		io_uring_prep_read_fixed(e, b->fd, to, BLOCK, offset, 0);
	else
		io_uring_prep_read(e, b->fd, to, BLOCK, offset);
	io_uring_sqe_set_data64(e, slot);
}

/* Reaps all that is there, starts a new read for each; returns how many. */
static inline uint64_t reap(struct bench *b)
{
	struct io_uring_cqe *c;
	unsigned head, count = 0;

	io_uring_for_each_cqe(&b->r, head, c) {
		if (c->res != (int32_t)BLOCK)
			die("read", c->res < 0 ? c->res : EIO);
		queue_read(b, c->user_data);
		count++;
	}
	io_uring_cq_advance(&b->r, count);
	return count;
}

static void register_buffers(struct bench *b, uint32_t depth)
{
	struct iovec whole = { .iov_base = b->buffers, .iov_len = (size_t)depth * BLOCK };
	int err = io_uring_register_buffers(&b->r, &whole, 1);

	if (err)
		die("io_uring_register_buffers", err);
}

static void measure(struct bench *b, uint32_t depth, uint64_t ms)
{
	uint64_t ops = 0, start, end, cpu;

	ring_open(&b->r, depth, 0);
	if (b->fixed)
		register_buffers(b, depth);
	b->seed = 0x2545f491;
	for (uint32_t slot = 0; slot < depth; slot++)
		queue_read(b, slot);
	start = now_ns();
	cpu = cpu_ns();
	do {
		for (uint32_t round = 0; round < 1000 / depth + 1; round++) {
			ring_enter(&b->r, 1);
			ops += reap(b);
		}
		end = now_ns();
	} while (end - start < ms * 1000000);
	cpu = cpu_ns() - cpu;
	io_uring_queue_exit(&b->r); /* the reads queued last were never submitted */
	printf("{\"depth\":%u,\"nsPerOp\":%.2f,\"cpuNsPerOp\":%.2f}\n", depth, (double)(end - start) / (double)ops,
	       (double)cpu / (double)ops);
}

int main(int argc, char **argv)
{
	static const uint32_t usual[] = { 1, 32, 128 };
	const char *path = option(argc, argv, "--file", NULL);
	uint64_t ms = option_number(argc, argv, "--ms", 500);
	uint64_t only = option_number(argc, argv, "--depth", 0);
	struct bench b = { .fixed = option_number(argc, argv, "--fixed", 0) != 0 };
	size_t bytes = (only > 128 ? only : 128) * (size_t)BLOCK;
	struct stat st;

	if (!path) {
		fprintf(stderr, "usage: ring_read --file PATH [--depth N] [--fixed 1] [--ms MILLISECONDS]\n");
		return 2;
	}
	b.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (b.fd < 0 || fstat(b.fd, &st) < 0)
		die(path, errno);
	b.blocks = (uint32_t)(st.st_size / BLOCK);
	if (!b.blocks)
		die("the file is smaller than a block", EINVAL);
	b.buffers = aligned_alloc(BLOCK, bytes);
	memset(b.buffers, 0, bytes); /* so that no page is mapped while the clock runs */
	for (size_t i = 0; i < (only ? 1 : sizeof(usual) / sizeof(*usual)); i++)
		measure(&b, only ? (uint32_t)only : usual[i], ms);
	return 0;
}
