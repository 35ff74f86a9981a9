"""What the parts need and `./test` installs: Debian packages, cargo-nextest, Python packages, npm packages."""

import hashlib
import os
import shutil
import subprocess
import sys

from ci import command

NEXTEST_VERSION = "0.9.143"


class CannotInstall(Exception):
    """Something that a part needs could not be had: says what, and what to do."""


def debian(context, programs):
    """Makes sure of programs, given as a dictionary from program to Debian package."""
    packages = sorted({package for program, package in programs.items() if not shutil.which(program)})
    if not packages:
        return
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or prefix and not shutil.which("sudo"):
        raise CannotInstall(f"install {', '.join(packages)} (Debian's names) first: this is neither root nor has sudo")
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        if not command.run([*prefix, "apt-get", *arguments], cwd=context.root, env=env).ok:
            raise CannotInstall(f"`apt-get {arguments[0]}` failed: install {', '.join(packages)} first")


def nextest(context):
    """Makes sure of cargo-nextest; one that is there already is taken as it is."""
    asked = subprocess.run(["cargo", "nextest", "--version"], capture_output=True, env=context.env(), check=False)
    if asked.returncode == 0:
        return
    install = ["cargo", "install", "cargo-nextest", "--locked", "--version", NEXTEST_VERSION, "--root", context.tools]
    if not command.run(install, cwd=context.root, env=context.env()).ok:
        raise CannotInstall("`cargo install cargo-nextest` failed")


def python_venv(context, name, requirements):
    """A venv beneath the target folder with exactly these requirements; gives its Python. Made anew if they have changed."""
    venv = context.target / "venv" / name
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = venv / "requirements.sha256"
    python = venv / "bin" / "python"
    if stamp.exists() and stamp.read_text() == digest:
        return python
    shutil.rmtree(venv, ignore_errors=True)
    made = command.run([sys.executable, "-m", "venv", venv], cwd=context.root).ok
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "-r", requirements]
    if not made or not command.run(install, cwd=context.root).ok:
        raise CannotInstall(f"the Python packages of {requirements.relative_to(context.root)} cannot be installed")
    stamp.write_text(digest)
    return python


def npm(context, folder):
    """The packages of a folder's lock file, in its `node_modules`; nothing is done if they are those already."""
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".package-lock.sha256"
    if stamp.exists() and stamp.read_text() == digest:
        return
    if not command.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder).ok:
        raise CannotInstall(f"the npm packages of {folder.relative_to(context.root)} cannot be installed")
    stamp.write_text(digest)
