/* SPDX-License-Identifier: MIT
 *
 * What a NOP costs through the ring: submit a batch, wait for it, reap it.
 *   ring_nop [--batch N] [--ms MILLISECONDS]
 * Without --batch it measures 1, 8, 32 and 128. Prints one JSON object per line.
 */
#include "uring.h"

static double measure(uint32_t batch, uint64_t ms)
{
	struct ring r;
	uint64_t ops = 0, start, end;

	ring_open(&r, batch, SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN);
	ring_register_fd(&r);
	start = now_ns();
	do {
		/* The clock is read once per 1000 operations or so: it must not be part of the result. */
		for (uint32_t round = 0; round < 1000 / batch + 1; round++) {
			uint32_t head, tail;
			int err;

			for (uint32_t i = 0; i < batch; i++) {
				struct sqe *e = &r.sqes[i];

				memset(e, 0, sizeof(*e));
				e->opcode = OP_NOP;
				e->user_data = i;
				ring_queue(&r, i);
			}
			err = ring_enter(&r, batch);
			if (err)
				die("io_uring_enter", err);
			head = *r.cq_head;
			tail = load_acquire(r.cq_tail);
			for (; head != tail; head++, ops++) {
				struct cqe *c = &r.cqes[head & r.cq_mask];

				if (c->res || c->user_data >= batch)
					die("a NOP failed", c->res);
			}
			store_release(r.cq_head, head);
		}
		end = now_ns();
	} while (end - start < ms * 1000000);
	ring_close(&r);
	return (double)(end - start) / (double)ops;
}

int main(int argc, char **argv)
{
	static const uint32_t usual[] = { 1, 8, 32, 128 };
	uint64_t ms = option_number(argc, argv, "--ms", 500);
	uint64_t only = option_number(argc, argv, "--batch", 0);

	for (size_t i = 0; i < (only ? 1 : sizeof(usual) / sizeof(*usual)); i++) {
		uint32_t batch = only ? (uint32_t)only : usual[i];

		printf("{\"batch\":%u,\"nsPerOp\":%.2f}\n", batch, measure(batch, ms));
	}
	return 0;
}
