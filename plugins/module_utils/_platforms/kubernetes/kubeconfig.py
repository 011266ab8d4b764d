# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Which cluster, user and namespace a kubeconfig means, loaded by the ``kubernetes`` package.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError

DEFAULT_FILE = "~/.kube/config"


@dataclass(frozen=True)
class Kubeconfig:
    """The chosen context of a kubeconfig. ``source`` says in words where it comes from; ``cluster`` is the name of the
    cluster's entry; ``user`` and ``cluster_entry`` are what stands in these entries."""

    source: str
    cluster: str
    namespace: str | None
    user: Mapping[str, Any] = field(repr=False)
    cluster_entry: Mapping[str, Any] = field(repr=False)
    loader: Any = field(repr=False)

    def fill(self, configuration: Any) -> list[str]:
        """Set address, trust and credentials in a ``kubernetes.client.Configuration``; an exec plugin runs now.

        Returns what the package only logs: why a credential plugin failed.
        """
        try:
            with errors_logged() as errors:
                self.loader.load_and_set(configuration)
        except _loader_errors() as error:
            raise _unusable(self.source, error) from None
        return errors


def read_kubeconfig(
    content: str | Mapping[str, Any], context: str | None, temporary_directory: str | None
) -> Kubeconfig:
    """Return the chosen context of a kubeconfig: paths (separated as in ``KUBECONFIG``), or the content itself.

    Certificates that stand in it are written to ``temporary_directory``. Raises ``OptionError``.
    """
    # Not typed; by its name, so that it counts as Any.
    loaders = import_module("kubernetes.config.kube_config")
    persist = None
    if isinstance(content, str) and ("\n" in content or content.lstrip().startswith(("{", "---"))):
        content = _parsed(content)
    if isinstance(content, str):
        source = f"kubeconfig {content}"
        paths = [os.path.expanduser(path) for path in content.split(os.pathsep) if path]
        if not any(os.path.exists(path) for path in paths):
            raise OptionError.of("kubeconfig", f"{content} does not exist.", "Give the path of a kubeconfig file.")
        try:
            merger = loaders.KubeConfigMerger(os.pathsep.join(paths))
            documents, merged = list(merger.config_files.values()), merger.config
        except _loader_errors() as error:
            raise _unusable(source, error) from None
        # An OIDC provider may hand out a new refresh token that replaces the old one: kubectl writes it back too.
        persist = merger.save_changes
    else:
        source, documents, merged = "the given kubeconfig", [dict(content)], dict(content)
    name = _context_name(documents, context, source)
    chosen = mapping(_entry(documents, "contexts", name).get("context"))
    cluster = str(chosen.get("cluster") or "")
    cluster_entry = mapping(_entry(documents, "clusters", cluster).get("cluster"))
    if not cluster_entry.get("server"):
        raise OptionError.of(
            "kubeconfig",
            f"context {name} in {source} names the cluster {cluster!r}, which has no address there.",
            "Correct the kubeconfig: each cluster needs a server.",
        )
    try:
        # Without a base of its own: files are looked for beside the kubeconfig that names them.
        loader = loaders.KubeConfigLoader(
            config_dict=merged,
            active_context=name,
            config_base_path=None,
            config_persister=persist,
            temp_file_path=temporary_directory,
        )
    except _loader_errors() as error:
        raise _unusable(source, error) from None
    user = mapping(_entry(documents, "users", str(chosen.get("user") or "")).get("user"))
    namespace = chosen.get("namespace")
    where = f"context {name} in {source}"
    return Kubeconfig(where, cluster, str(namespace) if namespace else None, user, cluster_entry, loader)


@contextmanager
def errors_logged() -> Iterator[list[str]]:
    """Collect what is logged as an error meanwhile: the package logs why a credential plugin failed, and goes on."""
    texts: list[str] = []

    class _Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    collector = _Collector(logging.ERROR)
    logging.getLogger().addHandler(collector)
    try:
        yield texts
    finally:
        logging.getLogger().removeHandler(collector)


def _context_name(documents: list[Any], wanted: str | None, source: str) -> str:
    """Return the context that is wanted or, as kubectl does, the first file's that names a current one."""
    names = [str(entry.get("name")) for document in documents for entry in mappings(mapping(document).get("contexts"))]
    current = next((document["current-context"] for document in documents if document.get("current-context")), None)
    name = wanted or current
    known = f"It has: {', '.join(names)}." if names else "It has none."
    if not name:
        raise OptionError.of("context", f"no context is chosen, and {source} has no current one.", f"Set it. {known}")
    if name not in names:
        raise OptionError.of("context", f"{source} has no context {name}.", known)
    return str(name)


def _entry(documents: list[Any], section: str, name: str) -> Mapping[str, Any]:
    """Return the first entry of this name, as kubectl merges files."""
    for document in documents:
        for entry in mappings(mapping(document).get(section)):
            if entry.get("name") == name:
                return entry
    return {}


def _parsed(content: str) -> Mapping[str, Any]:
    import yaml

    try:
        parsed = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise _unusable("the given kubeconfig", error) from None
    if not isinstance(parsed, Mapping):
        raise _unusable("the given kubeconfig", "it is no mapping")
    return parsed


def _loader_errors() -> tuple[type[Exception], ...]:
    """Return what the package's loader raises for content that is no kubeconfig."""
    import yaml
    from kubernetes.config import ConfigException

    shape = (AttributeError, KeyError, TypeError, ValueError, IndexError)
    return (ConfigException, yaml.YAMLError, OSError, *shape)


def _unusable(source: str, error: object) -> OptionError:
    """Return the error of a kubeconfig that cannot be read.

    Nothing of its content is told: YAML errors quote lines of it, and the package's quote whole entries, in braces.
    """
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        reason = f"no YAML at line {mark.line + 1}"
    else:
        reason = " ".join(str(error).split()).partition("{")[0].strip() or type(error).__name__
    return OptionError.of("kubeconfig", f"{source} cannot be used: {reason}.", "Check it with `kubectl config view`.")
