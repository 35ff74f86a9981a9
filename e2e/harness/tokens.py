"""Signs tokens as an application would that has a signing key: a Common Access Token by the standards' letter, in none of the
server's own code (RFC 8949, RFC 9052, RFC 8392, CTA-5007)."""

import base64
import hashlib
import hmac
import secrets

HS256 = 5
ISS, EXP, NBF, IAT, CTI = 1, 4, 5, 6, 7
CATREPLAY, CATNIP, CATU, CATM = 308, 311, 312, 313
PATH, EXACT, PREFIX = 3, 0, 1
# The server's private claim, a map; some of its keys, and what it calls the APIs.
PRIVATE = -0x766B657A
DIALECT, FILE_NAME, CONTENT_TYPE, LABEL = 0, 4, 5, 12
DIALECTS = {"autodesk": 1, "redivis": 2, "datalab": 3, "flexportal": 4}


class Tagged:
    """A tag and what it stands before."""

    def __init__(self, tag, value):
        self.tag = tag
        self.value = value


class Encoded:
    """What is encoded already, well or badly."""

    def __init__(self, encoding):
        self.encoding = encoding


def cbor(value):
    """The deterministic encoding (RFC 8949, section 4.2.1) of what tokens are made of."""
    if isinstance(value, Encoded):
        return value.encoding
    if isinstance(value, Tagged):
        return _head(6, value.tag) + cbor(value.value)
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, (list, tuple)):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    entries = sorted((cbor(key), cbor(item)) for key, item in value.items())
    return _head(5, len(entries)) + b"".join(key + item for key, item in entries)


def _head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    for code, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * width:
            return bytes([major << 5 | code]) + number.to_bytes(width, "big")
    raise ValueError(number)


def claims(tenant, path, now, lifetime=600, methods=("GET", "HEAD"), **more):
    """The claims of a plain token for one path; `more` replaces them by name, None leaves one out."""
    made = {
        "iss": (ISS, tenant),
        "iat": (IAT, now),
        "exp": (EXP, now + lifetime),
        "cti": (CTI, secrets.token_bytes(16)),
        "catu": (CATU, {PATH: {EXACT: path}}),
        "catm": (CATM, list(methods)),
    }
    labels = {"nbf": NBF, "catnip": CATNIP, "catreplay": CATREPLAY, "private": PRIVATE, **{name: label for name, (label, _) in made.items()}}
    payload = {label: value for label, value in made.values()}
    for name, value in more.items():
        if value is None:
            payload.pop(labels[name])
        else:
            payload[labels[name]] = value
    return payload


def sign(payload, kid, secret, algorithm=HS256, tag=17, digest=hashlib.sha256):
    """The token of these claims under this key."""
    protected = cbor({1: algorithm, 4: kid.encode()})
    body = payload if isinstance(payload, bytes) else cbor(payload)
    mac = hmac.new(secret, cbor(["MAC0", protected, b"", body]), digest).digest()
    return base64.urlsafe_b64encode(cbor(Tagged(61, Tagged(tag, [protected, {}, body, mac])))).rstrip(b"=").decode()
