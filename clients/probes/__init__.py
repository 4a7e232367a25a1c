"""Clients for daytime, echo and HTTP HEAD that show exactly what a network does to them.

Two tools, `headinfo` and `probe`, which `commands` starts, over one path: an address is parsed
(`address`), looked up (`network`) and reached over TCP (`connection`) or UDP (`association`) within
one deadline, one exchange is made (`daytime`, `echo`, `head_request`), and its result (`result`) is
shown as one line or one JSON object (`terminal`).

`probe` is a table of commands, each a module of its own: `series` has daytime and echo, which make
one `attempt` or several, and `hold` has one long `conversation`.
"""

__version__ = "0.1.0"
