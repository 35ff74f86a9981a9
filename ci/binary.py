"""The server under test."""

import shutil

from ci import command


class CannotBuild(Exception):
    """The server does not build."""


def release(context):
    """Builds what users run; gives its path."""
    if not command.run(["cargo", "build", "--locked", "--release", "--bin", "valetkey"], cwd=context.root, env=context.env()).ok:
        raise CannotBuild("`cargo build --release` failed")
    return context.binary


def with_faults(context):
    """Builds the test-only server that can be told to break its guarantees, and puts it where no other build overwrites it."""
    build = ["cargo", "build", "--locked", "-p", "valetkey", "--bin", "valetkey", "--features", "faults"]
    if not command.run(build, cwd=context.root, env=context.env()).ok:
        raise CannotBuild("`cargo build --features faults` failed")
    kept = context.target / "faults" / "valetkey"
    kept.parent.mkdir(exist_ok=True)
    shutil.copy2(context.target / "debug" / "valetkey", kept)
    return kept
