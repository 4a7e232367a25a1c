# ruff: noqa: E501, for a mutant is one line
r"""Remove one protection at a time in a copy of the project, and expect its test to fail.

    python tests/mutants.py [TEST...]

A mutant is a line: the name of the test, and a change. It shows the change as
`git diff --word-diff` does, `[-old-]{+new+}`, and as much text around it as occurs once in the
product. Our names and files may change. So a mutant has only names of the operating system, of a
protocol, of Python or of what a user reads. `$X` matches any name or number, the second time the
same one. `...` matches any text within a line, `\n` a line break and the indentation after it.
Format and comments may change too: a mutant applies to Python source as `ast.unparse` writes it,
one statement a line and strings in single quotes.
"""

import argparse
import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import NamedTuple

from changed_copy import ENDED, FAILED, ROOT, changed_copy, run_pytest

MUTANTS = r"""
# Servers: accepting.
test_out_of_descriptors .modify($X, [-0-]{+1+})
test_out_of_means_is_logged_once_and_outlived *(errno.EMFILE, [-errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, -]
test_a_caller_who_left_the_queue_is_skipped {errno.EAGAIN, [-errno.ECONNABORTED, -]
test_a_burst_of_callers_is_answered .bind($X)\n$Y.listen([-$Z-]{+100+})
test_twenty_restarts_under_traffic 'SO_REUSEADDR', [-1-]{+0+}
test_the_cap_stays_below_the_descriptor_limit return [-min($X, $Y - $Z)-]{+$X+}\n
test_at_the_cap_callers_wait_in_the_backlog return [-$X - len($Y)-]{+1+}\n
test_a_caller_who_does_not_read_holds_up_nobody $X, $Y = $Z\n$X.setblocking([-False-]{+True+})
test_silent_clients_make_room .recv($X, [-MSG_DONTWAIT-]{+0+})
test_a_stalled_loop_is_not_alive return time.monotonic() - $X[0] < [-$Y-]{+60+}

# Servers: streams.
test_callers_who_do_not_read_cost_bounded_memory 'SO_RCVBUF', [-$X-]{+2**20+}
test_callers_who_do_not_read_cost_bounded_memory [-'TCP_NOTSENT_LOWAT'-]{+'NONE'+}
test_a_caller_who_takes_nothing_is_reset SOL_SOCKET, SO_LINGER, [-$X-]{+bytes(8)+})
test_a_caller_who_reads_slowly_is_not_stalled return [-int($X.unpack($Y)[0])-]{+0+}
test_who_resets_in_mid_answer_leaves_nothing {[-errno.ECONNRESET, -]errno.EPIPE
test_a_vanished_caller_is_noticed 'SO_KEEPALIVE', [-1-]{+0+}
test_a_vanished_caller_is_noticed [-'TCP_USER_TIMEOUT'-]{+'NONE'+}
test_urgent_bytes_are_bytes_of_the_stream 'SO_OOBINLINE', [-1-]{+0+}
test_bytes_stay_exact_in_pieces .send($X[:[-$Y-]])
test_every_byte_survives_each_change_of_the_way return $X[:os.readv($Y, $Z)[-]-]{+ - 1]+}
test_half_a_splice_leaves_nothing_in_the_pipe except MemoryError:\n[-$X()-]{+pass+}\nraise
test_where_splice_is_refused_bytes_are_copied {[-EPERM, -]EACCES, EINVAL, ENOSYS}
test_an_idle_caller_is_let_go if [-$X < $Y and (not $Z)-]{+True+}:\ncontinue
test_the_line_stays_whole_in_pieces .encode('ascii') + [-b...-]{+b''+}\n
test_prior_input_is_thrown_away return [-None if $X else $Y-]{+$Y+}\n
test_the_oldest_lingering_caller_makes_room next([-iter-]{+reversed+}($X.values()), None)

# Servers: datagrams.
test_refused_source_ports_hear_nothing {[-*range($X), -]*$Y, $Z}
test_the_bound_port_hears_nothing {*range($X), *$Y[-, $Z-]}
test_two_services_do_not_talk_for_ever = {[-1200, -]1201}
test_the_answer_comes_from_the_address_that_was_asked struct.pack('=i4s4s', 0, [-$X-]{+bytes(4)+}, bytes(4))
test_an_answer_may_be_cut_on_its_way IP_PMTUDISC_OMIT = [-5-]{+2+}
test_a_flood_gets_no_more_than_the_bucket $X += $Y\nif [-$X > $N + $B-]{+False+}:
test_a_flood_gets_no_more_than_the_bucket if [-$X > $N + $B-]{+False+}:\nreturn 'total_rate'
test_the_table_is_bounded if [-len($X) == $Y-]{+False+}:\ndel $X[next(iter($X))]
test_a_full_send_buffer_drops_the_answer $X = 'not_unicast'\nexcept [-OSError-]{+ZeroDivisionError+}

# Servers: start and stop.
test_whoever_is_queued_is_served for _ in range([-$X-]{+0+}):\ntry:\n$Y = $Z($L)\nexcept OSError
test_callers_who_never_read_cannot_hold_up_the_stop return $X[1] + [-$Y-]{+1000+}\n
test_no_answer_is_cut_by_a_stop_under_load return $X[1][- + $Y-]\n
test_no_answer_is_cut_by_a_stop_under_load [-signal.pthread_sigmask(signal.SIG_BLOCK, $X)-]{+pass+}
test_a_hang_ends_with_the_drain $X = [-4.5-]{+600+}\n
test_signals_at_once_are_one if $X in $Y:\n$Z = [-time.monotonic() + $T-]{+None+}
test_an_ignored_signal_stays_ignored for $X in $Y if [-signal.getsignal($X) != signal.SIG_IGN-]{+True+}
test_a_second_signal_ends_at_once [-$X($Y + $Z)-]{+time.sleep($Y + $Z - time.monotonic())+}\nos._exit(1)
test_a_check_has_one_deadline signal.setitimer(signal.ITIMER_REAL, [-$X-]{+20+})\ntry:
test_a_check_ends_at_a_signal [-signal.pthread_sigmask(signal.SIG_UNBLOCK, $X)-]{+pass+}
test_a_wedged_server_fails_its_check return [-$X.read(len($Y) + 1) == $Y-]{+True+}

# Servers: log.
test_nobody_reads_the_log os.write($X, $Y) if [-$Z.poll(0)-]{+True+} else 0
test_a_full_disk_tears_one_line_only $X = [-$S < len($D) and ($X or $S > 0)-]{+False+}
test_the_reader_of_the_log_goes_away except [-OSError-]{+ZeroDivisionError+}:\n$X = 0\n
test_no_byte_can_forge_a_line .decode('latin-1').encode('[-unicode_escape-]{+ascii', 'replace+}')

# Servers: workers.
test_a_port_has_one_server if [-$X-]{+True+}:\n$R($L, SOL_SOCKET, 'SO_REUSEPORT', 1)\n$Y($L,
test_the_cap_is_shared_out [-ceil($X.max_connections / $Y)-]{+$X.max_connections+}
test_a_worker_is_replaced_whatever_a_parent_ignored [-signal.signal(signal.SIGCHLD, signal.SIG_DFL)-]{+pass+}
test_pauses_double_up_to_ten_seconds [-min(max($X, 2 * $Y), $Z)-]{+0+}
test_a_fork_that_fails_is_tried_again .start()\nexcept [-OSError-]{+ZeroDivisionError+}
test_no_sum_falls_when_a_worker_dies [-$X.tolist() if $X else []-]{+[0] * 99+}
test_a_killed_supervisor_leaves_nobody [-$X[1] = $X[0]-]{+pass+}\n
test_a_second_signal_ends_all_workers [-os.kill($X, signal.SIGKILL)-]{+pass+}
test_a_stopped_worker_is_not_alive os.WNOHANG | [-os.WUNTRACED | -]os.WCONTINUED
test_a_worker_killed_in_the_drain_is_no_orderly_stop $X = 0 if [-$Y and (not $Z)-]{+True+} else 1
test_who_waits_for_a_dead_worker_is_served_at_the_stop [-$X(math.inf)-]{+pass+}\n$Y = all(

# Tools: deadlines.
test_silence $X = [-$Y - $Z()-]{+20+}\nif $X <= 0:\nraise TimeoutError
test_drip $X = [-$Y - $Z()-]{+self.__dict__.setdefault('first', $Y - $Z())+}\nif $X <= 0:\nraise TimeoutError
test_dead_resolver super().__init__(daemon=[-True-]{+False+})
test_first_address_dead .settimeout($X()[- / $Y-])

# Tools: answers.
test_endless_head if [-$X + ($Y or len($Z)) > $M-]{+False+}:
test_endless_answer if [-not $X.startswith($Y)-]{+False+}:\nraise $Z(
test_nul_or_bare_cr_in_a_head 0-9A-Za-z-]+):([-[^\\0\\r]-]{+.+}*)
test_nul_or_bare_cr_or_lf_in_daytime (b'[-[ -~]+-]{+(?s:.+)+}
test_empty_reply if [-$X < $Y-]{+False+}:\nraise $Z($O.CLOSED
test_reset errno.ECONNRESET: $X.[-RESET-]{+CLOSED+}
test_text return [-'\t'.join((... in $X.split(...)))-]{+$X+}
test_hostile_name [-html.escape($X(str($Y)))-]{+$X(str($Y))+}
test_json json.dumps({**$X, **$Y}{+, ensure_ascii=False+})
test_flood_of_names if $X in $Y or [-len($Y) < $Z-]{+True+}:
test_checks_of_a_black_hole (*$X, $Y.DNS[-, $Y.TIMEOUT-])

# Tools: exit codes, interrupts and reports.
test_interrupt_in_answer = [-$X is KeyboardInterrupt-]{+False+}\n
test_stop_in_answer (signal.SIGINT, [-signal.SIGTERM, signal.SIGHUP-])
test_stop_at_a_full_pipe [-signal.setitimer(signal.ITIMER_REAL, $X)-]{+pass+}\nreturn
test_a_signal_amid_the_books if [-$X and (not $Y)-]{+False+}:\n$Y = True
test_a_signal_that_comes_too_late [-$X(signal.SIG_IGN)-]{+pass+}
test_closed_stdout if [-isinstance($X, BrokenPipeError)-]{+False+}:
test_closed_stderr [-os.dup2(os.open(os.devnull, os.O_WRONLY), $X())-]{+pass+}
test_full_disk $X = [-23-]{+1+}\n
test_nobody_reads_on finally:\n[-$X.$Y() if $X.$P == $W else $X.$V()-]{+pass+}
test_a_report_of_a_run_that_was_killed [-$X.$Y()-]{+pass+}\nif $X.$Z:\nraise SystemExit(

# Containers.
test_a_server_has_no_privileges cap_drop: [[-ALL-]{+CHOWN+}]
test_a_server_has_no_privileges no-new-privileges:[-true-]{+false+}
test_stop_lets_a_busy_caller_go_on_until_the_deadline stop_grace_period: [-15s-]{+1s+}
test_it_works_as_process_1 [-signal.pthread_sigmask(signal.SIG_BLOCK, $X)-]{+pass+}
"""

# What the mutants change.
PRODUCT = ("services/**/*.py", "clients/**/*.py", "docker-compose.yml")

NAME, WILDCARDS = r"[\w.]+", {"...": r"[^\n]*?", r"\n": r"\n *"}
DELETED, INSERTED = re.compile(r"\[-(.*?)-\]"), re.compile(r"\{\+(.*?)\+\}")

# Few at a time, since some tests measure time. Tests in containers share the tag of their images.
AT_ONCE, CONTAINERS_AT_ONCE = 2, 1

# A mutant that hangs is red, but only after every timeout of the test itself.
TIMEOUT_S = 40

# For all parameters of a test together. Tests in containers have longer timeouts of their own.
PATIENCE_S = 600

IN_CONTAINERS = "tests/integration/"
IMAGES = [f"small-services/{name}:mutant" for name in ("daytime", "echo", "client")]


class Mutant(NamedTuple):
    """A change of the product, and the test that must fail because of it."""

    test: str
    change: str

    def __str__(self) -> str:
        return f"{self.test}  {self.change}"

    def tests(self) -> list[str]:
        """Return the test as pytest names it, from each file that defines it."""
        found = tests_by_file().items()
        return [f"{file}::{self.test}" for file, names in found if self.test in names]

    def places(self) -> list[tuple[str, str]]:
        """Find where the change applies: the file, and its text with the change made there."""
        groups: dict[str, str] = {}

        def named(match: re.Match[str]) -> str:
            name = match[1] or f"_{len(groups)}"
            groups[name] = WILDCARDS.get(match[0], NAME)
            return f"${{{name}}}"

        change = re.sub(r"\.\.\.|\\n|\$([A-Z])", named, self.change)
        old = DELETED.sub(r"\1", INSERTED.sub("", change))
        new = Template(INSERTED.sub(r"\1", DELETED.sub("", change)))
        return [
            (file, text[: match.start()] + new.substitute(match.groupdict()) + text[match.end() :])
            for file, text in product().items()
            for match in re.finditer(_expression(old, groups), text)
        ]


def _expression(text: str, groups: dict[str, str]) -> str:
    """Return the regular expression of a text in which `${name}` stands for a group."""
    expression = ""
    for index, part in enumerate(re.split(r"\$\{(\w+)\}", text)):
        if index % 2 == 0:
            expression += re.escape(part)
        else:
            is_known = f"(?P<{part}>" in expression
            expression += f"(?P={part})" if is_known else f"(?P<{part}>{groups[part]})"
    return expression


def mutants() -> list[Mutant]:
    """Return all mutants of the table."""
    lines = [line for line in MUTANTS.splitlines() if line.startswith("test_")]
    return [Mutant(*line.split(" ", maxsplit=1)) for line in lines]


@cache
def product() -> dict[str, str]:
    """Return the text of each file of the product."""
    files = sorted({file for pattern in PRODUCT for file in ROOT.glob(pattern)})
    return {str(file.relative_to(ROOT)): _text(file) for file in files}


def _text(file: Path) -> str:
    text = file.read_text()
    return f"{ast.unparse(ast.parse(text))}\n" if file.suffix == ".py" else text


@cache
def tests_by_file() -> dict[str, list[str]]:
    """Return the names of all tests."""
    return {
        str(file.relative_to(ROOT)): re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
    }


def is_in_containers(mutant: Mutant) -> bool:
    """Return whether the test needs a Docker engine."""
    return any(test.startswith(IN_CONTAINERS) for test in mutant.tests())


def judge(mutant: Mutant) -> str:
    """Return `red`; `GREEN` if the test passes all the same; or `ERROR` and the output."""
    if len(places := mutant.places()) != 1:
        return f"ERROR applies in {len(places)} places\n"
    ((file, text),) = places
    with TemporaryDirectory() as folder:
        copy = changed_copy(Path(folder), [])
        (copy / file).write_text(text)
        try:
            with images(copy) if is_in_containers(mutant) else nullcontext():
                arguments = (*mutant.tests(), f"--timeout={TIMEOUT_S}")
                status, output = run_pytest(copy, *arguments, patience_s=PATIENCE_S)
        except subprocess.CalledProcessError as error:
            return f"ERROR {error.stdout}"
    if status == ENDED or (status == FAILED and "\nFAILED " in output):
        return "red"
    return "GREEN" if status == 0 else f"ERROR {output}"


@contextmanager
def images(copy: Path) -> Iterator[None]:
    """Build the images of a copy under a tag of their own, and remove them at the end."""
    compose = copy / "docker-compose.yml"
    (tag,) = set(re.findall(r"small-services/\w+(:\S+)", compose.read_text()))
    for file in (
        compose,
        copy / "tests/support/stack.py",
        *(copy / "tests/integration").glob("*.py"),
    ):
        file.write_text(file.read_text().replace(tag, ":mutant"))
    try:
        _output(ROOT, "make", "engine")
        base = _output(ROOT, "scripts/base-image").split()[-1]
        _output(copy, "make", "images", f"PYTHON_IMAGE={base}")
        yield
    finally:
        subprocess.run(["docker", "image", "rm", *IMAGES], capture_output=True, check=False)


def _output(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    return done.stdout


def judge_in_turn(chosen: Iterable[Mutant]) -> int:
    """Judge mutants, print each verdict at once, and return how many are red."""
    red = 0
    for mutant in chosen:
        word, _, output = judge(mutant).partition(" ")
        print(f"{word:5}  {mutant}\n{output}", end="", flush=True)
        red += word == "red"
    return red


def judge_all(chosen: list[Mutant], at_once: int) -> int:
    """Judge several tests at a time, each with one mutant at a time: a test may need a fixed port.

    Returns how many mutants are red.
    """
    tests = [list(group) for _, group in groupby(chosen, attrgetter("test"))]
    with ThreadPoolExecutor(at_once) as pool:
        try:
            return sum(pool.map(judge_in_turn, tests))
        finally:
            pool.shutdown(cancel_futures=True)


def main() -> int:
    """Judge the mutants of the named tests, or all; returns 0 if each one is red, else 1."""
    parser = argparse.ArgumentParser(description="Expect tests to fail without a protection.")
    known = {mutant.test for mutant in mutants()}
    parser.add_argument("tests", metavar="TEST", nargs="*", help="a test's name (default: all)")
    names = set(parser.parse_args().tests) or known
    if names - known:
        parser.error(f"no mutants for {', '.join(sorted(names - known))}")
    chosen = [mutant for mutant in mutants() if mutant.test in names]
    inside = [mutant for mutant in chosen if is_in_containers(mutant)]
    outside = [mutant for mutant in chosen if mutant not in inside]
    red = judge_all(outside, AT_ONCE) + judge_all(inside, CONTAINERS_AT_ONCE)
    print(f"{len(names)} tests, {len(chosen)} mutants, {red} red")
    return red < len(chosen)


if __name__ == "__main__":
    sys.exit(main())
