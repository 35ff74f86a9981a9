"""The parts of `./test`, in the order in which they run: the quick ones first.

Each is a module with `NAME`, `ABOUT` and `run(context)`, which gives an `Outcome`.
"""

from ci.parts import browser, clients, crash, doctests, end_to_end, formatting, lints, openapi, supply_chain, tokens, unit

PARTS = {
    part.NAME: part
    for part in (formatting, lints, supply_chain, unit, crash, doctests, tokens, openapi, clients, end_to_end, browser)
}
