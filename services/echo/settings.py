"""The settings that echo has beyond the shared ones."""

from collections.abc import Mapping

from runtime.parsers import seconds_or_never, switch
from runtime.settings import BadSetting, Settings, port_number, setting


class EchoSettings(Settings):
    """The port 1201 stands in for echo's own 7, which only a privileged process may bind."""

    port = port_number(1201)
    idle_timeout = setting(
        300.0, seconds_or_never, "seconds without a byte after which a caller is let go; 0 never"
    )
    # Of echo alone, since daytime's answer never waits for its caller.
    stall_timeout = setting(
        30.0,
        seconds_or_never,
        "seconds without reading after which a caller is cut; 0 leaves it to the kernel, 90 s",
    )
    print = setting(False, switch, "show each caller's bytes, escaped, on stderr")

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__(values)
        if self.print and self.model == "evented":
            raise BadSetting("--print: needs --model iterative or threaded, not evented")
