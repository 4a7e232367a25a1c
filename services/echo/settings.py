"""The settings that echo has beyond the shared ones."""

from collections.abc import Mapping

from runtime.settings import BadSetting, Settings, port_number, setting
from runtime.validators import seconds_or_never, switch


class EchoSettings(Settings):
    """The port 1201 stands in for echo's own 7, which only a privileged process may bind."""

    port = port_number(1201)
    idle_timeout = setting(
        300.0,
        seconds_or_never,
        "seconds without a byte until a connection is closed; 0 never",
    )
    # Only of echo: the answer of daytime never waits for its client.
    stall_timeout = setting(
        30.0,
        seconds_or_never,
        "seconds in which a client must take some of the echo, or the connection is reset; "
        "0 leaves it to the kernel, 90 s",
    )
    print = setting(False, switch, "print received bytes, escaped, on stderr")

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__(values)
        if self.print and self.model == "evented":
            raise BadSetting("--print: needs --model iterative or threaded, not evented")
