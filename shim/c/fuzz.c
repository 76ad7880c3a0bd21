// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a fuzz target needs beside the linked image: the sanitizer's defaults, and libFuzzer's tables of what is
 * instrumented. No kernel header here; compiled for the host, without instrumentation.
 */
#include <stddef.h>
#include <stdint.h>

/*
 * Built in, because an image under ASan is wrong without them and a fuzzer that is handed the binary knows nothing of it.
 *
 * detect_leaks: chunks hang in memory of the arena, where LeakSanitizer sees no roots; the ledger oracle counts them.
 * detect_stack_use_after_return: its fake stacks are made per thread, ours are fibers that may be abandoned: each would
 *   leak one. Frames stay on the fiber's stack, where abandoning unpoisons them.
 * detect_odr_violation: the image's variables are merged into one section, which looks like several definitions.
 * quarantine_size_mb: nothing is freed from inside the C, so a quarantine only pushes useful memory out of the caches.
 * allocator_may_return_null: a reservation that fails is reported as such.
 */
const char *__asan_default_options(void)
{
	return "detect_leaks=0:detect_stack_use_after_return=0:detect_odr_violation=0:quarantine_size_mb=8:"
	       "allocator_may_return_null=1";
}

struct percuss_pc {
	uintptr_t pc;
	uintptr_t flags;
};

/* Made by the linker; missing when nothing is instrumented. */
extern const struct percuss_pc __start___sancov_pcs[] __attribute__((weak, visibility("hidden")));
extern const struct percuss_pc __stop___sancov_pcs[] __attribute__((weak, visibility("hidden")));
extern const uint8_t __start___sancov_cntrs[] __attribute__((weak, visibility("hidden")));

/* The table of instrumented places, the counter of each, and how many there are. */
size_t percuss_sancov(const struct percuss_pc **pcs, const uint8_t **counters)
{
	if (!__start___sancov_pcs || !__start___sancov_cntrs)
		return 0;
	*pcs = __start___sancov_pcs;
	*counters = __start___sancov_cntrs;
	return (size_t)(__stop___sancov_pcs - __start___sancov_pcs);
}
