// SPDX-License-Identifier: GPL-2.0-only
/* Messages, warnings and their formatting. The formatter knows what percpu.c uses and is loud about the rest. */
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/kern_levels.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/panic.h>
#include <linux/printk.h>
#include <linux/seq_file.h>
#include <linux/stdarg.h>
#include <percuss/host.h>

/* Where text goes, and the integers seen on the way. */
struct percuss_out {
	char *buf;
	size_t size, len;
	uint64_t args[PERCUSS_DIAG_ARGS];
	uint32_t nargs;
};

struct percuss_spec {
	bool left, zero, alt, plus;
	int width, precision;
	int bytes;
};

static void percuss_put(struct percuss_out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void percuss_pad(struct percuss_out *o, char c, int n)
{
	while (n-- > 0)
		percuss_put(o, c);
}

static void percuss_text(struct percuss_out *o, const struct percuss_spec *s, const char *text)
{
	int len = 0, i;

	if (!text)
		text = "(null)";
	while (text[len] && (s->precision < 0 || len < s->precision))
		len++;
	if (!s->left)
		percuss_pad(o, ' ', s->width - len);
	for (i = 0; i < len; i++)
		percuss_put(o, text[i]);
	if (s->left)
		percuss_pad(o, ' ', s->width - len);
}

static void percuss_number(struct percuss_out *o, const struct percuss_spec *s, uint64_t v, bool negative, int base)
{
	char digits[24];
	int n = 0, len;

	if (negative)
		v = -v;
	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n < s->precision && n < (int)sizeof(digits))
		digits[n++] = '0';
	len = n + (negative || s->plus) + (s->alt && base == 16 ? 2 : 0);
	if (!s->left && !s->zero)
		percuss_pad(o, ' ', s->width - len);
	if (negative || s->plus)
		percuss_put(o, negative ? '-' : '+');
	if (s->alt && base == 16) {
		percuss_put(o, '0');
		percuss_put(o, 'x');
	}
	if (!s->left && s->zero)
		percuss_pad(o, '0', s->width - len);
	while (n)
		percuss_put(o, digits[--n]);
	if (s->left)
		percuss_pad(o, ' ', s->width - len);
}

/* %*pb: groups of 32 bits, highest first, separated by commas. */
static void percuss_bitmap(struct percuss_out *o, const unsigned long *map, int bits)
{
	int group = (bits + 31) / 32 - 1;

	for (; group >= 0; group--) {
		int here = bits - group * 32 < 32 ? bits - group * 32 : 32;
		u32 v = map[group / 2] >> (group % 2 * 32);
		struct percuss_spec s = { .zero = true, .width = (here + 3) / 4, .precision = -1 };

		if (here < 32)
			v &= (1U << here) - 1;
		percuss_number(o, &s, v, false, 16);
		if (group)
			percuss_put(o, ',');
	}
}

static uint64_t percuss_integer(struct percuss_out *o, const struct percuss_spec *s, va_list *ap, bool is_signed)
{
	uint64_t v = s->bytes == 8 ? va_arg(*ap, uint64_t) : va_arg(*ap, uint32_t);
	int shift = 64 - 8 * s->bytes;

	v = is_signed ? (uint64_t)((int64_t)(v << shift) >> shift) : v << shift >> shift;
	if (o->nargs < PERCUSS_DIAG_ARGS)
		o->args[o->nargs] = v;
	o->nargs++;
	return v;
}

/* One conversion; returns the character after it. */
static const char *percuss_convert(struct percuss_out *o, const char *f, va_list *ap)
{
	struct percuss_spec s = { .precision = -1, .bytes = 4 };
	uint64_t v;

	for (;; f++) {
		if (*f == '-')
			s.left = true;
		else if (*f == '0')
			s.zero = true;
		else if (*f == '#')
			s.alt = true;
		else if (*f == '+')
			s.plus = true;
		else if (*f != ' ')
			break;
	}
	if (*f == '*') {
		s.width = va_arg(*ap, int);
		f++;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		s.width = s.width * 10 + *f - '0';
	if (*f == '.') {
		s.precision = 0;
		if (*++f == '*') {
			s.precision = va_arg(*ap, int);
			f++;
		}
		for (; *f >= '0' && *f <= '9'; f++)
			s.precision = s.precision * 10 + *f - '0';
	}
	for (;; f++) {
		if (*f == 'l' || *f == 'z' || *f == 't')
			s.bytes = 8;
		else if (*f == 'h')
			s.bytes /= 2;
		else
			break;
	}
	switch (*f) {
	case '%':
		percuss_put(o, '%');
		break;
	case 'c':
		percuss_put(o, va_arg(*ap, int));
		break;
	case 's':
		percuss_text(o, &s, va_arg(*ap, const char *));
		break;
	case 'd':
	case 'i':
		v = percuss_integer(o, &s, ap, true);
		percuss_number(o, &s, v, (int64_t)v < 0, 10);
		break;
	case 'u':
		percuss_number(o, &s, percuss_integer(o, &s, ap, false), false, 10);
		break;
	case 'x':
	case 'X':
		percuss_number(o, &s, percuss_integer(o, &s, ap, false), false, 16);
		break;
	case 'o':
		percuss_number(o, &s, percuss_integer(o, &s, ap, false), false, 8);
		break;
	case 'p':
		if (f[1] == 'b' && f[2] != 'l') {
			percuss_bitmap(o, va_arg(*ap, const unsigned long *), s.width);
			return f + 2;
		}
		/* Pointers, symbols and the like are for display: their value, whatever the suffix asks for. */
		s.alt = true;
		percuss_number(o, &s, (uint64_t)va_arg(*ap, void *), false, 16);
		while ((f[1] >= 'a' && f[1] <= 'z') || (f[1] >= 'A' && f[1] <= 'Z'))
			f++;
		break;
	default:
		percuss_loud("a printk conversion the shim does not know");
	}
	return f + 1;
}

static void percuss_format(struct percuss_out *o, const char *f, va_list *ap)
{
	while (*f) {
		if (*f == '%')
			f = percuss_convert(o, f + 1, ap);
		else
			percuss_put(o, *f++);
	}
	if (o->size)
		o->buf[o->len < o->size ? o->len : o->size - 1] = '\0';
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	struct percuss_out o = { .buf = buf, .size = size };
	va_list ap;

	va_start(ap, fmt);
	percuss_format(&o, fmt, &ap);
	va_end(ap);
	return o.len;
}

void seq_printf(struct seq_file *m, const char *fmt, ...)
{
	struct percuss_out o = { .buf = m->buf, .size = m->size, .len = m->len };
	va_list ap;

	va_start(ap, fmt);
	percuss_format(&o, fmt, &ap);
	va_end(ap);
	m->len = o.len;
}

/* The buffer is on the stack: a host call may switch to a task that prints too. */
static void percuss_report(uint32_t kind, const char *prefix, const char *fmt, va_list *ap)
{
	char text[512];
	struct percuss_out o = { .buf = text, .size = sizeof(text) };
	struct percuss_words args = { .at = o.args };

	while (prefix && *prefix)
		percuss_put(&o, *prefix++);
	text[o.len] = '\0';
	if (fmt)
		percuss_format(&o, fmt, ap);
	args.nr = o.nargs < PERCUSS_DIAG_ARGS ? o.nargs : PERCUSS_DIAG_ARGS;
	PERCUSS(diag, kind, args, text);
}

/* The kind of message that the character after KERN_SOH asks for: a level, or 'c' for the continuation of a line. */
static uint32_t percuss_level(char level)
{
	return level == 'c' ? PERCUSS_DIAG_CONT : (uint8_t)(level - '0');
}

int _printk(const char *fmt, ...)
{
	/* KERN_DEFAULT of a kernel that is configured as most are. */
	uint32_t kind = 4;
	va_list ap;

	if (fmt[0] == KERN_SOH_ASCII && fmt[1]) {
		kind = percuss_level(fmt[1]);
		fmt += 2;
	} else if (fmt[0] == '%' && fmt[1] == 's') {
		/* printk("%s...", KERN_DEBUG, ...): the level is the first string. */
		const char *prefix;

		va_start(ap, fmt);
		prefix = va_arg(ap, const char *);
		if (prefix && prefix[0] == KERN_SOH_ASCII && prefix[1]) {
			percuss_report(percuss_level(prefix[1]), prefix + 2, fmt + 2, &ap);
			va_end(ap);
			return 0;
		}
		va_end(ap);
	}
	va_start(ap, fmt);
	percuss_report(kind, NULL, fmt, &ap);
	va_end(ap);
	return 0;
}

void warn_slowpath_fmt(const char *file, const int line, unsigned int taint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	percuss_report(PERCUSS_DIAG_WARN, fmt ? NULL : file, fmt, &ap);
	va_end(ap);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	percuss_report(PERCUSS_DIAG_PANIC, NULL, fmt, &ap);
	va_end(ap);
	__builtin_trap();
}

void dump_stack(void)
{
	percuss_report(PERCUSS_DIAG_STACK, NULL, NULL, NULL);
}

void percuss_loud(const char *name)
{
	percuss_report(PERCUSS_DIAG_LOUD, name, NULL, NULL);
	__builtin_trap();
}

void percuss_bug(const char *file, int line)
{
	percuss_report(PERCUSS_DIAG_BUG, file, NULL, NULL);
	__builtin_trap();
}

void percuss_assert_held(struct percuss_lock *lock, const char *file, int line)
{
	if (unlikely(!PERCUSS(is_held, percuss_lock_id(lock))))
		percuss_report(PERCUSS_DIAG_WARN, "lockdep_assert_held: ", file, NULL);
}
