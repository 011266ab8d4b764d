# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate authority of the tests' own."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class Certificates:
    """A certificate authority with one server certificate for localhost."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_path = str(folder / "ca.pem")
        Path(self.ca_path).write_bytes(authority.cert_pem.bytes())
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self.context)
