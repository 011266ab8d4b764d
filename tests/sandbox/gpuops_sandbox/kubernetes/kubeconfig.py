# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a kubeconfig: where the API server of its current context is, and how to log in there."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gpuops_sandbox.back_end import CannotStart


class KubeconfigError(CannotStart):
    """What is wrong with a kubeconfig, in one line."""


@dataclass(frozen=True)
class Access:
    """Where an API server is, whom to trust there, and the token to send (empty: the certificate says who asks)."""

    url: str
    trust: ssl.SSLContext
    token: str = ""


def read_kubeconfig(path: Path, folder: Path) -> Access:
    """Return the access of a kubeconfig's current context; a key that stands in the file is copied into ``folder``.

    Raises ``KubeconfigError``, also on programs that log in (``exec``): this simulator runs none.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise KubeconfigError(f"kubeconfig {path}: cannot be used: it is no mapping")
        context = _named(content, "contexts", content["current-context"])["context"]
        cluster = _named(content, "clusters", context["cluster"])["cluster"]
        user = _named(content, "users", context["user"])["user"]
        return _access(path.parent, cluster, user, folder)
    except (KeyError, TypeError) as error:
        raise KubeconfigError(f"kubeconfig {path}: cannot be used: it is incomplete, {error} is missing") from error
    except (OSError, yaml.YAMLError, binascii.Error, ssl.SSLError) as error:
        raise KubeconfigError(f"kubeconfig {path}: cannot be used: {error}") from error


def _access(beside: Path, cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> Access:
    trust = ssl.create_default_context(
        cafile=_path(beside, cluster.get("certificate-authority")), cadata=_text(cluster, "certificate-authority-data")
    )
    if cluster.get("insecure-skip-tls-verify"):
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
    certificate, key = (_file(beside, user, field, folder) for field in ("client-certificate", "client-key"))
    token = _text(user, "token", encoded=False) or _token(beside, user)
    if certificate is not None:
        trust.load_cert_chain(certificate, key)
    elif not token:
        ways = ", ".join(sorted(user)) or "none"
        raise KubeconfigError(f"the kubeconfig must log in by client certificate or token; its user has: {ways}")
    return Access(str(cluster["server"]).rstrip("/"), trust, token or "")


def _named(content: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    for entry in content[kind]:
        if entry["name"] == name:
            found: dict[str, Any] = entry
            return found
    raise KeyError(f"{name} in {kind}")


def _path(beside: Path, name: str | None) -> Path | None:
    return beside / name if name else None


def _text(holder: dict[str, Any], field: str, encoded: bool = True) -> str | None:
    value = holder.get(field)
    if not value:
        return None
    return base64.b64decode(value).decode() if encoded else str(value)


def _token(beside: Path, user: dict[str, Any]) -> str | None:
    path = _path(beside, user.get("tokenFile"))
    return path.read_text(encoding="utf-8").strip() if path else None


def _file(beside: Path, user: dict[str, Any], field: str, folder: Path) -> Path | None:
    """Return the file of a certificate or key; one that stands in the kubeconfig itself is put into a private file."""
    text = _text(user, f"{field}-data")
    if text is None:
        return _path(beside, user.get(field))
    path = folder / f"kubernetes-{field}.pem"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return path
