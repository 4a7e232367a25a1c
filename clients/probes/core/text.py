"""Text that cannot drive a terminal."""

from __future__ import annotations

MAX_QUOTED_CHARS = 60


def escape(text: str) -> str:
    """`text` as printable ASCII and tabs, the rest in Python's escapes and backslashes doubled.

    A peer's bytes could retitle the terminal or fill the clipboard (CWE-150), and bidi controls
    reorder what one reads. Their charset is anybody's guess (RFC 9110 section 5.5), so nothing
    beyond ASCII passes, also when piped: what is in a file today is on a terminal tomorrow.
    """
    return "\t".join(part.encode("unicode_escape").decode() for part in text.split("\t"))


def escape_lines(data: bytes) -> str:
    """Bytes as escaped lines; LF and CR LF stay line ends, empty lines at the end are dropped."""
    lines = data.decode("latin-1").split("\n")
    return "\n".join(escape(line.removesuffix("\r")) for line in lines).rstrip("\n")


def quote(text: str) -> str:
    """`text` in quotes, cut to what a message can carry."""
    cut = f"{text[:MAX_QUOTED_CHARS]}..." if len(text) > MAX_QUOTED_CHARS else text
    return f"'{cut}'"
