"""The world that schemathesis finds: a server with what has to be there for calls to find something."""

import re

from server import API_KEY, BEARER, BUCKET, PUBLIC_BUCKET, SECRET, TENANT, Server

__all__ = ["API_KEY", "BEARER", "SECRET", "World", "values"]

N_OBJECTS = 40
N_URLS = 12
# What clients call their resumable uploads.
SESSION = "session"

# Well-formed values of which there is nothing.
UNKNOWN = {
    "bucket": "no-such-bucket",
    "key": "no/such/key.txt",
    "doomed_key": "no/such/key.txt",
    "file_number": 1,
    "file_id": "file_AAAAAAAAAAAAAAAAAAAAAA",
    "doomed_file_id": "file_AAAAAAAAAAAAAAAAAAAAAA",
    "secret": "AAAAAAAAQACAAAAAAAAAAA",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "api_key": "no-such-key",
    "kid": "no-such-key",
    "link_id": "lnk_AAAAAAAAAAAAAAAAAAAAAA",
}


class World(Server):
    """A running server. Every request may come from another address, as a proxy would say it."""

    def __init__(self, binary, directory):
        super().__init__(binary, directory, ["--trusted-proxies", "127.0.0.1", "--client-address-from", "x-forwarded-for"])


def values(world):
    """Puts files in, and issues URLs; gives the values that calls should be tried with, by the name of what they are."""
    found = {
        # Where a value stands: by the name of its parameter or field, the parts of its path.
        "places": {"cat": {}, "token": {}, "uploadKey": {}},
        "tenant": [TENANT],
        "own_api_key": [API_KEY],
        "bucket": [BUCKET, PUBLIC_BUCKET],
        "part_number": [1, 2, 3],
        "session": [SESSION],
        "any_tag": ["*"],
        "other_tag": ['"other"'],
    }
    put_objects(world, found)
    sign(world, found)
    put_by_vendors(world, found)
    make_keys(world, found)
    for name, unknown in UNKNOWN.items():
        found[name] += [unknown] * (1 + len(found[name]) // 8)
    return found


def put_objects(world, found):
    """Objects, some of which are only there to be deleted, as are some buckets."""
    found["doomed_bucket"] = [world.call("POST", "/vk/v1/buckets", {"name": f"doomed-{number}"})["name"] for number in range(N_OBJECTS)]
    names = ("key", "file_number", "file_id", "raw_file_id", "doomed_key", "doomed_file_number", "doomed_file_id")
    found.update({name: [] for name in names})
    for number in range(2 * N_OBJECTS):
        prefix = "" if number < N_OBJECTS else "doomed_"
        key = f"2026/{prefix}q{number}.txt"
        for bucket in (PUBLIC_BUCKET, BUCKET):
            put = f"/vk/v1/buckets/{bucket}/objects/{key.replace('/', '%2F')}"
            stored = world.call("PUT", put, b"content of " + key.encode(), {"Content-Type": "text/plain"})
        found[f"{prefix}key"].append(key)
        found[f"{prefix}file_number"].append(stored["file_number"])
        found[f"{prefix}file_id"].append(f"file_{stored['file_id']}")
        if not prefix:
            found["raw_file_id"].append(stored["raw_file_id"])


def sign(world, found):
    """Native URLs, for reading and writing, limited and not."""
    found.update({"token": [], "secret": [], "link_id": []})
    for number, key in enumerate(found["key"][:N_URLS]):
        asked = {"bucket": BUCKET, "key": key, "permission": "read" if number % 3 else "write", "upload": {"mode": "replace"}}
        if asked["permission"] == "write" or number % 2:
            # Enough for all the requests that it will see.
            asked["uses"] = 100_000
        token = world.call("POST", "/vk/v1/signed-urls", asked)["url"].split("cat=")[1]
        found["token"].append(token)
        found["places"]["cat"][token] = {"bucket": BUCKET, "key": key}
        link = world.call("POST", "/vk/v1/signed-urls", {**asked, "form": "link"})
        found["secret"].append(link["url"].rsplit("/", 1)[1])
        # Others are there to be taken back.
        found["link_id"].append(world.call("POST", "/vk/v1/signed-urls", asked)["link_id"])


def put_by_vendors(world, found):
    """URLs and uploads of the vendors' APIs."""
    names = ("uuid", "doomed_uuid", "upload_key", "part_secret", "raw_token", "upload_id")
    found.update({name: [] for name in names})
    for number, key in enumerate(found["key"]):
        quoted = key.replace("/", "%2F")
        path = f"/oss/v2/buckets/{BUCKET}/objects/{quoted}"
        for name in ("uuid", "doomed_uuid"):
            signed = world.call("POST", f"{path}/signed?access=readwrite", {})["signedUrl"]
            found[name].append(re.search("[^/?]+(?=\\?)", signed)[0])
        upload = world.call("GET", f"{path}/signeds3upload?parts=1&minutesExpiration=60")
        world.call("PUT", upload["urls"][0], b"a part")
        found["upload_key"].append(upload["uploadKey"])
        found["places"]["uploadKey"][upload["uploadKey"]] = {"bucketKey": BUCKET, "objectKey": key}
        # A resumable one, of which half is there.
        half = {"Session-Id": SESSION, "Content-Range": "bytes 0-3/8", "Content-Type": "text/plain"}
        world.call("PUT", f"{path}/resumable", b"half", half)
        # Another one, for its parts alone.
        upload = world.call("GET", f"{path}/signeds3upload?parts=1&minutesExpiration=60")
        found["part_secret"].append(upload["urls"][0].split("/")[-2])
        raw = found["raw_file_id"][number]
        token = world.call("POST", f"/api/v1/rawFiles/{raw}/signedUrl", {"duration": 86400}).decode().split("token=")[1]
        found["raw_token"].append(token)
        found["places"]["token"][token] = {"fileId": raw}
        new = {"tempUploads": [{"size": 7, "name": f"{number}.txt"}]}
        upload = world.call("POST", "/api/v1/tables/demo.files/tempUploads", new)["results"][0]
        world.call("PUT", upload["url"], b"content", {"Content-Type": "text/plain"})
        found["upload_id"].append(upload["id"])


def make_keys(world, found):
    """API keys and signing keys, some of which are only there to be changed and deleted."""
    found.update({"api_key": [], "doomed_api_key": [], "kid": []})
    for number in range(N_URLS):
        for name in ("api_key", "doomed_api_key"):
            new = {"id": f"{name}-{number}", "scopes": ["object:read"]}
            found[name].append(world.call("POST", "/vk/v1/api-keys", new)["id"])
        new = {"kid": f"kid-{number}", "algorithm": "HS256", "owner": f"api_key-{number}"}
        found["kid"].append(world.call("POST", "/vk/v1/signing-keys", new)["kid"])
