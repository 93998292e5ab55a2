"""The page that a person sees whom a rule refuses: what happened, and what can be done about it.

It stands by itself (nothing is loaded, no script runs), and shows nothing that the request brought along.
"""

from html import escape

from authz.core import refusal
from authz.core.decision import Deny

HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
  body {{ font: 1rem/1.5 system-ui, sans-serif; color: #222; background: #f6f6f4; margin: 15vh auto 0;
         max-width: 30rem; padding: 0 1.5rem }}
  h1 {{ font-size: 1.4rem }}
  small {{ color: #666 }}
  @media (prefers-color-scheme: dark) {{ body {{ color: #ddd; background: #1c1c1b }} a {{ color: #8ab4f8 }} }}
</style>
<h1>{title}</h1>
<p>{text}</p>
{advice}<p><small>{status} {reason}{request}</small></p>
</html>
"""

_TITLES = {
    400: "This request can not be read",
    401: "You are not signed in",
    403: "You may not open this page",
    503: "This does not work right now",
}
_SIGN_OUT = (
    '<p>You are signed in, but not as one who may. <a href="{prefix}/sign_out?rd=%2F">Sign out</a></p>\n'
)
_AGAIN = "<p>Try again in a moment.</p>\n"


def render(deny: Deny, request_id: str) -> str:
    """HTML. `request_id` has letters, digits and `._-` only."""
    reason = deny.reason
    return _PAGE.format(
        title=_TITLES.get(reason.status, "This was refused"),
        text=escape(reason.text),
        advice=_advice(deny),
        status=reason.status,
        reason=reason.name,
        request=f" &middot; request {escape(request_id)}" if request_id else "",
    )


def _advice(deny: Deny) -> str:
    session = refusal.session(deny.rule)
    if deny.reason.status == 403 and session:
        return _SIGN_OUT.format(prefix=escape(session.prefix))
    return _AGAIN if deny.reason.status == 503 else ""
