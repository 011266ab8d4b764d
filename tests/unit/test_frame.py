# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's frame: what its parts may import from each other, and that its lists agree with what is there."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGINS = REPOSITORY / "plugins"
MODULE_UTILS = PLUGINS / "module_utils"
LOCKS = REPOSITORY / "tests" / "requirements"
OWN = "ansible_collections.gpuops.inference.plugins."

# The parts of module_utils, lowest first, and what each may import from the others: one way only.
MAY_IMPORT = {
    "_results": set(),
    "_workload": {"_results"},
    "_fabric": {"_results"},
    "_storage": {"_results"},
    "_platforms": {"_results", "_workload", "_fabric", "_storage"},
    "_diagnosis": {"_results", "_platforms"},
    "_options": {"_results", "_workload", "_fabric", "_storage", "_platforms"},
    "_operations": {"_results", "_workload", "_fabric", "_storage", "_platforms", "_diagnosis", "_options"},
}

# Parts that compute only: nothing but the standard library, not even ansible.
PURE = {"_results", "_workload", "_fabric", "_diagnosis"}

# What the rest of the collection may know of the platforms: the interface, its plain values, and the choice of one.
PLATFORM_INTERFACE = {
    *("_platforms.base", "_platforms.connection", "_platforms.looks", "_platforms.preflight", "_platforms.select"),
    *("_platforms.fabric", "_platforms.model_files", "_platforms.volumes"),
}

# Lower layers may take plain values from the interface, but never choose a platform.
PLATFORM_VALUES = PLATFORM_INTERFACE - {"_platforms.select"}

# Run:ai's pods run in a Kubernetes cluster: what looks into it uses what that platform has.
LOOKS_INTO_KUBERNETES = {
    f"runai/{name}.py"
    for name in ("cluster_pods", "cluster_preflight", "cluster_view", "fabric_evidence", "model_files", "volumes")
}

LONGEST_FILE = 500

# In two pieces, so that no tool takes this line for a licence of this file.
LICENCE_TAG = "# SPDX-License-" + "Identifier:"


@dataclass(frozen=True)
class Import:
    """One import statement: the file, its line, the module it names, and whether it runs when the file is loaded."""

    file: Path
    line: int
    module: str
    at_load: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(REPOSITORY)}:{self.line} imports {self.module}"


def _statements(node: ast.AST, at_load: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, at_load
        else:
            lazy = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _statements(child, at_load and not lazy)


def _imports(*folders: Path) -> list[Import]:
    found = []
    for file in sorted(path for folder in folders for path in folder.rglob("*.py")):
        for statement, at_load in _statements(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(statement, ast.Import):
                names = [alias.name for alias in statement.names]
            else:
                module = "." * statement.level + (statement.module or "")
                # `from package import module` names the module only together with what is taken from it.
                names = [f"{module}.{alias.name}" for alias in statement.names]
            found += [Import(file, statement.lineno, name, at_load) for name in names]
    return found


def _own_parts(statement: Import) -> list[str]:
    """Return the parts of the path below module_utils that an import of our own names, or nothing."""
    prefix = f"{OWN}module_utils."
    return statement.module.removeprefix(prefix).split(".") if statement.module.startswith(prefix) else []


def _part_of(file: Path) -> str:
    """Return the folder below module_utils in which a file lies."""
    return file.relative_to(MODULE_UTILS).parts[0]


def _names(folder: str) -> set[str]:
    return {path.stem for path in (PLUGINS / folder).glob("*.py") if not path.stem.startswith("_")}


def _lines(wrong: list[str]) -> str:
    """Return all that is wrong, a line each: pytest shortens long lists."""
    return "\n" + "\n".join(wrong)


def _load(name: str) -> dict[str, object]:
    loaded = yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def test_every_part_is_known() -> None:
    parts = {path.name for path in MODULE_UTILS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert parts <= set(MAY_IMPORT), "a new part of module_utils belongs into MAY_IMPORT, at its place in the order"


def test_parts_depend_one_way() -> None:
    wrong = []
    for statement in _imports(MODULE_UTILS):
        parts = _own_parts(statement)
        if parts and parts[0] != _part_of(statement.file) and parts[0] not in MAY_IMPORT[_part_of(statement.file)]:
            wrong.append(str(statement))
    assert not wrong, _lines(wrong)


def test_the_order_of_the_parts_has_no_cycle() -> None:
    order = list(MAY_IMPORT)
    for part, allowed in MAY_IMPORT.items():
        assert allowed <= set(order[: order.index(part)]), f"{part} may import only what stands before it"


def test_nothing_outside_knows_which_platform_it_has() -> None:
    wrong = []
    for statement in _imports(PLUGINS):
        parts = _own_parts(statement)
        inside = MODULE_UTILS in statement.file.parents and _part_of(statement.file) == "_platforms"
        if not inside and parts[:1] == ["_platforms"] and ".".join(parts[:2]) not in PLATFORM_INTERFACE:
            wrong.append(str(statement))
    assert not wrong, _lines(wrong)


def test_one_platform_does_not_know_another() -> None:
    """A platform is one folder; inside _platforms only select.py may name it, and the few files that look inside."""
    wrong = []
    platforms = {path.name for path in (MODULE_UTILS / "_platforms").iterdir() if path.is_dir()}
    for statement in _imports(MODULE_UTILS / "_platforms"):
        parts = _own_parts(statement)
        place = statement.file.relative_to(MODULE_UTILS / "_platforms")
        home = place.parts[0]
        if parts[1:2] == ["kubernetes"] and place.as_posix() in LOOKS_INTO_KUBERNETES:
            continue
        if len(parts) > 1 and parts[0] == "_platforms" and parts[1] in platforms - {home} and home != "select.py":
            wrong.append(str(statement))
    assert not wrong, _lines(wrong)


@pytest.mark.parametrize("part", ["_options", "_diagnosis"])
def test_lower_parts_take_only_values_from_the_platforms(part: str) -> None:
    wrong = []
    for statement in _imports(MODULE_UTILS / part):
        parts = _own_parts(statement)
        if parts[:1] == ["_platforms"] and ".".join(parts[:2]) not in PLATFORM_VALUES:
            wrong.append(str(statement))
    assert not wrong, _lines(wrong)


def test_pure_parts_import_the_standard_library_only() -> None:
    wrong = []
    for statement in _imports(*(MODULE_UTILS / part for part in sorted(PURE))):
        if not _own_parts(statement) and statement.module.split(".")[0] not in sys.stdlib_module_names:
            wrong.append(str(statement))
    assert not wrong, _lines(wrong)


def test_modules_load_nothing_heavy() -> None:
    """What a module loads costs every task: packages other than ansible's own are imported where they are used."""
    wrong = []
    for statement in _imports(PLUGINS / "modules", MODULE_UTILS):
        known = statement.module.startswith(("ansible.module_utils.", OWN))
        if statement.at_load and not known and statement.module.split(".")[0] not in sys.stdlib_module_names:
            wrong.append(str(statement))
    assert not wrong, _lines(wrong)


def test_own_files_are_imported_by_their_full_name() -> None:
    """AnsiballZ ships what literal, full imports name."""
    wrong = [str(statement) for statement in _imports(PLUGINS) if statement.module.startswith(".")]
    assert not wrong, _lines(wrong)


def test_module_utils_has_no_package_files() -> None:
    assert list(MODULE_UTILS.rglob("__init__.py")) == []


def test_every_module_has_its_action_plugin() -> None:
    assert _names("modules") == _names("action")


def test_the_action_group_holds_every_module() -> None:
    groups = _load("meta/runtime.yml")["action_groups"]
    assert isinstance(groups, dict)
    assert groups["all"] == sorted(_names("modules"))


def test_the_version_is_the_same_everywhere() -> None:
    from ansible_collections.gpuops.inference.plugins.module_utils._results.version import COLLECTION_VERSION

    assert _load("galaxy.yml")["version"] == COLLECTION_VERSION


def test_what_is_not_for_users_stays_out_of_the_tarball() -> None:
    ignored = _load("galaxy.yml")["build_ignore"]
    assert isinstance(ignored, list)
    folders = {f"tests/{path.name}" for path in (REPOSITORY / "tests").iterdir() if path.is_dir()}
    assert folders - {"tests/__pycache__"} <= set(ignored)


def _length(file: Path) -> int:
    """Return a file's lines; documentation that ansible reads from this one place only does not count."""
    if file.name == "argument_specs.yml":
        return 0
    text = file.read_text(encoding="utf-8")
    documentation = 0
    for node in ast.parse(text).body if file.suffix == ".py" else []:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"DOCUMENTATION", "EXAMPLES", "RETURN"}:
            documentation += len((ast.get_source_segment(text, node) or "").splitlines())
    return len(text.splitlines()) - documentation


@pytest.mark.parametrize("folder", ["plugins", "roles", "playbooks", "inventories", "extensions", "tests"])
def test_files_stay_short(folder: str) -> None:
    files = [path for kind in ("*.py", "*.yml") for path in (REPOSITORY / folder).rglob(kind)]
    lengths = {str(path.relative_to(REPOSITORY)): _length(path) for path in files}
    wrong = [f"{name} has {length} lines" for name, length in lengths.items() if length > LONGEST_FILE]
    assert not wrong, _lines(wrong)


@pytest.mark.parametrize(
    ("folder", "licence"), [("plugins/module_utils", "BSD-2-Clause"), ("plugins", "GPL-3.0-or-later")]
)
def test_every_file_carries_the_licence_of_its_place(folder: str, licence: str) -> None:
    wrong = []
    for file in sorted((REPOSITORY / folder).rglob("*.py")):
        if folder == "plugins" and MODULE_UTILS in file.parents:
            continue
        head = file.read_text(encoding="utf-8").splitlines()[:4]
        if f"{LICENCE_TAG} {licence}" not in head:
            wrong.append(str(file.relative_to(REPOSITORY)))
    assert not wrong, _lines(wrong)


def test_private_code_says_that_it_is_private() -> None:
    note = "For internal use of this collection only: may change without notice."
    wrong = [str(path) for path in MODULE_UTILS.rglob("*.py") if note not in path.read_text(encoding="utf-8")]
    assert not wrong, _lines(wrong)


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda path: path.name)
def test_locks_hold_hashes_and_no_address(lock: Path) -> None:
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    packages = [line for line in lines if not line.startswith(" ")]
    assert packages
    assert [line for line in packages if "==" not in line or not line.endswith("\\")] == []
    assert [line for line in lines if "://" in line or line.startswith("-")] == []


def test_test_files_have_names_of_their_own() -> None:
    """Pytest imports them by name alone: two of one name end a whole run, though each folder alone passes."""
    names = Counter(path.name for path in (REPOSITORY / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
