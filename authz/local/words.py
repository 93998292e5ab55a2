"""What Envoy says of an answer that it gave itself, in words that a person knows.

What has no row here stays as Envoy says it.
"""

import re

from authz.core.reason import Reason

NO_ROUTE = "no route"
NO_ANSWER = "the authorizer did not answer"

_DETAILS = {
    "route_not_found": NO_ROUTE,
    "ext_authz_error": NO_ANSWER,
    "rbac_access_denied_matched_policy[none]": "no policy allows it",
}
_REASONS = {reason.text: reason.name for reason in Reason}
_bad_token = re.compile(r"jwt_authn_access_denied\{(.+)\}").fullmatch


def of_details(details: str) -> str:
    """For an access log's `%RESPONSE_CODE_DETAILS%`."""
    if token := _bad_token(details):
        return token[1].replace("_", " ")
    return _DETAILS.get(details, details)


def of_body(body: str) -> str:
    """For a body: what a rule's own refusals say is a Reason's text."""
    return _REASONS.get(body, body)
