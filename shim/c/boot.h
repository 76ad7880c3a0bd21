/* SPDX-License-Identifier: GPL-2.0-only */
/* Boot: possible CPUs, a first-chunk builder, and what it made. */

static int percuss_node(int cpu)
{
	return cpu_to_node(cpu);
}

static int percuss_distance(unsigned int from, unsigned int to)
{
	return cpu_to_node(from) == cpu_to_node(to) ? LOCAL_DISTANCE : REMOTE_DISTANCE;
}

/* PERCUSS_FIRST_INFO: one group per node in order of its lowest CPU, one unit per CPU. */
static int percuss_boot_info(const struct percuss_boot *boot)
{
	/* padding of the static area is taken from the dynamic one: give it back, so that what is left is whole units */
	size_t pad = ALIGN(boot->static_size, PCPU_MIN_ALLOC_SIZE) - boot->static_size;
	size_t dyn = ALIGN(max_t(size_t, boot->dyn_size, PERCPU_DYNAMIC_EARLY_SIZE), PCPU_MIN_ALLOC_SIZE) + pad;
	size_t sum = PFN_ALIGN(boot->static_size + boot->reserved_size + dyn);
	size_t unit = boot->unit_size ?: max_t(size_t, sum, PCPU_MIN_UNIT_SIZE);
	struct pcpu_alloc_info *ai;
	unsigned int *cpu_map;
	int groups = 0, rc = 0, g, cpu, first;
	int firsts[64];
	void *areas[64];
	void *base = NULL;

	for_each_possible_cpu(cpu) {
		for (g = 0; g < groups; g++)
			if (percuss_node(firsts[g]) == percuss_node(cpu))
				break;
		if (g == groups)
			firsts[groups++] = cpu;
	}

	ai = pcpu_alloc_alloc_info(groups, num_possible_cpus());
	if (!ai)
		return -ENOMEM;
	ai->static_size = boot->static_size;
	ai->reserved_size = boot->reserved_size;
	ai->dyn_size = dyn;
	ai->unit_size = unit;
	ai->atom_size = boot->atom_size;
	ai->alloc_size = unit;
	cpu_map = ai->groups[0].cpu_map;
	for (g = 0; g < groups; g++) {
		first = firsts[g];
		ai->groups[g].cpu_map = cpu_map;
		for_each_possible_cpu(cpu)
			if (percuss_node(cpu) == percuss_node(first))
				ai->groups[g].cpu_map[ai->groups[g].nr_units++] = cpu;
		cpu_map += ai->groups[g].nr_units;
	}
	for (g = 0; g < groups; g++) {
		areas[g] = memblock_alloc_try_nid(ai->groups[g].nr_units * unit, boot->atom_size, 0,
						  MEMBLOCK_ALLOC_ACCESSIBLE, percuss_node(firsts[g]));
		if (!areas[g]) {
			rc = -ENOMEM;
			break;
		}
		base = g ? min(base, areas[g]) : areas[g];
	}
	if (rc) {
		while (--g >= 0)
			memblock_free(areas[g], ai->groups[g].nr_units * unit);
		goto out;
	}
	for (g = 0; g < groups; g++) {
		int i;

		ai->groups[g].base_offset = areas[g] - base;
		for (i = 0; i < ai->groups[g].nr_units; i++)
			memcpy(areas[g] + i * unit, __per_cpu_load, boot->static_size);
	}
	pcpu_setup_first_chunk(ai, base);
out:
	pcpu_free_alloc_info(ai);
	return rc;
}

static void percuss_layout(struct percuss_layout *out)
{
	unsigned int cpu;
	int g;

	__builtin_memset(out, 0, sizeof(*out));
	out->base_addr = (u64)pcpu_base_addr;
	out->unit_size = pcpu_unit_size;
	out->atom_size = pcpu_atom_size;
	out->nr_units = pcpu_nr_units;
	out->nr_groups = pcpu_nr_groups;
	out->nr_slots = pcpu_nr_slots;
	out->low_cpu = pcpu_low_unit_cpu;
	out->high_cpu = pcpu_high_unit_cpu;
	for (cpu = 0; cpu < 64; cpu++)
		out->unit_map[cpu] = -1;
	for_each_possible_cpu(cpu) {
		out->unit_map[cpu] = pcpu_unit_map[cpu];
		out->unit_offsets[cpu] = pcpu_unit_offsets[cpu];
	}
	for (g = 0; g < pcpu_nr_groups && g < 64; g++) {
		out->group_offsets[g] = pcpu_group_offsets[g];
		out->group_sizes[g] = pcpu_group_sizes[g];
	}
}

static int32_t percuss_boot_first(const struct percuss_boot *boot, struct percuss_layout *out)
{
	unsigned int cpu;
	int rc;

	percuss_static_size = boot->static_size;
	percuss_kmem = boot->kmem;
	bitmap_zero(cpumask_bits(&__cpu_possible_mask), NR_CPUS);
	cpumask_bits(&__cpu_possible_mask)[0] = boot->possible;
	nr_cpu_ids = fls64(boot->possible);
	__num_possible_cpus = hweight64(boot->possible);

	switch (boot->first) {
	case PERCUSS_FIRST_EMBED:
		rc = pcpu_embed_first_chunk(boot->reserved_size, boot->dyn_size, boot->atom_size, percuss_distance,
					    percuss_node);
		break;
	case PERCUSS_FIRST_PAGE:
		rc = pcpu_page_first_chunk(boot->reserved_size, percuss_node);
		break;
	case PERCUSS_FIRST_INFO:
		rc = percuss_boot_info(boot);
		break;
	default:
		percuss_loud("unknown first-chunk builder");
	}
	if (rc < 0)
		return rc;

	for_each_possible_cpu(cpu)
		__per_cpu_offset[cpu] = (u64)pcpu_base_addr - percuss_h->static_image + pcpu_unit_offsets[cpu];
	percpu_enable_async();
	percuss_layout(out);
	percuss_keep();
	return 0;
}
