"""Two tenants use every API in random order, and one of them tries whatever it can learn of the other's: nothing ever shows."""

import base64
import json
import re
import time
import urllib.parse

import pytest

from harness import server as provisioned
from harness import tokens
from harness.api import Api
from harness.content import Content
from harness.http import exchange, target_of
from harness.ids import NO_FILE_ID, raw_id

WAYS = ("native", "autodesk", "redivis", "datalab", "flexportal")
TYPE = "application/pdf"
TABLE = "/api/v1/tables/demo.files.current"
ROUNDS = 32
# What never was anybody's.
NO_BUCKET = "never-made"
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def encoded(text):
    """As one path segment."""
    return urllib.parse.quote(text, safe="")


class File:
    """A file of a tenant's: where it is, what is in it, and what was given out for it."""

    def __init__(self, object_, content, marker):
        self.bucket, self.key = object_["bucket"], object_["key"]
        self.file_id, self.number, self.raw = object_["file_id"], object_["file_number"], object_["raw_file_id"]
        self.content, self.marker = content, marker
        # What shows that something of it shows.
        self.pieces = (content.part(8, 40), content.part(content.size - 32, content.size))
        self.words = (marker, self.file_id, str(self.number), content.sha256, base64_of_hex(content.sha256))
        self.size_alone = re.compile(rf"(?<![\w-]){content.size}(?![\w-])")
        self.read_urls, self.write_urls, self.link_ids, self.upload_keys = [], [], [], []

    def invented(self):
        """The like of it, which never was."""
        of = File.__new__(File)
        of.bucket, of.key = NO_BUCKET, self.key[::-1]
        of.file_id, of.number, of.raw = NO_FILE_ID, self.number ^ 1, raw_id(NO_FILE_ID)
        of.link_ids = ["lnk_" + NO_FILE_ID for _ in self.link_ids]
        of.upload_keys = [key[:-22] + NO_FILE_ID for key in self.upload_keys]
        return of


class Tenant:
    """A tenant's programs. Names and sizes of its files are like nobody else's, so that they can be told wherever they show."""

    def __init__(self, server, name, bearer, bucket, rng):
        self.server, self.api, self.rng = server, Api(server, bearer), rng
        self.name, self.bearer, self.bucket = name, bearer, bucket
        self.mark = f"{rng.getrandbits(64):016x}"
        self.files, self.gone, self.n_put = [], [], 0

    def done(self, method, path, body=None, fields=(), expected=200):
        """A call that must succeed; what it gives."""
        answer = self.api.call(method, path, body, fields)
        assert answer.status == expected, (method, path, answer)
        return answer.json if answer.body else None

    def write(self, url, content):
        """Presents a URL for writing, as anybody who was given it."""
        answer = exchange(self.server.port, "PUT", target_of(url), {"Content-Type": TYPE}, content.bytes())
        assert 200 <= answer.status < 300, answer

    def fetch(self, url):
        """Presents a URL for reading, as anybody who was given it."""
        return exchange(self.server.port, "GET", target_of(url))

    def put(self, way):
        """In by one API; the upload's URL is kept, and stays one that only its holder has."""
        self.n_put += 1
        marker = f"{self.mark}-{self.n_put}"
        content = Content(marker, self.rng.randrange(10_000, 60_000))
        name, urls, keys = f"{marker}.pdf", [], []
        bucket, prefix = f"files-{self.name}", None
        if way == "native":
            bucket, prefix = self.bucket, name
            self.api.put_new(name, content, content_type=TYPE, bucket=bucket)
        elif way == "autodesk":
            bucket, prefix = self.bucket, name
            path = f"/oss/v2/buckets/{bucket}/objects/{encoded(name)}/signeds3upload"
            ticket = self.done("GET", path)
            urls, keys = ticket["urls"], [ticket["uploadKey"]]
            self.write(urls[0], content)
            self.done("POST", path, {"uploadKey": keys[0]}, {"x-ads-meta-Content-Type": TYPE})
        elif way == "redivis":
            asked = {"tempUploads": [{"name": name, "size": content.size, "resumable": False}]}
            (upload,) = self.done("POST", f"{TABLE}/tempUploads", asked)["results"]
            urls = [upload["url"]]
            self.write(urls[0], content)
            made = {"files": [{"name": name, "tempUploadId": upload["id"]}]}
            (file,) = self.done("POST", f"{TABLE}/rawFiles", made, expected=201)["results"]
            file_id = file["id"].rpartition(".")[2]
            # In the table's folder.
            (prefix,) = [each["key"] for each in self.api.objects(bucket) if each["file_id"] == file_id]
        elif way == "datalab":
            upload = self.done("POST", "/api/v1/files/upload", {"filename": name, "content_type": TYPE})
            urls = [upload["upload_url"]]
            self.write(urls[0], content)
            self.done("GET", f"/api/v1/files/{upload['file_id']}/confirm")
            prefix = upload["reference"].removeprefix("datalab://file-")
        else:
            asked = {"action": "upload", "fileName": name, "contentType": TYPE}
            upload = self.done("POST", "/v1/files/url", asked, {"Tenant-ID": self.name})
            urls = [upload["url"]]
            self.write(urls[0], content)
            prefix = upload["fileId"].removeprefix("file_")
        (found,) = self.api.objects(bucket, prefix=prefix)
        file = File(found, content, marker)
        assert file.raw == raw_id(file.file_id)
        file.write_urls, file.upload_keys = urls, keys
        self.files.append(file)
        return file

    def sign(self, way, file):
        """A URL for reading, from one API."""
        if way == "native":
            form = self.rng.choice(["token", "link"])
            asked = {"bucket": file.bucket, "key": file.key, "permission": "read", "form": form}
            made = self.done("POST", "/vk/v1/signed-urls", asked, expected=201)
            file.link_ids.append(made["link_id"])
            url = made["url"]
        elif way == "autodesk":
            path = f"/oss/v2/buckets/{file.bucket}/objects/{encoded(file.key)}/signed"
            url = self.done("POST", path, {})["signedUrl"]
        elif way == "redivis":
            answer = self.api.call("POST", f"/api/v1/rawFiles/{file.raw}/signedUrl", {"duration": 3600})
            assert answer.status == 200, answer
            url = answer.body.decode()
        elif way == "datalab":
            url = self.done("GET", f"/api/v1/files/{file.number}/download")["download_url"]
        else:
            asked = {"fileId": f"file_{file.file_id}", "action": self.rng.choice(["view", "download"])}
            url = self.done("POST", "/v1/files/url", asked, {"Tenant-ID": self.name})["url"]
        file.read_urls.append(url)
        return url

    def delete(self, file):
        """Out by one API."""
        way = self.rng.choice(["native", "autodesk", "datalab", "flexportal"])
        if way == "native":
            self.done("DELETE", f"/vk/v1/buckets/{file.bucket}/objects/{encoded(file.key)}", expected=204)
        elif way == "autodesk":
            self.done("DELETE", f"/oss/v2/buckets/{file.bucket}/objects/{encoded(file.key)}")
        elif way == "datalab":
            self.done("DELETE", f"/api/v1/files/{file.number}")
        else:
            self.done("DELETE", f"/v1/files/file_{file.file_id}", fields={"Tenant-ID": self.name})
        self.files.remove(file)
        self.gone.append(file)

    def pend(self):
        """Uploads that have been asked for and have not come: their URLs, and how each is asked about."""
        name = f"{self.mark}-pending.pdf"
        datalab = self.done("POST", "/api/v1/files/upload", {"filename": name, "content_type": TYPE})
        asked = {"action": "upload", "fileName": name, "contentType": TYPE}
        flexportal = self.done("POST", "/v1/files/url", asked, {"Tenant-ID": self.name})
        asked = {"tempUploads": [{"name": name, "size": 100, "resumable": False}]}
        (redivis,) = self.done("POST", f"{TABLE}/tempUploads", asked)["results"]
        return datalab, flexportal, redivis

    def step(self):
        """Something of what a tenant does."""
        doing = self.rng.random()
        if not self.files or doing < 0.4:
            return self.put(self.rng.choice(WAYS))
        file = self.rng.choice(self.files)
        if doing < 0.85:
            url = self.sign(self.rng.choice(WAYS), file)
            answer = self.fetch(url)
            assert (answer.status, answer.body) == (200, file.content.bytes()), (url, answer)
        elif len(self.files) > 3:
            self.delete(file)
        return file

    def check(self):
        """All that it has is there, unchanged, and nothing besides; what it deleted is gone."""
        known = {(file.bucket, file.key): file for file in self.files}
        for bucket in (self.bucket, f"files-{self.name}"):
            listed = {(bucket, each["key"]): each for each in self.api.objects(bucket)}
            assert {place for place in known if place[0] == bucket} == set(listed)
            for place, each in listed.items():
                file = known[place]
                told = (each["file_id"], each["sha256"], each["size_bytes"], each["content_type"])
                assert told == (file.file_id, file.content.sha256, file.content.size, TYPE), each
        in_lists = {(f"file_{file.file_id}", file.number) for file in self.files if file.bucket == f"files-{self.name}"}
        flexportal = self.done("GET", "/v1/files?limit=100", fields={"Tenant-ID": self.name})["files"]
        assert {file["fileId"] for file in flexportal} == {file_id for file_id, _ in in_lists}
        datalab = [file for file in self.done("GET", "/api/v1/files?limit=100")["files"] if file["upload_status"] == "completed"]
        assert {file["file_id"] for file in datalab} == {number for _, number in in_lists}
        for file in self.files:
            for url in file.read_urls:
                answer = self.fetch(url)
                assert (answer.status, answer.body) == (200, file.content.bytes()), (url, answer)
        for file in self.gone:
            for url in file.read_urls:
                assert self.fetch(url).status == 404, url


class Intruder:
    """What a tenant tries on another's."""

    def __init__(self, server, victim, own, rng):
        self.server, self.victim, self.own, self.rng = server, victim, own, rng
        self.n_tried = 0
        made = own.done(
            "POST",
            "/authentication/v2/token",
            b"grant_type=client_credentials&scope=data:read data:write bucket:read",
            {"Content-Type": "application/x-www-form-urlencoded", "Authorization": basic(provisioned.OTHER_API_KEY)},
        )
        bearer = {"Authorization": f"Bearer {own.bearer}"}
        self.credentials = [bearer, {"X-API-Key": own.bearer}, {"Authorization": f"Bearer {made['access_token']}"}]

    def ask(self, method, target, body=None, fields=()):
        """One request, whose answer must show nothing of the victim's but what the request says itself."""
        self.n_tried += 1
        fields = dict(fields)
        if body is not None and not isinstance(body, bytes):
            fields["Content-Type"], body = "application/json", json.dumps(body).encode()
        answer = exchange(self.server.port, method, target, fields, body)
        tried = (method, target, body, fields, answer)
        assert answer.status < 500, tried
        said = urllib.parse.unquote(target) + (body or b"").decode("utf-8", "replace")
        told = "\n".join([*answer.fields.values(), answer.body.decode("latin-1")])
        for file in [*self.victim.files, *self.victim.gone]:
            assert not any(piece in answer.body for piece in file.pieces), ("bytes", tried)
            for word in file.words:
                assert word not in told or word in said, (word, tried)
            assert not file.size_alone.search(told), ("size", tried)
        return answer

    def calls(self, of, tenant):
        """Every call about a file, by whatever it is known by."""
        key, query = encoded(of.key), urllib.parse.urlencode({"prefix": of.key})
        objects, path = f"/vk/v1/buckets/{of.bucket}/objects", f"/vk/v1/buckets/{of.bucket}/objects/{key}"
        signed = {"bucket": of.bucket, "key": of.key, "permission": "read"}
        link = {"form": "link", "uses": 1}
        yield "GET", path, None
        yield "HEAD", path, None
        yield "PUT", path, b"stolen"
        yield "DELETE", path, None
        yield "GET", f"/vk/v1/buckets/{of.bucket}", None
        yield "DELETE", f"/vk/v1/buckets/{of.bucket}", None
        yield "PATCH", f"/vk/v1/buckets/{of.bucket}", {"public": True}
        yield "GET", f"{objects}?{query}", None
        for more in ({}, link, {"permission": "write"}, {"permission": "write", **link}):
            yield "POST", "/vk/v1/signed-urls", {**signed, **more}
        yield "POST", "/vk/v1/signed-urls", {"bucket": of.bucket, "prefix": "", "permission": "read"}
        yield "POST", "/vk/v1/revocations", {"link_ids": of.link_ids or ["lnk_" + NO_FILE_ID]}
        yield "GET", f"/o/{of.bucket}/{of.key}", None
        for raw in (of.raw, of.file_id, f"aaaa-aaaaaaaaa.{of.file_id}"):
            yield "GET", f"/api/v1/rawFiles/{raw}", None
            yield "HEAD", f"/api/v1/rawFiles/{raw}", None
            yield "POST", f"/api/v1/rawFiles/{raw}/signedUrl", {"duration": 60}
            yield "POST", f"{TABLE}/rawFiles", {"files": [{"name": "mine", "tempUploadId": raw}]}
        for number in (of.number, of.file_id, f"{of.number}.0", f"file_{of.file_id}"):
            yield "GET", f"/api/v1/files/{number}", None
            yield "GET", f"/api/v1/files/{number}/download", None
            yield "GET", f"/api/v1/files/{number}/confirm", None
            yield "DELETE", f"/api/v1/files/{number}", None
        for file_id in (f"file_{of.file_id}", of.file_id, str(of.number), of.raw):
            for action in ("view", "download"):
                yield "POST", "/v1/files/url", {"fileId": file_id, "action": action}
            yield "GET", f"/v1/files/{file_id}", None
            yield "DELETE", f"/v1/files/{file_id}", None
            yield "DELETE", f"/v1/files/{file_id}", {"deleteFromStorage": False}
        yield "GET", f"/v1/files?startAfter=file_{of.file_id}", None
        # Autodesk's calls tell whose a bucket is not, and nothing of what is in it.
        path = f"/oss/v2/buckets/{of.bucket}/objects/{key}"
        yield "GET", f"/oss/v2/buckets/{of.bucket}/details", None
        yield "DELETE", f"/oss/v2/buckets/{of.bucket}", None
        yield "GET", f"/oss/v2/buckets/{of.bucket}/objects?beginsWith={key}", None
        yield "GET", f"{path}/details", None
        yield "GET", path, None
        yield "PUT", path, b"stolen"
        yield "DELETE", path, None
        for access in ("read", "write", "readwrite"):
            yield "POST", f"{path}/signed?access={access}", {}
        yield "GET", f"{path}/signeds3download", None
        yield "GET", f"{path}/signeds3upload", None
        for upload_key in of.upload_keys:
            yield "GET", f"{path}/signeds3upload?uploadKey={encoded(upload_key)}", None
            yield "POST", f"{path}/signeds3upload", {"uploadKey": upload_key}
            own = f"/oss/v2/buckets/{self.own.bucket}/objects/{key}/signeds3upload"
            yield "POST", own, {"uploadKey": upload_key}
            yield "GET", f"{own}?uploadKey={encoded(upload_key)}", None

    def try_calls(self, file):
        """With one's own credential, and with none: as about what never was."""
        credential = self.rng.choice(self.credentials)
        tenant = self.rng.choice([self.own.name, self.victim.name])
        sure = {"Authorization": f"Bearer {self.own.bearer}"}
        for target in ("/api/v1/files?limit=100", "/v1/files?limit=100", "/v1/files?limit=100&sortDir=asc"):
            assert self.ask("GET", target, fields={**sure, "Tenant-ID": self.own.name}).status == 200
        never = file.invented()
        theirs, nobodys = list(self.calls(file, tenant)), list(self.calls(never, tenant))
        for (method, target, body), (_, control_target, control_body) in zip(theirs, nobodys, strict=True):
            for who in (credential, {}):
                if who and target.startswith(("/v1/", "/oss/")):
                    who = sure
                fields = {**who, **({"Tenant-ID": tenant} if target.startswith("/v1/") else {})}
                answer = self.ask(method, target, body, fields)
                control = self.ask(method, control_target, control_body, fields)
                tried = (method, target, body, fields, answer, control)
                if target.startswith("/vk/v1/revocations") and who:
                    assert (answer.status, set(answer.json)) == (control.status, set(control.json)), tried
                    continue
                assert answer.status >= 400, tried
                if target.startswith("/oss/"):
                    assert answer.status in ((400, 403, 404) if who else (401,)), tried
                else:
                    same = self.blank(answer, file) == self.blank(control, never)
                    assert answer.status == control.status and same, tried

    @staticmethod
    def blank(answer, of):
        """What an answer says, without what the request named."""
        text = answer.body.decode("latin-1")
        for name in (of.raw, of.file_id, str(of.number), encoded(of.key), of.key, of.bucket, *of.link_ids):
            text = text.replace(name, "…")
        try:
            body = json.loads(text)
        except ValueError:
            return text
        return {name: value for name, value in body.items() if name not in ("instance", "request_id")} if body else body

    def try_urls(self, file):
        """URLs of the victim's that were changed, put together anew, or forged with one's own key."""
        for url in [*file.read_urls, *file.write_urls]:
            target = target_of(url)
            for method in ("GET", "HEAD", "PUT") if url in file.write_urls else ("GET", "HEAD"):
                for changed in self.changed(target):
                    answer = self.ask(method, changed, b"stolen" if method == "PUT" else None)
                    assert answer.status >= 400, (method, changed, answer)
            for method in ("PUT", "DELETE", "POST", "PATCH") if url in file.read_urls else ("GET", "DELETE", "POST", "PATCH"):
                answer = self.ask(method, target, b"stolen" if method != "DELETE" else None, self.credentials[0])
                assert answer.status >= 400, (method, target, answer)
        self.try_forged(file)

    def changed(self, target):
        """A URL with one character of its secret or token changed, cut, or in another's place."""
        other = self.rng.choice(self.victim.files)
        path, _, query = target.partition("?")
        if "cat=" in query or "token=" in query:
            name, _, token = query.partition("=")
            at = self.rng.randrange(len(token))
            yield f"{path}?{name}={token[:at]}{self.another(token[at])}{token[at + 1 :]}"
            yield f"{path}?{name}={token[: self.rng.randrange(len(token))]}"
            for place in (f"/o/{encoded(other.bucket)}/{urllib.parse.quote(other.key)}", f"/api/v1/rawFiles/{other.raw}"):
                if place != path:
                    yield f"{place}?{name}={token}"
                    yield f"{place}?{'token' if name == 'cat' else 'cat'}={token}"
            return
        parts = path.split("/")
        digits = [(n, at) for n, part in enumerate(parts) if len(part) > 20 for at, c in enumerate(part) if c in "0123456789abcdef"]
        number, at = self.rng.choice(digits)
        if other.marker in parts[number] or "." in parts[number]:
            return
        part = parts[number]
        digit = self.rng.choice([c for c in "0123456789abcdef" if c != part[at]])
        # The bits of a UUID that say its version and variant are no secret.
        if not (len(part) == 36 and at in (14, 19)):
            parts[number] = part[:at] + digit + part[at + 1 :]
            yield "/".join(parts) + (f"?{query}" if query else "")

    def another(self, character):
        return self.rng.choice([each for each in BASE64URL if each != character])

    def try_forged(self, file):
        """Tokens under one's own signing key for what is the victim's, by either name."""
        now = int(time.time())
        native = f"/o/{encoded(file.bucket)}/{urllib.parse.quote(file.key, safe='-._~/')}"
        redivis = f"/api/v1/rawFiles/{file.raw}"
        for path, name in ((native, "cat"), (redivis, "token")):
            for tenant in (self.own.name, self.victim.name):
                for kid in (provisioned.OTHER_KID, provisioned.KID):
                    for methods in (("GET", "HEAD"), ("PUT",)):
                        claims = tokens.claims(tenant, path, now, methods=methods)
                        token = tokens.sign(claims, kid, provisioned.OTHER_SIGNING_SECRET)
                        answer = self.ask(methods[0], f"{path}?{name}={token}", b"stolen" if methods[0] == "PUT" else None)
                        assert answer.status >= 400, (tenant, kid, path, answer)
        prefix = {tokens.PATH: {tokens.PREFIX: f"/o/{file.bucket}/"}}
        token = tokens.sign(
            tokens.claims(self.own.name, native, now, catu=prefix), provisioned.OTHER_KID, provisioned.OTHER_SIGNING_SECRET
        )
        answer = self.ask("GET", f"{native}?cat={token}")
        assert answer.status >= 400, answer

    def try_lists(self):
        """Lists of everything, and what is unique in the installation."""
        buckets = [self.victim.bucket, f"files-{self.victim.name}"]
        for target in ("/vk/v1/buckets", "/oss/v2/buckets?limit=100", f"/vk/v1/buckets/{self.own.bucket}/objects", "/api/v1/files"):
            for who in ({"Authorization": f"Bearer {self.own.bearer}"}, {}):
                answer = self.ask("GET", target, fields=who)
                assert not any(f'"{bucket}"' in answer.body.decode() for bucket in buckets), answer
        # A table is one's own, under whatever name.
        for table in (TABLE, *(f"/api/v1/tables/{bucket}" for bucket in buckets)):
            for who in ({"Authorization": f"Bearer {self.own.bearer}"}, {}):
                answer = self.ask("GET", f"{table}/rawFiles?format=arrow", fields=who)
                assert answer.status == (200 if who else 401), answer
        for method, path, body in (
            ("POST", "/vk/v1/buckets", lambda name: {"name": name}),
            ("POST", "/oss/v2/buckets", lambda name: {"bucketKey": name, "policyKey": "persistent"}),
        ):
            for bucket in buckets:
                answer = self.ask(method, path, body(bucket), {"Authorization": f"Bearer {self.own.bearer}"})
                assert answer.status in (400, 409), answer
        for path in ("/vk/v1/api-keys", f"/vk/v1/api-keys/{provisioned.API_KEY}", f"/vk/v1/signing-keys/{provisioned.KID}"):
            for method, body in (("GET", None), ("PATCH", {"disabled": True}), ("DELETE", None)):
                answer = self.ask(method, path, body, {"Authorization": f"Bearer {self.own.bearer}"})
                assert answer.status in (400, 403, 404, 405), answer

    def try_pending(self, datalab, flexportal, redivis):
        """Uploads of the victim's that have not come."""
        who = {"Authorization": f"Bearer {self.own.bearer}"}
        for number in (datalab["file_id"], flexportal["fileId"].removeprefix("file_"), redivis["id"].rpartition(".")[2]):
            for method, rest in (("GET", ""), ("GET", "/confirm"), ("GET", "/download"), ("DELETE", "")):
                answer = self.ask(method, f"/api/v1/files/{number}{rest}", fields=who)
                assert (answer.status, answer.json) == (404, {"detail": "File not found"}), answer
        answer = self.ask("POST", f"{TABLE}/rawFiles", {"files": [{"name": "mine", "tempUploadId": redivis["id"]}]}, who)
        assert answer.status == 404, answer
        for tenant in (self.own.name, self.victim.name):
            answer = self.ask("POST", "/v1/files/url", {"fileId": flexportal["fileId"]}, {**who, "Tenant-ID": tenant})
            assert answer.status == (404 if tenant == self.own.name else 403), answer
        for url in (datalab["upload_url"], flexportal["url"], redivis["url"]):
            for changed in self.changed(target_of(url)):
                answer = self.ask("PUT", changed, b"stolen")
                assert answer.status >= 400, answer


def basic(key_id):
    """Client credentials of the other tenant's key."""
    return "Basic " + base64.b64encode(f"{key_id}:secret-of-{key_id}-0123456789".encode()).decode()


def base64_of_hex(digest):
    """As an ETag has it."""
    return base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")


@pytest.fixture
def open_server(serve):
    """One that lets credentials be guessed: it is not what is tested here."""
    return serve(arguments=["--max-failed-authentications", "0"])


def test_nothing_of_a_tenants_ever_shows(open_server, rng, soak):
    owner = Tenant(open_server, provisioned.TENANT, provisioned.BEARER, provisioned.BUCKET, rng)
    stranger = Tenant(open_server, provisioned.OTHER_TENANT, provisioned.OTHER_BEARER, provisioned.OTHER_BUCKET, rng)
    intruder = Intruder(open_server, owner, stranger, rng)
    for way in rng.sample(WAYS, len(WAYS)):
        owner.put(way)
        stranger.put(way)
    pending = owner.pend()
    for number in range(ROUNDS * (2 if soak else 1)):
        owner.step()
        stranger.step()
        file = rng.choice([*owner.files, *owner.gone[-2:]])
        rng.choice([intruder.try_calls, intruder.try_urls])(file)
        if number % 20 == 0:
            intruder.try_lists()
            intruder.try_pending(*pending)
    owner.check()
    stranger.check()
    datalab, flexportal, redivis = pending
    content = Content("come after all", 100)
    for url in (datalab["upload_url"], flexportal["url"], redivis["url"]):
        owner.write(url, content)
    assert intruder.n_tried > 20 * ROUNDS
