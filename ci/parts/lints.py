"""The compiler's and clippy's lints, which also hold the architecture (clippy.toml)."""

from ci import command
from ci.outcome import Outcome

NAME = "lints"
ABOUT = "no warning of the compiler, clippy or rustdoc"


def run(context):
    """clippy over everything, with and without the test-only faults, and the documentation's links."""
    clippy = ["cargo", "clippy", "--locked", "--workspace", "--all-targets"]
    checks = [
        ([*clippy, "--", "-D", "warnings"], {}),
        ([*clippy, "--all-features", "--", "-D", "warnings"], {}),
        (["cargo", "doc", "--locked", "--workspace", "--no-deps", "--quiet"], {"RUSTDOCFLAGS": "-D warnings"}),
    ]
    outcome = Outcome()
    for arguments, env in checks:
        outcome.ran += 1
        outcome.failed += not command.run(arguments, cwd=context.root, env={**context.env(), **env}).ok
    return outcome
