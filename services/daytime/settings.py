"""The settings that daytime has beyond the shared ones."""

import os
import re
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from daytime.protocol import FORMS
from runtime.parsers import text_of
from runtime.settings import Settings, port_number, setting

DEFAULT: tzinfo = UTC
MAX_IDENTITY = 64


def zone(text: str) -> tzinfo:
    """A zone of the IANA time zone database."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no zone of the IANA time zone database") from None


def token(text: str) -> str:
    """One token of printable ASCII, `auto` for the host's name, or nothing."""
    found = os.uname().nodename if text == "auto" else text
    if not re.fullmatch(rf"[!-~]{{0,{MAX_IDENTITY}}}", found):
        raise ValueError(f"is not up to {MAX_IDENTITY} printable ASCII characters without spaces")
    return found


class DaytimeSettings(Settings):
    """The port 1200 stands in for daytime's own 13, which only a privileged process may bind."""

    port = port_number(1200)
    timezone = setting(DEFAULT, zone, "zone of the time, Europe/Berlin say", fallback="TZ")
    format = setting("unix", text_of(*FORMS), "form of the time: unix, rfc867 or iso (RFC 3339)")
    identity = setting("", token, "token at the end of the line; auto is the host's name")
