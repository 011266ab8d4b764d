# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make sure that the system programs which the sandbox, the test cluster and the tests call are there.

Usage: python tests/tools/system_packages.py [sandbox] [cluster]      (by default everything)

As root on a Debian-like system missing ones are installed, with a line that says so. Otherwise the command to type is
printed and the exit status is 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

# Each program (or file), the Debian package that has it, and what calls it.
SANDBOX = {
    "bwrap": ("bubblewrap", "the sandbox's pods"),
    "ip": ("iproute2", "the sandbox's pod network"),
    "setpriv": ("util-linux", "the sandbox's pods, to take the serving UID"),
    "git": ("git", "building the collection from the checkout"),
    "bindfs": ("bindfs", "the volumes of the tests that are difficult about owners"),
}
CLUSTER = {
    **SANDBOX,
    "containerd": ("containerd", "the test cluster's containers"),
    "runc": ("runc", "the test cluster's containers"),
    "/usr/lib/cni/bridge": ("containernetworking-plugins", "the test cluster's pod network"),
    "iptables": ("iptables", "the test cluster's Services"),
    "conntrack": ("conntrack", "the test cluster's Services"),
    "mmdebstrap": ("mmdebstrap", "the test cluster's images"),
}
SETS = {"sandbox": SANDBOX, "cluster": CLUSTER}

# ip, for one, lies in a folder that not every user's PATH names.
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


def missing_packages(name: str) -> list[str]:
    """Return the Debian packages of a set's programs that are not installed, each with its reason on stderr."""
    path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{SYSTEM_FOLDERS}"
    packages = set()
    for program, (package, use) in SETS[name].items():
        if shutil.which(program, path=path) is None:
            sys.stderr.write(f"The program {program} (package {package}) is missing. It is needed for {use}.\n")
            packages.add(package)
    return sorted(packages)


def install(packages: list[str]) -> int:
    """Install Debian packages, refreshing the package lists only where that turns out to be needed."""
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--yes", "--no-install-recommends", "--quiet", *packages]
    sys.stderr.write(f"Installing them: {' '.join(command)}\n")
    status = subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, check=False).returncode
    if status == 0:
        return 0
    subprocess.run(["apt-get", "update", "--quiet"], env=variables, stdout=subprocess.DEVNULL, check=False)
    return subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, check=False).returncode


def provide(name: str) -> int:
    """Install what is missing of a set, or say how to; return 0 once everything is there."""
    packages = missing_packages(name)
    if not packages:
        return 0
    if shutil.which("apt-get") is None:
        sys.stderr.write(f"Install with your system's package manager: {' '.join(packages)} (Debian's names)\n")
        return 1
    if os.geteuid() != 0:
        sys.stderr.write(f"Type: sudo apt-get install {' '.join(packages)}\n")
        return 1
    if install(packages) == 0:
        return 0
    sys.stderr.write(f"That failed. Install them by hand: apt-get install {' '.join(packages)}\n")
    return 1


if __name__ == "__main__":
    sys.exit(max(provide(name) for name in sys.argv[1:] or SETS))
