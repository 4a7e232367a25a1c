# ruff: noqa: E501, for a mutant is one line
"""Each test that docs/reliability.md names goes red where the protection is taken out of a copy.

    python tests/mutants.py [TEST...]

A line below a test is a mutant; one that begins with + is a further change of the mutant above it.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from changed_copy import ENDED, FAILED, ROOT, Change, changed_copy, run_pytest

# By file and test.
MUTANTS: dict[str, dict[str, str]] = {
    "tests/unit/services/test_logs.py": {
        "test_a_full_disk_tears_one_line_only": r"""
            services/runtime/logs.py | self._is_torn = size < len(data) and (self._is_torn or size > 0) | pass
        """,
        "test_a_pipe_that_others_fill_meanwhile_takes_no_line": r"""
            services/runtime/logs.py | stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode) | False
        """,
    },
    "tests/process/services/test_callers.py": {
        "test_out_of_descriptors": r"""
            services/runtime/listening.py | NOT_NOW_PAUSE_S = 0.1 | NOT_NOW_PAUSE_S = 0.0
            services/runtime/evented.py | accept_failed(error)\n                self._pause_accepting() | accept_failed(error)
        """,
        "test_at_the_cap_callers_wait_in_the_backlog": r"""
            services/runtime/service.py | return self.max_connections - len(self.tally.open) | return 1
        """,
        "test_the_cap_stays_below_the_descriptor_limit": r"""
            services/runtime/instance.py | return min(asked, limit - RESERVED_DESCRIPTORS) | return asked
        """,
        "test_a_thread_that_cannot_be_started_delays_the_accept": r"""
            services/runtime/threaded.py | except RuntimeError as error | except ZeroDivisionError as error
        """,
        "test_a_silent_caller_holds_up_nobody": r"""
            services/runtime/threaded.py | if connection:\n                callers.start(connection) | if connection:\n                callers._run(connection)
            services/runtime/conversation.py | self.deadline = idle_at | self.deadline = idle_at\n        self.turn(idle_at)
            + services/runtime/connection.py | setblocking(False) | setblocking(True)
        """,
        "test_a_caller_who_does_not_read_holds_up_nobody": r"""
            services/runtime/threaded.py | if connection:\n                callers.start(connection) | if connection:\n                callers._run(connection)
            services/runtime/connection.py | setblocking(False) | setblocking(True)
        """,
    },
    "tests/process/services/test_faults_accepting.py": {
        "test_out_of_means_is_logged_once_and_outlived": r"""
            services/runtime/listening.py | errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, | errno.EMFILE,
            services/runtime/listening.py | *(errno.EACCES, errno.EPERM), | errno.EACCES,
            services/runtime/listening.py | *(errno.EACCES, errno.EPERM), | errno.EPERM,
            services/runtime/logs.py | SELDOM_S = 10.0 | SELDOM_S = 0.0
            services/runtime/logs.py | (event, *facts.values()), time.monotonic() | (event,), time.monotonic()
        """,
        "test_a_caller_who_left_the_queue_is_skipped": r"""
            services/runtime/listening.py | errno.ECONNABORTED,\n    errno.EHOSTDOWN, | errno.EHOSTDOWN,
        """,
        "test_no_memory_for_an_accept_is_outlived": r"""
            services/runtime/listening.py | except MemoryError: | except ZeroDivisionError:
        """,
        "test_no_watch_at_the_start_is_a_line": r"""
            services/runtime/evented.py | raise CannotStart(f"epoll watch: {reason}") from None | raise
        """,
        "test_accepting_resumes_without_a_further_watch": r"""
            services/runtime/evented.py | self._epoll.modify(self._server.listener, 0) | self._epoll.unregister(self._server.listener)
            + services/runtime/evented.py | self._epoll.modify(self._server.listener, READABLE) | self._epoll.register(self._server.listener, READABLE)
        """,
        "test_a_burst_of_callers_is_answered": r"""
            services/runtime/listening.py | BACKLOG = 1024 | BACKLOG = 100
        """,
        "test_twenty_restarts_under_traffic": r"""
            services/runtime/listening.py | SO_REUSEADDR, 1) | SO_REUSEADDR, 0)
        """,
    },
    "tests/process/services/test_faults_streams.py": {
        "test_no_memory_for_a_caller_ends_that_caller_only": r"""
            services/runtime/blocking.py | except (OSError, MemoryError) as error | except OSError as error
            services/runtime/evented.py | continue\n            except (OSError, MemoryError) as error | continue\n            except OSError as error
        """,
        "test_callers_who_do_not_read_cost_bounded_memory": r"""
            services/runtime/listening.py | "SO_RCVBUF" | "NO_RCVBUF"
            services/runtime/listening.py | "TCP_NOTSENT_LOWAT" | "NO_NOTSENT_LOWAT"
        """,
        "test_a_caller_who_takes_nothing_is_reset": r"""
            services/runtime/connection.py | if self.owed: | if False:
            services/runtime/blocking.py | while taken < (taken := self.taken()): | while True:
            services/echo/exchange.py | if self._taken == before: | if False:
        """,
        "test_who_is_owed_bytes_at_the_drain_deadline_is_reset": r"""
            services/runtime/blocking.py | self.owed = True | pass
            services/echo/exchange.py | return self.sent < self.received | return False
        """,
        "test_a_caller_who_reads_slowly_is_not_stalled": r"""
            services/runtime/connection.py | return int(_BYTES_ACKED.unpack(info)[0]) | return 0
        """,
        "test_who_resets_in_mid_answer_leaves_nothing": r"""
            services/runtime/connection.py | _RESET = {errno.ECONNRESET, | _RESET = {
        """,
        "test_a_vanished_caller_is_noticed": r"""
            services/runtime/listening.py | "SO_KEEPALIVE", 1 | "SO_KEEPALIVE", 0
            services/runtime/listening.py | "TCP_USER_TIMEOUT" | "NO_USER_TIMEOUT"
        """,
        # Some of each chunk is kept: all of it would be a gigabyte.
        "test_a_long_stream_needs_no_more_memory": r"""
            services/echo/service.py | connection.send_all(buffer[:size]) | connection.send_all(buffer[:size])\n            sys.argv.append("x" * (size // 16))
            services/echo/exchange.py | if sent < size:\n                self._keep(pipe | globals().setdefault("all", []).append("x" * (size // 16))\n            if sent < size:\n                self._keep(pipe
        """,
    },
    "tests/process/services/test_exchange.py": {
        "test_every_byte_survives_each_change_of_the_way": r"""
            services/echo/exchange.py | self._pipe = None\n                return self.turn(idle_at) | return Ending.DONE
            services/echo/exchange.py | self._keep(pipe.take_back()) | self._keep(pipe.take_back()[:-1])
        """,
        "test_a_spliced_caller_who_does_not_read_holds_up_nobody": r"""
            services/echo/exchange.py | return 0  # the caller takes | raise  # the caller takes
        """,
        "test_half_a_splice_leaves_nothing_in_the_pipe": r"""
            services/echo/exchange.py | pipe.empty()  # or | pass  # or
            services/echo/exchange.py | return 0  # the caller takes | raise  # the caller takes
        """,
        "test_where_splice_is_refused_bytes_are_copied": r"""
            services/echo/exchange.py | REFUSALS = {EPERM, EACCES | REFUSALS = {EACCES
            services/echo/exchange.py | self.pipe = None\n            self._say_refused | self._say_refused
        """,
        "test_without_a_large_pipe_a_small_one_does": r"""
            services/echo/pipe.py | suppress(PermissionError) | suppress()
        """,
        "test_thousands_of_idle_callers_are_served": r"""
            services/runtime/evented.py | self._now < conversation.deadline | 0 > conversation.deadline
        """,
    },
    "tests/process/services/test_echo.py": {
        "test_an_idle_caller_is_let_go": r"""
            services/runtime/blocking.py | due = min(due, time.monotonic() + self._idle_timeout) | due = min(due, math.inf)
            services/echo/exchange.py | return Ending.IDLE | return None
        """,
        "test_a_slow_caller_is_not_idle": r"""
            services/runtime/blocking.py | time.monotonic() + self._idle_timeout | self.accepted_at + self._idle_timeout
            services/echo/exchange.py | self.deadline = idle_at\n        if sent < size:\n            self._keep(BUFFER | if sent < size:\n            self._keep(BUFFER
        """,
        "test_urgent_bytes_are_bytes_of_the_stream": r"""
            services/runtime/listening.py | "SO_OOBINLINE", 1 | "SO_OOBINLINE", 0
        """,
    },
    "tests/process/services/test_daytime.py": {
        "test_prior_input_is_thrown_away": r"""
            services/daytime/service.py | send_all(self.line())\n        connection.close_in_stages() | send_all(self.line())
            services/daytime/service.py | return None if size else Ending.DONE | return Ending.DONE
        """,
        "test_late_input_is_thrown_away": r"""
            services/daytime/service.py | send_all(self.line())\n        connection.close_in_stages() | send_all(self.line())
            services/daytime/service.py | return None if size else Ending.DONE | return Ending.DONE
        """,
        "test_a_caller_who_never_closes_is_let_go": r"""
            services/runtime/connection.py | LINGER_S = 2.0 | LINGER_S = 7.0
            services/runtime/blocking.py | if not self.lingering:\n                break | due = time.monotonic() + LINGER_S
            services/daytime/service.py | size = self.socket.recv_into | self.deadline = now + LINGER_S\n        size = self.socket.recv_into
        """,
        "test_the_oldest_lingering_caller_makes_room": r"""
            services/runtime/threaded.py | if self._is_leaving() or not self._lingering(): | if True:
            services/daytime/service.py | lingering = True | lingering = False
            services/runtime/evented.py | in self._conversations.values() if each.lingering | in reversed(self._conversations.values()) if each.lingering
        """,
    },
    "tests/process/services/test_admin.py": {
        "test_silent_clients_make_room": r"""
            services/runtime/admin.py | connection.linger()\n        head | head
        """,
        "test_a_stalled_loop_is_not_alive": r"""
            services/runtime/heartbeat.py | STALLED_AFTER_S = 5.0 | STALLED_AFTER_S = 60.0
        """,
    },
    "tests/process/services/test_udp.py": {
        "test_refused_source_ports_hear_nothing": r"""
            services/runtime/guard.py | {*range(FIRST_HONEST_PORT), *SERVICE | {*SERVICE
            services/runtime/guard.py | , *SERVICE_PORTS, own_port | , own_port
        """,
        "test_the_bound_port_hears_nothing": r"""
            services/runtime/guard.py | SERVICE_PORTS, own_port} | SERVICE_PORTS}
        """,
        "test_two_services_do_not_talk_for_ever": r"""
            services/runtime/guard.py | SERVICE_PORTS = {1200, 1201} | SERVICE_PORTS = {1201}
        """,
        # Linux keeps ICMP errors from a socket that is not connected, unless it is asked for them.
        "test_callers_who_left_disturb_nobody": r"""
            services/runtime/datagrams.py | nobody's concern\n                continue | nobody's concern\n                raise
            + services/runtime/datagrams.py | IP_PKTINFO, 1) | IP_PKTINFO, 1)\n            opened.setsockopt(IPPROTO_IP, 11, 1)
        """,
        "test_the_answer_comes_from_the_address_that_was_asked": r"""
            services/runtime/datagrams.py | 0, ours, bytes(4) | 0, bytes(4), bytes(4)
        """,
    },
    "tests/process/services/test_faults_udp.py": {
        "test_a_flood_gets_no_more_than_the_bucket": r"""
            services/runtime/guard.py | if full_at > now + self._burst_ns: | if False:
            services/runtime/guard.py | if full_at > now + self._total_burst_ns: | if False:
            services/runtime/datagrams.py | self._tally.drops[reason] += 1 | pass
        """,
        "test_an_answer_may_be_cut_on_its_way": r"""
            services/runtime/datagrams.py | IP_PMTUDISC_OMIT = 10, 5 | IP_PMTUDISC_OMIT = 10, 2
        """,
        "test_a_full_send_buffer_drops_the_answer": r"""
            services/runtime/datagrams.py | reason = "not_sent" | raise
        """,
    },
    "tests/unit/services/test_guard.py": {
        "test_the_table_is_bounded": r"""
            services/runtime/guard.py | if len(self._full_at) == MAX_SOURCES: | if False:
        """,
    },
    "tests/process/services/test_lifecycle.py": {
        "test_whoever_is_queued_is_served": r"""
            services/runtime/blocking.py | for accepted in accept_queued(listener) | for accepted in ()
            services/runtime/evented.py | for accepted in accept_queued(listener) | for accepted in ()
        """,
        "test_a_signal_while_starting_is_not_lost": r"""
            services/echo/__main__.py | stop = Stop.on_signals() | import signal\n\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)
            + services/echo/__main__.py | return run( | stop = Stop.on_signals()\n    return run(
        """,
        "test_the_drain_deadline_cuts_who_does_not_finish": r"""
            services/runtime/connection.py | if self.owed: | if True:
        """,
        "test_a_second_signal_ends_at_once": r"""
            services/runtime/lifecycle.py | self._second_signal(self.drain_timeout + OVERDUE_S) | return
        """,
    },
    "tests/process/services/test_faults_lifecycle.py": {
        "test_a_check_has_one_deadline": r"""
            services/runtime/server.py | signal.setitimer(signal.ITIMER_REAL, CHECK_TIMEOUT_S) | signal.setitimer(signal.ITIMER_REAL, 20)
        """,
        "test_a_check_ends_at_a_signal": r"""
            services/runtime/server.py | signal.signal(signal.SIGINT, signal.SIG_DFL) | pass
            services/runtime/server.py | _end_at_a_signal()\n    # One deadline | # One deadline
        """,
        "test_a_hang_ends_with_the_drain": r"""
            services/runtime/lifecycle.py | self._second_signal(self.drain_timeout + OVERDUE_S) | signal.sigwait(SIGNALS)
        """,
        "test_no_answer_is_cut_by_a_stop_under_load": r"""
            services/runtime/lifecycle.py | return self._times[1] + self.drain_timeout | return self._times[1]
        """,
        "test_callers_who_never_read_cannot_hold_up_the_stop": r"""
            services/runtime/lifecycle.py | return self._times[1] + self.drain_timeout | return math.inf
            services/runtime/instance.py | "stopped", cut=counts[Ending.DRAINED]) | "stopped")
        """,
        "test_a_wedged_server_fails_its_check": r"""
            services/daytime/service.py | def check(self, connected: socket) -> bool: | def check(self, connected: socket) -> bool:\n        return True
            services/echo/service.py | def check(self, connected: socket) -> bool: | def check(self, connected: socket) -> bool:\n        return True
        """,
        "test_port_checks_leave_no_line": r"""
            services/runtime/logs.py | is_check = connection.received == connection.sent == 0 and ending in _BY_CALLER | is_check = False
        """,
        "test_who_left_before_the_answer_leaves_no_line": r"""
            services/runtime/logs.py | _BY_CALLER = {Ending.DONE, Ending.RESET} | _BY_CALLER = {Ending.DONE}
        """,
        "test_no_byte_can_forge_a_line": r"""
            services/echo/service.py | encode("unicode_escape") | encode("latin-1")
            + services/echo/service.py | shown.decode('ascii') | shown.decode('latin-1')
        """,
    },
    "tests/process/services/test_logs.py": {
        "test_nobody_reads_the_log": r"""
            services/runtime/logs.py | os.write(self._descriptor, data) if self._poll.poll(0) else 0 | os.write(self._descriptor, data)
            services/runtime/logs.py | self._dropped += 1 | pass
        """,
        "test_the_reader_of_the_log_goes_away": r"""
            services/runtime/logs.py | except OSError: | except ZeroDivisionError:
        """,
        "test_the_log_cannot_be_written": r"""
            services/runtime/logs.py | if not stream: | if False:
            services/runtime/logs.py | except OSError: | except ZeroDivisionError:
        """,
        "test_payload_is_never_logged": r"""
            services/echo/service.py | Sink.of(sys.stderr) if settings.print else None | Sink.of(sys.stderr)
        """,
    },
    "tests/process/services/test_faults_network.py": {
        "test_bytes_stay_exact_in_pieces": r"""
            services/echo/service.py | connection.send_all(buffer[:size]) | connection.send_all(buffer)
            services/echo/exchange.py | self.socket.send(BUFFER[:size]) | self.socket.send(BUFFER)
        """,
        "test_the_line_stays_whole_in_pieces": r"""
            services/daytime/protocol.py | .encode("ascii") + b | .encode("ascii") or b
        """,
        "test_a_cut_ends_one_connection": r"""
            services/runtime/connection.py | _RESET = {errno.ECONNRESET, | _RESET = {
            services/runtime/blocking.py | except (OSError, MemoryError) as error | except MemoryError as error
            services/runtime/evented.py | continue\n            except (OSError, MemoryError) as error | continue\n            except MemoryError as error
        """,
    },
    "tests/process/services/test_workers.py": {
        "test_two_workers_share_the_callers": r"""
            services/runtime/supervisor.py | partial(self._work, port, slot) | partial(self._work, instance.ports[0], slot)
        """,
        "test_two_workers_share_the_datagrams": r"""
            services/runtime/ports.py | Port(open_sibling(first.listener), sockets) | Port(open_sibling(first.listener), [])
        """,
        "test_a_port_has_one_server": r"""
            services/runtime/listening.py | if is_sibling: | if True:
        """,
        "test_a_udp_port_has_one_server": r"""
            services/runtime/datagrams.py | if is_sibling: | if True:
        """,
        "test_the_cap_is_shared_out": r"""
            services/runtime/instance.py | ceil(settings.max_connections / settings.workers) | settings.max_connections
        """,
    },
    "tests/unit/services/test_child.py": {
        "test_pauses_double_up_to_ten_seconds": r"""
            services/runtime/child.py | LAST_PAUSE_S = 0.1, 10.0 | LAST_PAUSE_S = 0.1, 60.0
        """,
    },
    "tests/process/services/test_faults_workers.py": {
        "test_a_killed_worker_cuts_only_whom_it_had": r"""
            services/runtime/supervisor.py | if not child.pid and child.due <= now: | if not child.pid and child.due == 0:
            services/runtime/supervisor.py | self._tend(math.inf) | self._start_due(0.0)\n        [port.close() for port in self._instance.ports]\n        self._tend(math.inf)
        """,
        "test_callers_of_a_dead_worker_are_answered": r"""
            services/runtime/supervisor.py | self._tend(math.inf) | self._start_due(0.0)\n        [port.close() for port in self._instance.ports]\n        self._tend(math.inf)
        """,
        "test_who_waits_for_a_dead_worker_is_served_at_the_stop": r"""
            services/runtime/supervisor.py | self._start_due(math.inf) | pass
            services/runtime/supervisor.py | self._reap()\n        self._start_due | self._start_due
        """,
        "test_a_worker_that_keeps_dying_is_replaced_ever_more_slowly": r"""
            services/runtime/child.py | min(max(FIRST_PAUSE_S, 2 * now), LAST_PAUSE_S) | 0.0
        """,
        "test_who_keeps_dying_is_not_alive": r"""
            services/runtime/child.py | if pause and self.slot: | if False:
        """,
        "test_a_fork_that_fails_is_tried_again": r"""
            services/runtime/supervisor.py | except OSError as error | except ZeroDivisionError as error
        """,
        "test_a_worker_is_replaced_whatever_a_parent_ignored": r"""
            services/runtime/supervisor.py | signal.signal(signal.SIGCHLD, signal.SIG_DFL) | pass
        """,
        "test_no_sum_falls_when_a_worker_dies": r"""
            services/runtime/tally.py | cells.tolist() if cells else [] | [0] * 99
            services/runtime/scoreboard.py | self.cells[_LOST] += self.cells[_CONNECTIONS] - ended | pass
        """,
        "test_a_signal_to_the_whole_group_counts_once": r"""
            services/runtime/child.py | status = 1 | status = 1\n        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
        """,
        "test_a_second_signal_ends_all_workers": r"""
            services/runtime/supervisor.py | self._end_all()\n        if | if
        """,
        "test_a_second_signal_is_heard_in_the_drain_delay": r"""
            services/runtime/supervisor.py | self._tend(time.monotonic() + self._stop.drain_delay) | time.sleep(self._stop.drain_delay)
        """,
        "test_a_killed_supervisor_leaves_nobody": r"""
            services/runtime/lifecycle.py | os.close(self._writer) | pass
            services/runtime/lifecycle.py | self._times[1] = self._times[0] | pass
        """,
        "test_a_stopped_worker_is_not_alive": r"""
            services/runtime/supervisor.py | child.slot.suspend() | pass
            services/runtime/supervisor.py | child.slot.resume() | pass
        """,
        "test_a_stalled_worker_is_not_alive": r"""
            services/runtime/scoreboard.py | return all(slot.heartbeat.is_alive() for slot in self.slots) | return True
            services/runtime/scoreboard.py | self.cells[_OPEN] = 0\n        self.heartbeat.cell[0] = math.inf | self.cells[_OPEN] = 0
        """,
        "test_a_hung_worker_ends_with_the_drain": r"""
            services/runtime/supervisor.py | self._tend(self._stop.deadline + OVERDUE_S) | self._tend(math.inf)
        """,
        "test_a_worker_killed_in_the_drain_is_no_orderly_stop": r"""
            services/runtime/supervisor.py | self._is_orderly = False | pass
        """,
        "test_a_stop_without_workers_is_not_orderly": r"""
            services/runtime/supervisor.py | self._is_orderly = all(worker.pid for worker in self._workers) | pass
        """,
        "test_no_thread_for_the_admin_port_is_a_line": r"""
            services/runtime/child.py | except CannotStart as error | except ZeroDivisionError as error
        """,
        "test_as_many_descriptors_as_ports_are_enough": r"""
            services/runtime/server.py | from runtime.supervisor import Supervisor\n\n | instance = Instance(service, settings, stop)\n    from runtime.supervisor import Supervisor\n\n
            + services/runtime/server.py | return Supervisor(Instance(service, settings, stop)).run() | return Supervisor(instance).run()
        """,
        "test_the_admin_port_comes_back": r"""
            services/runtime/supervisor.py | if not child.pid and child.due <= now: | if not child.pid and child.due <= now and (child.slot or not child.due):
        """,
    },
    "tests/process/clients/test_faults_answers.py": {
        "test_silence": r"""
            clients/probes/net/deadline.py | seconds = self._end - self._clock() | seconds = 20.0
        """,
        "test_silence_over_udp": r"""
            clients/probes/net/deadline.py | seconds = self._end - self._clock() | seconds = 20.0
        """,
        "test_pause": r"""
            clients/probes/protocols/echo_session.py | if self.pauses.count: | if False:
            clients/probes/protocols/echo_session.py | self.pauses.pending(time.monotonic()) | pass
        """,
        # A timeout for each wait instead of a deadline over all of them.
        "test_drip": r"""
            clients/probes/net/deadline.py | self._end = clock() + seconds | self._seconds = seconds
            + clients/probes/net/deadline.py | seconds = self._end - self._clock() | seconds = self._seconds
        """,
        "test_drip_that_cannot_matter": r"""
            clients/probes/protocols/http.py | connection.deadline.shorten(CLOSE_WAIT_S) | pass
        """,
        "test_endless_interim_responses": r"""
            clients/probes/protocols/http_head.py | if self._interim > MAX_INTERIM_RESPONSES: | if False:
        """,
        "test_largest_head": r"""
            clients/probes/protocols/http_head.py | MAX_HEAD_BYTES = 64 * 1024 | MAX_HEAD_BYTES = 32 * 1024
        """,
        "test_endless_head": r"""
            clients/probes/protocols/http_head.py | if used + (end or len(self._unread)) > MAX_HEAD_BYTES: | if False:
        """,
        "test_endless_body": r"""
            clients/probes/protocols/http.py | if len(data) >= MAX_HEAD_BYTES: | if False:
            + clients/probes/protocols/http.py | receive(MAX_HEAD_BYTES - len(data)) | receive()
        """,
        "test_endless_simple_response": r"""
            clients/probes/protocols/http.py | if len(data) >= MAX_HEAD_BYTES: | if False:
            + clients/probes/protocols/http.py | receive(MAX_HEAD_BYTES - len(data)) | receive()
        """,
        "test_endless_answer": r"""
            clients/probes/protocols/daytime.py | if len(reply) > MAX_REPLY_BYTES: | if False:
            clients/probes/protocols/echo.py | if not data.startswith(expected): | if False:
        """,
        "test_endless_echo": r"""
            clients/probes/protocols/echo.py | while data: | while data and self.matched < self.size:
        """,
        "test_nul_or_bare_cr_in_a_head": r"""
            clients/probes/protocols/http_head.py | (?: ([^\0\r]*))? | (?: (.*))?
            clients/probes/protocols/http_head.py | +):([^\0\r]*) | +):(.*)
        """,
        "test_bare_lf_in_a_head": r"""
            clients/probes/protocols/http_head.py | self._lines.append(line) | self._lines.append(line)\n        if line[-2:-1] != bytes([13]):\n            raise _malformed("line end", line)
        """,
        "test_nul_or_bare_cr_or_lf_in_daytime": r"""
            clients/probes/protocols/daytime.py | LINE = re.compile(rb"[ -~]+ | LINE = re.compile(rb"(?s:.+)
        """,
        "test_body_after_head": r"""
            clients/probes/protocols/http.py | if trailing: | if False:
        """,
        "test_lying_length": r"""
            clients/probes/protocols/http.py | warnings = [] | warnings = ["no body came" for name, _ in head.fields if name == "Content-Length"]
        """,
        "test_empty_reply": r"""
            clients/probes/protocols/http_head.py | Failure(Outcome.CLOSED, | Failure(Outcome.WRONG,
            clients/probes/protocols/daytime.py | Outcome.CLOSED, "the peer closed without | Outcome.WRONG, "the peer closed without
            clients/probes/protocols/echo.py | if self.matched < self.size: | if False:
        """,
        "test_empty_datagram": r"""
            clients/probes/protocols/daytime.py | if LINE.fullmatch(reply): | if not reply or LINE.fullmatch(reply):
            clients/probes/protocols/echo.py | if comparison.matched < len(sent): | if False:
        """,
        "test_reset": r"""
            clients/probes/net/sockets.py | errno.ECONNRESET: Outcome.RESET | errno.ECONNRESET: Outcome.CLOSED
        """,
    },
    "tests/process/clients/test_expect.py": {
        "test_wait_in_vain": r"""
            clients/probes/protocols/repeat.py | left < 2 * FIRST_PAUSE_S | False
        """,
        "test_wait_for_silence": r"""
            clients/probes/protocols/attempt.py | options.transport, at_most_s) | options.transport)
            clients/probes/protocols/http.py | Transport.TCP, at_most_s) | Transport.TCP)
        """,
    },
    "tests/process/clients/test_faults_reach.py": {
        "test_refused": r"""
            clients/probes/net/sockets.py | ECONNREFUSED: Outcome.REFUSED | ECONNREFUSED: Outcome.UNREACHABLE
        """,
        "test_black_hole": r"""
            clients/probes/net/sockets.py | settimeout(deadline.remaining() / shares) | settimeout(20)
        """,
        "test_unknown_name": r"""
            clients/probes/net/sockets.py | Failure(Outcome.DNS, | Failure(Outcome.UNREACHABLE,
        """,
        "test_dead_resolver": r"""
            clients/probes/net/resolver.py | self.join(deadline.remaining()) | self.join(20)
            clients/probes/net/resolver.py | daemon=True | daemon=False
        """,
        "test_first_address_dead": r"""
            clients/probes/net/sockets.py | deadline.remaining() / shares | deadline.remaining()
        """,
    },
    "tests/process/clients/test_faults_terminal.py": {
        "test_text": r"""
            clients/probes/core/text.py | escape(line.removesuffix("\r")) | line.removesuffix("\r")
            clients/probes/console/terminal.py | coloured(escape(text), outcome, sys.stderr) | coloured(text, outcome, sys.stderr)
            clients/probes/console/terminal.py | coloured(escape(line), outcome, sys.stdout) | coloured(line, outcome, sys.stdout)
        """,
        "test_json": r"""
            clients/probes/console/terminal.py | **facts}), flush | **facts}, ensure_ascii=False), flush
        """,
        "test_datagram": r"""
            clients/probes/console/terminal.py | coloured(escape(line), outcome, sys.stdout) | coloured(line, outcome, sys.stdout)
            clients/probes/console/terminal.py | **facts}), flush | **facts}, ensure_ascii=False), flush
        """,
        "test_tally": r"""
            clients/probes/console/terminal.py | coloured(escape(line), outcome, sys.stdout) | coloured(line, outcome, sys.stdout)
            clients/probes/protocols/daytime.py | LINE = re.compile(rb"[ -~]+ | LINE = re.compile(rb"(?s:.+)
            + clients/probes/protocols/daytime_line.py | [!-~]{{1, | [^ ]{{1,
        """,
    },
    "tests/process/clients/test_faults_ending.py": {
        "test_interrupt_at_start": r"""
            clients/probes/cli/main.py | def headinfo() | import probes.cli.headinfo\n\n\ndef headinfo()
            clients/probes/cli/main.py | def probe() | import probes.cli.probe\n\n\ndef probe()
        """,
        "test_interrupt_in_lookup": r"""
            clients/probes/cli/main.py | except KeyboardInterrupt: | except ZeroDivisionError:
            clients/probes/cli/attempts.py | EXIT_INTERRUPTED if run | 0 if run
            clients/probes/cli/hold.py | exit_code = EXIT_INTERRUPTED | exit_code = 0
        """,
        "test_interrupt_in_connect": r"""
            clients/probes/cli/main.py | except KeyboardInterrupt: | except ZeroDivisionError:
            clients/probes/cli/attempts.py | EXIT_INTERRUPTED if run | 0 if run
            clients/probes/cli/hold.py | exit_code = EXIT_INTERRUPTED | exit_code = 0
        """,
        "test_interrupt_in_answer": r"""
            clients/probes/cli/main.py | except KeyboardInterrupt: | except ZeroDivisionError:
            clients/probes/cli/attempts.py | EXIT_INTERRUPTED if run | 0 if run
            clients/probes/cli/hold.py | exit_code = EXIT_INTERRUPTED | exit_code = 0
        """,
        "test_interrupt_over_udp": r"""
            clients/probes/cli/attempts.py | EXIT_INTERRUPTED if run | 0 if run
        """,
        "test_a_signal_amid_the_books": r"""
            clients/probes/cli/attempts.py | with held_back(): | if True:
            clients/probes/cli/watch.py | with held_back(): | if True:
        """,
        "test_a_signal_that_comes_too_late": r"""
            clients/probes/console/interrupts.py | finish()\n            except | pass\n            except
            clients/probes/console/interrupts.py | _handle(lambda *_: _handle(signal.default_int_handler)) | pass
            clients/probes/console/interrupts.py | _handle(signal.SIG_IGN) | _handle(signal.SIG_DFL)
            clients/probes/console/interrupts.py | if kind is None: | if kind is not None:
            clients/probes/cli/main.py | interrupts.end() | pass
        """,
        "test_a_reader_who_does_not_read": r"""
            clients/probes/console/streams.py | discard(sys.stdout)\n        discard(sys.stderr)\n        raise | raise
        """,
        "test_closed_stdout": r"""
            clients/probes/console/streams.py | discard(output)\n    if | if
        """,
        "test_closed_stderr": r"""
            clients/probes/console/streams.py | except OSError:\n        discard(sys.stderr) | except OSError:\n        pass
        """,
    },
    "tests/process/clients/test_faults_watch.py": {
        "test_stop_in_answer": r"""
            clients/probes/cli/watch.py | EXIT_INTERRUPTED if run | 0 if run
            clients/probes/console/interrupts.py | SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) | SIGNALS = (signal.SIGINT,)
        """,
        "test_stop_between_tries": r"""
            clients/probes/cli/watch.py | EXIT_INTERRUPTED if run | 0 if run
            clients/probes/console/interrupts.py | SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) | SIGNALS = (signal.SIGINT,)
        """,
        "test_stop_at_a_full_pipe": r"""
            clients/probes/console/interrupts.py | signal.setitimer(signal.ITIMER_REAL, HELD_BACK_S) | pass
        """,
        "test_nobody_reads_on": r"""
            clients/probes/cli/watch.py | finally:  # also | except ZeroDivisionError:\n            raise\n        else:  # not
            clients/probes/console/report_file.py | finally:\n            self._print | except ZeroDivisionError:\n            raise\n        else:\n            self._print
        """,
        "test_no_place_for_the_report": r"""
            clients/probes/console/report_file.py | self._replace()\n        if self.exit_code | if self.exit_code
        """,
        "test_place_goes_in_mid_run": r"""
            clients/probes/cli/watch.py | report.exit_code or exit_code | exit_code
        """,
        "test_flood_of_names": r"""
            clients/probes/stats/name_counter.py | < MAX_NAMES | < 10**9
            clients/probes/watch/report.py | [:MAX_ROWS] | [:]
            clients/probes/stats/summary.py | text(MAX_SHOWN_NAMES) | text()
        """,
        "test_hostile_name": r"""
            clients/probes/watch/html.py | html.escape(escape(str(of))) | escape(str(of))
        """,
    },
    "tests/process/clients/test_faults_conform.py": {
        "test_checks_of_silence": r"""
            clients/probes/net/deadline.py | seconds = self._end - self._clock() | seconds = 20.0
        """,
        "test_checks_of_silence_over_udp": r"""
            clients/probes/net/deadline.py | seconds = self._end - self._clock() | seconds = 20.0
        """,
        "test_checks_of_a_drip": r"""
            clients/probes/net/deadline.py | self._end = clock() + seconds | self._seconds = seconds
            + clients/probes/net/deadline.py | seconds = self._end - self._clock() | seconds = self._seconds
        """,
        "test_checks_of_an_endless_answer": r"""
            clients/probes/net/tcp.py | most -= len(data) | pass
        """,
        "test_checks_of_a_reset": r"""
            clients/probes/net/sockets.py | errno.ECONNRESET: Outcome.RESET | errno.ECONNRESET: Outcome.UNREACHABLE
        """,
        "test_checks_of_nobody": r"""
            clients/probes/conformance/runner.py | if finding.is_unreached: | if False:
        """,
        "test_checks_of_a_black_hole": r"""
            clients/probes/conformance/check.py | Outcome.DNS, Outcome.TIMEOUT) | Outcome.DNS)
        """,
        "test_checks_with_a_dead_resolver": r"""
            clients/probes/conformance/check.py | Outcome.DNS, Outcome.TIMEOUT) | Outcome.DNS)
        """,
        "test_checks_of_a_server_that_dies": r"""
            clients/probes/conformance/runner.py | if finding.is_unreached: | if False:
        """,
    },
    "tests/process/clients/test_conform.py": {
        "test_interrupt_of_checks": r"""
            clients/probes/cli/conform.py | EXIT_INTERRUPTED if run | 0 if run
            clients/probes/console/interrupts.py | SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) | SIGNALS = (signal.SIGINT,)
            clients/probes/cli/conform.py | checks[len(made) :] | []
        """,
        "test_a_report_of_a_run_that_was_killed": r"""
            clients/probes/console/report_file.py | self._replace()\n        if self.exit_code | if self.exit_code
        """,
        "test_bytes_that_are_lost_after_a_stall": r"""
            clients/probes/conformance/back_pressure.py | min(STALL_S, (now_s - began_s) / 2) | STALL_S
        """,
        "test_relays_have_buffers_too": r"""
            clients/probes/conformance/back_pressure.py | 128 * 1024 * 1024 | 16 * 1024 * 1024
        """,
    },
    "tests/unit/clients/test_resolver.py": {
        "test_resolver_that_is_slow": r"""
            clients/probes/net/resolver.py | if not is_fresh and | if
        """,
        "test_resolver_that_was_silent": r"""
            clients/probes/net/resolver.py | if not is_fresh and len(under_way) < MAX_LOOK_UPS: | if not is_fresh:
            clients/probes/net/resolver.py | if not is_fresh and | if not under_way and
        """,
    },
    "tests/process/clients/test_outcomes.py": {
        "test_full_disk": r"""
            clients/probes/console/streams.py | _replace_streams()\n    try | try
        """,
    },
    "tests/process/clients/test_hold.py": {
        "test_a_tool_that_is_stopped_itself": r"""
            clients/probes/protocols/echo_session.py | Deadline(NO_DEADLINE_S) | Deadline(options.duration_s + options.timeout_s)
        """,
        "test_a_pause_that_is_cut_short": r"""
            clients/probes/cli/hold.py | report.look() | pass
        """,
    },
    "tests/process/clients/test_watch.py": {
        "test_report_of_a_run_that_goes_on": r"""
            clients/probes/cli/watch.py | report.refresh() | pass
            clients/probes/cli/watch.py | is_over=self._is_over | is_over=True
        """,
        "test_a_try_under_way": r"""
            clients/probes/cli/watch.py | self._unfinished_s = now - self._started_s | pass
        """,
    },
    "tests/unit/clients/test_waiting.py": {
        "test_a_try_is_not_cut_short": r"""
            clients/probes/protocols/repeat.py | max(end - time.monotonic(), shortest_s) | end - time.monotonic()
        """,
    },
    "tests/unit/clients/test_history.py": {
        "test_flapping": r"""
            clients/probes/watch/history.py | self._told.add(result.got) | self._told = {result.got}
        """,
    },
    "tests/integration/test_faults.py": {
        # An echo without patience takes a partition for an idle caller.
        "test_a_partition_heals": r"""
            services/echo/settings.py | 300.0, seconds_or_never | 1.0, seconds_or_never
        """,
        "test_a_vanished_caller_is_let_go": r"""
            services/runtime/listening.py | "SO_KEEPALIVE", 1 | "SO_KEEPALIVE", 0
            services/runtime/listening.py | "TCP_USER_TIMEOUT" | "NO_USER_TIMEOUT"
        """,
        "test_a_limit_on_threads_delays_callers": r"""
            services/runtime/threaded.py | except RuntimeError as error | except ZeroDivisionError as error
        """,
        # Who does not read is read all the same.
        "test_callers_who_never_read_fit_into_the_memory": r"""
            services/echo/exchange.py | if self._unsent:\n            self._send_rest(idle_at)\n            return None | if False:\n            return None
            + services/echo/exchange.py | memoryview(bytes(rest)) | memoryview(bytes(self._unsent) + bytes(rest))
            + services/echo/exchange.py | self._shared.watch(self.socket, WRITABLE) | pass
        """,
        # Before any code of ours runs it is the init that protects; compose has one, too.
        "test_a_stop_in_the_first_moment": r"""
            tests/integration/test_faults.py | "--init", "--network" | "--network"
        """,
        "test_only_our_files": r"""
            services/daytime/Dockerfile | FROM scratch | FROM ${PYTHON_IMAGE}
        """,
        # The engine itself keeps bridges apart, and nothing here can take that away. So what is
        # shown is that the test would see a way.
        "test_no_way_out": r"""
            tests/integration/test_faults.py | neighbour = [ | output("docker", "network", "connect", other, stack.container(service))\n        neighbour = [
        """,
    },
    "tests/integration/test_containers.py": {
        "test_a_server_has_no_privileges": r"""
            services/echo/Dockerfile | USER 10001:10001 | USER 0:0
            docker-compose.yml | cap_drop: [ALL] | cap_drop: [CHOWN]
            docker-compose.yml | no-new-privileges:true | no-new-privileges:false
            docker-compose.yml | ["no-new-privileges:true"] | ["no-new-privileges:true", "seccomp:unconfined"]
        """,
        # Either of the two is enough.
        "test_a_server_can_write_nowhere": r"""
            docker-compose.yml | read_only: true | read_only: false
            + services/daytime/Dockerfile | USER 10001:10001 | USER 0:0
        """,
        "test_a_service_image_has_no_shell": r"""
            services/daytime/Dockerfile | FROM scratch | FROM ${PYTHON_IMAGE}
        """,
        "test_stop_lets_a_busy_caller_go_on_until_the_deadline": r"""
            docker-compose.yml | stop_grace_period: 15s | stop_grace_period: 1s
        """,
        # The kernel discards a signal of process 1 that is neither handled nor blocked.
        "test_it_works_as_process_1": r"""
            services/runtime/lifecycle.py | signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS) | pass
        """,
    },
}

# So many at a time, since some tests measure time; those in containers share their images.
AT_ONCE, CONTAINERS_AT_ONCE = 2, 1

# A mutant that hangs is red, but only after all that a test or a tool waits for by itself.
TIMEOUT_S = 40

# For all parameters of a test together, and for containers, whose tests have timeouts of their own.
PATIENCE_S = 600

IN_CONTAINERS = "tests/integration/"
IMAGES = [f"small-services/{name}:mutant" for name in ("daytime", "echo", "client")]


class Mutant(NamedTuple):
    """The changes that make it, and the test that has to see it."""

    file: str
    test: str
    changes: list[Change]

    def __str__(self) -> str:
        changes = [f"{each.file}: {each.old} -> {each.new}" for each in self.changes]
        return f"{self.test}  {' + '.join(changes)}".replace("\n", "\\n")


def mutants() -> list[Mutant]:
    """All of the table."""
    return [
        Mutant(file, test, changes)
        for file, tests in MUTANTS.items()
        for test, lines in tests.items()
        for changes in _changes(lines)
    ]


def _changes(lines: str) -> list[list[Change]]:
    found: list[list[Change]] = []
    for line in map(str.strip, lines.strip().splitlines()):
        if not line.startswith("+ "):
            found.append([])
        found[-1].append(Change.parse(line.removeprefix("+ ")))
    return found


def judge(mutant: Mutant) -> str:
    """`red`, or `GREEN` for a mutant that the test did not see; else what went wrong."""
    with TemporaryDirectory() as folder:
        copy = changed_copy(Path(folder), mutant.changes)
        try:
            with images(copy) if mutant.file.startswith(IN_CONTAINERS) else nullcontext():
                test = f"{mutant.file}::{mutant.test}"
                status, output = run_pytest(
                    copy, test, f"--timeout={TIMEOUT_S}", patience_s=PATIENCE_S
                )
        except subprocess.CalledProcessError as error:
            return f"ERROR {error.stdout}"
    if status == ENDED or (status == FAILED and "\nFAILED " in output):
        return "red"
    return "GREEN" if status == 0 else f"ERROR {output}"


@contextmanager
def images(copy: Path) -> Iterator[None]:
    """The images with the changed code, under a tag of their own."""
    compose = copy / "docker-compose.yml"
    (tag,) = set(re.findall(r"small-services/\w+(:\S+)", compose.read_text()))
    for file in (compose, copy / "tests/stack.py", *(copy / "tests/integration").glob("*.py")):
        file.write_text(file.read_text().replace(tag, ":mutant"))
    try:
        _output(ROOT, "make", "engine")
        base = _output(ROOT, "scripts/base-image").split()[-1]
        _output(copy, "make", "images", f"PYTHON_IMAGE={base}")
        yield
    finally:
        subprocess.run(["docker", "image", "rm", *IMAGES], capture_output=True, check=False)


def _output(directory: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


def judge_in_turn(chosen: Iterable[Mutant]) -> int:
    """Judge mutants and say each verdict as it comes; how many were red."""
    red = 0
    for mutant in chosen:
        word, _, output = judge(mutant).partition(" ")
        print(f"{word:5}  {mutant}\n{output}", end="", flush=True)
        red += word == "red"
    return red


def judge_all(chosen: list[Mutant], at_once: int) -> int:
    """The same with so many tests at once, but none beside itself: it may need a certain port."""
    tests = [list(group) for _, group in groupby(chosen, attrgetter("test"))]
    with ThreadPoolExecutor(at_once) as pool:
        try:
            return sum(pool.map(judge_in_turn, tests))
        finally:
            pool.shutdown(cancel_futures=True)


def main() -> int:
    """Status 0 when every mutant of the tests that are named, or of all, is red."""
    parser = argparse.ArgumentParser(description="Expect tests to fail without a protection.")
    known = {mutant.test for mutant in mutants()}
    parser.add_argument("tests", metavar="TEST", nargs="*", help="a test's name (default: all)")
    names = set(parser.parse_args().tests) or known
    if names - known:
        parser.error(f"no mutants for {', '.join(sorted(names - known))}")
    chosen = [mutant for mutant in mutants() if mutant.test in names]
    inside = [mutant for mutant in chosen if mutant.file.startswith(IN_CONTAINERS)]
    outside = [mutant for mutant in chosen if mutant not in inside]
    red = judge_all(outside, AT_ONCE) + judge_all(inside, CONTAINERS_AT_ONCE)
    print(f"{len(names)} tests, {len(chosen)} mutants, {red} red")
    return red < len(chosen)


if __name__ == "__main__":
    sys.exit(main())
