# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done inside the machine's own namespaces before anything runs there: folders, settings, the pods' bridge.

Containers' programs have their usual places (/run, /var/lib/kubelet, /var/lib/containerd, /var/log/pods), but these are
the machine's own: a tmpfs, and a folder of the cluster's.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

BRIDGE = "cni0"
# Inside the machine's network only.
BRIDGE_ADDRESS = "10.244.0.1"
POD_NETWORK = "10.244.0.0/24"
# A kubelet sets these for the whole kernel. It finds copies of them here, so this machine's own stay as they are.
KERNEL_SETTINGS = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)


def ready_file(folder: Path) -> Path:
    """Return the file whose presence says that the machine is prepared."""
    return folder / "ready"


def var_folder(folder: Path) -> Path:
    """Return the folder that is /var inside."""
    return folder / "var"


def prepare(folder: Path) -> None:
    """Make mounts and network. Raises ``subprocess.CalledProcessError`` with the program that failed."""
    # Mounts that the kubelet makes must reach the containers, and nothing may reach the world outside.
    _run("mount", "--make-rshared", "/")
    _copy_kernel_settings(folder)
    _run("mount", "-t", "tmpfs", "-o", "mode=0755", "machine-run", "/run")
    var = var_folder(folder)
    for name in ("cache", "lib", "log", "spool"):
        (var / name).mkdir(parents=True)
    (var / "tmp").mkdir()
    (var / "tmp").chmod(0o1777)
    (var / "run").symlink_to("/run")
    _run("mount", "--bind", str(var), "/var")
    _make_network()


def _copy_kernel_settings(folder: Path) -> None:
    copies = folder / "kernel-settings"
    copies.mkdir()
    for name in KERNEL_SETTINGS:
        setting = Path("/proc/sys", name)
        if setting.exists():
            copy = copies / name.replace("/", ".")
            copy.write_text(setting.read_text(encoding="utf-8"), encoding="utf-8")
            _run("mount", "--bind", str(copy), str(setting))


def _make_network() -> None:
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", BRIDGE, "type", "bridge")
    _run("ip", "address", "add", f"{BRIDGE_ADDRESS}/24", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")
    # Of this network namespace alone.
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n", encoding="utf-8")


def _run(*words: str) -> None:
    subprocess.run(words, check=True)
