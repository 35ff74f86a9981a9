#!/usr/bin/env python3
"""Holds the server to its OpenAPI documents, by the validator of the specification and by schemathesis.

    conformance/openapi/run.py --binary target/release/valetkey [--seed N] [JOB …]

Needs the packages of requirements.txt. `./test openapi` installs them beneath the target folder and calls this. The last line is
`N passed, N failed`; the exit status is 1 if any failed.

Three documents: what the pages of two vendors say (`datalab.yaml`, `flexportal.yaml`, each with an overlay that adds what was decided
where the page is silent), and our own `openapi.json`. Each job is a fresh server and a run of schemathesis over some of a document's
operations; every operation of every document is in one job. One test is one operation, or one document that is valid.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import openapi_spec_validator
import overlay
import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# The server is started as in the other suites.
sys.path.insert(0, str(HERE.parent))

import world  # noqa: E402  (found beside this file, and what it imports one folder up)

# How many requests each operation is asked with, made at random, beside those that its schemas' limits lead to.
N_EXAMPLES = 1000 if os.environ.get("VALETKEY_SOAK") else 100
# The same for operations that do nothing but answer as another one does, or always the same.
N_EXAMPLES_OF_HEADS = 15

# All the checks that schemathesis has, but those of OFF.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
]
# Checks that are switched off, and why.
OFF = {
    "max_response_time": "time is measured by benches/, on a machine that does nothing else",
    "object_level_authorization": "it needs a second tenant's key in the run; e2e/ and the stores' suites prove isolation",
}

# What a request that is well formed may be answered besides a success: by what is there, not by how the request is written.
BY_STATE = ["2xx", "3xx", "401", "403", "404", "409", "410", "412", "416", "429"]
# What a request that is not may be answered: also by what is there, where that is looked at first.
REFUSED = ["400", "401", "403", "404", "405", "408", "409", "410", "412", "413", "415", "416", "422", "429"]


@dataclasses.dataclass(frozen=True)
class Job:
    """A run of schemathesis over the operations of one document that have one of these tags."""

    document: str
    tags: tuple = ()
    credentials: tuple = ()
    # Whether one operation leads to another.
    has_links: bool = False


# By which values calls are tried most of the time: the parameter or field, and what world.values() calls it.
OURS = {
    "path.bucket": "bucket",
    "path.bucketKey": "bucket",
    "path.key": "key",
    "path.objectKey": "key",
    "path.newObjectKey": "key",
    "path.sessionId": "session",
    "path.kid": "kid",
    "path.file_id": "file_number",
    "path.fileId": "raw_file_id",
    "query.cat": "token",
    "query.token": "raw_token",
    "query.uploadKey": "upload_key",
    "body.bucket": "bucket",
    "body.key": "key",
    "body.uploadKey": "upload_key",
    "body.requests[*].objectKey": "key",
    "body.requests[*].uploadKey": "upload_key",
    "body.fileId": "file_id",
    "body.link_ids[*]": "link_id",
    "body.owner": "api_key",
    "body.files[*].tempUploadId": "upload_id",
    "body.allow[*].authId": "own_api_key",
    "query.parts": "part_number",
    "query.firstPart": "part_number",
    "header.If-Match": "any_tag",
    "header.If-None-Match": "other_tag",
}
# The same where one name stands for several things.
OF_PATHS = {
    "/l/{secret}": {"path.secret": "secret"},
    "/l/{secret}/{name}": {"path.secret": "secret"},
    "/oss/v2/uploads/{secret}/{part}": {"path.secret": "part_secret", "path.part": "part_number"},
    "/oss/v2/signedresources/{id}": {"path.id": "uuid"},
    "/oss/v2/signedresources/{id}/resumable": {"path.id": "uuid"},
    "/oss/v2/{bucketKey}/{id}": {"path.id": "uuid"},
    "/v1/files/{fileId}": {"path.fileId": "file_id"},
    "/vk/v1/api-keys/{id}": {"path.id": "api_key"},
    "/vk/v1/api-keys/{id}/secret": {"path.id": "api_key"},
}
# And where what is there would not be any more.
OF_OPERATIONS = {
    "DELETE /vk/v1/buckets/{bucket}": {"path.bucket": "doomed_bucket"},
    "DELETE /oss/v2/buckets/{bucketKey}": {"path.bucketKey": "doomed_bucket"},
    "DELETE /vk/v1/buckets/{bucket}/objects/{key}": {"path.key": "doomed_key"},
    "DELETE /oss/v2/buckets/{bucketKey}/objects/{objectKey}": {"path.objectKey": "doomed_key"},
    "DELETE /oss/v2/signedresources/{id}": {"path.id": "doomed_uuid"},
    "DELETE /api/v1/files/{file_id}": {"path.file_id": "doomed_file_number"},
    "DELETE /v1/files/{fileId}": {"path.fileId": "doomed_file_id"},
    "DELETE /vk/v1/api-keys/{id}": {"path.id": "doomed_api_key"},
    "PATCH /vk/v1/api-keys/{id}": {"path.id": "doomed_api_key"},
}
# How many well-formed requests each operation must have accepted: one that accepts nothing has not been tested.
N_ACCEPTED = 2
# Warnings that are none, since that is counted instead, and not phase by phase.
COUNTED = {"missing_test_data", "validation_mismatch", "low_valid_rate"}
CREDENTIALS = {
    "bearer": {"bearer": world.BEARER},
    "apiKey": {"api_key": world.BEARER},
    "basic": {"username": world.API_KEY, "password": world.SECRET},
    "APIKeyHeader": {"api_key": world.BEARER},
    "bearerAuth": {"bearer": world.BEARER},
}
JOBS = {
    "datalab-page": Job("datalab", credentials=("APIKeyHeader",)),
    "flexportal-page": Job("flexportal", credentials=("bearerAuth",)),
    "native": Job("openapi", ("Native", "Server"), ("bearer", "basic"), has_links=True),
    "autodesk": Job("openapi", ("Autodesk",), ("bearer", "basic"), has_links=True),
    "redivis": Job("openapi", ("Redivis",), ("bearer",), has_links=True),
    "datalab": Job("openapi", ("Datalab",), ("apiKey",), has_links=True),
    "flexportal": Job("openapi", ("FlexPortal",), ("bearer",)),
}


class Count:
    """What passed and what failed."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, passed, found=""):
        """One test."""
        self.passed += bool(passed)
        self.failed += not passed
        print(f"ok: {name}" if passed else f"FAILED: {name}: {found}", flush=True)


def documents(count, directory):
    """The documents to test, valid, in files; gives each with its operations as `METHOD path` and their tags."""
    found = {"openapi": json.loads((ROOT / "openapi.json").read_text())}
    for name in ("datalab", "flexportal"):
        page = yaml.safe_load((HERE / f"{name}.yaml").read_text())
        validate(count, f"{name}.yaml", page)
        found[name] = overlay.apply(page, yaml.safe_load((HERE / f"{name}.overlay.yaml").read_text()))
    for name, document in found.items():
        validate(count, f"{name}.json" if name == "openapi" else f"{name}.yaml with its overlay", document)
        (directory / f"{name}.json").write_text(json.dumps(document))
    return {name: operations(document) for name, document in found.items()}


def validate(count, name, document):
    """A document is OpenAPI 3.1, by the specification's own schema."""
    errors = list(openapi_spec_validator.OpenAPIV31SpecValidator(document).iter_errors())
    is_31 = document["openapi"].startswith("3.1.")
    count.check(f"{name} is valid OpenAPI 3.1", is_31 and not errors, "; ".join(str(error)[:300] for error in errors) or document["openapi"])


def operations(document):
    """Every operation of a document, and its tags."""
    return {
        f"{method.upper()} {path}": set(said.get("tags", ()))
        for path, item in document["paths"].items()
        for method, said in item.items()
        if method in ("get", "head", "put", "post", "patch", "delete", "options")
    }


def settings(job, values, part):
    """The settings of schemathesis for a job over its part of the operations, as TOML."""
    paths = {operation.split(" ")[1] for operation in part}
    lines = [
        "continue-on-failure = true",
        "[generation]",
        'database = "none"',
        # Both ways to send one credential at once are refused: each is sent by itself, as `auth` has it.
        "with-security-parameters = false",
        "[checks.positive_data_acceptance]",
        f"expected-statuses = {json.dumps(BY_STATE)}",
        "[checks.negative_data_rejection]",
        f"expected-statuses = {json.dumps(REFUSED)}",
    ]
    for name in job.credentials:
        lines += [f"[auth.openapi.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in CREDENTIALS[name].items())]
    for name, entries in values.items():
        if isinstance(entries, list):
            lines += [f"[dictionaries.{name}]", f"values = {json.dumps(entries)}"]
    lines += ["[parameters]", *bindings(OURS)]
    if job.document == "flexportal" or "FlexPortal" in job.tags:
        lines.append('"header.Tenant-ID" = { dictionary = "tenant", probability = 0.9 }')
    for path in paths & set(OF_PATHS):
        lines += ["[[operations]]", f"include-path = {json.dumps(path)}", "[operations.parameters]", *bindings(OF_PATHS[path])]
    for operation in part & set(OF_OPERATIONS):
        of = bindings(OF_OPERATIONS[operation])
        lines += ["[[operations]]", f"include-name = {json.dumps(operation)}", "[operations.parameters]", *of]
    if len(paths) > 1:
        lines += ["[[operations]]", 'include-method = ["HEAD", "OPTIONS"]', "[operations.generation]", f"max-examples = {N_EXAMPLES_OF_HEADS}"]
    return "\n".join(lines) + "\n"


def bindings(names):
    """Parameters that are taken from dictionaries most of the time."""
    return [f'{json.dumps(key)} = {{ dictionary = "{name}", probability = 0.8 }}' for key, name in names.items()]


def run(name, job, part, binary, directory, seed):
    """A job over its part of the operations: gives its report, its output, and what was excused."""
    own = directory / name
    own.mkdir()
    with world.World(binary, own) as server:
        values = world.values(server)
        (own / "values.json").write_text(json.dumps(values))
        (own / "schemathesis.toml").write_text(settings(job, values, part))
        command = [sys.executable, "-B", "-m", "schemathesis.cli", "--config-file", own / "schemathesis.toml", "run"]
        command += [directory / f"{job.document}.json", "--url", server.url, "--seed", str(seed), "--max-examples", str(N_EXAMPLES)]
        command += ["--checks", ",".join(CHECKS), "--suppress-health-check", "filter_too_much,too_slow,data_too_large"]
        phases = ["examples", "coverage", "fuzzing"] + (["stateful"] if job.has_links else [])
        command += ["--phases", ",".join(phases)]
        command += ["--no-color", "--report", "json", "--report-json-path", own / "report.json", "--request-timeout", "30"]
        command += [f"--include-tag={tag}" for tag in job.tags]
        done = subprocess.run(
            [str(part) for part in command],
            cwd=own,
            env={
                **os.environ,
                "PYTHONPATH": str(HERE),
                "SCHEMATHESIS_HOOKS": "hooks",
                "VALETKEY_VALUES": str(own / "values.json"),
                "VALETKEY_EXCUSED": str(own / "excused.json"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        is_alive = server.is_alive
    report = json.loads((own / "report.json").read_text()) if (own / "report.json").exists() else {}
    excused = json.loads((own / "excused.json").read_text()) if (own / "excused.json").exists() else {}
    return report, done, is_alive, excused


def judge(count, name, expected, report, done, is_alive):
    """Counts a job: one test for each operation, and one for all that concerns none."""
    failing = {operation for group in report.get("failures", ()) for operation in group["operations"]}
    tested = (report.get("operations") or {}).get("tested", 0)
    for operation in sorted(expected):
        phases = report.get("valid_rates", {}).get(operation, {}).values()
        n_accepted = sum(phase["accepted"] for phase in phases)
        found = "see above" if operation in failing else f"{n_accepted} well-formed requests were accepted"
        count.check(f"{name}: {operation}", operation not in failing and n_accepted >= N_ACCEPTED, found)
    problems = [] if is_alive else ["the server did not survive it"]
    if tested != len(expected):
        problems.append(f"{tested} operations of {len(expected)} were tested")
    problems += [error["title"] for error in report.get("errors", ())]
    problems += [f"{kind}: {where}" for kind, where in report.get("warnings", {}).items() if where and kind not in COUNTED]
    problems += sorted(failing - expected)
    if done.returncode != 0 and not problems and not failing:
        problems.append(f"schemathesis ended with status {done.returncode}")
    count.check(f"{name}: everything was reached, and nothing broke", not problems, "; ".join(problems))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "release" / "valetkey")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("VALETKEY_SEED", "1")))
    parser.add_argument("--work", type=pathlib.Path, help="a directory to work in, which is kept")
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"only these of {', '.join(JOBS)}")
    options = parser.parse_args()
    directory = options.work or pathlib.Path(tempfile.mkdtemp(prefix="valetkey-openapi-"))
    # schemathesis takes seeds of 32 bits.
    seed = options.seed % 2**32
    count, began = Count(), time.monotonic()
    try:
        known = documents(count, directory)
        chosen = {name: JOBS[name] for name in options.jobs or JOBS}
        parts = {
            name: {operation for operation, tags in known[job.document].items() if not job.tags or tags & set(job.tags)}
            for name, job in chosen.items()
        }
        if not options.jobs:
            left = {f"{name}: {operation}" for name, of in known.items() for operation in of}
            left -= {f"{chosen[name].document}: {operation}" for name, part in parts.items() for operation in part}
            count.check("every operation is in a job", not left, ", ".join(sorted(left)))
        for check, why in OFF.items():
            print(f"off: {check}: {why}")
        n_requests, excused = 0, {}
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            # The longest first.
            by_length = sorted(chosen, key=lambda name: -len(parts[name]))
            futures = {name: pool.submit(run, name, chosen[name], parts[name], options.binary, directory, seed) for name in by_length}
            for name, future in futures.items():
                report, done, is_alive, of = future.result()
                n_requests += (report.get("test_cases") or {}).get("generated", 0)
                for why, times in of.items():
                    excused[why] = excused.get(why, 0) + times
                if done.returncode != 0 or not is_alive:
                    print(done.stdout)
                judge(count, name, parts[name], report, done, is_alive)
        for why, times in sorted(excused.items()):
            print(f"excused {times} times: {why}")
        n_operations = sum(map(len, parts.values()))
        print(f"{n_requests} requests over {n_operations} operations in {time.monotonic() - began:.0f} s, seed {seed}")
        # A run that asks less than a few dozen times per operation has not tested them.
        count.check("there were enough requests", n_requests >= 30 * n_operations, f"{n_requests} over {n_operations} operations")
    finally:
        if not options.work:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"{count.passed} passed, {count.failed} failed")
    sys.exit(1 if count.failed else 0)


if __name__ == "__main__":
    main()
