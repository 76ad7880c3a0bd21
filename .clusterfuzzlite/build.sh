#!/bin/bash -eu
# SPDX-License-Identifier: GPL-2.0-only
exec bash -eu "$SRC/percuss/fuzz/oss-fuzz/build.sh"
