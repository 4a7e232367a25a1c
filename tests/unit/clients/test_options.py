"""Command lines: bounds of every option, and errors of one line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import __version__
from probes.cli import attempts, headinfo, options, probe
from probes.core.outcome import Outcome
from probes.core.result import Transport
from probes.core.target import Family, Target


def parse(arguments: list[str]) -> argparse.Namespace:
    """What a command line of `probe` says."""
    return probe.parser().parse_args(arguments)


PARSERS: dict[str, Callable[[list[str]], argparse.Namespace]] = {
    "headinfo": lambda arguments: headinfo.parser().parse_args(arguments),
    "probe daytime": lambda arguments: parse(["daytime", *arguments]),
    "probe echo": lambda arguments: parse(["echo", *arguments]),
    "probe hold": lambda arguments: parse(["hold", *arguments]),
    "probe watch echo": lambda arguments: parse(["watch", "echo", *arguments]),
}
TOOLS = pytest.mark.parametrize("tool", PARSERS)


@TOOLS
def test_defaults(tool: str) -> None:
    """Ten seconds in all, two of a watch, any address family, one try and no waiting."""
    parsed = PARSERS[tool](["host:80"])
    assert parsed.target == Target("host", 80)
    timeout = 2.0 if "watch" in tool else 10.0
    assert (parsed.timeout, parsed.family, parsed.json) == (timeout, Family.ANY, False)
    assert vars(parsed).get("wait") is None  # `hold` has no such option


@TOOLS
@pytest.mark.parametrize(("flag", "family"), [("-4", Family.IPV4), ("-6", Family.IPV6)])
def test_family(tool: str, flag: str, family: Family) -> None:
    """-4 and -6 choose the address family."""
    assert PARSERS[tool]([flag, "host:80"]).family == family


@TOOLS
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [""],
        ["host"],
        ["host:0"],
        ["host:1_2"],
        ["h" * 100_000 + ":80"],
        ["\x1b[2J\u202e:80"],
        ["a\nb:80"],
        ["\udcff:80"],
        ["host:80", "more:80"],
        ["host:80", "--timeout"],
        ["host:80", "--timeout", "nan"],
        ["host:80", "--timeout", "-1"],
        ["host:80", "--time", "3"],
        ["host:80", "--nonsense\x1b[2J\n"],
        ["host:80", "--" + "n" * 100_000],
        ["host:80", "-4", "-6"],
        ["host:80", "-4\n"],
        ["host:80", "--json=1\n"],
    ],
    ids=lambda arguments: ascii(arguments)[:40],
)
def test_usage(tool: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A bad command line is one short printable line on stderr that begins with USAGE, exit 2."""
    with pytest.raises(SystemExit) as caught:
        PARSERS[tool](arguments)
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, "")
    assert err.startswith(f"USAGE {tool.split()[0]}")
    assert err.endswith(" --help\n")
    assert err[:-1].isprintable()
    assert err.isascii()
    assert len(err) < 700


@TOOLS
def test_help(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help shows every outcome the tool can have with its exit code, on stdout."""
    with pytest.raises(SystemExit) as caught:
        PARSERS[tool](["--help"])
    out, err = capsys.readouterr()
    assert (caught.value.code, err) == (0, "")
    assert "REFUSED       7  nobody listens there\n" in out
    assert ("HTTP09" in out) == (tool == "headinfo")


@TOOLS
def test_version(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--version names the tool and its version, on stdout."""
    with pytest.raises(SystemExit) as caught:
        PARSERS[tool](["--version"])
    assert (caught.value.code, capsys.readouterr()) == (0, (f"{tool} {__version__}\n", ""))


@pytest.mark.parametrize(
    "argument",
    [
        "--path=",
        "--path=a",
        "--path=**",
        "--path=/a b",
        "--path=/\r\nB: c",
        "--path=/\x1b",
        "--path=/\x7f",
        "--path=/\u00e9",
        "--path=/" + "a" * 8000,
        "--host-header=",
        "--host-header=a b",
        "--host-header=a\r\nB: c",
        "--host-header=\t",
        "--host-header=\u00e9",
    ],
    ids=lambda argument: ascii(argument)[:40],
)
def test_usage_of_headinfo(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    """H1, H9: a path or Host that is empty or could change the request's lines is USAGE."""
    with pytest.raises(SystemExit) as caught:
        headinfo.parser().parse_args(["host:80", argument])
    assert caught.value.code == 2
    assert re.fullmatch(r"USAGE headinfo: [\t -~]+\n", capsys.readouterr().err)


def test_raw_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    """--raw and --json exclude each other."""
    with pytest.raises(SystemExit):
        headinfo.parser().parse_args(["host:80", "--json", "--raw"])
    assert capsys.readouterr().err.startswith("USAGE headinfo: ")


@pytest.mark.parametrize("path", ["/", "*", "/a?b=%20#c", "/" * 8000])
def test_path(path: str) -> None:
    """H1: an absolute path of visible ASCII goes through as it is, and so does the asterisk."""
    assert headinfo.parser().parse_args(["host:80", "--path", path]).path == path


@pytest.mark.parametrize("arguments", [[], ["chargen"], ["\x1b"], ["host:80"]])
def test_usage_of_probe(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A protocol that is missing or unknown is USAGE."""
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("USAGE probe: ")


@pytest.mark.parametrize("protocol", ["daytime", "echo"])
def test_transport(protocol: str) -> None:
    """--udp chooses UDP instead of TCP."""
    assert parse([protocol, "host:80"]).transport is Transport.TCP
    assert parse([protocol, "host:80", "--udp"]).transport is Transport.UDP


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ([], 512),
        (["--size", "1"], 1),
        (["--size", "67108864"], 64 * 1024 * 1024),
        (["--udp"], 512),
        (["--size", "0", "--udp"], 0),
        (["--udp", "--size", "65507"], 65507),
    ],
)
def test_size(arguments: list[str], size: int) -> None:
    """E5: 1 byte to 64 MiB over TCP, 0 to 65507 bytes in a datagram."""
    assert attempts.attempt_options(parse(["echo", "host:80", *arguments])).size_bytes == size


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--size", "0"], "must be a whole number from 1 to 67108864: '0' over TCP"),
        (["--size", "67108865"], "must be a whole number from 1 to 67108864: '67108865' over TCP"),
        (["--udp", "--size", "65508"], "must be a whole number from 0 to 65507: '65508' over UDP"),
        (
            ["--size", "67108865", "--udp"],
            "must be a whole number from 0 to 65507: '67108865' over UDP",
        ),
        (["--udp", "--size=-1"], "must be a whole number from 0 to 65507: '-1' over UDP"),
        (["--udp", "--size="], "must be a whole number from 0 to 65507: '' over UDP"),
    ],
)
def test_no_size(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """E5: a size out of bounds is USAGE, and names the bounds that apply."""
    with pytest.raises(SystemExit) as caught:
        attempts.attempt_options(parse(["echo", "host:80", *arguments]))
    assert caught.value.code == 2
    usage = f"USAGE probe echo: argument --size: {complaint}; see probe echo --help\n"
    assert capsys.readouterr().err == usage


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("OK", (Outcome.OK,)),
        ("REFUSED,TIMEOUT", (Outcome.REFUSED, Outcome.TIMEOUT)),
        ("CLOSED,CLOSED", (Outcome.CLOSED,)),
    ],
)
@TOOLS
def test_expect(tool: str, text: str, expected: tuple[Outcome, ...]) -> None:
    """One outcome or several can be expected; none is by default."""
    assert PARSERS[tool](["host:80"]).expect == ()
    assert PARSERS[tool](["host:80", "--expect", text]).expect == expected


@pytest.mark.parametrize("text", ["", "ok", "OK,", "OK, TIMEOUT", "USAGE", "CLOSED,\x1b[2J", "7"])
@TOOLS
def test_no_expectation(tool: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A word that is no outcome of a try is USAGE, and those that are ones are named."""
    with pytest.raises(SystemExit) as caught:
        PARSERS[tool](["host:80", "--expect", text])
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert re.fullmatch(r"USAGE [a-z ]+: argument --expect: must be of OK, WRONG, DNS, .*\n", err)


def test_http_is_expected_of_headinfo_only(capsys: pytest.CaptureFixture[str]) -> None:
    """H7: no probe ever comes to HTTP09."""
    assert PARSERS["headinfo"](["host:80", "--expect", "HTTP09"]).expect == (Outcome.HTTP09,)
    with pytest.raises(SystemExit):
        PARSERS["probe echo"](["host:80", "--expect", "HTTP09"])
    assert "HTTP09" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["host:80"], ["echo", "host:80"], ["host:80", "--size", "9"]], ids=" ".join
)
def test_hold(arguments: list[str]) -> None:
    """`hold TARGET` is short for `hold echo TARGET`."""
    assert parse(["hold", *arguments]).target == Target("host", 80)


@pytest.mark.parametrize("protocol", ["daytime", "chargen", "\x1b[2J"])
def test_hold_speaks_echo_only(protocol: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Another protocol than echo is USAGE."""
    with pytest.raises(SystemExit) as caught:
        parse(["hold", protocol, "host:80"])
    assert caught.value.code == 2
    assert re.fullmatch(r"USAGE probe hold: argument echo: [ -~]+\n", capsys.readouterr().err)


def test_watch() -> None:
    """A watch goes on until it is stopped, a try a second, a line every ten, and no report."""
    parsed = parse(["watch", "daytime", "host:80"])
    assert (parsed.protocol, parsed.transport) == ("daytime", Transport.TCP)
    assert (parsed.count, parsed.interval, parsed.every) == (None, 1.0, 10.0)
    assert (parsed.report, parsed.json, parsed.expect) == (None, False, ())


@pytest.mark.parametrize(
    "arguments",
    [["host:80"], ["echo"], ["chargen", "host:80"], ["echo", "host:80", "--every", "0"]],
    ids=" ".join,
)
def test_usage_of_watch(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A watch without a protocol or a target, or with bad options, is USAGE."""
    with pytest.raises(SystemExit) as caught:
        parse(["watch", *arguments])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("USAGE probe watch")


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("0.5", 0.5), (".5", 0.5), ("86400", 86400)])
def test_seconds(text: str, value: float) -> None:
    """A duration is plain decimal seconds, above zero and at most a day."""
    assert options.seconds(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("0", "0.0", "-1", "+1", "nan", "inf", "-inf", "86400.1", "9" * 5000),
        *("1e3", "1_0", "0x1", "1.", "1s", "\uff11", "", " 1", "1\n"),
    ],
)
def test_no_seconds(text: str) -> None:
    """Zero, negative, not finite, too long, or in any other notation is no duration."""
    with pytest.raises(argparse.ArgumentTypeError):
        options.seconds(text)


@pytest.mark.parametrize("text", ["1", "512", "67108864", "0010"])
def test_whole_number(text: str) -> None:
    """A count is decimal digits within bounds."""
    assert options.whole_number(1, 67108864)(text) == int(text)


@pytest.mark.parametrize(
    "text", ["0", "-1", "+1", "67108865", "1.0", "1_0", "1k", "\uff11", "", " 1", "1\n", "9" * 5000]
)
def test_no_whole_number(text: str) -> None:
    """Anything out of bounds or in any other notation is no count."""
    with pytest.raises(argparse.ArgumentTypeError):
        options.whole_number(1, 67108864)(text)


@given(st.text())
def test_value_or_error(text: str) -> None:
    """Any text is a value within bounds or an ArgumentTypeError."""
    for parse, most in ((options.seconds, 86400.0), (options.whole_number(1, 9), 9)):
        try:
            value = parse(text)
        except argparse.ArgumentTypeError:
            continue
        assert 0 < value <= most


@pytest.mark.parametrize(("columns", "width"), [("40", 38), ("1", -1), ("9999", 9997)])
def test_help_width(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """COLUMNS decides how wide a help text is."""
    monkeypatch.setenv("COLUMNS", columns)
    assert options.help_width() == width


@pytest.mark.parametrize(
    "columns",
    ["", "0", "-5", "1_0", "1e9", "nan", "inf", " 40", "\uff14\uff10", "10000", "9" * 4301],
    ids=lambda text: ascii(text)[:20],
)
def test_no_help_width(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """COLUMNS is ignored unless it is one to four ASCII digits."""
    monkeypatch.setenv("COLUMNS", columns)
    assert options.help_width() == 78
