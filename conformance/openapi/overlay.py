"""Applies OpenAPI Overlays 1.0 (https://spec.openapis.org/overlay/v1.0.0.html), as far as ours need them.

Targets are a part of JSONPath: `$`, `.name`, `['name']`, `[*]`, and `[?(@.name == 'text')]`. A target that matches nothing is an error
here: an overlay that does nothing hides that the document has changed.
"""

import copy
import re

_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_][A-Za-z0-9_-]*)
      | \['(?P<quoted>[^']*)'\]
      | (?P<all>\[\*\])
      | \[\?\(@\.(?P<key>[A-Za-z_][A-Za-z0-9_-]*)\s*==\s*'(?P<value>[^']*)'\)\]""",
    re.X,
)


class OverlayError(Exception):
    """An overlay that cannot be applied: says why."""


def apply(document, overlay):
    """The document with every action of the overlay applied, in order."""
    if overlay.get("overlay") != "1.0.0":
        raise OverlayError(f"the overlay is {overlay.get('overlay')!r}: expected '1.0.0'")
    document = copy.deepcopy(document)
    for action in overlay["actions"]:
        target = action["target"]
        if unknown := set(action) - {"target", "description", "update", "remove"}:
            raise OverlayError(f"{target}: {', '.join(sorted(unknown))} is nothing that an action has")
        places = list(_places(document, target))
        if not places:
            raise OverlayError(f"{target} matches nothing")
        # From the last to the first, so that no place moves before its turn.
        for parent, key in reversed(places):
            if action.get("remove"):
                del parent[key]
            else:
                parent[key] = _merged(parent[key], action["update"])
    return document


def _places(document, target):
    """Where the target matches, as pairs of what holds it and its key there."""
    if not target.startswith("$"):
        raise OverlayError(f"{target} does not begin with `$`")
    holder = {"$": document}
    places, position = [(holder, "$")], 1
    while position < len(target):
        step = _STEP.match(target, position)
        if not step:
            raise OverlayError(f"{target}: cannot read `{target[position:]}`")
        places = [place for parent, key in places for place in _below(parent[key], step)]
        position = step.end()
    return places


def _below(value, step):
    if step["all"] or step["key"]:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in items:
            if step["all"] or isinstance(item, dict) and item.get(step["key"]) == step["value"]:
                yield value, key
        return
    name = step["name"] if step["name"] is not None else step["quoted"]
    if isinstance(value, dict) and name in value:
        yield value, name


def _merged(value, update):
    """Objects are merged, what is added to an array comes last, anything else is replaced."""
    if isinstance(value, list):
        return value + (update if isinstance(update, list) else [update])
    if isinstance(value, dict) and isinstance(update, dict):
        return {**value, **{key: _merged(value[key], item) if key in value else copy.deepcopy(item) for key, item in update.items()}}
    return copy.deepcopy(update)
