/* SPDX-License-Identifier: MIT
 *
 * What a NOP costs through the ring: submit a batch, wait for it, reap it.
 *   ring_nop [--batch N] [--ms MILLISECONDS]
 * Without --batch it measures 1, 8, 32 and 128. Prints one JSON object per line.
 */
#include "ring.h"

static uint64_t round_trip(struct io_uring *r, uint32_t batch)
{
	struct io_uring_cqe *c;
	unsigned head, count = 0;

	for (uint32_t i = 0; i < batch; i++) {
		struct io_uring_sqe *e = io_uring_get_sqe(r);

		io_uring_prep_nop(e);
		io_uring_sqe_set_data64(e, i);
	}
	ring_enter(r, batch);
	io_uring_for_each_cqe(r, head, c) {
		if (c->res || c->user_data >= batch)
			die("a NOP failed", c->res);
		count++;
	}
	io_uring_cq_advance(r, count);
	return count;
}

static void measure(uint32_t batch, uint64_t ms)
{
	struct io_uring r;
	uint64_t ops = 0, start, end, cpu;

	ring_open(&r, batch, 0);
	start = now_ns();
	cpu = cpu_ns();
	do {
		/* The clock is read once per 1000 operations or so: it must not be part of the result. */
		for (uint32_t round = 0; round < 1000 / batch + 1; round++)
			ops += round_trip(&r, batch);
		end = now_ns();
	} while (end - start < ms * 1000000);
	cpu = cpu_ns() - cpu;
	io_uring_queue_exit(&r);
	printf("{\"batch\":%u,\"nsPerOp\":%.2f,\"cpuNsPerOp\":%.2f}\n", batch, (double)(end - start) / (double)ops,
	       (double)cpu / (double)ops);
}

int main(int argc, char **argv)
{
	static const uint32_t usual[] = { 1, 8, 32, 128 };
	uint64_t ms = option_number(argc, argv, "--ms", 500);
	uint64_t only = option_number(argc, argv, "--batch", 0);

	for (size_t i = 0; i < (only ? 1 : sizeof(usual) / sizeof(*usual)); i++)
		measure(only ? (uint32_t)only : usual[i], ms);
	return 0;
}
