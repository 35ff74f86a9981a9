"""System calls as `strace -f -y` writes them, with the lines where each begins and ends."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Call:
    """One system call. It ended at line `ended` of the trace, or never."""

    name: str
    text: str
    began: int
    ended: float
    result: str

    @property
    def ok(self):
        """Whether it succeeded."""
        return not self.result.startswith(("-1", "?")) and self.result != ""


_BEGUN = re.compile(r"(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)$")
_WHOLE = re.compile(r"(\d+) +(\w+)\((.*)$")
_RESULT = re.compile(r"\) += (-?\w+)")


def read(path):
    """Every call of a trace, in the order in which they began."""
    calls, pending = [], {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines()):
        if begun := _BEGUN.match(line):
            thread, name, text = begun.groups()
            pending[thread] = (name, text, number)
        elif resumed := _RESUMED.match(line):
            thread, name, text = resumed.groups()
            if thread in pending and pending[thread][0] == name:
                _, start, began = pending.pop(thread)
                calls.append(_call(name, start + text, began, number))
        elif whole := _WHOLE.match(line):
            _, name, text = whole.groups()
            calls.append(_call(name, text, number, number))
    calls += [Call(name, text, began, float("inf"), "") for name, text, began in pending.values()]
    return sorted(calls, key=lambda call: call.began)


def _call(name, text, began, ended):
    results = _RESULT.findall(text)
    return Call(name, text, began, ended, results[-1] if results else "")
