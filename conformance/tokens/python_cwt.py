"""Drives the Python package `cwt`: a line of JSON in, a line of JSON out."""

import base64
import json
import sys

from cbor2 import CBORTag
from cwt import COSEKey, CWT


def key_of(line):
    key = line["key"]
    return COSEKey.from_symmetric_key(alg="HS256", key=bytes.fromhex(key["secret_hex"]), kid=key["kid"])


def to_cbor(value):
    """JSON with `{"map": [[key, value], ...]}`, `{"bytes": hex}` and `{"tag": [number, value]}` for what JSON lacks."""
    if isinstance(value, list):
        return [to_cbor(item) for item in value]
    if isinstance(value, dict):
        if "map" in value:
            return {key: to_cbor(item) for key, item in value["map"]}
        if "bytes" in value:
            return bytes.fromhex(value["bytes"])
        number, item = value["tag"]
        return CBORTag(number, to_cbor(item))
    return value


def from_cbor(value):
    if isinstance(value, dict):
        return {"map": [[key, from_cbor(item)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [from_cbor(item) for item in value]
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, CBORTag):
        return {"tag": [value.tag, from_cbor(value.value)]}
    if isinstance(value, (str, int, float)) or value is None:
        return value
    return f"{type(value).__name__} {value}"


def answer(line):
    if line["operation"] == "validate":
        token = line["token"]
        message = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        # One second: the library has no way to say none.
        claims = CWT.new(leeway=1).decode(message, key_of(line))
        return {"accepted": True, "claims": from_cbor(claims)}
    message = CWT.new().encode(to_cbor(line["claims"]), key_of(line), tagged=line.get("tagged", True))
    return {"token": base64.urlsafe_b64encode(message).rstrip(b"=").decode()}


for text in sys.stdin:
    try:
        result = answer(json.loads(text))
    except Exception as error:
        result = {"accepted": False, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(result), flush=True)
