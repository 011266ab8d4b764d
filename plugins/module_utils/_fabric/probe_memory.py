# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Memory that this user may lock, what it may do besides, and whether RDMA devices take its memory.

Part of the program that runs inside pods (``probe_program``): the standard library of Python 3.8 alone.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

# In the order of their numbers: include/uapi/linux/capability.h.
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
# The least amount worth an attempt: a page.
_SMALLEST = 4096
# ibv_access_flags: local write, remote write, remote read.
_ACCESS = 1 | 2 | 4


def memlock_limit() -> int | None:
    """Return how many bytes this process may lock; ``None`` where there is no limit."""
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def capability_set(root: str, field: str) -> str:
    """Return a set of capabilities of this process (``CapEff``, ``CapBnd``) as the kernel writes it: in base 16."""
    with open(os.path.join(root, "proc/self/status"), encoding="utf-8") as status:
        lines = [line.split() for line in status]
    return next((line[1] for line in lines if line[:1] == [field + ":"]), "0")


def capability_names(bits: str) -> tuple[str, ...]:
    """Return the names of the capabilities in a set, without ``CAP_``."""
    return tuple(name for number, name in enumerate(CAPABILITIES) if int(bits, 16) >> number & 1)


def lock_memory(wanted: int) -> Iterator[int]:
    """Lock ``wanted`` bytes for a moment, else as many as can be by halving; yield how many were."""
    library = ctypes.CDLL(None, use_errno=True)
    area = mmap.mmap(-1, wanted)
    place = ctypes.addressof(ctypes.c_char.from_buffer(area))
    size = wanted
    while size >= _SMALLEST and library.mlock(ctypes.c_void_p(place), ctypes.c_size_t(size)):
        size //= 2
    yield size if size >= _SMALLEST else 0


def register_memory(size: int, library_name: str) -> Iterator[tuple[str, bool, str]]:
    """Register ``size`` bytes with every device that libibverbs opens; yield the device's name, whether it took them,
    and why not. Raises ``OSError`` where the image has no libibverbs."""
    verbs = ctypes.CDLL(library_name, use_errno=True)
    for name in ("ibv_get_device_list", "ibv_open_device", "ibv_alloc_pd", "ibv_reg_mr"):
        getattr(verbs, name).restype = ctypes.c_void_p
    verbs.ibv_get_device_name.restype = ctypes.c_char_p
    area = mmap.mmap(-1, size)
    place = ctypes.addressof(ctypes.c_char.from_buffer(area))
    count = ctypes.c_int(0)
    ctypes.set_errno(0)
    listed = verbs.ibv_get_device_list(ctypes.byref(count))
    for device in (ctypes.c_void_p * count.value).from_address(listed) if listed and count.value else ():
        name = verbs.ibv_get_device_name(ctypes.c_void_p(device)).decode("utf-8", "replace")
        error = _registered(verbs, device, place, size)
        yield name, not error, error


def _registered(verbs: Any, device: Any, place: int, size: int) -> str:
    """Register memory with one device and give it back; return what failed, or nothing."""
    given: list[tuple[str, Any]] = []
    area = (ctypes.c_void_p(place), ctypes.c_size_t(size), ctypes.c_int(_ACCESS))
    steps: list[tuple[str, str, Callable[[], Any]]] = [
        ("ibv_open_device", "ibv_close_device", lambda: verbs.ibv_open_device(ctypes.c_void_p(device))),
        ("ibv_alloc_pd", "ibv_dealloc_pd", lambda: verbs.ibv_alloc_pd(given[-1][1])),
        ("ibv_reg_mr", "ibv_dereg_mr", lambda: verbs.ibv_reg_mr(given[-1][1], *area)),
    ]
    error = ""
    for name, undo, step in steps:
        ctypes.set_errno(0)
        handle = step()
        if not handle:
            number = ctypes.get_errno()
            error = f"{name} of {size >> 20} MiB: {os.strerror(number)} (errno {number})"
            break
        given.append((undo, ctypes.c_void_p(handle)))
    for undo, handle in reversed(given):
        getattr(verbs, undo)(handle)
    return error


def apart(work: Callable[[], Iterator[Any]], seconds: float) -> tuple[list[Any], str]:
    """Do something in a process of its own, so that a library that crashes or hangs takes nothing else with it.

    Returns what it yielded (as JSON has it), and why it did not end well, or nothing.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(work, writer)
    os.close(writer)
    content, is_late = _received(reader, time.monotonic() + seconds)
    if is_late:
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    *whole, _rest = content.decode("utf-8", "replace").split("\n")
    answers = [json.loads(line) for line in whole]
    errors = [answer["error"] for answer in answers if isinstance(answer, dict)]
    if is_late:
        errors.append(f"it took longer than {seconds:.0f} s")
    elif os.WIFSIGNALED(status):
        errors.append(f"it was ended by signal {os.WTERMSIG(status)}")
    return [answer for answer in answers if not isinstance(answer, dict)], "; ".join(errors)


def _answer(work: Callable[[], Iterator[Any]], writer: int) -> None:
    """Do the work as a child: an answer a line, and end this process without anything of its parent's."""
    try:
        for answer in work():
            os.write(writer, json.dumps(answer).encode() + b"\n")
    except Exception as error:
        os.write(writer, json.dumps({"error": str(error)}).encode() + b"\n")
    finally:
        os._exit(0)


def _received(reader: int, deadline: float) -> tuple[bytes, bool]:
    """Return what comes through a pipe until its end, and whether that was not reached in time."""
    content = b""
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while True:
            left = max(deadline - time.monotonic(), 0.0)
            if not select.select([pipe], [], [], left)[0]:
                return content, True
            piece = pipe.read(65536)
            if not piece:
                return content, False
            content += piece
