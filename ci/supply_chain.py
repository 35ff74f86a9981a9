"""Holds the locked tree of dependencies to the lists of deny.toml, offline."""

import json
import re
import subprocess

from ci import settings


def check(root):
    """Every rule with its findings, as sentences."""
    rules = settings.read(root / "deny.toml")
    packages = _packages(root)
    return [
        ("licences", list(_licences(packages, set(rules["licenses"]["allow"])))),
        ("bans", list(_bans(packages, set(rules["bans"]["deny"])))),
        ("duplicates", list(_duplicates(packages, set(rules["bans"]["skip"])))),
        ("sources", list(_sources(packages))),
    ]


def _packages(root):
    """Every package of Cargo.lock, ours too. Cargo itself fails if the lock file does not fit the manifests."""
    asked = ["cargo", "metadata", "--locked", "--format-version", "1"]
    done = subprocess.run(asked, cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"`{' '.join(asked)}` failed: {done.stderr.strip()}")
    return json.loads(done.stdout)["packages"]


def _licences(packages, allowed):
    for package in packages:
        expression = package["license"]
        try:
            accepted = expression is not None and is_allowed(expression, allowed)
        except ValueError as error:
            accepted, expression = False, f"{expression} ({error})"
        if not accepted:
            yield f"{_name(package)} has the licence `{expression}`, which deny.toml does not allow"


def _bans(packages, denied):
    for package in packages:
        if package["name"] in denied:
            yield f"{_name(package)} is banned; `cargo tree -i {package['name']}` says who wants it"


def _duplicates(packages, skipped):
    versions = {}
    for package in packages:
        versions.setdefault(package["name"], []).append(package["version"])
    doubled = {name: found for name, found in versions.items() if len(found) > 1}
    for name, found in sorted(doubled.items()):
        if len([version for version in found if f"{name}@{version}" not in skipped]) > 1:
            yield f"{name} is there as {', '.join(sorted(found))}; keep one, or give the reason for the other in deny.toml"
    for entry in sorted(skipped):
        name, _, version = entry.partition("@")
        if version not in doubled.get(name, []):
            yield f"`{entry}` is skipped in deny.toml and is no duplicate any more: take it out"


def _sources(packages):
    """All from one registry: cargo's own, unless a `source` in its configuration replaces it for everything."""
    registries = sorted({package["source"] for package in packages if (package["source"] or "").startswith("registry+")})
    if len(registries) > 1:
        yield f"there are {len(registries)} registries: {', '.join(registries)}"
    for package in packages:
        if package["source"] is not None and package["source"] not in registries:
            yield f"{_name(package)} is from `{package['source']}`, which is no registry"
        if package["source"] is None and not package["name"].startswith("valetkey"):
            yield f"{_name(package)} is from a folder and is not ours"


def _name(package):
    return f"{package['name']} {package['version']}"


def is_allowed(expression, allowed):
    """Whether an SPDX expression can be met with these licences alone. `A/B` is the old spelling of `A OR B`.

    Raises ValueError for what is no expression.
    """
    words = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def word():
        return words[position] if position < len(words) else None

    def take():
        nonlocal position
        position += 1
        return words[position - 1]

    def either():
        met = both()
        while word() == "OR":
            take()
            met = both() or met
        return met

    def both():
        met = one()
        while word() == "AND":
            take()
            met = one() and met
        return met

    def one():
        if word() is None or word() in (")", "OR", "AND", "WITH"):
            raise ValueError(f"a licence is missing before `{word()}`")
        if word() == "(":
            take()
            met = either()
            if word() != ")":
                raise ValueError("a parenthesis is not closed")
            take()
            return met
        licence = take()
        if word() == "WITH":
            take()
            if word() is None:
                raise ValueError("an exception is missing after `WITH`")
            licence = f"{licence} WITH {take()}"
        return licence in allowed

    met = either()
    if word() is not None:
        raise ValueError(f"`{word()}` is one word too many")
    return met
