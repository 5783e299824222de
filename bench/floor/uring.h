/* SPDX-License-Identifier: MIT
 *
 * The least io_uring that the ublk servers need, straight on the system calls: it writes its SQEs once and queues them by
 * number, which liburing does not do. Everything is declared here. The floor is what our TypeScript is compared with: it must be as
 * fast as C can be on this path, and no faster than a correct program may be.
 */
#ifndef FLOOR_URING_H
#define FLOOR_URING_H

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "floor.h"

#define NR_SETUP 425
#define NR_ENTER 426
#define NR_REGISTER 427

#define SETUP_SQE128 (1u << 10)
#define SETUP_SINGLE_ISSUER (1u << 12)
#define SETUP_DEFER_TASKRUN (1u << 13)
#define ENTER_GETEVENTS 1u
#define ENTER_REGISTERED_RING 16u
#define REGISTER_FILES 2
#define REGISTER_BUFFERS2 15
#define REGISTER_RING_FDS 20
#define REGISTER_PBUF_RING 22
#define RSRC_SPARSE 1u

#define OP_FSYNC 3
#define OP_READ_FIXED 4
#define OP_WRITE_FIXED 5
#define OP_URING_CMD 46
#define FSYNC_DATASYNC 1u
#define SQE_FIXED_FILE 1u
#define SQE_BUFFER_SELECT 32u
#define SQE_CQE_SKIP_SUCCESS 64u
#define URING_CMD_MULTISHOT 2u
#define CQE_HAS_BUFFER 1u
#define CQE_MORE 2u
#define CQE_BUFFER_SHIFT 16

struct sqe {
	uint8_t opcode, flags;
	uint16_t ioprio;
	int32_t fd;
	uint64_t off;
	uint64_t addr;
	uint32_t len, op_flags;
	uint64_t user_data;
	uint16_t buf_index, personality;
	int32_t splice_fd;
	uint64_t cmd[2]; /* ten words on a SQE128 ring */
};

struct cqe {
	uint64_t user_data;
	int32_t res;
	uint32_t flags;
};

struct ring_offsets {
	uint32_t head, tail, mask, entries;
	uint32_t word4, word5, word6, resv; /* sq: flags, dropped, array; cq: overflow, cqes, flags */
	uint64_t user_addr;
};

struct ring_params {
	uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, resv[3];
	struct ring_offsets sq, cq;
};

_Static_assert(sizeof(struct sqe) == 64, "sqe");
_Static_assert(sizeof(struct cqe) == 16, "cqe");
_Static_assert(sizeof(struct ring_params) == 120, "io_uring_params");

struct ring {
	int fd;         /* the real descriptor */
	int enter_fd;   /* its registered index when there is one */
	uint32_t enter_flags;
	uint32_t sq_mask, sq_entries, cq_mask;
	uint32_t *sq_tail, *sq_array, *cq_head, *cq_tail;
	uint32_t tail, submitted;
	struct sqe *sqes;
	struct cqe *cqes;
	void *map;
	size_t map_size, sqes_size;
};

static inline uint32_t load_acquire(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void store_release(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline void ring_open(struct ring *r, uint32_t entries, uint32_t flags)
{
	struct ring_params p = { .flags = flags };
	size_t sq_size, cq_size;
	char *m;

	memset(r, 0, sizeof(*r));
	r->fd = (int)syscall(NR_SETUP, entries, &p);
	if (r->fd < 0)
		die("io_uring_setup", errno);
	sq_size = p.sq.word6 + p.sq_entries * sizeof(uint32_t);
	cq_size = p.cq.word5 + p.cq_entries * sizeof(struct cqe);
	/* Since Linux 5.4 one mapping holds both rings. */
	r->map_size = sq_size > cq_size ? sq_size : cq_size;
	r->sqes_size = (size_t)p.sq_entries * (flags & SETUP_SQE128 ? 128 : 64);
	m = mmap(NULL, r->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, 0);
	if (m == MAP_FAILED)
		die("mmap of the rings", errno);
	r->map = m;
	r->sqes = mmap(NULL, r->sqes_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, 0x10000000);
	if (r->sqes == MAP_FAILED)
		die("mmap of the SQEs", errno);
	r->sq_tail = (uint32_t *)(m + p.sq.tail);
	r->sq_mask = *(uint32_t *)(m + p.sq.mask);
	r->sq_entries = p.sq_entries;
	r->sq_array = (uint32_t *)(m + p.sq.word6);
	r->cq_head = (uint32_t *)(m + p.cq.head);
	r->cq_tail = (uint32_t *)(m + p.cq.tail);
	r->cq_mask = *(uint32_t *)(m + p.cq.mask);
	r->cqes = (struct cqe *)(m + p.cq.word5);
	r->tail = r->submitted = *r->sq_tail;
	r->enter_fd = r->fd;
}

/* Saves the kernel a descriptor lookup in every enter. Belongs to the calling thread. */
static inline void ring_register_fd(struct ring *r)
{
	struct { uint32_t offset, resv; uint64_t data; } update = { .offset = ~0u, .data = (uint64_t)r->fd };

	if (syscall(NR_REGISTER, r->fd, REGISTER_RING_FDS, &update, 1) != 1)
		return;
	r->enter_fd = (int)update.offset;
	r->enter_flags = ENTER_REGISTERED_RING;
}

static inline void ring_register_sparse_buffers(struct ring *r, uint32_t count)
{
	struct { uint32_t nr, flags; uint64_t resv2, data, tags; } table = { .nr = count, .flags = RSRC_SPARSE };

	if (syscall(NR_REGISTER, r->fd, REGISTER_BUFFERS2, &table, sizeof(table)) < 0)
		die("register the buffer table", errno);
}

/* An SQE names a file by its place in the list then, with SQE_FIXED_FILE: the kernel need not look up its descriptor. */
static inline void ring_register_files(struct ring *r, const int *fds, uint32_t count)
{
	if (syscall(NR_REGISTER, r->fd, REGISTER_FILES, fds, count) < 0)
		die("register the files", errno);
}

static inline void ring_close(struct ring *r)
{
	munmap(r->sqes, r->sqes_size);
	munmap(r->map, r->map_size);
	close(r->fd);
}

/* Queues the SQE of a slot: the caller has filled it, now or long ago. */
static inline void ring_queue(struct ring *r, uint32_t slot)
{
	r->sq_array[r->tail++ & r->sq_mask] = slot;
}

/* Submits what is queued and waits for `wait` completions. Returns 0 or -errno. */
static inline int ring_enter(struct ring *r, uint32_t wait)
{
	for (;;) {
		uint32_t count = r->tail - r->submitted;
		long got;

		store_release(r->sq_tail, r->tail);
		got = syscall(NR_ENTER, r->enter_fd, count, wait, r->enter_flags | ENTER_GETEVENTS, NULL, 0);
		if (got >= 0) {
			r->submitted += (uint32_t)got;
			return 0;
		}
		if (errno != EINTR)
			return -errno;
	}
}

#endif
