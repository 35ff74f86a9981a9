"""What the tests of published bugs have in common."""

import base64
import time

from harness import server as provisioned
from harness import tokens
from harness.api import Api
from harness.content import Content
from harness.forms import Forms

KEY = "a.txt"
CONTENT = Content("what may be seen", 100)
SECRET = Content("what nobody else may see", 1000)


def furnished(shared):
    """A tenant's programs, with an object to sign for and one that a grant is not for; another tenant has a secret."""
    shared.put_new(KEY, CONTENT, content_type="text/plain")
    shared.put_new("public/page.txt", CONTENT, content_type="text/plain")
    shared.put_new("private/page.txt", SECRET, content_type="text/plain")
    Api(shared.server, provisioned.OTHER_BEARER).put_new("secret.txt", SECRET, bucket=provisioned.OTHER_BUCKET)
    return Forms(shared.server)


def assert_others_have_what_they_had(forms):
    """The other tenant has its secret, unchanged, and nothing else."""
    other = Forms(forms.server, provisioned.OTHER_TENANT, provisioned.OTHER_BEARER, provisioned.OTHER_BUCKET)
    found = other.everything()
    assert {place: each["sha256"] for place, each in found.items()} == {(provisioned.OTHER_BUCKET, "secret.txt"): SECRET.sha256}


def own_token(path=f"/o/{provisioned.BUCKET}/{KEY}", kid=provisioned.KID, secret=provisioned.SIGNING_SECRET, **more):
    """A token signed by ourselves."""
    return tokens.sign(tokens.claims(provisioned.TENANT, path, int(time.time()), **more), kid, secret)


def own(path=f"/o/{provisioned.BUCKET}/{KEY}", **more):
    """A target with one."""
    return f"{path}?cat={own_token(path, **more)}"


def decoded(token):
    """The bytes of a token; the last 32 are its MAC."""
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def with_mac_of(token, other):
    """What the one says, with the MAC of the other."""
    return base64.urlsafe_b64encode(decoded(token)[:-32] + decoded(other)[-32:]).rstrip(b"=").decode()


def without_date(answer):
    """An answer, but for the time."""
    return answer.status, {name: value for name, value in answer.fields.items() if name not in ("date", "cache-control")}, answer.body
