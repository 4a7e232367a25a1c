"""What both services share. Read it in this order:

server        settings -> sockets -> model -> exit status
ports         settings -> sockets; instance: all that is there before the first caller
iterative     one caller at a time
threaded      a thread for each caller
evented       one epoll loop for all callers
blocking      the connection that iterative and threaded hand to a service
conversation  the connection that evented hands to a service
connection    what every model keeps of a caller, and how a caller can end
service       what a service brings to a model
listening     opening the listener, taking callers off its queue; options: what sockets are asked
datagrams     the UDP side; guard: whom not to answer there
lifecycle     the request to stop; signals: SIGTERM, SIGINT and SIGHUP, which make it
supervisor    workers, each with a loop of its own; child: one of them; scoreboard: what it tells
settings      flags and environment, parsed once; parsers: text to value
logs          a line for each finished connection
tally         what is counted; metrics: the same as text for Prometheus
admin         the HTTP port for probes and metrics; heartbeat: whether the loop turns
"""

__version__ = "0.1.0"
