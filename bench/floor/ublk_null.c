/* SPDX-License-Identifier: MIT
 *
 * A null disk in C, as the floor of ours: it answers every request at once and moves no data of its own.
 *   ublk_null [--mode copy|user-copy|zero-copy|auto] [--batch] [--depth 128] [--queues 1] [--size BYTES] [--max-io BYTES] [--id N]
 * Prints "ready /dev/ublkbN" when the disk is there. SIGTERM or SIGINT stops and deletes it.
 *
 * The serving loops are the best we know: one enter per pass, and SQEs that are written once. In the modes that lend a request's pages they
 * are registered and never looked at: the disk's contents are undefined.
 */
#include "null_serve.h"

static serve_fn *way(const struct server *s)
{
	if (!s->batch)
		return s->mode == MODE_ZERO_COPY ? null_serve_zero_copy : null_serve_tags;
	if (s->mode != MODE_COPY && s->mode != MODE_AUTO) {
		fprintf(stderr, "--batch: the mode must be copy or auto\n");
		exit(2);
	}
	if (s->info.depth < 2) {
		fprintf(stderr, "--batch: the depth must be 2 or more\n");
		exit(2);
	}
	return null_serve_batch;
}

int main(int argc, char **argv)
{
	static const char *const valued[] = { SERVER_OPTIONS, "--size", NULL };
	static const char *const flags[] = { "--batch", NULL };
	struct server s = { .backing = -1 };

	options_check(argc, argv, valued, flags);
	server_options(&s, argc, argv);
	s.size = option_number(argc, argv, "--size", 1ull << 30);
	s.batch = is_flag(argc, argv, "--batch");
	s.serve = way(&s);
	server_run(&s);
	return 0;
}
