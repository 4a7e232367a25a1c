"""The settings that daytime has beyond the shared ones."""

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from runtime.settings import Settings, port_number, setting

DEFAULT: tzinfo = UTC


def zone(text: str) -> tzinfo:
    """A zone of the IANA time zone database."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no zone of the IANA time zone database") from None


class DaytimeSettings(Settings):
    """The port 1200 stands in for daytime's own 13, which only a privileged process may bind."""

    port = port_number(1200)
    timezone = setting(DEFAULT, zone, "zone of the time, Europe/Berlin say", fallback="TZ")
