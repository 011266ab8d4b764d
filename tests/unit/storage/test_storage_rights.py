# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modes and rights, held against the real chmod and the real kernel."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._storage.rights import (
    READABLE,
    Task,
    changed_mode,
    faults_of,
    is_foreign,
    may_read,
    mended,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from support.walks import need_root

CLAUSES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["u", "g", "o", "ug", "go", "a"]),
    st.sampled_from("+-="),
    st.text("rwxX", max_size=3),
)
MODES = st.one_of(st.lists(CLAUSES, min_size=1, max_size=4).map(",".join), st.integers(0, 0o777).map("{:03o}".format))
IDENTITIES = st.sampled_from([0, 1000, 2000, 3000])


TASK = Task("look", "/data", (), 2000, 2000)


@given(wanted=MODES, before=st.integers(0, 0o777), directory=st.booleans(), group_bit=st.booleans())
@settings(max_examples=150)
def test_a_mode_means_what_it_means_to_chmod(wanted: str, before: int, directory: bool, group_bit: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "it")
        path.mkdir() if directory else path.touch()
        # On files the bit has no use here, and a numeric mode always takes it away.
        path.chmod(before | (0o2000 if group_bit and directory else 0))
        ours = changed_mode(wanted, path.stat().st_mode, directory)
        subprocess.run(["chmod", wanted, path], check=True)
        assert oct(ours) == oct(stat.S_IMODE(path.stat().st_mode))
        path.chmod(0o700)


@pytest.mark.parametrize("wrong", ["", "u", "u=rwz", "rw", "u=rw,", "0999", "77777", "u=rw;g=r", "+x"])
def test_what_is_no_mode_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no mode"):
        changed_mode(wrong, 0, False)


def _kernel_lets(path: Path, uid: int, gid: int, groups: list[int], directory: bool) -> bool:
    """Ask the kernel, in a process of that identity."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            if directory:
                os.stat(f"{path}/.")
                os.listdir(path)
            else:
                os.close(os.open(path, os.O_RDONLY))
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


@given(mode=st.integers(0, 0o777), owner=IDENTITIES, group=IDENTITIES, directory=st.booleans(), other=st.booleans())
@settings(max_examples=150)
def test_what_may_be_read_is_what_the_kernel_lets(
    mode: int, owner: int, group: int, directory: bool, other: bool
) -> None:
    need_root()
    groups = (3000,) if other else ()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "it")
        path.mkdir() if directory else path.touch()
        os.chown(path, owner, group)
        path.chmod(mode)
        status = (path.stat().st_mode, owner, group)
        serving = replace(TASK, groups=groups)
        assert may_read(status, serving) == _kernel_lets(path, 2000, 2000, list(groups), directory)

        better = mended(status, replace(serving, ensure=READABLE))
        os.chown(path, better[1], better[2])
        path.chmod(stat.S_IMODE(better[0]))
        assert _kernel_lets(path, 2000, 2000, list(groups), directory) or is_foreign(owner, serving)


@given(
    mode=st.integers(0, 0o777),
    owner=IDENTITIES,
    group=IDENTITIES,
    kind=st.sampled_from([stat.S_IFREG, stat.S_IFDIR]),
    ensure=st.sampled_from(["owned", "readable"]),
    taken=st.sampled_from([(), (1000,)]),
)
def test_what_was_mended_is_right(
    mode: int, owner: int, group: int, kind: int, ensure: str, taken: tuple[int, ...]
) -> None:
    asked = replace(TASK, ensure=ensure, take_over_from=taken)
    before = (kind | mode, owner, group)
    after = mended(before, asked)
    assert mended(after, asked) == after
    if is_foreign(owner, asked):
        assert after == before
    else:
        assert faults_of(after, asked) == ()
    if ensure == READABLE:
        assert after[0] & before[0] == before[0], "nobody loses a right"
        assert after[2] == before[2] or not before[0] & 0o070, "a group that had rights keeps the file"
        assert after[1] == before[1]
