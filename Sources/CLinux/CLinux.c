// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CLinux.h"
#include <dlfcn.h>
#include <link.h>

size_t linux_symbol_size(const void *address)
{
    Dl_info info;
    void *symbol = NULL;
    if (dladdr1(address, &info, &symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL)
        return 0;
    return ((const ElfW(Sym) *)symbol)->st_size;
}
