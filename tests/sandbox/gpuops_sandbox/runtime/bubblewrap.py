# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bubblewrap arguments of one pod: what its file system, namespaces, user and environment are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from gpuops_sandbox.runtime.contract import Mount, PodRequest
from gpuops_sandbox.runtime.images import Image

# What a container runtime leaves to a container's root (less those that need a device or a raw socket). Any other
# user gets none of them.
_ROOT_CAPABILITIES = (
    "chown",
    "dac_override",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "net_bind_service",
    "sys_chroot",
)
# The host's program files stand for the image's operating system.
_SYSTEM_FOLDERS = ("/usr", "/etc/ssl", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
_SYSTEM_LINKS = ("bin", "sbin", "lib", "lib64", "lib32")
_SMALLEST_TMPFS = 4096


def bubblewrap_options(request: PodRequest, image: Image, add_file: Callable[[bytes], int]) -> list[str]:
    """Return the options of ``bwrap`` for a pod.

    ``add_file`` takes the content of a file and returns the number of a descriptor to read it from: nothing of a
    pod lies on the host's disk but its volumes and its log. The main process is process 1 of the pod, as in a
    container: a signal that it does not handle does not end it.
    """
    arguments = ["--unshare-pid", "--as-pid-1", "--unshare-ipc", "--unshare-uts", "--unshare-net"]
    arguments += ["--hostname", request.name, "--die-with-parent", "--new-session"]
    arguments += _system_arguments()
    for path, content in _etc_files(request).items():
        arguments += ["--perms", "0644", "--file", str(add_file(content)), path]
    arguments += ["--dev", "/dev", "--proc", "/proc", "--ro-bind", "/sys", "/sys"]
    arguments += _tmpfs("/dev/shm", request.shared_memory_bytes, "1777")
    arguments += ["--perms", "1777", "--tmpfs", "/tmp"]
    for mount in sorted((*image.mounts, *request.mounts), key=lambda item: PurePosixPath(item.path).parts):
        arguments += _mount_arguments(mount)
    for file in image.files:
        arguments += [*_parents(file.path), "--perms", f"{file.mode:04o}", "--file", str(add_file(file.content))]
        arguments.append(file.path)
    arguments += ["--clearenv"]
    for name, value in pod_environment(request, image).items():
        arguments += ["--setenv", name, value]
    return [*arguments, "--chdir", request.working_directory]


def bubblewrap_command(request: PodRequest, image: Image) -> list[str]:
    """Return the command that ``bwrap`` runs in a pod: it becomes the pod's user, then the main process."""
    return [*_user_arguments(request), *pod_command(request, image)]


def pod_environment(request: PodRequest, image: Image) -> dict[str, str]:
    """Return the main process's environment: the container runtime's, then the image's, then the pod's own.

    ``HOME`` is ``/`` unless given: the stand-in images have no user but root, as a foreign UID has it in an image.
    """
    defaults = {"HOME": "/root" if request.uid == 0 else "/", "HOSTNAME": request.name}
    return {**defaults, **image.environment_for(request.gpus), **request.environment}


def pod_command(request: PodRequest, image: Image) -> tuple[str, ...]:
    """Return the main process's command line, put together as Kubernetes does.

    The command replaces the image's entrypoint and its default arguments; arguments alone replace the latter.
    """
    return (*(request.command or image.entrypoint), *request.arguments)


def _system_arguments() -> Iterator[str]:
    for folder in _SYSTEM_FOLDERS:
        yield from _parents(folder)
        yield from ("--ro-bind-try", folder, folder)
    for link in _SYSTEM_LINKS:
        if Path("/", link).is_symlink():
            yield from ("--symlink", str(Path("/", link).readlink()), f"/{link}")
        elif Path("/", link).is_dir():
            yield from ("--ro-bind", f"/{link}", f"/{link}")
    for folder in ("/run", "/var"):
        yield from ("--perms", "0755", "--dir", folder)
    # Not 0700: a Python from below the host's /root must be usable by the pod's user.
    yield from ("--perms", "0755", "--dir", "/root", "--perms", "1777", "--dir", "/var/tmp")


def _etc_files(request: PodRequest) -> dict[str, bytes]:
    hosts = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    hosts += [f"{address} {name}" for name, address in request.hosts.items()]
    if request.name not in request.hosts:
        hosts.append(f"{request.address} {request.name}")
    return {
        "/etc/hosts": _lines(hosts),
        "/etc/hostname": _lines([request.name]),
        # No server: every name the group does not have is unknown at once, as the cluster's DNS would say.
        "/etc/nsswitch.conf": _lines(["passwd: files", "group: files", "hosts: files"]),
        "/etc/passwd": _lines(["root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin"]),
        "/etc/group": _lines(["root:x:0:", "nogroup:x:65534:"]),
    }


def _lines(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _mount_arguments(mount: Mount) -> list[str]:
    if mount.source is None:
        return [*_parents(mount.path), *_tmpfs(mount.path, mount.size_bytes, "0777")]
    kind = "--ro-bind" if mount.read_only else "--bind"
    return [*_parents(mount.path), kind, str(mount.source), mount.path]


def _tmpfs(path: str, size_bytes: int, mode: str) -> list[str]:
    return ["--perms", mode, "--size", str(max(size_bytes, _SMALLEST_TMPFS)), "--tmpfs", path]


def _parents(path: str) -> Iterator[str]:
    # bubblewrap makes missing parents 0700: the pod's user could not reach anything below them.
    for parent in reversed(PurePosixPath(path).parents):
        if str(parent) != "/":
            yield from ("--perms", "0755", "--dir", str(parent))


def _user_arguments(request: PodRequest) -> list[str]:
    groups = sorted({*request.supplemental_groups} - {request.gid})
    capabilities = "-all" if request.uid != 0 else "-all," + ",".join(f"+{name}" for name in _ROOT_CAPABILITIES)
    return [
        "/usr/bin/setpriv",
        f"--reuid={request.uid}",
        f"--regid={request.gid}",
        f"--groups={','.join(str(group) for group in groups)}" if groups else "--clear-groups",
        "--inh-caps=-all",
        f"--bounding-set={capabilities}",
        "--no-new-privs",
        "--",
    ]
