#!/usr/bin/env python3
"""Checks tokens both ways against three other implementations: they verify ours, and we verify theirs.

    conformance/tokens/run.py

Needs Rust, Node and Python 3 with `venv`; installs @eyevinn/cat (npm) and cwt (PyPI) beside itself, as locked. A line
`cannot:` names what an implementation does not do; each is itself checked, so that none outlives its truth. The last line is
`N passed, N failed`; the exit status is 1 if any failed.
"""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = HERE / ".venv"

INSTALLED = "VALETKEY_TOKENS_INSTALLED"
NOW = int(time.time())
KEY = {"kid": "app-1", "tenant": "acme", "secret_hex": bytes(range(32)).hex()}
OTHER_KEY = {**KEY, "secret_hex": bytes(range(1, 33)).hex()}
CTI = b"0123456789abcdef".hex()
PATH = "/o/reports/2026/q3.pdf"
ADDRESS = "192.0.2.7"
ORIGIN = "https://files.example"
PRIVATE_CLAIM = -0x766B657A

n_passed = n_failed = 0


def check(name, passed, found=""):
    global n_passed, n_failed
    if passed:
        n_passed += 1
        print(f"ok: {name}")
    else:
        n_failed += 1
        print(f"FAILED: {name}: {found}")


def cannot(name, holds, found=""):
    """What an implementation does not do, and whether it still does not."""
    print(f"cannot: {name}")
    check(f"it still holds that: {name}", holds, found)


class Pipe:
    """A program that answers each line of JSON with one."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.process.args[0]} ended early")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


def run(*command, cwd=ROOT):
    subprocess.run(command, cwd=cwd, check=True, stdout=sys.stderr)


def install():
    run("npm", "ci", "--silent", "--no-audit", "--no-fund", cwd=HERE)
    if not (VENV / "bin" / "python").exists():
        run(sys.executable, "-m", "venv", str(VENV))
    run(str(VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "-r", str(HERE / "requirements.txt"))
    run("cargo", "build", "--quiet", "-p", "valetkey-signing", "--example", "token_pipe")


def example():
    target = json.loads(subprocess.check_output(["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=ROOT))
    return Path(target["target_directory"]) / "debug" / "examples" / "token_pipe"


def claims(path=PATH, prefix=None, nbf=None, exp=NOW + 3600, iat=NOW, **terms):
    """Claims as the example takes them."""
    to_sign = {"iss": "acme", "cti_hex": CTI, "iat": iat, "exp": exp, "terms": {"permission": "read", **terms}}
    to_sign.update({"path_prefix": prefix} if prefix else {"path": path})
    if nbf is not None:
        to_sign["nbf"] = nbf
    return to_sign


# Name, claims, path that is granted, address that is granted.
FILE_PATH = "/api/v1/rawFiles/hkvn-alu474w4f.MDEyMzQ1Njc4OWFiY2RlZg"
FILE_NAMES = "/o/reports/%D8%AA%20%F0%9F%98%80%20%27a%2Bb%27.pdf"
CLAIMS = [
    ("plain", claims(), PATH, ADDRESS),
    ("a name in Arabic, with emoji, plus, space, quotes", claims(path=FILE_NAMES), FILE_NAMES, ADDRESS),
    ("a prefix", claims(prefix="/o/reports/2026/"), PATH, ADDRESS),
    ("nbf", claims(nbf=NOW - 10), PATH, ADDRESS),
    ("one use", claims(uses=1), PATH, ADDRESS),
    ("several private terms", claims(uses=3, file_name="ü.pdf", label="x", issuer="cid", disposition="inline"), PATH, ADDRESS),
    ("writing", claims(permission="write"), PATH, ADDRESS),
    ("reading and writing", claims(permission="readwrite"), PATH, ADDRESS),
    ("an IPv4 address", claims(addresses=["192.0.2.7/32"]), PATH, ADDRESS),
    ("an IPv4 block with all its bytes", claims(addresses=["192.0.2.4/30"]), PATH, ADDRESS),
    ("an IPv6 address", claims(addresses=["2001:db8::1/128"]), PATH, "2001:db8::1"),
    ("several addresses", claims(addresses=["198.51.100.1/32", "192.0.2.7/32"]), PATH, ADDRESS),
    ("a file by its id", claims(path=FILE_PATH), FILE_PATH, ADDRESS),
    ("an incarnation", claims(incarnation="MDEyMzQ1Njc4OWFiY2RlZg"), PATH, ADDRESS),
]
METHODS = {
    "read": ["GET", "HEAD"],
    "write": ["HEAD", "PUT", "POST", "PATCH", "DELETE"],
    "readwrite": ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"],
}


def tampered(token):
    """The same token with one bit of its claims changed: the last of `cti`."""
    message = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    message[message.index(bytes.fromhex(CTI)) + 15] ^= 1
    return base64.urlsafe_b64encode(message).rstrip(b"=").decode()


class Ours:
    def __init__(self):
        self.pipe = Pipe(str(example()))

    def sign(self, to_sign):
        answer = self.pipe.ask(key=KEY, sign=to_sign)
        if "token" not in answer:
            raise SystemExit(f"we do not sign {to_sign}: {answer}")
        return answer["token"]

    def verify(self, token, path=PATH, method="GET", address=ADDRESS, now=NOW, key=KEY):
        verify = {"token": token, "path": path, "method": method, "address": address, "now": now}
        return self.pipe.ask(key=key, verify=verify)

    def check_theirs(self, library, name, token, path=PATH, method="GET", address=ADDRESS, restricted=False):
        """A token of another implementation: taken for what it grants, refused for all else."""
        name = f"{library} → us: {name}"
        found = self.verify(token, path, method, address)
        check(name, "accepted" in found, found)
        others = {
            "another path": (dict(path="/o/reports/2025/x", method=method, address=address), "wrong_path"),
            "another method": (dict(path=path, method="DELETE", address=address), "wrong_method"),
            "expired": (dict(path=path, method=method, address=address, now=NOW + 3600), "expired"),
            "another key": (dict(path=path, method=method, address=address, key=OTHER_KEY), "bad_signature"),
        }
        if restricted:
            others["another address"] = (dict(path=path, method=method, address="203.0.113.9"), "wrong_address")
        for what, (request, code) in others.items():
            found = self.verify(token, **request)
            check(f"{name}: {what} is {code}", found == {"refused": code}, found)
        found = self.verify(tampered(token), path, method, address)
        check(f"{name}: tampered is bad_signature", found == {"refused": "bad_signature"}, found)


def eyevinn(ours):
    library = "@eyevinn/cat"
    pipe = Pipe("node", "eyevinn.mjs")

    def validate(token, path=PATH, ip=ADDRESS, key=KEY, issuer="acme"):
        return pipe.ask(operation="validate", key=key, token=token, url=ORIGIN + path, ip=ip, issuer=issuer)

    def http(token, method, path=PATH):
        return pipe.ask(operation="http", key=KEY, token=token, url=ORIGIN + path, method=method, issuer="acme")

    for name, to_sign, path, address in CLAIMS:
        name = f"us → {library}: {name}"
        token = ours.sign(to_sign)
        found = validate(token, path, address)
        check(name, found["accepted"], found)
        found = validate(token, "/o/reports/2025/x", address)
        check(f"{name}: another path is refused", not found["accepted"], found)
        found = validate(token, path, address, key=OTHER_KEY)
        check(f"{name}: another key is refused", not found["accepted"], found)
        found = validate(token, path, address, issuer="globex")
        check(f"{name}: another issuer is refused", not found["accepted"], found)
        found = validate(tampered(token), path, address)
        check(f"{name}: tampered is refused", not found["accepted"], found)
        if "addresses" in to_sign["terms"]:
            found = validate(token, path, "203.0.113.9")
            check(f"{name}: another address is refused", not found["accepted"], found)
            continue
        listed = METHODS[to_sign["terms"]["permission"]]
        for method in METHODS["readwrite"]:
            found = http(token, method, path)
            check(f"{name}: {method} is {'taken' if method in listed else 'refused'}", found["accepted"] == (method in listed), found)
    expired = ours.sign(claims(iat=NOW - 100, exp=NOW - 1))
    check(f"us → {library}: expired is refused", not validate(expired)["accepted"])
    early = ours.sign(claims(nbf=NOW + 1000))
    check(f"us → {library}: not yet valid is refused", not validate(early)["accepted"])

    block = ours.sign(claims(addresses=["192.0.2.0/24"]))
    found = validate(block)
    cannot(f"{library}: read a catnip prefix whose zero bytes are left out, as RFC 9164 demands (it refuses)",
           not found["accepted"] and "ipaddr" in found["error"], found)
    token = ours.sign(claims(addresses=["192.0.2.7/32"]))
    cannot(f"{library}: give an HTTP request's address to catnip in its HttpValidator (it refuses)", not http(token, "GET")["accepted"])

    base = {"iss": "acme", "exp": NOW + 3600, "iat": NOW, "cti": CTI}
    exact = {"path": {"exact-match": PATH}}

    def generate(private=None, **more):
        line = {"operation": "generate", "key": KEY, "claims": {**base, "catu": exact, "catm": ["GET", "HEAD"], **more}}
        answer = pipe.ask(**line, **({"private": {"label": PRIVATE_CLAIM, "entries": private}} if private else {}))
        if not answer.get("token"):
            raise SystemExit(f"{library} does not sign {more}: {answer}")
        return answer["token"]

    ours.check_theirs(library, "plain", generate())
    ours.check_theirs(library, "nbf", generate(nbf=NOW - 10))
    ours.check_theirs(library, "a prefix", generate(catu={"path": {"prefix-match": "/o/reports/2026/"}}))
    ours.check_theirs(library, "a name", generate(catu={"path": {"exact-match": FILE_NAMES}}), FILE_NAMES)
    ours.check_theirs(library, "a file by its id", generate(catu={"path": {"exact-match": FILE_PATH}}), FILE_PATH)
    ours.check_theirs(library, "writing", generate(catm=["PUT"]), method="PUT")
    ours.check_theirs(library, "GET alone, HEAD asked", generate(catm=["GET"]), method="HEAD")
    ours.check_theirs(library, "catreplay 0", generate(catreplay=0))
    ours.check_theirs(library, "an IPv4 address", generate(catnip=[ADDRESS]), restricted=True)
    ours.check_theirs(library, "an IPv4 block", generate(catnip=["192.0.2.0/24"]), restricted=True)
    ours.check_theirs(library, "an IPv6 block", generate(catnip=["2001:db8::/32"]), address="2001:db8::9", restricted=True)
    token = generate(private=[[1, "integer", 3], [4, "text", "ü.pdf"], [6, "bytes", "09" * 16]])
    ours.check_theirs(library, "the private claim", token)
    terms = ours.verify(token).get("accepted", {}).get("terms", {})
    check(f"{library} → us: the private claim says what it said", (terms.get("uses"), terms.get("file_name")) == (3, "ü.pdf"), terms)
    terms = ours.verify(generate(catreplay=1)).get("accepted", {}).get("terms", {})
    check(f"{library} → us: catreplay 1 is one use", terms.get("uses") == 1, terms)

    def refused(name, token):
        found = ours.verify(token)
        check(f"{library} → us: {name} is malformed", found == {"refused": "malformed"}, found)

    refused("catreplay 2", generate(catreplay=2))
    refused("aud", generate(aud=["one"]))
    refused("an autonomous system", generate(catnip=[64500]))
    refused("a suffix match", generate(catu={"path": {"suffix-match": ".pdf"}}))
    refused("a host", generate(catu={**exact, "host": {"exact-match": "files.example"}}))
    refused("a renewal", generate(catr={"type": "header", "header-name": "x", "expadd": 120, "deadline": 60}))
    cannot(f"{library}: clear the bits after a catnip prefix, so that `192.0.2.7/24` is malformed to us",
           ours.verify(generate(catnip=["192.0.2.7/24"])) == {"refused": "malformed"})
    pipe.close()


def python_cwt(ours):
    library = "cwt (Python)"
    pipe = Pipe(str(VENV / "bin" / "python"), "python_cwt.py")

    def validate(token, key=KEY):
        return pipe.ask(operation="validate", key=key, token=token)

    for name, to_sign, path, _ in CLAIMS:
        name = f"us → {library}: {name}"
        token = ours.sign(to_sign)
        found = validate(token)
        check(name, found["accepted"], found)
        said = dict((key, value) for key, value in found.get("claims", {}).get("map", []))
        expected = {1: "acme", 4: to_sign["exp"], 6: to_sign["iat"], 7: {"bytes": CTI}}
        check(f"{name}: the registered claims", expected.items() <= said.items() if said else False, found)
        rule = [1, to_sign["path_prefix"]] if "path_prefix" in to_sign else [0, to_sign["path"]]
        check(f"{name}: catu", said.get(312) == {"map": [[3, {"map": [rule]}]]}, said)
        listed = METHODS[to_sign["terms"]["permission"]]
        check(f"{name}: catm", said.get(313) == listed, said)
        for what, answer in (("another key", validate(token, OTHER_KEY)), ("tampered", validate(tampered(token)))):
            check(f"{name}: {what} is refused", not answer["accepted"], answer)
    private = dict(dict(validate(ours.sign(CLAIMS[5][1]))["claims"]["map"])[PRIVATE_CLAIM]["map"])
    check(f"us → {library}: the private claim", private == {1: 3, 3: 1, 4: "ü.pdf", 12: "x", 13: "cid"}, private)
    private = dict(dict(validate(ours.sign(CLAIMS[-1][1]))["claims"]["map"])[PRIVATE_CLAIM]["map"])
    check(f"us → {library}: the incarnation", private == {14: {"bytes": b"0123456789abcdef".hex()}}, private)
    expired = validate(ours.sign(claims(iat=NOW - 100, exp=NOW - 5)))
    check(f"us → {library}: expired is refused", "expired" in expired.get("error", ""), expired)
    early = validate(ours.sign(claims(nbf=NOW + 1000)))
    check(f"us → {library}: not yet valid is refused", "not yet valid" in early.get("error", ""), early)
    cannot(f"{library}: check catu, catm, catnip or catreplay: it is a CWT library, and hands claims to its caller",
           validate(ours.sign(claims(path="/anything")))["accepted"])

    def generate(tagged=True, **more):
        labels = {"exp": 4, "nbf": 5, "iat": 6, "catreplay": 308, "catnip": 311, "catu": 312, "catm": 313, "private": PRIVATE_CLAIM}
        standard = {"exp": NOW + 3600, "iat": NOW, "catu": {"map": [[3, {"map": [[0, PATH]]}]]}, "catm": ["GET", "HEAD"]}
        said = {1: "acme", 7: {"bytes": CTI}, **{labels[name]: value for name, value in {**standard, **more}.items()}}
        answer = pipe.ask(operation="generate", key=KEY, claims={"map": list(said.items())}, tagged=tagged)
        if "token" not in answer:
            raise SystemExit(f"{library} does not sign {more}: {answer}")
        return answer["token"]

    ours.check_theirs(library, "plain", generate())
    ours.check_theirs(library, "without tag 61", generate(tagged=False))
    ours.check_theirs(library, "nbf", generate(nbf=NOW - 10))
    ours.check_theirs(library, "times as floats", generate(exp=float(NOW + 3600), iat=float(NOW)))
    ours.check_theirs(library, "a prefix", generate(catu={"map": [[3, {"map": [[1, "/o/reports/2026/"]]}]]}))
    ours.check_theirs(library, "a name", generate(catu={"map": [[3, {"map": [[0, FILE_NAMES]]}]]}), FILE_NAMES)
    ours.check_theirs(library, "writing", generate(catm=["PUT"]), method="PUT")
    networks = [{"tag": [52, [24, {"bytes": "c00002"}]]}, {"tag": [54, {"bytes": "20010db8" + "00" * 11 + "01"}]}]
    ours.check_theirs(library, "addresses", generate(catnip=networks), restricted=True)
    private = {"map": [[1, 3], [4, "ü.pdf"], [9, ["image/*"]], [10, [0, {"bytes": "ab" * 32}]]]}
    ours.check_theirs(library, "the private claim", generate(private=private))
    for name, more in (
        ("an exp that is fractional", {"exp": NOW + 3600.5}),
        ("an exp that is not a number", {"exp": float("nan")}),
        ("an unknown private key", {"private": {"map": [[15, 1]]}}),
    ):
        found = ours.verify(generate(**more))
        check(f"{library} → us: {name} is malformed", found == {"refused": "malformed"}, found)
    pipe.close()


def common_access_token():
    """The Rust crate, driven by this workspace's own tests, since it is a library of the same language."""
    library = "common-access-token (Rust)"
    command = ["cargo", "test", "--quiet", "-p", "valetkey-signing", "--test", "it", "other_implementation::"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    check(f"us ↔ {library}: tests/it/other_implementation.rs", result.returncode == 0 and "2 passed" in result.stdout,
          result.stdout[-2000:] + result.stderr[-2000:])
    # Each asserted in that file.
    print(f"cannot: {library}: read tags within claims, hence no catnip of RFC 9164 (it refuses the token)")
    print(f"cannot: {library}: write catnip but as text, which is malformed to us")
    print(f"cannot: {library}: check catnip at all")


def main():
    os.environ.setdefault("NO_COLOR", "1")
    if INSTALLED not in os.environ:
        # Installing can take minutes, and `cwt` writes the time of day into `nbf`: begin again with a NOW from after it.
        install()
        os.environ[INSTALLED] = "1"
        os.execv(sys.executable, [sys.executable, str(HERE / "run.py")])
    ours = Ours()
    eyevinn(ours)
    python_cwt(ours)
    ours.pipe.close()
    common_access_token()
    print(f"{n_passed} passed, {n_failed} failed")
    sys.exit(1 if n_failed else 0)


if __name__ == "__main__":
    main()
