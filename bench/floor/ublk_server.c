/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>

#include "ublk_server.h"

static const struct {
	const char *name;
	uint64_t flags;
} modes[] = {
	[MODE_COPY] = { "copy", 0 },
	[MODE_USER_COPY] = { "user-copy", F_USER_COPY },
	[MODE_ZERO_COPY] = { "zero-copy", F_SUPPORT_ZERO_COPY },
	[MODE_AUTO] = { "auto", F_AUTO_BUF_REG | F_SUPPORT_ZERO_COPY },
};

static enum mode mode_named(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(modes[i].name, name))
			return (enum mode)i;
	fprintf(stderr, "--mode %s: must be copy, user-copy, zero-copy or auto\n", name);
	exit(2);
}

void server_options(struct server *s, int argc, char **argv)
{
	s->mode = mode_named(option(argc, argv, "--mode", "copy"));
	s->info.dev_id = (uint32_t)option_number(argc, argv, "--id", 0xffffffff);
	s->info.queues = (uint16_t)option_number(argc, argv, "--queues", 1);
	s->info.depth = (uint16_t)option_number(argc, argv, "--depth", 128);
	s->info.max_io_bytes = (uint32_t)option_number(argc, argv, "--max-io", 512 << 10);
}

static int lends_pages(const struct server *s)
{
	return s->mode == MODE_ZERO_COPY || s->mode == MODE_AUTO;
}

static void map_buffers(struct queue *q)
{
	size_t bytes = (size_t)q->depth * q->server->info.max_io_bytes;

	q->buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (q->buffers == MAP_FAILED)
		die("mmap of the buffers", errno);
	madvise(q->buffers, bytes, MADV_NOHUGEPAGE);
	/* The kernel reads pages that were never written by a slow path, every time. */
	for (uint32_t tag = 0; tag < q->depth; tag++)
		*queue_buffer(q, tag) = 0;
}

static void map_descriptors(struct queue *q)
{
	size_t page = 4096;

	q->descriptors_size = (q->depth * sizeof(struct io_desc) + page - 1) & ~(page - 1);
	q->descriptors = mmap(NULL, q->descriptors_size, PROT_READ, MAP_SHARED | MAP_POPULATE, q->server->fd,
			      (off_t)q->id * DESCRIPTOR_STRIDE);
	if (q->descriptors == MAP_FAILED)
		die("mmap of the descriptors", errno);
}

void queue_open(struct queue *q, uint32_t sqes)
{
	const struct server *s = q->server;
	int files[] = { [CHAR_FILE] = s->fd, [BACKING_FILE] = s->backing };

	ring_open(&q->r, sqes, SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN);
	ring_register_files(&q->r, files, s->backing < 0 ? 1 : 2);
	map_descriptors(q);
	if (lends_pages(s))
		ring_register_sparse_buffers(&q->r, q->depth);
	else
		map_buffers(q);
}

void queue_fetched(struct queue *q)
{
	ring_register_fd(&q->r);
	pthread_barrier_wait(q->fetched);
}

/* DEL_DEV waits for whatever still holds the device: the mapping and the ring go first. */
void queue_close(struct queue *q)
{
	munmap(q->descriptors, q->descriptors_size);
	ring_close(&q->r);
}

static void *queue_main(void *arg)
{
	struct queue *q = arg;

	q->server->serve(q);
	return NULL;
}

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

/* An older kernel drops the flags that it does not know silently. The device must not outlive the refusal. */
static void device_check(struct server *s, uint64_t wanted)
{
	if ((s->info.flags & wanted) == wanted)
		return;
	control(s, CMD_DEL_DEV, NULL, 0, 0);
	die(s->batch ? "this kernel has no batches (Linux 7.0), or not this mode" : "this kernel has not this mode", EOPNOTSUPP);
}

static void device_open(struct server *s)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkc%u", s->info.dev_id);
	/* devtmpfs makes the node at once, udev may take a moment to give it its rights. */
	for (int tries = 0; (s->fd = open(path, O_RDWR | O_CLOEXEC)) < 0; tries++) {
		if (tries == 300)
			die(path, errno);
		usleep(10000);
	}
}

static void device_add(struct server *s)
{
	uint64_t wanted = F_CMD_IOCTL_ENCODE | modes[s->mode].flags | (s->batch ? F_BATCH_IO : 0);
	struct params p = {
		.len = sizeof(p),
		.types = 1,
		.attrs = s->attributes,
		.logical_shift = 9,
		.physical_shift = 12,
		.io_opt_shift = 12,
		.io_min_shift = 9,
		.dev_sectors = s->size >> 9,
	};

	s->info.flags = wanted;
	control_or_die(s, "ADD_DEV", CMD_ADD_DEV, &s->info, sizeof(s->info), 0);
	device_check(s, wanted);
	p.max_sectors = s->info.max_io_bytes >> 9;
	control_or_die(s, "SET_PARAMS", CMD_SET_PARAMS, &p, sizeof(p), 0);
	device_open(s);
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
		q->depth = s->info.depth;
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

void server_run(struct server *s)
{
	sigset_t stop;
	int signal;

	/* Blocked before the threads exist, so that only sigwait below sees them. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);

	s->control_fd = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	if (s->control_fd < 0)
		die("/dev/ublk-control", errno);
	ring_open(&s->control, 64, SETUP_SQE128);
	device_add(s);
	queues_start(s);
	control_or_die(s, "START_DEV", CMD_START_DEV, NULL, 0, (uint64_t)getpid());
	printf("ready /dev/ublkb%u\n", s->info.dev_id);
	fflush(stdout);
	sigwait(&stop, &signal);
	device_remove(s);
}
