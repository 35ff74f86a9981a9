"""What a part did, and the table at the end."""

import dataclasses
import re

_SUM = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


@dataclasses.dataclass
class Outcome:
    """The count of one part. A fault is a failure that is not a test's: a build that broke, too few tests."""

    ran: int = 0
    failed: int = 0
    skipped: int = 0
    faults: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    def of_check(cls, passed):
        """One check, which passed or did not."""
        return cls(ran=1, failed=0 if passed else 1)

    @classmethod
    def of_sum(cls, done, program):
        """What a program did that ends with `N passed, N failed`, and perhaps `, N skipped`."""
        outcome = cls()
        sums = _SUM.findall(done.output)
        if not sums:
            outcome.fault(f"{program} gave no sum")
            return outcome
        passed, failed, skipped = (int(count or 0) for count in sums[-1])
        outcome.ran, outcome.failed, outcome.skipped = passed + failed, failed, skipped
        if not done.ok and not failed:
            outcome.fault(f"{program} ended with status {done.status}")
        return outcome

    def fault(self, sentence):
        """Notes a failure that no test stands for."""
        self.faults.append(sentence)

    def hold_to(self, expected):
        """A skipped test is a failure, and so is a part that ran fewer tests than the number committed for it."""
        if self.skipped:
            self.fault(f"{self.skipped} skipped: a test that cannot run here is a failure")
        if self.ran < expected:
            self.fault(f"{self.ran} tests ran where ci/expected.toml has {expected}")

    @property
    def n_failed(self):
        """Tests that failed, and faults."""
        return self.failed + len(self.faults)

    @property
    def n_passed(self):
        """Tests that passed."""
        return self.ran - self.failed


def report(outcomes):
    """The table of all parts, faults beneath it, and the sum in the last line."""
    width = max([len(name) for name in outcomes] + [len("part")])
    lines = [f"{'part':<{width}}  {'ran':>6}  {'skipped':>7}  {'seconds':>7}"]
    for name, outcome in outcomes.items():
        mark = f"  {outcome.n_failed} failed" if outcome.n_failed else ""
        lines.append(f"{name:<{width}}  {outcome.ran:>6}  {outcome.skipped:>7}  {outcome.seconds:>7.1f}{mark}")
    lines += [f"{name}: {fault}" for name, outcome in outcomes.items() for fault in outcome.faults]
    passed = sum(outcome.n_passed for outcome in outcomes.values())
    failed = sum(outcome.n_failed for outcome in outcomes.values())
    lines.append(f"{passed} passed, {failed} failed")
    return "\n".join(lines)
