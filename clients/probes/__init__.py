"""Clients for daytime, echo and HTTP HEAD that show exactly what a network does to the bytes.

The packages have ranks. An import stays in its package or goes to a lower rank:

    4  cli          the command line: parsing, dispatch, printing
    3  watch        what a watch keeps and draws
       conformance  checks of a service against its RFC
    2  protocols    one exchange of each protocol, and how attempts repeat
    1  net          sockets under one deadline
       console      terminal, signals and report files
       stats        counting in bounded memory
    0  core         outcomes, targets, results and text; no I/O
"""

__version__ = "0.1.0"
