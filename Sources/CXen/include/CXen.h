// SPDX-License-Identifier: Apache-2.0
#ifndef SXENSTORED_CXEN_H
#define SXENSTORED_CXEN_H
#include "XenGlue.h"
#include "XenLibraries.h"
#include "XenLog.h"
#endif
