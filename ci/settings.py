"""Reads the few TOML files that steer the tests.

Python has no TOML reader before 3.11. These files keep to a part of the language that this one reads: tables, and keys whose
values are strings, whole numbers, booleans and arrays of them, with comments. Whatever else is there is an error.
"""

import ast
import pathlib
import re

_TABLE = re.compile(r"\[([A-Za-z0-9_.-]+)\]\s*(#.*)?$")
_KEY = re.compile(r"([A-Za-z0-9_-]+)\s*=\s*(.*)$")


class SettingsError(Exception):
    """A settings file that cannot be read: says where."""


def read(path):
    """The tables of a file, as a dictionary of dictionaries; keys before the first table are in the table ``""``."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    tables = {"": {}}
    current = tables[""]
    position = 0
    while position < len(lines):
        line = lines[position].strip()
        start, position = position, position + 1
        if not line or line.startswith("#"):
            continue
        if table := _TABLE.match(line):
            if table[1] in tables:
                raise SettingsError(f"{path}:{start + 1}: table `{table[1]}` is there twice")
            current = tables.setdefault(table[1], {})
            continue
        if not (key := _KEY.match(line)):
            raise SettingsError(f"{path}:{start + 1}: neither a table nor a key: `{line}`")
        text = key[2]
        while (value := _value(text)) is None and position < len(lines) and text.startswith("["):
            text += "\n" + lines[position]
            position += 1
        if value is None:
            raise SettingsError(f"{path}:{start + 1}: not a string, number, boolean or array: `{text}`")
        if key[1] in current:
            raise SettingsError(f"{path}:{start + 1}: key `{key[1]}` is there twice")
        current[key[1]] = value[0]
    return tables


def _value(text):
    """The value in a tuple, or None: in this part of the language TOML's literals and comments are Python's, but two words."""
    word = text.split("#")[0].strip()
    if word in ("true", "false"):
        return (word == "true",)
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return None
    known = (str, int)
    if isinstance(value, known) or isinstance(value, list) and all(isinstance(item, known) for item in value):
        return (value,)
    return None
