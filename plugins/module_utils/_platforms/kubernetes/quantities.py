# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Kubernetes quantities in one form. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

# k8s.io/apimachinery, pkg/api/resource/quantity.go.
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([-+]?\d{1,2}))?")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -3, "u": -2, "m": -1, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


def normal_quantity(value: Any) -> Any:
    """Return a quantity in the one text for its amount (``1024Mi`` and ``1073741824`` are ``1Gi``, ``0.5`` is
    ``500m``); anything else as it is. The API server, too, gives amounts back in another form than they were sent."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return value
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        return value
    number, suffix, exponent = found.groups()
    amount = Decimal(number)
    if suffix in _BINARY:
        amount *= Decimal(1024) ** _BINARY[suffix]
    elif suffix in _DECIMAL:
        amount *= Decimal(1000) ** _DECIMAL[suffix]
    elif exponent:
        amount *= Decimal(10) ** int(exponent)
    return _text(amount)


def _text(amount: Decimal) -> str:
    """Return an amount with the largest suffix that leaves a whole number, a binary one where there is one."""
    if amount == 0:
        return "0"
    for base, suffixes in ((Decimal(1024), _BINARY), (Decimal(1000), _DECIMAL)):
        for suffix, power in sorted(suffixes.items(), key=lambda entry: -entry[1]):
            if power > 0 and amount % base**power == 0:
                return f"{int(amount / base**power)}{suffix}"
    for suffix, power in (("", 0), ("m", -1), ("u", -2)):
        scaled = amount / Decimal(1000) ** power
        if scaled % 1 == 0:
            return f"{int(scaled)}{suffix}"
    # Kubernetes keeps nothing finer, and rounds up.
    return f"{int((amount * 10**9).to_integral_value(rounding='ROUND_CEILING'))}n"
