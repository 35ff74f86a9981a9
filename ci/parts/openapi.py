"""The server held to its OpenAPI documents."""

from ci import binary, command, installed
from ci.outcome import Outcome

NAME = "openapi"
ABOUT = "schemathesis over two vendors' pages and our own openapi.json, against the release binary (conformance/openapi)"


def run(context):
    """`conformance/openapi/run.py`, which ends with `N passed, N failed`; one test is one operation."""
    folder = context.root / "conformance" / "openapi"
    server = binary.release(context)
    python = installed.python_venv(context, NAME, folder / "requirements.txt")
    with context.work(NAME) as work:
        asked = [python, "-B", folder / "run.py", "--binary", server, "--seed", context.seed, "--work", work]
        done = command.run(asked, cwd=context.root, env=context.env(), limit_seconds=7200)
    return Outcome.of_sum(done, "conformance/openapi/run.py")
