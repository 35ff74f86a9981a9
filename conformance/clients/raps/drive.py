"""raps: buckets, uploads of small and large files, downloads, lists, signed URLs, refusals."""

import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import urllib.request

BUCKET = "raps-files"
PROGRAM = pathlib.Path(sys.executable).parent / "raps"
n_failed = 0


def check(name, body):
    """One check: `ok NAME`, or `not ok NAME: why`."""
    global n_failed
    try:
        body()
        print(f"ok {name}", flush=True)
    except (AssertionError, KeyError, OSError, TypeError, ValueError) as error:
        n_failed += 1
        print(f"not ok {name}: {error!r}"[:800].replace("\n", " "), flush=True)


def run(*arguments):
    """The program, as a user calls it; gives its status and what it printed."""
    env = {
        **os.environ,
        "APS_BASE_URL": os.environ["VALETKEY_URL"],
        "APS_CLIENT_ID": os.environ["VALETKEY_CLIENT_ID"],
        "APS_CLIENT_SECRET": os.environ["VALETKEY_CLIENT_SECRET"],
        # No keychain here.
        "RAPS_USE_FILE_STORAGE": "1",
    }
    command = [PROGRAM, "--non-interactive", "--no-color", "--yes", "--no-cache", "--output", "json", *arguments]
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)


def told(*arguments):
    """What it says in JSON when it did as it was told."""
    done = run(*arguments)
    assert done.returncode == 0, done.stderr[-500:]
    return json.loads(done.stdout)


def refused(text, *arguments):
    """It fails, and says why."""
    done = run(*arguments)
    assert done.returncode != 0 and text in done.stdout + done.stderr, (done.returncode, done.stdout, done.stderr)


def equal(found, expected):
    """What is found is what is expected."""
    assert found == expected, f"{found!r} is not {expected!r}"


def main():
    # It refuses paths outside its working directory.
    work = tempfile.TemporaryDirectory()
    os.chdir(work.name)
    rng = random.Random(1)
    files = {"small.txt": b"hello\n", "large.bin": rng.randbytes(23 << 20)}
    for name, content in files.items():
        pathlib.Path(name).write_bytes(content)
    sha1 = {name: hashlib.sha1(content).hexdigest() for name, content in files.items()}

    print(f"version {re.search('[0-9][0-9.]+', run('--version').stdout)[0]}", flush=True)
    check("the client is known", lambda: equal(told("auth", "test")["success"], True))
    create = ("bucket", "create", "--policy", "transient", "--region", "EMEA", "--key")
    check("a bucket is made", lambda: equal(told(*create, BUCKET)["policy_key"], "transient"))
    check("a bucket is made once", lambda: refused("Bucket already exists", *create, BUCKET))
    check("a bucket's details", lambda: equal(told("bucket", "info", BUCKET)["permissions"][0]["access"], "full"))
    check("a bucket that is not there", lambda: refused("not found", "bucket", "info", "raps-nothing"))

    def listed():
        regions = {bucket["bucket_key"]: bucket["region"] for bucket in told("bucket", "list")}
        equal(regions.get(BUCKET), "EMEA")

    check("buckets, region by region", listed)
    for name, size in (("small.txt", "one part"), ("large.bin", "parts, several at once")):
        check(f"a file in {size}", lambda name=name: equal(told("object", "upload", BUCKET, name)["sha1"], sha1[name]))

    def downloaded():
        told("object", "download", BUCKET, "large.bin", "--out-file", "got.bin")
        assert pathlib.Path("got.bin").read_bytes() == files["large.bin"]

    check("a file is downloaded", downloaded)

    def batch():
        for name in ("a.txt", "b.txt"):
            pathlib.Path(name).write_text(name)
        told("object", "upload-batch", BUCKET, "a.txt", "b.txt")
        keys = [entry["object_key"] for entry in told("object", "list", BUCKET)]
        equal(sorted(keys), ["a.txt", "b.txt", "large.bin", "small.txt"])

    check("several files, and a list of objects", batch)
    check("an object's details", lambda: equal(told("object", "info", BUCKET, "large.bin")["size"], len(files["large.bin"])))

    def signed():
        url = told("object", "signed-url", BUCKET, "small.txt")["url"]
        with urllib.request.urlopen(url, timeout=30) as answer:
            equal(answer.read(), files["small.txt"])

    check("a URL to download", signed)
    check("what is not there", lambda: refused("not found", "object", "info", BUCKET, "nothing"))
    check("a bucket that is not empty", lambda: refused("Bucket is not empty", "bucket", "delete", BUCKET))

    def deleted():
        for entry in told("object", "list", BUCKET):
            told("object", "delete", BUCKET, entry["object_key"])
        told("bucket", "delete", BUCKET)
        # Of what it has looked at before it asks no more; who deletes it again does.
        refused("not found", "bucket", "delete", BUCKET)

    check("objects and the bucket are deleted", deleted)
    work.cleanup()
    sys.exit(1 if n_failed else 0)


if __name__ == "__main__":
    main()
