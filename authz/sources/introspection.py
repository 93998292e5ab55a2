"""Asking an issuer whether a token is active (RFC 7662), each token once in a while.

The token goes into the body of a call and nowhere else; what is kept is found by its digest.
"""

from urllib.parse import urlencode

from authz.core import introspection
from authz.core.claims import Claims
from authz.core.identity import Caller
from authz.core.policy import Introspection
from authz.core.reason import Reason, Refused, Unavailable
from authz.core.token import Token
from authz.sources import client_auth
from authz.sources.answers import WAIT_S, Answered, Answers
from authz.sources.discovery import discover
from authz.sources.fetched import REFRESH, Clock, Fetched, Refresh
from authz.sources.gate import Gate
from authz.sources.http import Answer, Client

ENDPOINT = "introspection_endpoint"  # RFC 8414 2
ANSWER_MAX_BYTES = 1 << 16  # all of a user's groups; most answers take 1 kB
KEPT_MAX_BYTES = 8 << 20  # of answers as they came; as objects they take thrice that
_KEPT_EXTRA_BYTES = 200  # of an entry, beside the answer


class Introspector:
    """One issuer, endpoint and client: what is kept here was said by this issuer to this client."""

    def __init__(
        self,
        accept: Introspection,
        client: Client,
        clock: Clock,
        settings: Refresh = REFRESH,
        wait_s: float = WAIT_S,
    ) -> None:
        self.name = " ".join(filter(None, (accept.issuer, accept.endpoint, "as", accept.client.id)))
        self._accept = accept
        self._client = client
        self._own = client.own()
        self._shown: tuple[int, ...] = ()  # the files of the certificate that `_own` shows
        self._former: Client | None = None  # with the certificate before: calls under way end there
        self._endpoint = Fetched(lambda: discover(self._own, accept.issuer, ENDPOINT), clock, settings)
        self.gate = Gate(self._own, clock, accept.calls)
        self._answers = Answers[Caller | Reason](clock, KEPT_MAX_BYTES, wait_s, self.gate.check)

    @property
    def discovered(self) -> Fetched[str] | None:
        """Where to ask, if the issuer is to say it."""
        return None if self._accept.endpoint else self._endpoint

    async def ask(self, token: Token, now: float) -> Caller:
        """What the issuer said of the token lately. Raises Refused or Unavailable."""
        found = self._answers.held(token.digest)
        if found is None:
            found = await self._answers.get(token.digest, lambda: self._ask(token, now))
        if isinstance(found, Reason):
            raise Refused(found)
        return found

    async def warm(self) -> None:
        """Know where to ask. Raises Unavailable."""
        if not self._accept.endpoint:
            await self._endpoint.get()

    def cancel(self) -> None:
        """Ask no more."""
        self._endpoint.cancel()
        self._answers.cancel()

    async def close(self) -> None:
        """Cancel, and close the connections."""
        self.cancel()
        await self._endpoint.close()
        await self._own.close()
        if self._former:
            await self._former.close()

    async def _ask(self, token: Token, now: float) -> Answered[Caller | Reason]:
        accept = self._accept
        await self._show_certificate()
        url = accept.endpoint or await self._endpoint.get()
        form = urlencode({"token": token.text, "token_type_hint": "access_token"})
        headers, body = client_auth.signed(accept.client, accept.issuer, form, now)
        answer = await self.gate.ask("POST", url, headers, body, max_bytes=ANSWER_MAX_BYTES)
        found = _read(answer, accept.issuer)
        if isinstance(found, Reason):
            return Answered(found, accept.negative_ttl_s, is_good=False, weight=1)
        keep_s = min(accept.ttl_s, found.expires - now)
        return Answered(Caller(found), keep_s, is_good=True, weight=len(answer.body) + _KEPT_EXTRA_BYTES)

    async def _show_certificate(self) -> None:
        """RFC 8705: connect with the client's certificate, and anew when its files have changed."""
        client = self._accept.client
        if client.auth != "tls_client_auth" or not (client.cert_file and client.key_file):
            return
        try:
            files = tuple(file.stat().st_mtime_ns for file in (client.cert_file, client.key_file))
            if files == self._shown:
                return
            renewed = self._client.own(cert=(client.cert_file, client.key_file))
        except (OSError, ValueError) as error:
            raise Unavailable(f"the certificate of client {client.id} can not be used: {error}") from error
        ended, self._former = self._former, self._own
        self._own = self.gate.client = renewed
        self._shown = files
        if ended:
            await ended.close()


def _read(answer: Answer, issuer: str) -> Claims | Reason:
    """Anything but a 200 with one JSON object is the issuer's fault, or that of our credentials there."""
    if answer.status != 200:
        raise Unavailable(f"the answer of {issuer} about a token: status {answer.status}")
    try:
        return introspection.read(answer.body)
    except ValueError as error:
        raise Unavailable(f"the answer of {issuer} about a token: {error}") from error
