# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Turns what the API server refused, or that it did not answer, into findings and errors. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms import transport
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.base import PlatformUnreachable
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.field_paths import our_path
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import (
    ROLE_PAGE,
    permission,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import (
    LEADERWORKERSETS,
    Resource,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping, mappings
from ansible_collections.gpuops.inference.plugins.module_utils._results.error import GpuopsError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import ERROR, Finding
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import Redactor

# How much of a message is shown; an admission policy may list a rule for every container.
_LONGEST_MESSAGE = 2000
_LONGEST_EXCERPT = 200

_NOT_PERMITTED = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) (?:resource|path) "(?P<resource>[^"]*)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_FORBIDDEN_OBJECT = re.compile(r'^\S+ "[^"]*" is forbidden: ')
_POD_SECURITY = re.compile(r'violates PodSecurity "(?P<level>[^"]+)": (?P<rules>.*)', re.DOTALL)
_QUOTA = re.compile(r"exceeded quota: (?P<name>[^,]+), (?P<numbers>.*)", re.DOTALL)
_QUOTA_UNSTATED = re.compile(r"failed quota: (?P<name>[^:]+): (?P<what>.*)", re.DOTALL)
_WEBHOOK = re.compile(r'admission webhook "(?P<name>[^"]+)" denied the request:? ?(?P<text>.*)', re.DOTALL)
_POLICY = re.compile(
    r"ValidatingAdmissionPolicy '(?P<name>[^']+)' with binding '[^']+' denied request: (?P<text>.*)", re.DOTALL
)
_WEBHOOK_FAILED = re.compile(r'failed calling webhook "(?P<name>[^"]+)": (?P<text>.*)', re.DOTALL)
_TOO_LARGE = re.compile(
    r"request is too large|Too long: (?:must have at most|may not be more than) \d{5,} bytes|Request entity too large",
    re.IGNORECASE,
)
# Server-side apply answers 500 for a manifest that does not fit the kind's schema; trying again does not help.
_NO_SUCH_FIELD = re.compile(r"failed to create typed patch object \([^)]*\): (?P<text>.*)", re.DOTALL)
_FIELD_OF_TEXT = re.compile(r"^(?:errors:\s*)?(?P<field>\.[^\s:]+): (?P<text>.*)", re.DOTALL)
_HELD = re.compile(r'conflict with "(?P<manager>[^"]*)"(?: with subresource "(?P<subresource>[^"]*)")?')

_CONNECTION_HINTS = {
    transport.REFUSED: "Check the address (host, or the kubeconfig's server) and that the cluster is up.",
    transport.UNRESOLVED: "Check the host name of the address (host, or the kubeconfig's server).",
    transport.UNTRUSTED: "Set ca_cert to the file of the cluster's certificate authority, or tls_server_name.",
    transport.TIMED_OUT: "Check the network and the proxy (proxy, no_proxy), or raise request_timeout.",
    transport.PROXY: "Check proxy, proxy_headers and no_proxy.",
    transport.INVALID: "Check the address (host, or the kubeconfig's server).",
}


@dataclass(frozen=True)
class Call:
    """What was asked: a verb in the words of RBAC on a kind, and on which object."""

    verb: str
    resource: Resource
    namespace: str | None = None
    name: str | None = None
    subresource: str | None = None
    manifest: Mapping[str, Any] | None = None

    @property
    def what(self) -> str:
        """Return the call in words: ``apply Deployment my-llm in namespace my-project``."""
        verb = {"patch": "apply"}.get(self.verb, self.verb)
        target = f"{self.resource.kind} {self.name}" if self.name else self.resource.plural
        part = f"the {self.subresource} of " if self.subresource else ""
        where = f" in namespace {self.namespace}" if self.namespace and self.resource.namespaced else ""
        return f"{verb} {part}{target}{where}"

    @property
    def key(self) -> str:
        """Return the object's key in a workload's body: ``Deployment/my-llm``."""
        return f"{self.resource.kind}/{self.name}" if self.name else self.resource.kind


class Refused(GpuopsError):
    """The API server refused a request. ``code``, ``reason`` and ``details`` are those of its Status object."""

    def __init__(self, findings: list[Finding], code: int, reason: str = "", details: Mapping[str, Any] | None = None):
        unique = list(dict.fromkeys(findings))
        super().__init__(" ".join(finding.sentence() for finding in unique), unique)
        self.code = code
        self.reason = reason
        self.details: dict[str, Any] = dict(details or {})

    @property
    def is_absent(self) -> bool:
        """Say whether the object asked for is not there, in the API server's own words."""
        return self.code == 404 and bool(self.details.get("name"))

    @property
    def is_permission(self) -> bool:
        """Say whether the user may not do this at all (and no admission rule spoke)."""
        return any(finding.cause == "permission_denied" for finding in self.findings)


class NotServed(Refused):
    """The cluster does not serve this kind of object."""


class ApiServerUnreachable(PlatformUnreachable):
    """The API server gave no answer, after all tries that were safe."""


class ApiServerFailing(Refused, PlatformUnreachable):
    """The API server answered that it is busy or out of order (408, 429, 5xx), after all tries that were safe."""


def refusal(reply: transport.HttpReply, call: Call, redactor: Redactor) -> Refused:
    """Return the error of an answer that is not a success. What the server said goes through ``redactor``."""
    status = redactor.value(_status_object(reply))
    said = redactor.text(_said(status, reply))
    reason, details = str(status.get("reason") or ""), dict(mapping(status.get("details")))
    code = reply.status
    if code == 404 and not details.get("name"):
        if _may_be_unserved(status, reply, call):
            return NotServed([_not_served(call)], code, reason, details)
        return ApiServerFailing([_not_the_api(reply, call)], code, reason, details)
    if webhook_failed(reply):
        return Refused(_webhook_failed(said, call), code, reason, details)
    if (code >= 500 or code in (408, 429)) and not is_final(reply):
        hint = "Run the playbook again later; nothing is done twice."
        found = f"the API server failed to {call.what} ({code}): {said}"
        return ApiServerFailing([Finding(ERROR, "api_server_failing", found, hint, call.key)], code, reason, details)
    return Refused(_findings(code, reason, details, said, call), code, reason, details)


def _may_be_unserved(status: Mapping[str, Any], reply: transport.HttpReply, call: Call) -> bool:
    """Say whether a 404 means that the kind is not served: in the API server's own words, and of a kind that not every
    cluster serves. A gateway in front answers 404 as well, while what runs behind it is well. That of a subresource
    says nothing of an object: the way to the pod is closed, by whomever."""
    if call.subresource is not None:
        return True
    is_own = status.get("kind") == "Status" or reply.text().strip() == "404 page not found"
    return is_own and call.resource.group not in ("", "apps")


def is_own(reply: transport.HttpReply) -> bool:
    """Say whether an answer is the API server's own, where what is behind it may have answered."""
    return reply.status >= 400 and _status_object(reply).get("kind") == "Status"


def is_final(reply: transport.HttpReply) -> bool:
    """Say whether a 500 means that this request will never be taken, which most others do not."""
    if reply.status != 500:
        return False
    said = _said(_status_object(reply), reply)
    return bool(_NO_SUCH_FIELD.search(said) or _TOO_LARGE.search(said))


def webhook_failed(reply: transport.HttpReply) -> bool:
    """Say whether an admission webhook could not be asked: the API server itself is well."""
    return reply.status == 500 and bool(_WEBHOOK_FAILED.search(_said(_status_object(reply), reply)))


def not_the_api(reply: transport.HttpReply, call: Call) -> GpuopsError:
    """Return the error of a success or redirect that is not the API's: most likely another server answered."""
    return GpuopsError.from_finding(_not_the_api(reply, call))


def unreachable(error: transport.HttpError, what: str, address: str) -> GpuopsError:
    """Return the error of a request that got no answer: ``PlatformUnreachable`` where a later one may get one."""
    cause = "tls_not_trusted" if error.kind == transport.UNTRUSTED else "api_server_unreachable"
    hint = _CONNECTION_HINTS.get(error.kind, "Check the network between this machine and the cluster.")
    finding = Finding(ERROR, cause, f"could not {what} at {address}: {error.reason}.", hint, "host")
    kind = ApiServerUnreachable if error.passing else GpuopsError
    return kind.from_finding(finding)


def field_conflicts(
    details: Mapping[str, Any],
    key: str,
    manifest: Mapping[str, Any] | None = None,
    live: Mapping[str, Any] | None = None,
) -> list[Finding]:
    """Return one finding for each field that another manager holds; its object is our path of the field.

    ``live`` is the object as it is: it says since when the field is held, which the refusal does not.
    """
    findings = []
    for cause in mappings(details.get("causes")):
        if cause.get("reason") != "FieldManagerConflict":
            continue
        held = _HELD.search(str(cause.get("message") or ""))
        manager = held["manager"] if held else "another manager"
        subresource = held["subresource"] if held else None
        by = f"{manager} (by {subresource})" if subresource else manager
        since = _since(live, manager, subresource)
        findings.append(
            Finding(
                ERROR,
                "field_held_by_another",
                f"this field is held by {by}{f' since {since}' if since else ''} with another value.",
                "Have that manager give it up, leave the option that sets it out, or take it with force_conflicts.",
                our_path(key, str(cause.get("field") or ""), manifest),
            )
        )
    return findings


def _since(live: Mapping[str, Any] | None, manager: str, subresource: str | None) -> str:
    """Return when a manager wrote to an object last."""
    for entry in mappings(mapping((live or {}).get("metadata")).get("managedFields")):
        if entry.get("manager") == manager and (entry.get("subresource") or None) == subresource:
            return str(entry.get("time") or "")
    return ""


def _findings(code: int, reason: str, details: Mapping[str, Any], said: str, call: Call) -> list[Finding]:
    """Return the findings of a refusal that trying again does not change."""
    if _TOO_LARGE.search(said) or code == 413:
        hint = "Make env, vllm_args or annotations shorter; large content belongs on a volume."
        return [Finding(ERROR, "too_large", f"the object is too large to {call.what}: {said}", hint, call.key)]
    found = _admission(said, call) if code in (400, 403, 422) else None
    if found is None and code == 403:
        found = _forbidden(details, said, call)
    if found is not None:
        return [found]
    if code == 409:
        return field_conflicts(details, call.key, call.manifest) or [_conflict(reason, said, call)]
    if code == 404 and details.get("kind") == "namespaces":
        name = str(details.get("name") or call.namespace)
        hint = f"Create it (`kubectl create namespace {name}`), or set namespace."
        return [Finding(ERROR, "namespace_not_found", f"there is no namespace {name}.", hint, "namespace")]
    if code == 400 and call.subresource == "log":
        return [Finding(ERROR, "log_not_available", said, "", call.key)]
    if code in (400, 422, 500):
        return _invalid(details, said, call)
    cause = "not_found" if code == 404 else "request_refused"
    return [Finding(ERROR, cause, f"the API server refused to {call.what} ({code}): {said}", "", call.key)]


def _admission(said: str, call: Call) -> Finding | None:
    """Return the finding of an admission rule that spoke, or ``None``."""
    text = _FORBIDDEN_OBJECT.sub("", said)
    found = _POD_SECURITY.search(text)
    if found:
        evidence = f"pod security level {found['level']} of the namespace refuses the pods: {found['rules']}"
        hint = "Leave out what needs more (run_as, security context, host paths), or use a namespace of another level."
        return Finding(ERROR, "admission_denied", evidence, hint, call.key)
    found = _QUOTA.search(text)
    if found:
        hint = "Ask for less (replicas, pods, gpus_per_pod), stop something else, or have the quota raised."
        return Finding(
            ERROR, "quota_exceeded", f"quota {found['name']} is exceeded: {_ended(found['numbers'])}", hint, call.key
        )
    found = _QUOTA_UNSTATED.search(text)
    if found:
        hint = "State these resources for the pods, or have a LimitRange give them defaults."
        return Finding(
            ERROR, "quota_exceeded", f"quota {found['name']} refuses the pods: {_ended(found['what'])}", hint, call.key
        )
    for pattern, kind in ((_WEBHOOK, "admission webhook"), (_POLICY, "admission policy")):
        found = pattern.search(text)
        if found:
            evidence = f"{kind} {found['name']} refuses to {call.what}: {_ended(found['text'] or 'it gives no reason')}"
            hint = "Change what it names, or ask whoever runs that rule of the cluster."
            return Finding(ERROR, "admission_denied", evidence, hint, call.key)
    return None


def _forbidden(details: Mapping[str, Any], said: str, call: Call) -> Finding:
    """Return the finding of a 403 that no admission rule explains: the user's permissions, or the namespace's end."""
    if any(cause.get("reason") == "NamespaceTerminating" for cause in mappings(details.get("causes"))):
        evidence = f"namespace {call.namespace} is being deleted."
        return Finding(ERROR, "namespace_not_found", evidence, "Wait until it is gone and create it.", "namespace")
    denied = _NOT_PERMITTED.search(said)
    if denied is None:
        return Finding(ERROR, "admission_denied", f"the API server refuses to {call.what}: {said}", "", call.key)
    group = f".{denied['group']}" if denied["group"] else ""
    where = f" in namespace {denied['namespace']}" if denied["namespace"] else ""
    evidence = f"user {denied['user']} may not {denied['verb']} {denied['resource']}{group}{where}."
    if denied["user"] == "system:anonymous":
        hint = "No credentials were sent: set api_key, client_cert and client_key, or kubeconfig."
    elif denied["verb"] == "impersonate":
        hint = "Permit the impersonation, or leave impersonate_user and impersonate_groups out."
    else:
        row = permission(call.verb, call.resource, call.subresource)
        purpose = f"It is needed to {row.purpose}. " if row else ""
        hint = f"{purpose}Give the user the Role of {ROLE_PAGE}."
    return Finding(ERROR, "permission_denied", evidence, hint, call.key)


def _conflict(reason: str, said: str, call: Call) -> Finding:
    if reason == "AlreadyExists":
        hint = "Choose another name, or delete that object."
        return Finding(ERROR, "already_exists", f"{call.resource.kind} {call.name} exists.", hint, call.key)
    evidence = f"the object was changed by somebody else at the same time ({said})"
    return Finding(ERROR, "changed_meanwhile", evidence, "Run again.", call.key)


def _invalid(details: Mapping[str, Any], said: str, call: Call) -> list[Finding]:
    """Return one finding for each field that is not valid."""
    hint = "Correct the option that sets this field."
    findings = [
        Finding(
            ERROR,
            "invalid_object",
            _ended(str(cause.get("message") or cause.get("reason") or said)),
            hint,
            our_path(call.key, str(cause["field"]), call.manifest),
        )
        for cause in mappings(details.get("causes"))
        if cause.get("field") and cause.get("field") != "<nil>"
    ]
    schema = _NO_SUCH_FIELD.search(said)
    if schema:
        field = _FIELD_OF_TEXT.search(schema["text"])
        path = our_path(call.key, field["field"], call.manifest) if field else call.key
        findings = [Finding(ERROR, "invalid_object", _ended(field["text"] if field else schema["text"]), hint, path)]
    return findings or [Finding(ERROR, "invalid_object", f"the API server cannot {call.what}: {said}", "", call.key)]


def _not_the_api(reply: transport.HttpReply, call: Call) -> Finding:
    kind = reply.headers.get("content-type", "no content type")
    return Finding(
        ERROR,
        "not_the_api",
        f"the request to {call.what} was answered with {reply.status} ({kind}), as no Kubernetes API answers.",
        "Check the address (host, or the kubeconfig's server) and what is in front of it; redirects are not followed.",
        "host",
    )


def _not_served(call: Call) -> Finding:
    resource = call.resource
    evidence = f"the cluster does not serve {resource.kind} ({resource.api_version})."
    if resource == LEADERWORKERSETS:
        hint = "Install LeaderWorkerSet (https://lws.sigs.k8s.io), or set controller: deployments."
    elif "." in resource.group and not resource.group.endswith(".k8s.io"):
        hint = f"Install what provides {resource.group}, or leave the option that makes a {resource.kind} out."
    else:
        hint = "The cluster may be older than this collection needs."
    return Finding(ERROR, "not_served", evidence, hint, call.key)


def _webhook_failed(said: str, call: Call) -> list[Finding]:
    found = _WEBHOOK_FAILED.search(said)
    name = found["name"] if found else "unknown"
    evidence = f"admission webhook {name} could not be asked to {call.what}: {_ended(found['text'] if found else said)}"
    hint = "See whether the pods of the controller it belongs to run, then run again."
    return [Finding(ERROR, "webhook_failed", evidence, hint, call.key)]


def _status_object(reply: transport.HttpReply) -> Mapping[str, Any]:
    try:
        return mapping(json.loads(reply.text()))
    except ValueError:
        return {}


def _said(status: Mapping[str, Any], reply: transport.HttpReply) -> str:
    """Return what the server said: the Status's message, or the start of a body that is none."""
    message = str(status.get("message") or "").strip()
    if message:
        return _ended(message[:_LONGEST_MESSAGE])
    plain = " ".join(re.sub(r"<[^>]*>", " ", reply.text()).split())[:_LONGEST_EXCERPT]
    return _ended(plain) if plain else "no message."


def _ended(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
