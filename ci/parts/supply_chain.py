"""What comes in with the dependencies."""

from ci import supply_chain
from ci.outcome import Outcome

NAME = "supply-chain"
ABOUT = "licences, bans, duplicates and sources of the locked dependencies (deny.toml)"


def run(context):
    """One check per rule; every finding is printed."""
    outcome = Outcome()
    for rule, findings in supply_chain.check(context.root):
        outcome.ran += 1
        outcome.failed += bool(findings)
        for finding in findings:
            print(f"{rule}: {finding}")
    return outcome
