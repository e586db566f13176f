// SPDX-License-Identifier: Apache-2.0
#ifndef SXENSTORED_CTDB_H
#define SXENSTORED_CTDB_H
// tdb.h needs these headers, and does not include them itself.
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <tdb.h>
#endif
