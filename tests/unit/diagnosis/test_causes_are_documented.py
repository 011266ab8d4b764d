# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every cause that a finding can have stands in a table of the documentation, and no other word does.

The causes are read from the sources: from each call that makes a ``Finding`` back to the literals that can get there,
through parameters, variables, constants, tables and attributes. What cannot be followed fails.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PLUGINS = REPOSITORY / "plugins"
DOCS = REPOSITORY / "docs"
PACKAGE = "ansible_collections.gpuops.inference.plugins."

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Parameter:
    """Where a cause is handed in: ``owner`` is the class, empty for a function of the module."""

    module: str
    owner: str
    callee: str
    position: int
    name: str


class Module:
    """One source file, as far as names are looked up in it."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name = name
        self.tree = tree
        self.imports: dict[str, tuple[str, str]] = {}
        self.constants: dict[str, ast.expr] = {}
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
                origin = (node.module or "").removeprefix(PACKAGE)
                self.imports.update({alias.asname or alias.name: (origin, alias.name) for alias in node.names})
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                self.constants[statement.targets[0].id] = statement.value
            elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
                self.constants[statement.target.id] = statement.value

    @cached_property
    def calls(self) -> list[ast.Call]:
        """Return all calls of the file."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]

    @cached_property
    def defined(self) -> set[str]:
        """Return the names of the functions and classes of the module itself."""
        return {node.name for node in self.tree.body if isinstance(node, (Function, ast.ClassDef))}

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Return what a node lies in, the innermost first."""
        while node in self.parents:
            node = self.parents[node]
            yield node


class Causes:
    """The causes of all findings of the plugins."""

    def __init__(self, sources: dict[str, str]) -> None:
        self._modules = {name: Module(name, ast.parse(text)) for name, text in sources.items()}
        self.words: set[str] = set()
        self.not_followed: list[str] = []
        self._seen: set[Parameter | str | tuple[str, ast.AST]] = set()

    def find(self) -> None:
        """Collect what can be the ``cause`` of a ``Finding``, as it is made or replaced later."""
        for module in self._modules.values():
            for call in module.calls:
                if isinstance(call.func, ast.Name) and call.func.id == "replace":
                    for keyword in call.keywords:
                        if keyword.arg == "cause":
                            self._follow(module, keyword.value)
            for node in module.tree.body:
                if isinstance(node, ast.ClassDef) and node.name == "Finding":
                    self._into_class(module, node, "cause")

    def _into_class(self, module: Module, node: ast.ClassDef, attribute: str) -> None:
        """Follow what becomes an attribute of a class: by a field or by a parameter of the same name."""
        made = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)]
        if made:
            self._into_function(module, made[0], attribute, node.name)
            return
        names = [part.target.id for part in fields if isinstance(part.target, ast.Name)]
        if attribute in names:
            position = names.index(attribute)
            self._follow_default(module, fields[position].value)
            self._into(Parameter(module.name, "", node.name, position, attribute))

    def _into_function(self, module: Module, node: Function, name: str, maker_of: str = "") -> None:
        """Follow what is handed to a parameter of a function."""
        owner = next((each for each in module.around(node) if isinstance(each, ast.ClassDef)), None)
        names = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
        defaults = dict(zip(names[::-1], node.args.defaults[::-1], strict=False))
        defaults |= {
            each.arg: value for each, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if value
        }
        self._follow_default(module, defaults.get(name))
        bound = 1 if owner is not None and names[:1] in (["self"], ["cls"]) else 0
        position = names.index(name) - bound if name in names else -1
        inside = "" if owner is None or maker_of else owner.name
        self._into(Parameter(module.name, inside, maker_of or node.name, position, name))

    def _follow_default(self, module: Module, value: ast.expr | None) -> None:
        if value is not None:
            self._follow(module, value)

    def _into(self, parameter: Parameter) -> None:
        """Follow a parameter to all calls that hand something to it."""
        if parameter in self._seen:
            return
        self._seen.add(parameter)
        for module in self._modules.values():
            for call in module.calls:
                if self._calls(module, call, parameter):
                    named = [keyword.value for keyword in call.keywords if keyword.arg == parameter.name]
                    placed = call.args[parameter.position : parameter.position + 1] if parameter.position >= 0 else []
                    stars = [value for value in call.args if isinstance(value, ast.Starred)]
                    for value in stars or named or placed:
                        self._follow(module, value)

    def _calls(self, module: Module, call: ast.Call, parameter: Parameter) -> bool:
        """Say whether a call may be one of the parameter's function."""
        function = call.func
        if isinstance(function, ast.Name):
            return not parameter.owner and self._is(module, function.id, parameter)
        if not isinstance(function, ast.Attribute) or function.attr != parameter.callee:
            return False
        base = function.value
        if isinstance(base, ast.Name) and base.id in ("self", "cls"):
            return parameter.module == module.name and bool(parameter.owner)
        if isinstance(base, ast.Name) and base.id in module.imports:
            origin, name = module.imports[base.id]
            return f"{origin}.{name}" == parameter.module or name == parameter.owner
        return bool(parameter.owner)

    def _is(self, module: Module, name: str, parameter: Parameter) -> bool:
        """Say whether a name of a module is the parameter's function or class."""
        origin, original = (module.name, name) if name in module.defined else module.imports.get(name, ("", ""))
        return (origin, original) == (parameter.module, parameter.callee)

    def _follow(self, module: Module, value: ast.expr) -> None:
        """Follow an expression to the words that it can be."""
        if (module.name, value) in self._seen:
            return
        self._seen.add((module.name, value))
        match value:
            case ast.Constant(value=str(word)):
                self.words |= {word} if word else set()
            case ast.IfExp(body=first, orelse=second):
                self._follow(module, first)
                self._follow(module, second)
            case ast.BoolOp(values=several) | ast.Tuple(elts=several) | ast.Set(elts=several) | ast.List(elts=several):
                for each in several:
                    self._follow(module, each)
            case ast.Dict(keys=keys):
                for key in keys:
                    self._follow_default(module, key)
            case ast.SetComp(elt=each) | ast.ListComp(elt=each) | ast.GeneratorExp(elt=each):
                self._follow(module, each)
            case ast.Name(id=name):
                self._follow_name(module, value, name)
            case ast.Call(func=ast.Name(id="str" | "min" | "tuple"), args=[each, *_]):
                self._follow(module, each)
            case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[key, *default]):
                for each in default:
                    self._follow(module, each)
                self._follow_entry(module, table, key)
            case ast.Subscript(value=table, slice=key):
                self._follow_entry(module, table, key)
            case ast.Attribute(attr=name):
                self._follow_attribute(name)
            case ast.JoinedStr(values=[ast.FormattedValue(), ast.Constant(value="_unknown")]):
                self.words |= {f"{check}_unknown" for check in self._checks_unseen()}
            case ast.JoinedStr(values=[ast.Constant(value=str(start)), ast.FormattedValue()]) if start.endswith(" "):
                self.words.add(start.strip())
            case _:
                self._give_up(module, value)

    def _follow_name(self, module: Module, value: ast.expr, name: str) -> None:
        """Follow a name: a variable or a parameter of the function around it, a constant, or something imported."""
        for function in module.around(value):
            if isinstance(function, Function):
                bound = [node for node in ast.walk(function) if _binds(node, name)]
                for node in bound:
                    self._follow_binding(module, node, name)
                arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
                if name in [each.arg for each in arguments]:
                    self._into_function(module, function, name)
                    return
                if bound:
                    return
        if name in module.constants:
            self._follow(module, module.constants[name])
        elif name in module.imports and module.imports[name][0] in self._modules:
            origin, original = module.imports[name]
            self._follow_name(self._modules[origin], ast.Name(original), original)
        else:
            self._give_up(module, value)

    def _follow_binding(self, module: Module, node: ast.AST, name: str) -> None:
        """Follow what a variable is made of: an assignment, or the rows that a loop goes through."""
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
                position = [isinstance(each, ast.Name) and each.id == name for each in targets].index(True)
                for each in self._rows(module, value):
                    self._follow(module, each.elts[position] if isinstance(each, (ast.Tuple, ast.List)) else each)
            case ast.Assign(value=value) | ast.For(iter=value) | ast.comprehension(iter=value):
                self._follow(module, value)
            case ast.AnnAssign(value=ast.expr() as value):
                self._follow(module, value)

    def _rows(self, module: Module, value: ast.expr) -> list[ast.expr]:
        """Return the tuples that an expression can be."""
        match value:
            case ast.IfExp(body=first, orelse=second):
                return [*self._rows(module, first), *self._rows(module, second)]
            case ast.Call(func=ast.Attribute(value=ast.Name(id=table), attr="get"), args=[_, *default]):
                entries = module.constants.get(table)
                return [*default, *(entries.values if isinstance(entries, ast.Dict) else [])]
            case _:
                return [value]

    def _follow_entry(self, module: Module, table: ast.expr, key: ast.expr) -> None:
        """Follow an entry of a table, or of a dictionary that is passed between parts of the collection."""
        constant = module.constants.get(table.id) if isinstance(table, ast.Name) else None
        if isinstance(constant, ast.Dict):
            for value in constant.values:
                self._follow(module, value)
        elif isinstance(key, ast.Constant) and isinstance(key.value, str):
            for other in self._modules.values():
                for node in ast.walk(other.tree):
                    if isinstance(node, ast.Dict):
                        for name, value in zip(node.keys, node.values, strict=True):
                            if isinstance(name, ast.Constant) and name.value == key.value:
                                self._follow(other, value)
        else:
            self._give_up(module, table)

    def _follow_attribute(self, name: str) -> None:
        """Follow an attribute: to all classes that have it."""
        if name in self._seen:
            return
        self._seen.add(name)
        for module in self._modules.values():
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ClassDef) and _has_attribute(node, name):
                    self._into_class(module, node, name)

    def _checks_unseen(self) -> set[str]:
        """Return the first words of the checks of a platform that can be unknown: these make the cause."""
        names = Causes({})
        names._modules = self._modules
        for module in self._modules.values():
            for call in module.calls:
                match call:
                    case ast.Call(func=ast.Name(id="PreflightCheck"), args=[name, ast.Name(id="UNKNOWN"), *_]):
                        names._follow(module, name)
        self.not_followed += names.not_followed
        return names.words

    def _give_up(self, module: Module, value: ast.expr) -> None:
        self.not_followed.append(f"{module.name}:{getattr(value, 'lineno', 0)} {ast.unparse(value)}")


def _has_attribute(node: ast.ClassDef, name: str) -> bool:
    """Say whether a class has a field of a name, or is made with a parameter of that name."""
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.target.id == name:
            return True
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            return name in [each.arg for each in (*part.args.args, *part.args.kwonlyargs)]
    return False


def _binds(node: ast.AST, name: str) -> bool:
    """Say whether a statement gives a variable its value."""
    match node:
        case ast.Assign(targets=targets):
            pass
        case ast.For(target=target) | ast.comprehension(target=target) | ast.AnnAssign(target=target):
            targets = [target]
        case _:
            return False
    parts = [part for each in targets for part in (each.elts if isinstance(each, ast.Tuple) else [each])]
    return any(isinstance(part, ast.Name) and part.id == name for part in parts)


def sources() -> dict[str, str]:
    """Return the plugins' source files by the names they are imported by."""
    return {
        ".".join(path.relative_to(PLUGINS).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in PLUGINS.rglob("*.py")
    }


def documented() -> dict[str, set[str]]:
    """Return the causes in the first column of the tables of causes, with the pages they are on."""
    found: dict[str, set[str]] = {}
    for page in sorted(DOCS.glob("*.md")):
        is_of_causes = False
        for line in page.read_text(encoding="utf-8").splitlines():
            is_of_causes = line.startswith("|") and (is_of_causes or line.startswith("| cause |"))
            if is_of_causes:
                for cause in re.findall(r"`([^`]+)`", line.split("|")[1]):
                    found.setdefault(cause, set()).add(page.name)
    return found


@pytest.fixture(scope="module")
def causes() -> Causes:
    """Return the causes of the plugins."""
    found = Causes(sources())
    found.find()
    return found


def test_all_that_makes_a_cause_can_be_followed(causes: Causes) -> None:
    assert causes.not_followed == []


def test_causes_are_words(causes: Causes) -> None:
    assert [cause for cause in causes.words if not re.fullmatch(r"[a-z][a-z0-9_]+", cause)] == []


def test_every_cause_is_documented(causes: Causes) -> None:
    assert sorted(causes.words - set(documented())) == [], "give each a row in a table of docs/diagnosis.md"


def test_no_cause_is_documented_that_is_no_more(causes: Causes) -> None:
    assert {cause: pages for cause, pages in documented().items() if cause not in causes.words} == {}


def test_the_cells_of_the_page_are_filled() -> None:
    """A row of the page has a cell for each heading, and none of them is empty."""
    lines = (DOCS / "diagnosis.md").read_text(encoding="utf-8").splitlines()
    columns, wrong = 0, []
    for line in lines:
        cells = [cell.strip() for cell in line.replace("\\|", "").strip("|").split("|")] if line.startswith("|") else []
        columns = (columns or len(cells)) if cells else 0
        if cells and (len(cells) != columns or not all(cells)):
            wrong.append(line)
    assert wrong == []


FINDING = """
class Finding:
    severity: str
    cause: str
    evidence: str
"""
ERRORS = f"""
from {PACKAGE}finding import Finding
class Refusal(Exception):
    @classmethod
    def of(cls, option, cause="by_default"):
        return cls(Finding("error", cause, option))
"""
# Each way that a word can take, and the words that are found.
WAYS = {
    'Finding("error", "placed", "")': {"placed"},
    'Finding("error", cause="named", evidence="")': {"named"},
    'Finding("error", "first" if shown() else "second", "")': {"first", "second"},
    'CODE = "constant"\nFinding("error", CODE, "")': {"constant"},
    'TABLE = {1: "one"}\nFinding("error", TABLE.get(2, "other"), "")': {"one", "other"},
    'TABLE = {1: "one"}\nFinding("error", TABLE[1], "")': {"one"},
    'HINTS = {"by_key": "Do it."}\ndef f():\n    for word in HINTS:\n        Finding("error", word, HINTS[word])': {
        "by_key"
    },
    'def f(late):\n    word, text = ("left", "a") if late else ("right", "b")\n    Finding("error", word, text)': {
        "left",
        "right",
    },
    'def f(word):\n    return Finding("error", word, "")\nf("handed_in")': {"handed_in"},
    'class Row:\n    cause: str\nROWS = (Row("row"),)\ndef f(row):\n    Finding("error", row.cause, "")': {"row"},
    'class A:\n    def f(self, word):\n        Finding("", word, "")\n    def g(self):\n        self.f("own")': {"own"},
    'Refusal.of("option", "stated")': {"stated"},
    'def f():\n    told = {"cause": "sent"}\ndef g(got):\n    Finding("error", str(got.get("cause")), "")': {"sent"},
    'class A:\n    def __init__(self, cause="assumed"):\n        pass\nA("given")\nFinding("error", a.cause)': {
        "given",
        "assumed",
    },
    'replace(finding, cause="another")': {"another"},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_word_is_found_on_its_way(way: str) -> None:
    text = f"from {PACKAGE}finding import Finding\nfrom {PACKAGE}errors import Refusal\n{way}"
    found = Causes({"finding": FINDING, "errors": ERRORS, "using": text})
    found.find()
    assert found.not_followed == []
    assert found.words - {"by_default"} == WAYS[way]


def test_what_cannot_be_followed_is_told() -> None:
    text = f"from {PACKAGE}finding import Finding\nFinding('', make(), '')\nFinding(*row)"
    found = Causes({"finding": FINDING, "using": text})
    found.find()
    assert found.not_followed == ["using:2 make()", "using:3 *row"]
