/* Copyright (c) 2026, The gpuops.inference authors
   GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
   SPDX-License-Identifier: GPL-3.0-or-later */
/* A STUB of libibverbs, for tests: there is no RDMA hardware here. It lists the devices that STUB_DEVICES names, separated
   by blanks; to register memory it locks it, as the kernel does for a real device, so that the limits of the process and
   its capabilities decide as they would. STUB_CRASHES makes it crash in place of that. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct stub { char name[64]; };
struct memory { void *address; size_t length; };

static struct stub devices[16];
static struct stub *list[17];

struct stub **ibv_get_device_list(int *count)
{
    char *names = strdup(getenv("STUB_DEVICES") ? getenv("STUB_DEVICES") : "");
    *count = 0;
    for (char *name = strtok(names, " "); name && *count < 16; name = strtok(NULL, " ")) {
        strncpy(devices[*count].name, name, sizeof devices[0].name - 1);
        list[*count] = &devices[*count];
        ++*count;
    }
    free(names);
    return list;
}

const char *ibv_get_device_name(struct stub *device) { return device->name; }

void *ibv_open_device(struct stub *device)
{
    if (getenv("STUB_CLOSED") && !strcmp(getenv("STUB_CLOSED"), device->name)) {
        errno = EACCES;
        return NULL;
    }
    return device;
}

int ibv_close_device(void *context) { return context == NULL; }

void *ibv_alloc_pd(void *context) { return context; }

int ibv_dealloc_pd(void *domain) { return domain == NULL; }

void *ibv_reg_mr(void *domain, void *address, size_t length, int access)
{
    if (getenv("STUB_CRASHES"))
        abort();
    if (!domain || access != 7) {
        errno = EINVAL;
        return NULL;
    }
    if (mlock(address, length))
        return NULL;
    struct memory *memory = malloc(sizeof *memory);
    memory->address = address;
    memory->length = length;
    return memory;
}

int ibv_dereg_mr(struct memory *memory)
{
    int failed = munlock(memory->address, memory->length);
    free(memory);
    return failed;
}
