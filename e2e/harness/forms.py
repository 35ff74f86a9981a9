"""Every form of signed URL, from every API, and the words in which each API refuses one."""

import urllib.parse

from harness import server as provisioned
from harness.api import Api, object_path
from harness.http import exchange, target_of

READING = ("native token", "native link", "autodesk", "autodesk direct", "redivis", "datalab", "flexportal")
WRITING = ("native token", "native link", "autodesk", "autodesk part", "redivis", "datalab", "flexportal")
TABLE = "/api/v1/tables/demo.files.current"
TYPE = "application/pdf"

_GONE = "The specified resource does not exist"
# What a refused URL is told: status and word, by refusal and by form (`native` is both of its forms).
REFUSALS = {
    "bad_signature": {
        "native": (403, "invalid_signature"),
        "autodesk direct": (403, "the URL is not one that was issued here, or it was changed"),
        "redivis": (401, "invalid_token"),
        "datalab": (403, "the URL is not one that was issued here, or it was changed"),
        "flexportal": (403, "INVALID_SIGNATURE"),
    },
    "unknown_link": {
        "native": (404, "unknown_link"),
        "autodesk": (404, _GONE),
        "autodesk part": (404, _GONE),
    },
    "expired": {
        "native": (410, "expired"),
        "autodesk": (404, _GONE),
        "autodesk direct": (403, "the URL has expired"),
        "autodesk part": (403, "the URL has expired"),
        "redivis": (401, "invalid_token"),
        "datalab": (403, "the URL has expired"),
        "flexportal": (403, "URL_EXPIRED"),
    },
    "revoked": {
        "native": (410, "revoked"),
        "autodesk": (404, _GONE),
        "autodesk direct": (403, "the URL was taken back"),
        "autodesk part": (403, "the URL was taken back"),
        "redivis": (401, "invalid_token"),
        "datalab": (403, "the URL was taken back"),
        "flexportal": (403, "URL_EXPIRED"),
    },
    "ambiguous": {
        "native": (400, "ambiguous"),
        "autodesk direct": (400, "more than one credential was presented; send exactly one"),
        "redivis": (400, "invalid_request"),
        "datalab": (400, "more than one credential was presented; send exactly one"),
        "flexportal": (400, "VALIDATION_ERROR"),
    },
    "wrong_path": {
        "native": (403, "wrong_path"),
        "autodesk direct": (403, "the URL is for another path"),
        "redivis": (403, "access_denied"),
        "datalab": (403, "the URL is for another path"),
        "flexportal": (403, "INSUFFICIENT_PERMISSIONS"),
    },
    "read only": {
        "native": (403, "wrong_method"),
        "autodesk": (403, "Signed Resource does not grant write permissions"),
        "autodesk direct": (403, "the URL is not for this method"),
        "redivis": (405, "method_not_allowed"),
        "datalab": (405, "the URL is not for this method"),
        "flexportal": (405, "METHOD_NOT_ALLOWED"),
    },
    "write only": {
        "native": (403, "wrong_method"),
        "autodesk": (403, "Signed Resource does not grant read permissions"),
        "autodesk part": (405, "The method is not allowed"),
        "redivis": (405, "method_not_allowed"),
        "datalab": (405, "the URL is not for this method"),
        "flexportal": (405, "METHOD_NOT_ALLOWED"),
    },
}


def refusal(why, form):
    """Status and word of a refusal of this form of URL."""
    said = REFUSALS[why]
    return said["native" if form.startswith("native") else form]


def told(answer):
    """Status and word of a refusal, whichever API's; an answer without words has the status alone."""
    if not answer.body:
        return answer.status, None
    body = answer.json
    error = body.get("error")
    word = body.get("code") or body.get("errorCode") or body.get("reason") or body.get("detail")
    return answer.status, word or (error["code"] if isinstance(error, dict) else error)


def with_query(target, query):
    """A target with more in its query."""
    return f"{target}{'&' if '?' in target else '?'}{query}"


class Forms:
    """A tenant's programs, that have each API sign."""

    def __init__(self, server, tenant=provisioned.TENANT, bearer=provisioned.BEARER, bucket=provisioned.BUCKET):
        self.server, self.api = server, Api(server, bearer)
        self.tenant, self.bucket = tenant, bucket

    def done(self, method, path, body=None, fields=()):
        """A call that must succeed; what it gives."""
        answer = self.api.call(method, path, body, fields)
        assert 200 <= answer.status < 300, (method, path, answer)
        return answer.json if answer["content-type"].startswith("application/json") else answer.body.decode()

    def flexportal(self, **fields):
        """FlexPortal's one call."""
        return self.done("POST", "/v1/files/url", fields, {"Tenant-ID": self.tenant})

    def path(self, key, rest=""):
        """Where Autodesk's API has an object."""
        return f"/oss/v2/buckets/{self.bucket}/objects/{urllib.parse.quote(key, safe='')}{rest}"

    def object(self, key, bucket=None):
        """What the native API says of an object, with its ids; None if there is none."""
        found = [each for each in self.api.objects(bucket or self.bucket, prefix=key) if each["key"] == key]
        return found[0] if found else None

    def everything(self):
        """All that the tenant has: by bucket and key, what each object is."""
        buckets = [each["name"] for each in self.done("GET", "/vk/v1/buckets")["buckets"]]
        return {(bucket, each["key"]): each for bucket in buckets for each in self.api.objects(bucket)}

    def reading(self, key, minutes=60, seconds=None):
        """A URL of each form for reading an object: path and query. `seconds` is for those APIs that can do with less than a minute."""
        found, seconds = self.object(key), seconds or 60 * minutes
        issued = {form: self.api.issue(key, bucket=self.bucket, form=form, expires_in_seconds=seconds) for form in ("token", "link")}
        urls = {
            "native token": issued["token"]["url"],
            "native link": issued["link"]["url"],
            "autodesk": self.done("POST", self.path(key, "/signed"), {"minutesExpiration": minutes})["signedUrl"],
            "autodesk direct": self.done("GET", self.path(key, f"/signeds3download?minutesExpiration={minutes}"))["url"],
            "redivis": self.done("POST", f"/api/v1/rawFiles/{found['raw_file_id']}/signedUrl", {"duration": seconds}),
            "datalab": self.done("GET", f"/api/v1/files/{found['file_number']}/download?expires_in={seconds}")["download_url"],
            "flexportal": self.flexportal(fileId=f"file_{found['file_id']}", expiresInMinutes=minutes)["url"],
        }
        assert tuple(urls) == READING
        return {form: target_of(url) for form, url in urls.items()}

    def writing(self, name, size=5, minutes=60, seconds=None):
        """A URL of each form for writing what is not there yet (Autodesk's resource: over what is), of exactly `size` bytes where it
        must be said: path and query."""
        seconds = seconds or 60 * minutes
        keys = {way: f"{name}/{way}" for way in ("token", "link", "signed", "part")}
        issued = {
            form: self.api.issue(keys[form], "write", bucket=self.bucket, form=form, expires_in_seconds=seconds)
            for form in ("token", "link")
        }
        self.done("PUT", self.path(keys["signed"]), b"before", {"Content-Type": TYPE})
        signed = self.done("POST", self.path(keys["signed"], "/signed?access=write"), {"minutesExpiration": minutes})
        self.ticket = self.done("GET", self.path(keys["part"], f"/signeds3upload?minutesExpiration={minutes}"))
        temporary = {"tempUploads": [{"name": name, "size": size, "resumable": False}]}
        self.temporary = self.done("POST", f"{TABLE}/tempUploads", temporary)["results"][0]
        self.begun = self.done("POST", "/api/v1/files/upload", {"filename": name, "content_type": TYPE})
        urls = {
            "native token": issued["token"]["url"],
            "native link": issued["link"]["url"],
            "autodesk": signed["signedUrl"],
            "autodesk part": self.ticket["urls"][0],
            "redivis": self.temporary["url"],
            "datalab": self.begun["upload_url"],
            "flexportal": self.flexportal(action="upload", fileName=name, contentType=TYPE, expiresInMinutes=minutes)["url"],
        }
        assert tuple(urls) == WRITING
        return {form: target_of(url) for form, url in urls.items()}

    def completed(self, name):
        """Makes the last upload by each form of `writing` what can be read; gives bucket and key of each."""
        self.done("POST", self.path(f"{name}/part", "/signeds3upload"), {"uploadKey": self.ticket["uploadKey"]})
        self.done("POST", f"{TABLE}/rawFiles", {"files": [{"name": name, "tempUploadId": self.temporary["id"]}]})
        self.done("GET", f"/api/v1/files/{self.begun['file_id']}/confirm")
        by_id = [place for place in self.everything() if place[0] == f"files-{self.tenant}" and place[1].endswith(f"/{name}")]
        return [(self.bucket, f"{name}/{way}") for way in ("token", "link", "signed", "part")] + by_id

    def content(self, bucket, key):
        """The bytes of an object, by the API."""
        answer = self.api.call("GET", object_path(key, bucket))
        assert answer.status == 200, answer
        return answer.body

    def ask(self, method, target, fields=(), body=None, source="127.0.0.1"):
        """Presents a URL, as anybody who was given it."""
        return exchange(self.server.port, method, target, fields, body, source)
