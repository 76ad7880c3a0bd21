/* SPDX-License-Identifier: GPL-2.0-only */
/* What the image's own translation units share. */
#ifndef PERCUSS_IMAGE_H
#define PERCUSS_IMAGE_H
struct work_struct;
/* The one work item the host runs; set by attach(). */
extern struct work_struct *percuss_balance;
#endif
