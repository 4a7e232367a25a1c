"""What our servers cost beside others, on the reader's own machine. Read it in this order:

works      what is measured, and on which servers
measuring  round after round, each server in its turn
servers    a server while it is measured; programs: how each is started
load       the load generator, load.c; processes: what the system knows of a process
building   compilers and packages that the peers need
result     the file of a run, and medians of it
report     the tables of a result; targets: what they are held against; charts: its pictures
"""
