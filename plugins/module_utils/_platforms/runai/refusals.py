# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Turns what the control plane refused, or that it did not answer, into findings and errors. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.gpuops.inference.plugins.module_utils._platforms import transport
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import Redactor

# How much of an answer that is not the API's own JSON is shown.
_LONGEST_EXCERPT = 200
_LONGEST_MESSAGE = 1000
# How a 400 may say that a name is in use: the text is not documented, so both orders of the words are known.
_TAKEN = r"already exist|already in use|already taken|in use|is taken|not unique"
_NAMED = r"name|workload|resource"
_NAME_TAKEN = re.compile(rf"({_NAMED}).*({_TAKEN})|({_TAKEN}).*({_NAMED})", re.IGNORECASE | re.DOTALL)

_HINTS = {
    400: "Correct the option that the message names.",
    401: "Check runai_client_id and runai_client_secret (or runai_token) and that they belong to this control plane.",
    403: "Give the service account an access rule (role and scope) that covers this project.",
    404: "Check runai_url and project; the object may have been deleted meanwhile.",
    405: "The control plane may be older than this operation needs; see docs/runai-flags.md.",
}
_CAUSES = {400: "request_refused", 401: "unauthorized", 403: "forbidden", 404: "not_found", 409: "conflict"}

_CONNECTION_HINTS = {
    transport.REFUSED: "Check runai_url (host and port) and that the control plane is up.",
    transport.UNRESOLVED: "Check the host name in runai_url.",
    transport.UNTRUSTED: "Set runai_ca_path to the file of the control plane's certificate authority.",
    transport.TIMED_OUT: "Check the network and the proxy (https_proxy, no_proxy), or raise runai_request_timeout.",
    transport.PROXY: "Check https_proxy and no_proxy.",
    transport.INVALID: "Check runai_url.",
}


class ApiError(GpuopsError):
    """The control plane refused a request. ``status`` is the HTTP status, ``message`` what it said."""

    def __init__(self, finding: Finding, status: int, said: str, more: list[Finding] | None = None) -> None:
        findings = [finding, *(more or [])]
        super().__init__(" ".join(entry.sentence() for entry in findings), findings)
        self.status = status
        self.said = said

    def says_name_is_taken(self) -> bool:
        """Say whether this refusal of a creation means that the name is in use (409, or 400 in words)."""
        return self.status == 409 or (self.status == 400 and bool(_NAME_TAKEN.search(self.said)))


class ControlPlaneUnreachable(PlatformUnreachable):
    """The control plane gave no answer, after all tries that were safe."""


class ControlPlaneFailing(ApiError, PlatformUnreachable):
    """The control plane answered that it is busy or out of order (408, 429, 5xx), after all tries that were safe."""


def refusal(reply: transport.HttpReply, what: str, redactor: Redactor) -> ApiError:
    """Return the error of an answer that is not a success; ``what`` says what was asked (``read project p``).

    What the server said goes through ``redactor``: a server may repeat what it was sent.
    """
    if 300 <= reply.status < 400:
        return _redirected(reply, what)
    content = redactor.value(_error_object(reply))
    said = redactor.text(_said(content, reply))
    found = f"the control plane refused to {what} ({reply.status}): {said}"
    if reply.status >= 500 or reply.status in (408, 429):
        hint = "Run the playbook again later; nothing is done twice."
        return ControlPlaneFailing(Finding(ERROR, "control_plane_failing", found, hint), reply.status, said)
    cause = _CAUSES.get(reply.status, "request_refused")
    finding = Finding(ERROR, cause, found, _HINTS.get(reply.status, ""))
    return ApiError(finding, reply.status, said, _compliance_findings(content))


def not_json(reply: transport.HttpReply, what: str) -> ApiError:
    """Return the error of a success whose body is not JSON: most likely another server answered."""
    kind = reply.headers.get("content-type", "no content type")
    finding = Finding(
        ERROR,
        "not_the_api",
        f"the answer to the request to {what} is not JSON ({reply.status}, {kind}).",
        "Check that runai_url is the address of the Run:ai control plane, without a path.",
        "runai_url",
    )
    return ApiError(finding, reply.status, "")


def unreachable(error: transport.HttpError, what: str, address: str) -> GpuopsError:
    """Return the error of a request that got no answer: ``ControlPlaneUnreachable`` where a later one may get one."""
    cause = "tls_not_trusted" if error.kind == transport.UNTRUSTED else "control_plane_unreachable"
    hint = _CONNECTION_HINTS.get(error.kind, "Check the network between this machine and the control plane.")
    finding = Finding(ERROR, cause, f"could not {what} at {address}: {error.reason}.", hint, "runai_url")
    kind = ControlPlaneUnreachable if error.passing else GpuopsError
    return kind.from_finding(finding)


def _redirected(reply: transport.HttpReply, what: str) -> ApiError:
    parts = urlsplit(reply.headers.get("location", ""))
    where = f"{parts.scheme}://{parts.netloc}" if parts.netloc else "another path"
    finding = Finding(
        ERROR,
        "redirected",
        f"the control plane answered the request to {what} with a redirect ({reply.status}) to {where}.",
        "Redirects are not followed, so that no token goes astray: set runai_url to the final address.",
        "runai_url",
    )
    return ApiError(finding, reply.status, "")


def _error_object(reply: transport.HttpReply) -> Mapping[str, Any]:
    try:
        content = reply.json()
    except ValueError:
        return {}
    return mapping(content)


def _said(content: Mapping[str, Any], reply: transport.HttpReply) -> str:
    """Return what the server said: the API's ``Error`` (message, details), RFC 6749's, or the start of the body."""
    parts = [content.get(key) for key in ("message", "details", "error", "error_description")]
    texts = list(dict.fromkeys(str(part).strip() for part in parts if part))
    if texts:
        return " ".join(_ended(text) for text in texts)[:_LONGEST_MESSAGE]
    plain = " ".join(re.sub(r"<[^>]*>", " ", reply.text()).split())[:_LONGEST_EXCERPT]
    return _ended(plain) if plain else "no message."


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _compliance_findings(content: Mapping[str, Any]) -> list[Finding]:
    """Return one finding per policy rule that the body breaks (``complianceIssues``)."""
    findings = []
    for issue in mappings(content.get("complianceIssues")):
        rule = f" (rule {issue['rule']})" if issue.get("rule") else ""
        findings.append(
            Finding(
                ERROR,
                "policy_violation",
                _ended(str(issue.get("details") or "this is against the policy of the project")),
                f"The project's Run:ai policy decides this{rule}: change the value or ask its administrator.",
                str(issue.get("field") or ""),
            )
        )
    return findings
