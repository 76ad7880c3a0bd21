// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a fuzz target needs beside the linked image: the sanitizer's defaults, word of its reports, and libFuzzer's tables
 * of what is instrumented. No kernel header here; compiled for the host, without instrumentation.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

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
extern uint8_t __start___sancov_cntrs[] __attribute__((weak, visibility("hidden")));
extern uint8_t __stop___sancov_cntrs[] __attribute__((weak, visibility("hidden")));

/* The table of instrumented places, the counter of each, and how many there are. */
size_t percuss_sancov(const struct percuss_pc **pcs, const uint8_t **counters)
{
	if (!__start___sancov_pcs || !__start___sancov_cntrs)
		return 0;
	*pcs = __start___sancov_pcs;
	*counters = __start___sancov_cntrs;
	return (size_t)(__stop___sancov_pcs - __start___sancov_pcs);
}

/* Bytes of all counters. */
size_t percuss_counters(void)
{
	return __start___sancov_cntrs ? (size_t)(__stop___sancov_cntrs - __start___sancov_cntrs) : 0;
}

/* Copies all counters to a place that has room for them. Here, because code that counts would change them meanwhile. */
void percuss_counters_note(uint8_t *to)
{
	memcpy(to, __start___sancov_cntrs, percuss_counters());
}

/* Sets all counters to what was noted. */
void percuss_counters_put_back(const uint8_t *from)
{
	memcpy(__start___sancov_cntrs, from, percuss_counters());
}

/* The sanitizer's own; missing when there is none. */
extern void __sanitizer_symbolize_pc(void *pc, const char *format, char *out, size_t size) __attribute__((weak));

/* Writes the function and line of an instrumented place, as far as they are known; a string in any case. */
void percuss_place(size_t i, char *to, size_t size)
{
	uintptr_t pc = 0;

	if (__start___sancov_pcs && i < (size_t)(__stop___sancov_pcs - __start___sancov_pcs))
		pc = __start___sancov_pcs[i].pc;
	if (pc && __sanitizer_symbolize_pc)
		__sanitizer_symbolize_pc((void *)(pc + 1), "%f %S", to, size);
	else
		snprintf(to, size, "%#zx", (size_t)pc);
}

static void (*percuss_reported)(const char *kind);

/* Sets the function that gets a sanitizer's report before the sanitizer ends the process. */
void percuss_on_report(void (*report)(const char *kind))
{
	percuss_reported = report;
}

/* The sanitizer's own; missing when there is none. */
extern const char *__asan_get_report_description(void) __attribute__((weak));
extern void *__asan_get_report_pc(void) __attribute__((weak));
extern void __ubsan_get_current_report_data(const char **kind, const char **message, const char **file, unsigned *line,
					    unsigned *column, char **addr) __attribute__((weak));

/* Called by the sanitizer; the name of the function stands in the kind where there is a symbolizer. */
void __asan_on_error(void)
{
	char where[128] = "", kind[256];

	if (!percuss_reported || !__asan_get_report_description)
		return;
	if (__sanitizer_symbolize_pc && __asan_get_report_pc)
		__sanitizer_symbolize_pc(__asan_get_report_pc(), "%f", where, sizeof(where));
	snprintf(kind, sizeof(kind), "AddressSanitizer: %s%s%s", __asan_get_report_description(), where[0] ? " in " : "",
		 where);
	percuss_reported(kind);
}

/* Likewise. */
void __ubsan_on_report(void)
{
	const char *what = "", *message = "", *file = "", *mm;
	unsigned line = 0, column = 0;
	char *addr = NULL, kind[256];

	if (!percuss_reported || !__ubsan_get_current_report_data)
		return;
	__ubsan_get_current_report_data(&what, &message, &file, &line, &column, &addr);
	/* As the kernel names files, wherever the tree is. */
	mm = file ? strstr(file, "/mm/") : NULL;
	snprintf(kind, sizeof(kind), "UBSAN: %s in %s:%u", what, mm ? mm + 1 : file, line);
	percuss_reported(kind);
}
