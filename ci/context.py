"""What every part is given: where things are, the seed, and whether the counts are long."""

import contextlib
import dataclasses
import os
import pathlib
import shutil

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Context:
    """One run of `./test`."""

    seed: int
    soak: bool = False
    root: pathlib.Path = ROOT

    @property
    def target(self):
        """The one target folder; all that tests leave behind is beneath it."""
        return (self.root / os.environ.get("CARGO_TARGET_DIR", "target")).resolve()

    @property
    def tools(self):
        """Where programs are installed that only the tests need."""
        return self.target / "tools"

    @property
    def binary(self):
        """The release binary, which is what users run."""
        return self.target / "release" / "valetkey"

    def env(self):
        """The environment of every test."""
        path = os.pathsep.join([str(self.tools / "bin"), os.environ.get("PATH", "")])
        env = {"PATH": path, "VALETKEY_SEED": str(self.seed), "CARGO_TERM_COLOR": "never", "NEXTEST_NO_INPUT_HANDLER": "1"}
        if os.environ.get("CI") == "true":
            env["CARGO_INCREMENTAL"] = "0"  # a clone that is built once has no use for gigabytes of intermediate results
        return {**env, "VALETKEY_SOAK": "1"} if self.soak else env

    @contextlib.contextmanager
    def work(self, part):
        """A directory for the data of one part, removed when the part is over."""
        directory = self.target / "work" / part
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
