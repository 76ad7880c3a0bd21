// SPDX-License-Identifier: GPL-2.0-only
/* The probe with the shim's helpers, on a host that knows scopes and nothing else. */
#include <linux/alloc_tag.h>
#include <linux/gfp.h>
#include <linux/sched/mm.h>

static u32 in_force;

static u32 host_scopes(void *ctx)
{
	return in_force;
}

static u32 host_save(void *ctx, u32 scope)
{
	u32 old = !!(in_force & scope);

	in_force |= scope;
	return old;
}

static void host_restore(void *ctx, u32 scope, u32 old)
{
	in_force = (in_force & ~scope) | (old ? scope : 0);
}

static struct percuss_host host = {
	.call = {
		.scopes = host_scopes,
		.scope_save = host_save,
		.scope_restore = host_restore,
	},
};
struct percuss_host *percuss_h = &host;

void percuss_loud(const char *name)
{
	__builtin_trap();
}

#include "probe.h"
