/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: text goes to memory of the host; only mm/percpu-stats.c writes any */
#ifndef PERCUSS_LINUX_SEQ_FILE_H
#define PERCUSS_LINUX_SEQ_FILE_H
#include <linux/types.h>

struct seq_file {
	char *buf;
	/* Text that does not fit is counted all the same, so that the host knows how much memory to give. */
	size_t size, len;
};

__printf(2, 3) void seq_printf(struct seq_file *m, const char *fmt, ...);

static inline void seq_putc(struct seq_file *m, char c)
{
	if (m->len < m->size)
		m->buf[m->len] = c;
	m->len++;
}

static inline void seq_puts(struct seq_file *m, const char *text)
{
	while (*text)
		seq_putc(m, *text++);
}

struct file_operations {
	int (*show)(struct seq_file *m, void *v);
};

#define DEFINE_SHOW_ATTRIBUTE(name) static const struct file_operations name##_fops = { .show = name##_show }
#endif
