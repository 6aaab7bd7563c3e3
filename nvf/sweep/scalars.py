"""Plain values of YAML, read as people mean them: `1e-4` is a number, and what has two readings is refused.

PyYAML follows YAML 1.1, where `1e-4`, `1e3` and `-.5` are texts, `010` is 8, `1:30` is 90 and `on` is true; YAML 1.2
reads all of them otherwise.
"""

from __future__ import annotations

import re

import yaml

NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
WHOLE = re.compile(r"[-+]?\d+")
GROUPED = re.compile(r"[-+]?\d{1,3}(_\d{3})+(\.\d+)?")
OCTAL = re.compile(r"[-+]?0o[0-7]+")
LEADING_ZEROS = re.compile(r"[-+]?0[\d_]+(\.[\d_]*)?([eE][-+]?\d+)?")
SEXAGESIMAL = re.compile(r"[-+]?\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?")
TRUTHS = {word: truth for truth, words in ((True, ("yes", "on")), (False, ("no", "off"))) for word in words}
KINDS = ("int", "float")


def read(node: yaml.ScalarNode) -> bool | int | float | str | None:
    """Return the value of a scalar; one in quotes is a text.

    Raises `ValueError` where the value has two readings, or is written as no number is.
    """
    text = node.value
    if node.style is None:
        if (why := _two_readings(text)) is not None:
            raise ValueError(why)
        if (number := _number(text)) is not None:
            return number
        if "_" in text and node.tag.endswith(KINDS):
            raise ValueError(f"'{text}' is not written as a number is; write it without '_', or a text in quotes")
    try:
        value: bool | int | float | str | None = yaml.SafeLoader("").construct_object(node)
    except (ValueError, LookupError, OverflowError):
        raise ValueError(f"'{text}' is not written as a number is; is it a text? use quotes") from None
    return value


def _number(text: str) -> int | float | None:
    if WHOLE.fullmatch(text):
        return int(text) if len(text) < 4000 else 1 << 64  # beyond what Python reads; refused for its size
    if OCTAL.fullmatch(text):
        return int(text, 8)
    if GROUPED.fullmatch(text):
        bare = text.replace("_", "")
        return float(bare) if "." in bare else int(bare)
    return float(text) if NUMBER.fullmatch(text) else None


def _two_readings(text: str) -> str | None:
    if LEADING_ZEROS.fullmatch(text):
        plain = text.replace("_", "")
        return f"'{text}' begins with 0, which some read as octal; write {_bare(plain)}, or a text in quotes"
    if SEXAGESIMAL.fullmatch(text):
        return f"'{text}' is a number to base 60 in YAML; write a duration as 1h30m or 90s, a text in quotes"
    if text.lower() in TRUTHS:
        truth = str(TRUTHS[text.lower()]).lower()
        return f"'{text}' is true or false to some and a text to others; write {truth}, or '{text}' in quotes"
    if text == "None":
        return "'None' is a text in YAML; write null, or 'None' in quotes"
    return None


def _bare(number: str) -> str:
    sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number.removeprefix("+"))
    whole, dot, rest = digits.partition(".")
    return f"{sign}{whole.lstrip('0') or '0'}{dot}{rest}"
