/* SPDX-License-Identifier: MIT
 *
 * A ring of liburing as our TypeScript sets its own up: the same flags, and a registered descriptor. What is compared with ours is
 * then an ordinary, careful C program, as its users would write it.
 */
#ifndef FLOOR_RING_H
#define FLOOR_RING_H

#include <liburing.h>

#include "floor.h"

static inline void ring_open(struct io_uring *r, unsigned entries, unsigned cq_entries)
{
	static const unsigned taskrun = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL;
	struct io_uring_params p = { .flags = taskrun | IORING_SETUP_NO_SQARRAY };
	int err;

	if (cq_entries) {
		p.flags |= IORING_SETUP_CQSIZE;
		p.cq_entries = cq_entries;
	}
	err = io_uring_queue_init_params(entries, r, &p);
	if (err == -EINVAL) { /* NO_SQARRAY came with 6.6 */
		p.flags &= ~IORING_SETUP_NO_SQARRAY;
		err = io_uring_queue_init_params(entries, r, &p);
	}
	if (err)
		die("io_uring_queue_init_params", err);
	err = io_uring_register_ring_fd(r);
	if (err != 1)
		die("io_uring_register_ring_fd", err);
}

/* Submits what is queued and waits for `wait` completions. */
static inline void ring_enter(struct io_uring *r, unsigned wait)
{
	int err;

	do
		err = io_uring_submit_and_wait(r, wait);
	while (err == -EINTR);
	if (err < 0)
		die("io_uring_submit_and_wait", err);
}

#endif
