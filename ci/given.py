"""What must be given before `./test` can start: it installs all the rest itself."""

import re
import shutil
import subprocess
import sys

RUST = (1, 89)
NODE = (20,)
PYTHON = (3, 10)


def missing():
    """What is missing, as phrases; empty if all is there."""
    found = [
        _program("Rust", ["rustc", "--version"], RUST),
        _program("cargo", ["cargo", "--version"], RUST),
        _program("clippy", ["cargo", "clippy", "--version"]),
        _program("rustfmt", ["cargo", "fmt", "--version"]),
        _program("node", ["node", "--version"], NODE),
        _program("npm", ["npm", "--version"]),
        _python_venv(),
        _program("gcc", ["gcc", "--version"]),
        _program("git", ["git", "--version"]),
    ]
    return [phrase for phrase in found if phrase]


def sentence(phrases):
    """One sentence that says what is missing."""
    listed = phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]
    return f"./test needs {listed}; the README says how to get them, and everything else it installs itself."


def _program(name, command, least=()):
    wanted = f"{name} {'.'.join(map(str, least))} or newer" if least else name
    if not shutil.which(command[0]):
        return wanted
    asked = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if asked.returncode != 0:
        return wanted
    version = re.search(r"(\d+)\.(\d+)", asked.stdout)
    if least and (not version or tuple(map(int, version.groups()))[: len(least)] < least):
        return f"{wanted} (found {version[0] if version else asked.stdout.strip()!r})"
    return None


def _python_venv():
    asked = subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False)
    return None if asked.returncode == 0 else f"Python {'.'.join(map(str, PYTHON))} or newer with `venv` (Debian: python3-venv)"
