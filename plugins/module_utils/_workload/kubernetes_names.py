# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What Kubernetes takes as names, label values and quantities.

A platform may accept a workload whose pods the cluster then refuses. So this is known before a running workload is
deleted to make room for its successor. The rules are those of ``k8s.io/apimachinery`` (``util/validation``,
``api/resource``) and of ``k8s.io/kubernetes`` (``pkg/apis/core/validation``). Every function refuses with an
``OptionError`` that names ``option``.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from decimal import Decimal

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError

_LONGEST_SUBDOMAIN = 253
_LONGEST_LABEL = 63
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
# Memory in whole bytes or more: the suffixes n, u and m (parts of a byte) are left out on purpose.
_MEMORY = re.compile(r"\+?(\d+\.?\d*|\.\d+)(?:(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)|[eE]([-+]?\d{1,2}))?")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}

_SUBDOMAIN_HINT = f"Use lower-case letters, digits, - and . (at most {_LONGEST_SUBDOMAIN} characters)."
_WORD_HINT = (
    f"Use letters, digits, -, _ and ., with a letter or digit at both ends (at most {_LONGEST_LABEL} characters)."
)


def check_object_name(name: str, option: str, kind: str) -> None:
    """Refuse what cannot name a ``kind`` (a Secret, a claim): a DNS-1123 subdomain is needed."""
    if not _is_subdomain(name):
        raise OptionError.of(option, f"{name!r} cannot be the name of a {kind}.", _SUBDOMAIN_HINT)


def check_dns_label(name: str, option: str, kind: str) -> None:
    """Refuse what cannot name a ``kind`` (a volume of a pod): a DNS-1123 label is needed."""
    if len(name) > _LONGEST_LABEL or not _DNS_LABEL.fullmatch(name):
        raise OptionError.of(
            option,
            f"{name!r} cannot be the name of a {kind}.",
            f"Use lower-case letters, digits and - (at most {_LONGEST_LABEL} characters).",
        )


def check_secret_key(key: str, option: str) -> None:
    """Refuse what cannot be a key of a Secret."""
    if not _KEY.fullmatch(key) or len(key) > _LONGEST_SUBDOMAIN or key == "." or key.startswith(".."):
        raise OptionError.of(
            option, f"{key!r} cannot be a key of a Secret.", "Use letters, digits, -, _ and . (not .. in front)."
        )


def check_qualified_name(name: str, option: str, kind: str) -> None:
    """Refuse what cannot name a label, an annotation or a taint: ``name`` or ``prefix/name``."""
    prefix, slash, word = name.rpartition("/")
    if (slash and not _is_subdomain(prefix)) or not _is_word(word):
        raise OptionError.of(
            option,
            f"{name!r} cannot be the name of {kind}.",
            f"{_WORD_HINT} A prefix (a DNS name and /) may stand in front.",
        )


def check_label_value(value: str, option: str) -> None:
    """Refuse what cannot be the value of a label; the empty text can."""
    if value and not _is_word(value):
        raise OptionError.of(option, f"{value!r} cannot be the value of a label.", _WORD_HINT)


def check_extended_resource(name: str, option: str) -> None:
    """Refuse what cannot name an extended resource, such as ``rdma/hca``: with a prefix, not Kubernetes' own."""
    prefix, _slash, word = name.rpartition("/")
    # Quotas write "requests." in front, which has to fit too.
    fits = _is_subdomain(f"requests.{prefix}") and _is_word(word)
    if not fits or "kubernetes.io" in prefix.split("/") or prefix.endswith(".kubernetes.io"):
        raise OptionError.of(
            option,
            f"{name!r} cannot be the name of an extended resource.",
            "Write it as the machines offer it, such as rdma/hca_shared_devices_a or openshift.io/mellanoxnics.",
        )


def memory_bytes(quantity: str, option: str) -> Decimal:
    """Return the bytes of a Kubernetes quantity (``64Gi``); refuse what is none or less than a byte."""
    found = _MEMORY.fullmatch(quantity)
    if found is None:
        raise OptionError.of(option, f"{quantity!r} is not an amount of memory.", "Write it like 64Gi or 512Mi.")
    number, suffix, exponent = found.groups()
    factor = Decimal(10) ** int(exponent) if exponent else Decimal(1)
    if suffix in _BINARY:
        factor = Decimal(1024) ** _BINARY[suffix]
    elif suffix in _DECIMAL:
        factor = Decimal(1000) ** _DECIMAL[suffix]
    size = Decimal(number) * factor
    if size < 1:
        raise OptionError.of(option, f"{quantity!r} is less than one byte.", "Write it like 64Gi or 512Mi.")
    return size


def _is_subdomain(text: str) -> bool:
    return len(text) <= _LONGEST_SUBDOMAIN and bool(_SUBDOMAIN.fullmatch(text))


def _is_word(text: str) -> bool:
    return len(text) <= _LONGEST_LABEL and bool(_WORD.fullmatch(text))
