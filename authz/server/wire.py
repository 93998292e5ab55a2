"""Envoy's CheckRequest and CheckResponse, and nothing of Envoy anywhere else.

Three constructors, `allowed`, `denied` and `answered`, make every answer; each sets a status and a kind,
for Envoy reads an empty CheckResponse as *allow* (envoy/service/auth/v3/external_auth.proto).
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import assert_never

from authz.core.decision import Allow, Answer, Decision, Deny, Form
from authz.core.memo import Memo
from authz.core.reason import Reason
from authz.core.request import Request
from authz.server import ext_authz_pb2 as pb
from authz.server import page

# google.rpc.Code: what Envoy looks at first. Only OK passes.
_OK, _PERMISSION_DENIED = 0, 7

REFUSALS_BYTES = 1 << 18  # of encoded refusals kept: some 1,000, of rules and of the hosts that they describe
ALLOWANCES_BYTES = 1 << 20  # of encoded answers kept, one for each caller seen lately: some 5,000

# Scripts of every origin may read what anyone may fetch (RFC 9728 has clients in browsers).
_PUBLIC = (
    ("content-type", "application/json"),
    ("cache-control", "max-age=300"),
    ("access-control-allow-origin", "*"),
)
_FORM_HEADERS: Mapping[Form, tuple[tuple[str, str], ...]] = {
    Form.PROBLEM: (("content-type", "application/problem+json"),),
    Form.PAGE: page.HEADERS,
    Form.GRPC: (),  # Envoy sets the content type, and the HTTP status to 200
    Form.NOTHING: (),
}
# gRPC's own codes: INVALID_ARGUMENT, UNAUTHENTICATED, PERMISSION_DENIED, UNAVAILABLE.
_GRPC_STATUS = {400: "3", 401: "16", 403: "7", 503: "14"}
_GRPC_UNKNOWN = "2"

_RETRY_AFTER_S = "1"  # keys are asked for again within seconds
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch


def decode(raw: bytes) -> Request:
    """Raises google.protobuf.message.DecodeError on anything that is not a CheckRequest."""
    http = pb.CheckRequest.FromString(raw).attributes.request.http
    headers = http.headers or _joined(http.header_map.headers)
    path, _, query = http.path.partition("?")  # Envoy leaves `query` empty, and the query in `path`
    identifier = headers.get("x-request-id", "")
    return Request(
        http.method, http.host, path, query, headers, identifier if _REQUEST_ID(identifier) else ""
    )


def encode(decision: Decision, request_id: str) -> bytes:
    """The CheckResponse for a decision."""
    match decision:
        case Allow():
            return allowed(decision)
        case Answer():
            return answered(decision)
        case Deny():
            return denied(decision, request_id)


def allowed(allow: Allow) -> bytes:
    """Status OK with an OkHttpResponse: each header overwrites what the client sent."""
    if allow.cookies:
        return _encoded(allow.headers, allow.remove, allow.cookies)
    key = (*allow.headers.items(), allow.remove)
    answer = _allowances.get(key)
    if answer is None:
        answer = _encoded(allow.headers, allow.remove)
        _allowances.put(key, answer, len(answer))
    return answer


def _encoded(headers: Mapping[str, str], remove: Iterable[str], cookies: Iterable[str] = ()) -> bytes:
    """Envoy up to 1.40 reads `append`, later ones `append_action`; both are set, so that both overwrite.

    Cookies are added to the answer, beside the workload's own.
    """
    response = pb.CheckResponse(status=pb.Status(code=_OK), ok=pb.Ok(headers_to_remove=remove))
    for name, value in headers.items():
        option = response.ok.headers.add(append_action=pb.OVERWRITE_IF_EXISTS_OR_ADD)
        option.header.key, option.header.value, option.append.value = name, value, False
    for cookie in cookies:
        response.ok.response_headers_to_add.add(header=pb.Header(key="set-cookie", value=cookie))
    return response.SerializeToString()


_allowances = Memo[bytes](ALLOWANCES_BYTES)


def denied(deny: Deny, request_id: str = "") -> bytes:
    """Status PERMISSION_DENIED with a DeniedHttpResponse in the form that the caller can read."""
    if deny.reason.allows:  # a refusal may never turn into an allowance, whatever row it was given
        deny = Deny(Reason.INTERNAL_ERROR, deny.rule)
    plain = not deny.headers and not deny.cookies
    response = pb.CheckResponse.FromString(_usual(deny)) if plain else _denied(deny)
    response.denied.body = _body(deny, request_id)
    if request_id:
        response.denied.headers.add(header=pb.Header(key="x-request-id", value=request_id))
    return response.SerializeToString()


def _usual(deny: Deny) -> bytes:
    """All but the body and the request's id: the same for most, and a flood is to cost little."""
    key = (deny.reason, deny.form, _challenge(deny))
    head = _refusals.get(key)
    if head is None:
        head = _denied(deny).SerializeToString()
        _refusals.put(key, head, len(head))
    return head


_refusals = Memo[bytes](REFUSALS_BYTES)


def _denied(deny: Deny) -> pb.CheckResponse:
    response = pb.CheckResponse(
        status=pb.Status(code=_PERMISSION_DENIED),
        denied=pb.Denied(status=pb.HttpStatus(code=deny.reason.status)),
    )
    for name, value in _denial_headers(deny):
        # Without `append`: Envoy drops the header if it is true (measured on 1.40).
        response.denied.headers.add(header=pb.Header(key=name, value=value))
    return response


def answered(answer: Answer) -> bytes:
    """To Envoy a refusal too, with status 200: nothing is passed on. The document is public."""
    http = pb.Denied(status=pb.HttpStatus(code=answer.reason.status), body=answer.document)
    for name, value in _PUBLIC:
        http.headers.add(header=pb.Header(key=name, value=value))
    response = pb.CheckResponse(status=pb.Status(code=_PERMISSION_DENIED), denied=http)
    return response.SerializeToString()


def _body(deny: Deny, request_id: str) -> str:
    match deny.form:
        case Form.PROBLEM:
            return problem(deny.reason, request_id)
        case Form.PAGE:
            return page.render(deny, request_id)
        case Form.GRPC:
            return deny.reason.text  # Envoy makes it grpc-message
        case Form.NOTHING:
            return ""
        case _:
            assert_never(deny.form)


def problem(reason: Reason, request_id: str) -> str:
    """The body of a refusal. It tells the reason and nothing of the credential."""
    instance = f', "instance": "{request_id}"' if request_id else ""  # nothing in one has to be escaped
    return f"{_problem(reason)}{instance}}}"


@cache
def _problem(reason: Reason) -> str:
    members = {
        "type": f"urn:authz:{reason.slug}",
        "title": reason.text,
        "status": reason.status,
        "reason": reason.name,
    }
    return json.dumps(members).removesuffix("}")


def challenge(reason: Reason, scopes: Iterable[str], metadata: str = "") -> str:
    """A WWW-Authenticate value (RFC 6750 3, RFC 9728 5.1); no error code where no token was sent."""
    parts = ['Bearer realm="authz"']
    if reason.error:
        parts += [f'error="{reason.error}"', f'error_description="{reason.text}"']
    if scope := " ".join(filter(_is_scope, scopes)):
        parts.append(f'scope="{scope}"')
    if metadata:
        parts.append(f'resource_metadata="{metadata}"')
    return ", ".join(parts)


def _challenge(deny: Deny) -> str:
    """Nothing where other credentials would not help."""
    reason = deny.reason
    if not reason.error and reason.status != 401:
        return ""
    return challenge(reason, deny.scopes or (deny.rule.scopes if deny.rule else ()), deny.metadata)


def _denial_headers(deny: Deny) -> Iterable[tuple[str, str]]:
    reason = deny.reason
    yield from _FORM_HEADERS[deny.form]
    yield "cache-control", "no-store"
    yield from deny.headers
    for cookie in deny.cookies:
        yield "set-cookie", cookie
    if challenged := _challenge(deny):
        yield "www-authenticate", challenged
    if reason.status == 503:
        yield "retry-after", _RETRY_AFTER_S
    if deny.form is Form.GRPC:
        yield "grpc-status", _GRPC_STATUS.get(reason.status, _GRPC_UNKNOWN)


_is_scope = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+").fullmatch  # RFC 6749 3.3


def _joined(headers: Iterable[pb.Header]) -> dict[str, str]:
    """Envoy's `encode_raw_headers` form, joined as Envoy joins: repeated headers by a comma."""
    joined: dict[str, str] = {}
    for header in headers:
        value = header.value or header.raw_value.decode("utf-8", "replace")
        name = header.key.lower()
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined
