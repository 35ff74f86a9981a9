"""The native API, as an application uses it."""

import json
import urllib.parse

from harness import server as provisioned
from harness.http import Connection, exchange, target_of


class Api:
    """Calls with one API key. Every call is a connection of its own, so that a kill in between disturbs only itself."""

    def __init__(self, server, bearer=provisioned.BEARER):
        self.server = server
        self._bearer = bearer

    def call(self, method, path, body=None, fields=()):
        """Any call; the answer as it is."""
        fields = {"Authorization": f"Bearer {self._bearer}", **dict(fields)}
        if body is not None and not isinstance(body, bytes):
            fields["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        return exchange(self.server.port, method, path, fields, body)

    def put(self, key, content, content_type="application/octet-stream", bucket=provisioned.BUCKET, fields=()):
        """Uploads; gives the answer."""
        own = {"Authorization": f"Bearer {self._bearer}", "Content-Length": str(content.size), "Content-Type": content_type}
        with Connection(self.server.port) as connection:
            connection.request("PUT", object_path(key, bucket), {**own, **dict(fields)}, content.pieces())
            answer = connection.receive_head()
            answer.body = connection.receive_body(answer)
            return answer

    def put_new(self, key, content, **more):
        """Uploads what must not be there yet, and wants it done."""
        answer = self.put(key, content, **more)
        assert answer.status == 201, answer
        assert answer.json["sha256"] == content.sha256 and answer.json["size_bytes"] == content.size, answer
        return answer.json

    def objects(self, bucket=provisioned.BUCKET, prefix=""):
        """All objects of a bucket, page by page."""
        found, following = [], ""
        while True:
            query = urllib.parse.urlencode({"prefix": prefix, "limit": 500, **({"next": following} if following else {})})
            answer = self.call("GET", f"/vk/v1/buckets/{bucket}/objects?{query}")
            assert answer.status == 200, answer
            found += answer.json["objects"]
            following = answer.json["next"]
            if not following:
                return found

    def issue(self, key, permission="read", bucket=provisioned.BUCKET, **more):
        """Issues a URL and wants it done; gives what the API says of it."""
        answer = self.call("POST", "/vk/v1/signed-urls", {"bucket": bucket, "key": key, "permission": permission, **more})
        assert answer.status == 201, answer
        return answer.json

    def target(self, key, permission="read", **more):
        """Issues a URL; gives its path and query."""
        return target_of(self.issue(key, permission, **more)["url"])

    def revoke(self, *link_ids):
        """Takes URLs back and wants it done."""
        answer = self.call("POST", "/vk/v1/revocations", {"link_ids": list(link_ids)})
        assert answer.status == 200, answer


def object_path(key, bucket=provisioned.BUCKET):
    """Where an object is in the API."""
    return f"/vk/v1/buckets/{bucket}/objects/{urllib.parse.quote(key, safe='')}"
