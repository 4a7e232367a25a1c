"""What both services share. Read it in this order:

main          from the command line to the exit status
application   a server with its ports open, and how it runs; ports: how they are opened
iterative     one connection at a time
threaded      one thread per connection
evented       one epoll loop for all connections
blocking      accept and serve, for iterative and threaded; blocking_connection: their connection
handler       the connection of evented
connection    what all models keep of a connection; CloseReason
service       what a service implements; context: what a model needs to serve it
tcp           the listener, and accept; options: socket options that a sandbox may refuse
udp           the datagrams; udp_filter: which of them are not answered
shutdown      delay, drain, deadline; signals: SIGTERM, SIGINT and SIGHUP
workers       several processes behind one port
settings      flags and environment, parsed once; validators: text to value
log           one line for each closed connection
counters      what is counted; metrics: the counters as text for Prometheus
admin         the pages for probes and metrics; admin_port: the loop that serves them
heartbeat     whether the serving loop is stuck; check: `--check`
"""

__version__ = "0.1.0"
