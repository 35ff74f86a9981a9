"""What schemathesis does around each request, and which findings are none, with the reason for each."""

import atexit
import collections
import dataclasses
import itertools
import json
import os
import pathlib
import urllib.parse
from collections.abc import Callable

import schemathesis

VALUES = json.loads(pathlib.Path(os.environ["VALETKEY_VALUES"]).read_text())
EXCUSED = pathlib.Path(os.environ["VALETKEY_EXCUSED"])

IDEMPOTENCY_KEY = "Idempotency-Key"
DIGESTS = {"content-md5", "content-digest", "repr-digest", "x-ads-content-sha1", "x-ads-chunk-sha1"}
TOKEN = "cta-common-access-token"
PRECONDITIONS = {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}

_requests, _cases = itertools.count(), itertools.count()
_excused = collections.Counter()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Failed credentials are limited by address: each request has one of its own."""
    number = next(_requests)
    case.headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@schemathesis.hook
def map_case(context, case):
    """What is to be well formed would mostly fail by chance: most of it is made to fit together, and some is left as it is."""
    _put_where_it_belongs(case)
    number = next(_cases)
    if case.meta and case.meta.generation.mode.is_positive and number % 8:
        # Fields that say what the bytes must be, which no random value is; and a second token beside the one of the query.
        unfit = DIGESTS | ({TOKEN} if "cat" in (case.query or {}) else set())
        if case.method in ("GET", "HEAD") and number % 2:
            # And what random entity tags demand of an object.
            unfit |= PRECONDITIONS
        for name in [name for name in case.headers or {} if name.lower() in unfit]:
            del case.headers[name]
        if case.operation.path.startswith("/l/") and case.path_parameters:
            # The example is nobody's link.
            case.path_parameters["secret"] = VALUES["secret"][number % len(VALUES["secret"])]
        if IDEMPOTENCY_KEY in (case.headers or {}):
            case.headers[IDEMPOTENCY_KEY] = f"made-{number}"
        if case.operation.path.startswith("/oss/v2/") and case.operation.path.endswith("/resumable"):
            _fit_range(case, number)
        fit = FITTING.get(f"{case.method} {case.operation.path}")
        for item in case.body if isinstance(case.body, list) else [case.body]:
            if fit and isinstance(item, dict):
                fit(item, number)
    return case


def _put_where_it_belongs(case):
    """A token is for one path, an upload for one object: they stand there."""
    body = case.body if isinstance(case.body, dict) else {}
    for name, places in VALUES["places"].items():
        found = (case.query or {}).get(name) or body.get(name)
        place = places.get(found) if isinstance(found, str) else None
        if place and set(place) <= set(case.path_parameters or {}):
            case.path_parameters.update({part: urllib.parse.quote(text, safe="") for part, text in place.items()})


def _fit_range(case, number):
    """As long as it says; half of them are whole objects."""
    content = case.body if isinstance(case.body, bytes) else str(case.body).encode()
    if content:
        case.headers.update({"Session-Id": f"made-{number}", "Content-Range": f"bytes 0-{len(content) - 1}/{len(content) + number % 2}"})


def _fit_signed_url(body, number):
    """For one thing that is there, and for one time."""
    for name in ("prefix", "expires_at", "not_before_at"):
        body.pop(name, None)
    body.update(bucket=VALUES["bucket"][0], key=VALUES["key"][number % len(VALUES["key"])])
    if isinstance(body.get("expires_in_seconds"), int):
        body["expires_in_seconds"] = min(body["expires_in_seconds"], 7 * 24 * 3600)


def _fit_signing_key(body, number):
    """For an API key that is there."""
    body.update(kid=f"made-{number}", owner=VALUES["api_key"][number % len(VALUES["api_key"])])
    body.pop("secret", None)


def _fit_revocation(body, number):
    """Until an instant that has passed."""
    if "issued_before" in body:
        body["issued_before"] = "2026-01-01T00:00:00Z"


FITTING = {
    "POST /vk/v1/signed-urls": _fit_signed_url,
    "POST /vk/v1/signing-keys": _fit_signing_key,
    "POST /vk/v1/api-keys": lambda body, number: body.update(id=f"made-{number}", bearer=None, expires_at=None),
    "POST /vk/v1/revocations": _fit_revocation,
    "POST /vk/v1/buckets": lambda body, number: body.update(name=f"made-{number}"),
    "POST /oss/v2/buckets": lambda body, number: body.update(bucketKey=f"made-{number}", allow=None),
}


@schemathesis.hook
def filter_case(context, case):
    """The run's own API key stays as it is, and its URLs work: without them, nothing would be tested any more."""
    body = case.body if isinstance(case.body, dict) else {}
    if case.operation.path == "/vk/v1/revocations" and set(body) & {"all", "api_key", "signing_key", "bucket"}:
        return False
    is_own = (case.path_parameters or {}).get("id") == VALUES["own_api_key"][0]
    return not (is_own and case.operation.path.startswith("/vk/v1/api-keys/"))


@dataclasses.dataclass(frozen=True)
class Excuse:
    """A finding that is none: of which check, why, and how to know it by the answer."""

    check: str
    why: str
    applies: Callable


def says(*texts):
    """Whether the answer says one of these."""
    return lambda case, response: any(text in response.text for text in texts)


def field(*names):
    """Whether the answer is a problem that names one of these fields."""
    return lambda case, response: _json(response).get("field") in names


def _json(response):
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _is_empty_400_to_head(case, response):
    return case.method == "HEAD" and response.status_code == 400


def _has_region_in_header(case, response):
    fields = {name.lower() for name in case.headers}
    return case.path == "/oss/v2/buckets" and bool(fields & {"region", "x-ads-region"})


EXCUSES = [
    Excuse(
        "positive_data_acceptance",
        "what one part of a request makes of another is not a schema's to say: two credentials, or a digest of other bytes",
        says('"ambiguous"', "more than one credential", '"digest_mismatch"', "Mismatched checksums"),
    ),
    Excuse("positive_data_acceptance", "HEAD is told without a body why it is refused; GET is asked the same", _is_empty_400_to_head),
    Excuse("positive_data_acceptance", "an instant must be in the future, and in order with others", field("expires_at", "not_before_at")),
    Excuse("positive_data_acceptance", "what is taken back was issued until now", field("issued_before")),
    Excuse("positive_data_acceptance", "`key` or `prefix`, and what a prefix can be for, depend on other fields", field("key", "prefix")),
    Excuse("positive_data_acceptance", "how long a URL may live, and what it may weigh, depends on other fields", field("expires_in_seconds", "upload.max_bytes")),
    Excuse("positive_data_acceptance", "starts are counted where a number of uses for reading is", field("count")),
    Excuse("positive_data_acceptance", "only an unlimited URL for reading can stay the same for a while", field("stable_window_seconds")),
    Excuse("positive_data_acceptance", "an `Idempotency-Key` is for one call", says('"idempotency_key_reused"')),
    Excuse("positive_data_acceptance", "a cursor is what an earlier page gave", field("next")),
    Excuse("positive_data_acceptance", "a list goes on after a file that is there, or where an earlier page ended", says("`startAfter`: expected")),
    Excuse("positive_data_acceptance", "a signing key is for an API key that there is", field("owner")),
    Excuse("positive_data_acceptance", "lengths are in bytes, and a schema counts characters", field("label", "filename", "content_type", "name", "bearer", "user_agent")),
    Excuse("positive_data_acceptance", "a whole number beyond 2^53 is refused if it is written with a fraction", says("floating point")),
    Excuse("positive_data_acceptance", "the vendor tells an unknown upload, or one without its parts, by 400", says("InvalidUploadKey", "MissingOrInvalidParts")),
    Excuse("positive_data_acceptance", "a bucket is for its owner alone", says("Invalid field 'allow'")),
    Excuse("positive_data_acceptance", "the addresses in one text are no schema's to know", says("Invalid field 'allowedIpAddresses'")),
    Excuse("positive_data_acceptance", "the last part is the first one and the number of parts", says("expected no part after", "parts in all")),
    Excuse("positive_data_acceptance", "the numbers of a range are in order", says("expected 'bytes FIRST-LAST/TOTAL'")),
    Excuse("positive_data_acceptance", "what is JSON within a text is no schema's to know", says("expected a JSON object of at most")),
    Excuse("positive_data_acceptance", "the vendor tells a file without its bytes by 400", says("has not been uploaded yet")),
    Excuse("positive_data_acceptance", "an upload stands once in a list", says("stands more than once")),
    Excuse("positive_data_acceptance", "a file keeps the name under which it became one", says("of another name already")),
    Excuse("positive_data_acceptance", "lengths are in bytes, and a schema counts characters", says("bytes long", "expected 1 to 1024 bytes", "expected 1 to 512 bytes", "is longer than 512 bytes")),
    Excuse("positive_data_acceptance", "a secret is base64url in its canonical spelling, and of whole bytes", field("secret")),
    Excuse("positive_data_acceptance", "a token with none of the scopes asked for is refused", says("AUTH-004")),
    Excuse("use_after_free", "a preflight says nothing of whether the URL works", lambda case, response: case.method == "OPTIONS"),
    Excuse("negative_data_rejection", "the query's region is not looked at where a header has one", _has_region_in_header),
]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether a failure is to be told."""
    for excuse in EXCUSES:
        if excuse.check in type(failure).checks and excuse.applies(case, response):
            _excused[f"{excuse.check}: {excuse.why}"] += 1
            return False
    return True


@atexit.register
def _tell():
    EXCUSED.write_text(json.dumps(_excused))
