/* SPDX-License-Identifier: MIT
 *
 * What every floor program needs: an end with a message, clocks, the command line.
 */
#ifndef FLOOR_H
#define FLOOR_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline void die(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* What this thread has worked, in the kernel too; not what it was kept from by others. */
static inline uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* "--name value" of the command line, or the default. */
static inline const char *option(int argc, char **argv, const char *name, const char *fallback)
{
	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], name))
			return argv[i + 1];
	return fallback;
}

static inline uint64_t option_number(int argc, char **argv, const char *name, uint64_t fallback)
{
	const char *text = option(argc, argv, name, NULL);
	char *end;
	uint64_t value;

	if (!text)
		return fallback;
	value = strtoull(text, &end, 0);
	if (!*text || *end) {
		fprintf(stderr, "%s %s: not a number\n", name, text);
		exit(2);
	}
	return value;
}

static inline int is_flag(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return 0;
}

static inline int is_among(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return 1;
	return 0;
}

/* Refuses what is neither of both lists, each ended by NULL: options that a value follows, and those that stand alone. */
static inline void options_check(int argc, char **argv, const char *const *valued, const char *const *flags)
{
	for (int i = 1; i < argc; i++) {
		if (is_among(argv[i], flags))
			continue;
		if (!is_among(argv[i], valued)) {
			fprintf(stderr, "unknown option %s\n", argv[i]);
			exit(2);
		}
		if (++i == argc) {
			fprintf(stderr, "%s needs a value\n", argv[i - 1]);
			exit(2);
		}
	}
}

#endif
