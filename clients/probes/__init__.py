"""Clients for daytime, echo and HTTP HEAD that show exactly what a network does to them.

Two tools, `headinfo` and `probe`, which `commands` starts, over one path: an address is parsed
(`address`), looked up (`network`) and reached over TCP (`connection`) or UDP (`association`) within
one deadline, one exchange is made (`daytime`, `echo`, `head_request`), and its result (`result`) is
shown as one line or one JSON object (`terminal`).

`probe` is a table of commands, each a module of its own: `series` has daytime and echo, which make
one `attempt` or several, `hold` has one long `conversation`, and `watch` makes attempts until it is
stopped: a `journal` remembers what a `report` tells, and a `display` shows what is new. `conform`
makes one `check` after the other, from the tables of `echo_checks` and `daytime_checks`. Both leave
their report by way of `reporting`.
"""

__version__ = "0.1.0"
