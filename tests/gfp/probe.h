/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a probe does: it asks every helper about every mask in every scope and writes the answers as 32-bit words. The
 * helpers are the shim's or the tree's own; the file that includes this has them.
 */
static unsigned int answers[1 << 18];
static unsigned int nr_answers;
long write(int fd, const void *bytes, unsigned long len);
void _exit(int code);

static void out(unsigned int answer)
{
	answers[nr_answers++] = answer;
}

/* Scopes in force: NOIO, NOFS, MEMALLOC, as bits in this order. */
static unsigned int scopes_now(void)
{
	unsigned int flags = current->flags;

	return !!(flags & PF_MEMALLOC_NOIO) | !!(flags & PF_MEMALLOC_NOFS) << 1 | !!(flags & PF_MEMALLOC) << 2;
}

static unsigned int save(unsigned int scope)
{
	switch (scope) {
	case 0:
		return memalloc_noio_save();
	case 1:
		return memalloc_nofs_save();
	default:
		return memalloc_noreclaim_save();
	}
}

static void restore(unsigned int scope, unsigned int old)
{
	switch (scope) {
	case 0:
		memalloc_noio_restore(old);
		break;
	case 1:
		memalloc_nofs_restore(old);
		break;
	default:
		memalloc_noreclaim_restore(old);
	}
}

/* The mask that has the flags whose bits are set in n. */
static unsigned int mask(unsigned int n)
{
	static const unsigned int flags[] = { PROBE_FLAGS };
	unsigned int all = 0;
	unsigned int i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		all |= n >> i & 1 ? flags[i] : 0;
	return all;
}

static void probe_masks(void)
{
	unsigned int n;

	for (n = 0; n < 1 << PROBE_NR_FLAGS; n++) {
		out((unsigned int)current_gfp_context((gfp_t)mask(n)));
		out(gfpflags_allow_blocking((gfp_t)mask(n)));
	}
}

/* Every way to nest three scopes. */
static void probe_nesting(void)
{
	unsigned int n;

	for (n = 0; n < 27; n++) {
		unsigned int scope[3] = { n % 3, n / 3 % 3, n / 9 };
		unsigned int old[3];
		int i;

		for (i = 0; i < 3; i++) {
			old[i] = save(scope[i]);
			out(scopes_now());
		}
		for (i = 2; i >= 0; i--) {
			restore(scope[i], old[i]);
			out(scopes_now());
		}
	}
}

int main(void)
{
	static const unsigned int names[] = { PROBE_NAMES };
	unsigned int scopes, i, calls = 0;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		out(names[i]);
	for (scopes = 0; scopes < 8; scopes++) {
		unsigned int old[3];

		for (i = 0; i < 3; i++)
			old[i] = scopes >> i & 1 ? save(i) : 0;
		probe_masks();
		for (i = 3; i-- > 0;)
			if (scopes >> i & 1)
				restore(i, old[i]);
	}
	probe_nesting();
#ifdef PROBE_HOOKS
	out(alloc_hooks((calls++, 7)));
#else
	calls++;
	out(7);
#endif
	out(calls);
	for (i = 0; i < nr_answers;) {
		long wrote = write(1, &answers[i], (nr_answers - i) * sizeof(answers[0]));

		if (wrote <= 0)
			_exit(1);
		i += wrote / sizeof(answers[0]);
	}
	_exit(0);
}
