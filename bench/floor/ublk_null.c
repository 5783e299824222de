/* SPDX-License-Identifier: MIT
 *
 * A null disk in C, as the floor of ours: it answers every request at once and moves no data of its own.
 *   ublk_null [--mode copy|auto] [--depth 128] [--queues 1] [--size BYTES] [--max-io BYTES] [--id N]
 * Prints "ready /dev/ublkbN" when the disk is there. SIGTERM or SIGINT stops and deletes it.
 *
 * The serving loop is the best we know: one enter per batch, a permanent SQE per tag (its slot is the tag), so that a
 * commit is one store of the result and one in the SQ index array. "auto" lets the kernel register the request's
 * buffer by itself, and never looks at it: the disk's contents are undefined in that mode.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "ublk.h"
#include "uring.h"

struct queue {
	pthread_t thread;
	const struct server *server;
	uint16_t id;
	struct ring r;
	struct io_desc *descriptors;
	size_t descriptors_size;
	char *buffers;
	pthread_barrier_t *fetched;
};

struct server {
	struct dev_info info;
	uint64_t size;
	int auto_buffers;
	int fd;
	struct ring control;
	int control_fd;
	struct queue *queues;
};

/* Runs one control command to its end, on the main thread: the queues have threads of their own. */
static int control(struct server *s, uint32_t op, void *data, uint16_t len, uint64_t inline_data)
{
	struct sqe *e = s->control.sqes; /* slot 0, the only one used */
	struct ctrl_cmd *c = (struct ctrl_cmd *)e->cmd;
	uint32_t head;
	int err;

	memset(e, 0, 128);
	e->opcode = OP_URING_CMD;
	e->fd = s->control_fd;
	e->off = op;
	c->dev_id = s->info.dev_id;
	c->queue_id = 0xffff;
	c->len = len;
	c->addr = (uint64_t)data;
	c->data = inline_data;
	ring_queue(&s->control, 0);
	err = ring_enter(&s->control, 1);
	if (err)
		return err;
	head = *s->control.cq_head;
	err = s->control.cqes[head & s->control.cq_mask].res;
	store_release(s->control.cq_head, head + 1);
	return err;
}

static void control_or_die(struct server *s, const char *what, uint32_t op, void *data, uint16_t len, uint64_t arg)
{
	int err = control(s, op, data, len, arg);

	if (err < 0)
		die(what, err);
}

static void queue_map(struct queue *q)
{
	const struct dev_info *info = &q->server->info;
	size_t bytes = (size_t)info->depth * info->max_io_bytes;
	size_t page = 4096;

	q->descriptors_size = (info->depth * sizeof(struct io_desc) + page - 1) & ~(page - 1);
	q->descriptors = mmap(NULL, q->descriptors_size, PROT_READ, MAP_SHARED | MAP_POPULATE, q->server->fd,
			      (off_t)q->id * DESCRIPTOR_STRIDE);
	if (q->descriptors == MAP_FAILED)
		die("mmap of the descriptors", errno);
	if (q->server->auto_buffers)
		return;
	q->buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (q->buffers == MAP_FAILED)
		die("mmap of the buffers", errno);
	madvise(q->buffers, bytes, MADV_NOHUGEPAGE);
	/* The kernel reads pages that were never written by a slow path, every time. */
	for (uint32_t tag = 0; tag < info->depth; tag++)
		q->buffers[(size_t)tag * info->max_io_bytes] = 0;
}

/* Fills the tag's permanent SQE and queues it as a FETCH; from then on only its result changes. */
static void queue_fetch(struct queue *q, uint16_t tag)
{
	struct sqe *e = &q->r.sqes[tag];
	struct io_cmd *c = (struct io_cmd *)e->cmd;

	memset(e, 0, sizeof(*e));
	e->opcode = OP_URING_CMD;
	e->fd = q->server->fd;
	e->off = IO_FETCH;
	e->user_data = tag;
	c->q_id = q->id;
	c->tag = tag;
	if (q->server->auto_buffers)
		e->addr = tag | AUTO_BUF_REG_FALLBACK;
	else
		c->addr = (uint64_t)(q->buffers + (size_t)tag * q->server->info.max_io_bytes);
	ring_queue(&q->r, tag);
}

static inline int32_t serve(const struct io_desc *d)
{
	uint32_t op = d->op_flags & 0xff;

	return op == OP_READ_BLOCKS || op == OP_WRITE_BLOCKS ? (int32_t)(d->sectors << 9) : 0;
}

/* Answers all requests that arrived; returns how many tags the kernel has taken back for good. */
static inline uint32_t queue_reap(struct queue *q)
{
	uint32_t head = *q->r.cq_head, tail = load_acquire(q->r.cq_tail), aborted = 0;

	for (; head != tail; head++) {
		const struct cqe *c = &q->r.cqes[head & q->r.cq_mask];
		uint32_t tag = (uint32_t)c->user_data;

		if (c->res == -ENODEV) {
			aborted++;
			continue;
		}
		if (c->res < 0)
			die("a ublk command", c->res);
		((struct io_cmd *)q->r.sqes[tag].cmd)->result = serve(&q->descriptors[tag]);
		ring_queue(&q->r, tag);
	}
	store_release(q->r.cq_head, head);
	return aborted;
}

static void *queue_main(void *arg)
{
	struct queue *q = arg;
	uint32_t live = q->server->info.depth;
	int err;

	ring_open(&q->r, live, SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN);
	if (q->server->auto_buffers)
		ring_register_sparse_buffers(&q->r, live);
	queue_map(q);
	for (uint32_t tag = 0; tag < live; tag++)
		queue_fetch(q, (uint16_t)tag);
	err = ring_enter(&q->r, 0);
	if (err)
		die("submit the fetches", err);
	for (uint32_t tag = 0; tag < live; tag++)
		q->r.sqes[tag].off = IO_COMMIT_AND_FETCH;
	ring_register_fd(&q->r);
	pthread_barrier_wait(q->fetched);
	while (live) {
		err = ring_enter(&q->r, 1);
		if (err)
			die("io_uring_enter", err);
		live -= queue_reap(q);
	}
	/* DEL_DEV waits for whatever still holds the device: the mapping and the ring go first. */
	munmap(q->descriptors, q->descriptors_size);
	ring_close(&q->r);
	return NULL;
}

static void device_add(struct server *s)
{
	struct params p = {
		.len = sizeof(p),
		.types = 1,
		.logical_shift = 9,
		.physical_shift = 12,
		.io_opt_shift = 12,
		.io_min_shift = 9,
		.dev_sectors = s->size >> 9,
	};
	char path[32];

	control_or_die(s, "ADD_DEV", CMD_ADD_DEV, &s->info, sizeof(s->info), 0);
	if (s->auto_buffers && !(s->info.flags & F_AUTO_BUF_REG)) {
		/* An older kernel drops the flag silently. The device must not outlive the refusal. */
		control(s, CMD_DEL_DEV, NULL, 0, 0);
		die("this kernel has no AUTO_BUF_REG (Linux 6.16)", EOPNOTSUPP);
	}
	p.max_sectors = s->info.max_io_bytes >> 9;
	control_or_die(s, "SET_PARAMS", CMD_SET_PARAMS, &p, sizeof(p), 0);
	snprintf(path, sizeof(path), "/dev/ublkc%u", s->info.dev_id);
	/* devtmpfs makes the node at once, udev may take a moment to give it its rights. */
	for (int tries = 0; (s->fd = open(path, O_RDWR | O_CLOEXEC)) < 0; tries++) {
		if (tries == 300)
			die(path, errno);
		usleep(10000);
	}
}

static void queues_start(struct server *s)
{
	pthread_barrier_t fetched;

	s->queues = calloc(s->info.queues, sizeof(*s->queues));
	pthread_barrier_init(&fetched, NULL, s->info.queues + 1u);
	for (uint16_t i = 0; i < s->info.queues; i++) {
		struct queue *q = &s->queues[i];
		int err;

		q->server = s;
		q->id = i;
		q->fetched = &fetched;
		err = pthread_create(&q->thread, NULL, queue_main, q);
		if (err)
			die("pthread_create", err);
	}
	pthread_barrier_wait(&fetched);
	pthread_barrier_destroy(&fetched);
}

static void device_remove(struct server *s)
{
	control_or_die(s, "STOP_DEV", CMD_STOP_DEV, NULL, 0, 0);
	for (uint16_t i = 0; i < s->info.queues; i++)
		pthread_join(s->queues[i].thread, NULL);
	close(s->fd);
	control_or_die(s, "DEL_DEV", CMD_DEL_DEV, NULL, 0, 0);
}

int main(int argc, char **argv)
{
	struct server s = { 0 };
	const char *mode = option(argc, argv, "--mode", "copy");
	sigset_t stop;
	int signal;

	s.auto_buffers = !strcmp(mode, "auto");
	if (!s.auto_buffers && strcmp(mode, "copy")) {
		fprintf(stderr, "--mode %s: must be copy or auto\n", mode);
		return 2;
	}
	s.size = option_number(argc, argv, "--size", 1ull << 30);
	s.info.dev_id = (uint32_t)option_number(argc, argv, "--id", 0xffffffff);
	s.info.queues = (uint16_t)option_number(argc, argv, "--queues", 1);
	s.info.depth = (uint16_t)option_number(argc, argv, "--depth", 128);
	s.info.max_io_bytes = (uint32_t)option_number(argc, argv, "--max-io", 512 << 10);
	s.info.flags = F_CMD_IOCTL_ENCODE | (s.auto_buffers ? F_AUTO_BUF_REG | F_SUPPORT_ZERO_COPY : 0);

	/* Blocked before the threads exist, so that only sigwait below sees them. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);

	s.control_fd = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	if (s.control_fd < 0)
		die("/dev/ublk-control", errno);
	ring_open(&s.control, 64, SETUP_SQE128);
	device_add(&s);
	queues_start(&s);
	control_or_die(&s, "START_DEV", CMD_START_DEV, NULL, 0, (uint64_t)getpid());
	printf("ready /dev/ublkb%u\n", s.info.dev_id);
	fflush(stdout);
	sigwait(&stop, &signal);
	device_remove(&s);
	return 0;
}
