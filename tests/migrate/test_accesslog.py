"""Access logs of several makes become requests; what may be a credential in them does not."""

import json

import pytest

from authz.migrate.verification import accesslog

NGINX = '10.0.0.1 - - [24/Nov/2026:09:00:00 +0000] "GET /a/b?token=hunter2 HTTP/1.1" 200 12 "-" "curl/8"'
ISTIO = (
    '[2026-11-24T09:00:00.000Z] "POST /orders?t=hunter2 HTTP/2" 200 - via_upstream - "-" 0 12 3 2 '
    '"10.0.0.1" "curl/8" "5f2a8e4e-9a51-4b2c-8d1e-0123456789ab" "shop.example.com:443" "10.1.0.5:80" out '
    "10.1.0.1:1 10.0.0.2:443 10.0.0.1:2 shop.example.com -"
)
ENVOY = (
    '[2026-11-24T09:00:00.000Z] "GET /x HTTP/1.1" 200 - 0 12 3 2 "-" "curl/8" '
    '"5f2a8e4e-9a51-4b2c-8d1e-0123456789ab" "shop.example.com" "10.1.0.5:8080"'
)


@pytest.mark.parametrize(
    ("line", "host", "request_"),
    [
        (NGINX, "a.example.com", ("GET", "a.example.com", "/a/b")),
        (ISTIO, "", ("POST", "shop.example.com:443", "/orders")),
        (ENVOY, "", ("GET", "shop.example.com", "/x")),
        (
            json.dumps({"method": "GET", "path": "/p?x=hunter2", "authority": "h.example"}),
            "",
            ("GET", "h.example", "/p"),
        ),
        (
            json.dumps({"request": "PUT /q?x=1 HTTP/1.1", "host": "h.example", "authorization": "hunter2"}),
            "",
            ("PUT", "h.example", "/q"),
        ),
        ('x "GET http://u:hunter2@h.example/p HTTP/1.1" 200', "", ("GET", "h.example", "/p")),
        ('x "GET /a/%2e%2e/%62 HTTP/1.1" 200', "h.example", ("GET", "h.example", "/b")),
    ],
)
def test_a_line_becomes_a_request(line, host, request_):
    [sent] = accesslog.read([line], host).requests
    assert (sent.method, sent.host, sent.path) == request_
    assert (sent.query, sent.lines) == ("", ())


@pytest.mark.parametrize(
    "line",
    [
        NGINX,  # no host
        "hunter2",
        "{hunter2",
        "[" * 10_000,
        "{" * 10_000,
        '{"method": 1}',
        '{"method": "GET", "path": "hunter2", "host": "h"}',
        'x "GET * HTTP/1.1" 200',
        "x" * 100_000,
    ],
)
def test_what_is_not_understood_is_counted_and_not_kept(line):
    log = accesslog.read([line, "", "\n"])
    assert (dict(log.requests), log.lines, log.unread) == ({}, 1, 1)


def test_each_request_is_kept_once():
    log = accesslog.read([ENVOY] * 3)
    assert (len(log.requests), log.lines) == (1, 3)
