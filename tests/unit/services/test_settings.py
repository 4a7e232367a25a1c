"""The settings table: precedence, bounds, and nothing but BadSetting for bad text."""

import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daytime.settings import DaytimeSettings
from echo.settings import EchoSettings
from runtime.settings import BadSetting, Setting, Settings, parse

ROWS = sorted(EchoSettings.rows() | DaytimeSettings.rows())


def echo(*argv: str, **environ: str) -> EchoSettings:
    """Echo's settings for a command line and an environment."""
    return parse(EchoSettings, "echo", "0", argv, environ)[0]


def daytime(*argv: str, **environ: str) -> DaytimeSettings:
    """The same for daytime."""
    return parse(DaytimeSettings, "daytime", "0", argv, environ)[0]


def test_defaults() -> None:
    """Without flags and environment the table's defaults hold."""
    settings = echo()
    assert (settings.host, settings.port, settings.family) == ("", 1201, "any")
    assert (settings.model, settings.max_connections) == ("evented", 10_000)
    assert (settings.idle_timeout, settings.drain_timeout) == (300.0, 10.0)
    assert (settings.log_level, settings.print) == ("info", False)
    assert daytime().port == 1200
    assert str(daytime().timezone) == "UTC"


def test_a_flag_beats_the_environment_which_beats_the_default() -> None:
    """Precedence is flag, environment, default."""
    assert echo("--port", "1", SERVE_PORT="2").port == 1
    assert echo(SERVE_PORT="2").port == 2


def test_the_zone_falls_back_to_tz() -> None:
    """TZ is the default of the time zone, and an empty one is UTC."""
    assert str(daytime("--timezone", "Asia/Tokyo", TZ="Bogus").timezone) == "Asia/Tokyo"
    assert str(daytime(SERVE_TIMEZONE="Asia/Tokyo", TZ="Bogus").timezone) == "Asia/Tokyo"
    assert str(daytime(TZ="Asia/Tokyo").timezone) == "Asia/Tokyo"
    assert str(daytime(TZ="").timezone) == "UTC"


def test_switches_can_be_turned_both_ways() -> None:
    """A switch is 1 or 0 in the environment, and a flag can say no to it."""
    assert echo("--print", "--model", "threaded").print is True
    assert echo(SERVE_PRINT="1", SERVE_MODEL="threaded").print is True
    assert echo("--no-print", SERVE_PRINT="1").print is False
    assert echo(SERVE_PRINT="0").print is False


def test_0_is_never_for_idle_and_stall_timeout() -> None:
    """An idle or stall timeout of 0 never comes."""
    assert echo("--idle-timeout", "0").idle_timeout == math.inf
    assert echo("--stall-timeout", "0").stall_timeout == math.inf
    assert echo("--idle-timeout", "0.5").idle_timeout == 0.5


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "127.0.0.1", "::", "::1", "fe80::1%eth0", "::ffff:1.2.3.4"]
)
def test_addresses(host: str) -> None:
    """An address is IPv4 or IPv6, with a zone id if need be."""
    assert echo("--host", host).host == host


@pytest.mark.parametrize(
    "host", ["localhost", "1.2.3", "01.2.3.4", "[::1]", ":::", "1.2.3.4%eth0", "::1 ", "\0", "é"]
)
def test_what_is_no_address(host: str) -> None:
    """A name is not looked up, and nothing else is taken for an address."""
    with pytest.raises(BadSetting):
        echo("--host", host)


def test_the_identity_is_one_token() -> None:
    """D5: printable ASCII without spaces, 64 characters at most; `auto` is the host's name."""
    assert daytime("--identity", "web-1").identity == "web-1"
    assert daytime("--identity", "auto").identity == os.uname().nodename
    assert daytime("--identity", "").identity == ""
    for bad in ("two words", "x" * 65, "é", "tab\t"):
        with pytest.raises(BadSetting):
            daytime("--identity", bad)


def test_the_admin_port_is_not_the_services() -> None:
    """Two listeners cannot share a port."""
    with pytest.raises(BadSetting, match="--admin-port 1200"):
        daytime("--admin-port", "1200")


def test_an_unknown_variable_forges_no_line() -> None:
    """The name of a variable is anybody's text, and is escaped like every other."""
    with pytest.raises(BadSetting) as caught:
        echo(**{"SERVE_PROT\nready\x1b[31m": "1"})
    assert str(caught.value).startswith("SERVE_PROT\\nready\\x1b[31m: ")


def test_settings_are_immutable() -> None:
    """Nothing deeper can change what was asked for."""
    with pytest.raises(AttributeError):
        echo().port = 7


def test_every_setting_is_a_flag_and_a_variable() -> None:
    """The table is the only source of names: each row has its flag, variable and help."""
    for kind in (EchoSettings, DaytimeSettings):
        for name, row in kind.rows().items():
            assert isinstance(row, Setting)
            assert row.help
            variable = "SERVE_" + name.upper()
            with pytest.raises(BadSetting, match=variable):
                parse(kind, "x", "0", [], {variable: "\0"})


@given(st.sampled_from(ROWS), st.text())
def test_any_text_is_a_value_or_bad(name: str, text: str) -> None:
    """Whatever a variable holds, it gives a setting or one line that names it."""
    kind: type[Settings] = EchoSettings if name in EchoSettings.rows() else DaytimeSettings
    try:
        parse(kind, "x", "0", [], {"SERVE_" + name.upper(): text})
    except BadSetting as error:
        message = str(error)
        assert name.upper() in message or "--" + name.replace("_", "-") in message
        assert message.isprintable()
        assert len(message) < 250


@given(st.integers())
def test_ports_have_bounds(port: int) -> None:
    """A port is a whole number from 0 to 65535."""
    if 0 <= port <= 65535:
        assert echo("--port", str(port)).port == port
    else:
        with pytest.raises(BadSetting):
            echo(f"--port={port}")


@given(st.floats(min_value=0, max_value=86_400).map(lambda x: round(x, 3)))
def test_durations_are_plain_seconds(duration: float) -> None:
    """A duration is a plain number of seconds, a day at most."""
    assert echo("--drain-timeout", f"{duration:.3f}").drain_timeout == duration
