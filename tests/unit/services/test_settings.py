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
    assert str(daytime(SERVE_TIMEZONE="", TZ="Asia/Tokyo").timezone) == "Asia/Tokyo"


def test_a_posix_rule_is_for_tz_alone() -> None:
    """`--timezone` takes names of the IANA database, TZ a POSIX rule too."""
    with pytest.raises(BadSetting, match="IANA"):
        daytime("--timezone", "UTC0")
    assert daytime(TZ="CET-1CEST,M3.5.0,M10.5.0/3").timezone


def test_switches_can_be_turned_both_ways() -> None:
    """A switch is 1 or 0 in the environment, and a flag can say no to it."""
    assert echo("--print", "--model", "threaded").print is True
    assert echo(SERVE_PRINT="1", SERVE_MODEL="threaded").print is True
    assert echo("--no-print", SERVE_PRINT="1").print is False
    assert echo(SERVE_PRINT="0").print is False


@pytest.mark.parametrize("word", ["1", "true", "True", "TRUE", "yes", "on", "true\r"])
def test_words_that_turn_a_switch_on(word: str) -> None:
    """A switch accepts the words that env files and manifests use, in any case."""
    assert echo(SERVE_UDP=word).udp is True


@pytest.mark.parametrize("word", ["0", "false", "False", "no", "off", "", "\r"])
def test_words_that_turn_a_switch_off(word: str) -> None:
    """An empty variable is unset."""
    assert echo(SERVE_UDP=word).udp is False


def test_lines_of_an_env_file() -> None:
    """An empty variable is unset, and the CR of a line's end is no part of the value."""
    unset = dict.fromkeys(("SERVE_PORT", "SERVE_MODEL", "SERVE_IDLE_TIMEOUT", "SERVE_HOST"), "")
    assert vars(echo(**unset)) == vars(echo())
    assert echo(SERVE_PORT="7\r", SERVE_LOG_LEVEL="debug\r").log_level == "debug"
    assert daytime(SERVE_TIMEZONE="Asia/Tokyo\r").timezone == daytime(TZ="Asia/Tokyo\r").timezone


@pytest.mark.parametrize(
    ("variable", "value", "instead"),
    [
        ("SERVE_PORT", '"10"', "without quotes: 10"),
        ("SERVE_PORT", "'10'", "without quotes: 10"),
        ("SERVE_IDENTITY", '"web-1"', "without quotes: web-1"),
        ("TZ", '"UTC"', "without quotes: UTC"),
        ("SERVE_DRAIN_TIMEOUT", "10s", "such as 10 or 1.5, without a unit"),
        ("SERVE_MAX_CONNECTIONS", "10k", "in digits only"),
        ("SERVE_UDP", "enabled", "true or false"),
        ("SERVE_LOG_LEVEL", "INFO", "must be one of debug, info"),
    ],
)
def test_quotes_and_units_are_refused(variable: str, value: str, instead: str) -> None:
    """The message says what to write instead."""
    with pytest.raises(BadSetting, match=instead) as caught:
        daytime(**{variable: value})
    assert str(caught.value).startswith(f"{variable} {value}: ")


@pytest.mark.parametrize(
    ("variable", "value", "service"),
    [
        ("SERVE_SERVICE_HOST", "10.0.0.1", "serve"),
        ("SERVE_SERVICE_PORT", "1201", "serve"),
        ("SERVE_SERVICE_PORT_HTTP", "1201", "serve"),
        ("SERVE_PORT", "tcp://10.0.0.1:1201", "serve"),
        ("SERVE_PORT", "udp://10.0.0.1:1201", "serve"),
        ("SERVE_PORT_1201_TCP", "tcp://10.0.0.1:1201", "serve"),
        ("SERVE_PORT_1201_TCP_ADDR", "10.0.0.1", "serve"),
        ("SERVE_ADMIN_PORT", "tcp://10.0.0.1:1201", "serve-admin"),
        ("SERVE_MY_ECHO_SERVICE_HOST", "10.0.0.1", "serve-my-echo"),
    ],
)
def test_service_links_of_kubernetes_are_named(variable: str, value: str, service: str) -> None:
    """A Service called serve puts variables of the prefix into every pod: the error says so."""
    with pytest.raises(BadSetting) as caught:
        echo("--port", "7", **{variable: value})
    for each in (variable, value, f"the Service {service};", "enableServiceLinks: false"):
        assert each in str(caught.value)


def test_0_is_never_for_idle_and_stall_timeout() -> None:
    """An idle or stall timeout of 0 never comes."""
    assert echo("--idle-timeout", "0").idle_timeout == math.inf
    assert echo("--stall-timeout", "0").stall_timeout == math.inf
    assert echo("--idle-timeout", "0.5").idle_timeout == 0.5


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "127.0.0.1", "::", "::1", "fe80::1%eth0", "fe80::1%4294967295"],
)
def test_addresses(host: str) -> None:
    """An address is IPv4 or IPv6, with a zone id if need be."""
    assert echo("--host", host).host == host


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:7f00:1", "127.0.0.1"),
        ("0:0::0", "::"),
        ("FE80:0::1%eth0", "fe80::1%eth0"),
    ],
)
def test_an_address_has_one_form(host: str, meant: str) -> None:
    """An address is bound as it is meant, however it is written."""
    assert echo("--host", host).host == meant


@pytest.mark.parametrize(
    "host", ["224.0.0.1", "239.1.2.3", "255.255.255.255", "ff02::1%lo", "::ffff:224.0.0.1"]
)
def test_an_address_of_many_hosts_is_refused(host: str) -> None:
    """No TCP client can connect to a multicast or broadcast address."""
    with pytest.raises(BadSetting, match="must be the address of one host"):
        echo("--host", host)


@pytest.mark.parametrize(
    "zone", ["", "9" * 4301, "4294967296", "\uff11", "e" * 16, "a b", "a/b", "\x1b[31m", "\0"]
)
def test_a_zone_id_is_an_interface(zone: str) -> None:
    """A zone id is a number of 32 bits in ASCII digits, or a name of 15 bytes at most."""
    with pytest.raises(BadSetting, match="interface") as caught:
        echo("--host", f"fe80::1%{zone}")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "text",
    ["1e5", ".", "1..2", "1.2.3", "9" * 5000, "0" * 5000, "1_0", "+1", "\uff11", "1,5", " 1"],
)
def test_what_is_no_duration(text: str) -> None:
    """A duration is a short plain number in ASCII digits."""
    with pytest.raises(BadSetting, match="number of seconds"):
        echo("--idle-timeout", text)


@pytest.mark.parametrize("columns", ["9" * 4301, "\uff19", "-1", "1e3", "0"])
def test_help_of_any_width(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A width of the terminal that is no number is as good as none."""
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit):
        echo("--help")
    assert "--drain-timeout" in capsys.readouterr().out


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
