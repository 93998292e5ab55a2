"""What a refused caller gets to see, by who it is: a browser, a script of another origin, a gRPC client."""

from authz.core import cors, metadata, sign_in
from authz.core.decision import Deny, Form
from authz.core.policy import Policy, Rule, Session
from authz.core.reason import Reason, Refused, Unavailable
from authz.core.request import Request


def answer(
    policy: Policy,
    request: Request,
    rule: Rule | None,
    failure: Refused | Unavailable,
    cookies: tuple[str, ...],
) -> Deny:
    """The refusal as a value. `cookies` are for the browser, whatever becomes of the request."""
    if isinstance(failure, Unavailable):
        form, headers = _form(request, rule)
        return Deny(
            Reason.SOURCE_UNAVAILABLE, rule, note=str(failure), form=form, headers=headers, cookies=cookies
        )
    cookies += failure.cookies
    if failure.sign_in and sign_in.begins(failure.sign_in, request):
        location = ("location", sign_in.start(failure.sign_in, request))
        return Deny(Reason.SIGN_IN, rule, form=Form.NOTHING, headers=(location,), cookies=cookies)
    described = metadata.url(policy, rule, request)
    form, headers = _form(request, rule)
    return Deny(failure.reason, rule, failure.scopes, "", described, form, headers, cookies)


def _form(request: Request, rule: Rule | None) -> tuple[Form, tuple[tuple[str, str], ...]]:
    """What the caller can read: gRPC's status, a page where people sign in, else problem+json."""
    headers = tuple(cors.headers(rule.cors, request)) if rule and rule.cors else ()
    if sign_in.is_grpc(request):
        return Form.GRPC, headers
    is_person = session(rule) is not None and sign_in.navigates(request)
    return Form.PAGE if is_person else Form.PROBLEM, headers


def session(rule: Rule | None) -> Session | None:
    """Where the rule has browsers sign in, if it does."""
    sessions = (check.authorizer.session for check in (rule.checks if rule else ()))
    return next(filter(None, sessions), None)
