"""What both services share. Read it in this order:

server        settings -> listener -> model -> exit status
iterative     one caller at a time
threaded      a thread for each caller
evented       one epoll loop for all callers
blocking      the connection that iterative and threaded hand to a service
conversation  the connection that evented hands to a service
connection    what every model keeps of a caller, and how a caller can end
listening     opening the listener, taking callers off its queue
lifecycle     SIGTERM and SIGINT
settings      flags and environment, parsed once
logs          a line for each finished connection
"""

__version__ = "0.1.0"
