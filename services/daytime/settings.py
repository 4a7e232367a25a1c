"""The settings that daytime has beyond the shared ones."""

import os
import re
from datetime import UTC, tzinfo

from daytime.protocol import FORMS
from daytime.zones import named_zone, tz_zone
from runtime.settings import Settings, Variable, port_number, setting
from runtime.validators import text_of

DEFAULT: tzinfo = UTC
MAX_IDENTITY = 64


def token(text: str) -> str:
    """One token of printable ASCII, `auto` for the host's name, or nothing."""
    found = os.uname().nodename if text == "auto" else text
    if not re.fullmatch(rf"[!-~]{{0,{MAX_IDENTITY}}}", found):
        raise ValueError(f"must be at most {MAX_IDENTITY} printable ASCII characters, no spaces")
    return found


class DaytimeSettings(Settings):
    """The port 1200 stands in for daytime's own 13, which only a privileged process may bind."""

    port = port_number(1200)
    timezone = setting(
        DEFAULT,
        named_zone,
        "zone of the time, for example Europe/Berlin",
        fallback=Variable("TZ", tz_zone),
    )
    format = setting("unix", text_of(*FORMS), "form of the time: unix, rfc867 or iso (RFC 3339)")
    identity = setting("", token, "token at the end of the line; auto is the host's name")
