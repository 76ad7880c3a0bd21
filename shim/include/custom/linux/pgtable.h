/* SPDX-License-Identifier: GPL-2.0-only */
/* custom: page tables are the host's; the weak pcpu_populate_pte() that walks them is replaced, so walking is loud */
#ifndef PERCUSS_LINUX_PGTABLE_H
#define PERCUSS_LINUX_PGTABLE_H
#include <percuss/host.h>
#include <asm/page.h>

typedef struct { unsigned long v; } pgd_t, p4d_t, pud_t, pmd_t, pte_t;
typedef struct { unsigned long v; } pgprot_t;
#define PAGE_KERNEL ((pgprot_t){ 0 })
#define pgd_offset_k(addr) ((pgd_t *)percuss_loud_ul("pgd_offset_k"))
#define p4d_offset(pgd, addr) ((p4d_t *)percuss_loud_ul("p4d_offset"))
#define pud_offset(p4d, addr) ((pud_t *)percuss_loud_ul("pud_offset"))
#define pmd_offset(pud, addr) ((pmd_t *)percuss_loud_ul("pmd_offset"))
#define pgd_none(e) ((e).v == 0)
#define p4d_none(e) ((e).v == 0)
#define pud_none(e) ((e).v == 0)
#define pmd_present(e) ((e).v != 0)
#define pgd_populate(mm, pgd, new) ((void)(new), percuss_loud("pgd_populate"))
#define p4d_populate(mm, p4d, new) ((void)(new), percuss_loud("p4d_populate"))
#define pgd_populate_kernel(addr, pgd, new) ((void)(new), percuss_loud("pgd_populate_kernel"))
#define p4d_populate_kernel(addr, p4d, new) ((void)(new), percuss_loud("p4d_populate_kernel"))
#define pud_populate(mm, pud, new) ((void)(new), percuss_loud("pud_populate"))
#define pmd_populate_kernel(mm, pmd, new) ((void)(new), percuss_loud("pmd_populate_kernel"))
#endif
