"""What our servers cost beside others, on the reader's own machine. Read it in this order:

works      what is measured, and on which servers
measuring  round after round, each server in its turn
load       one run of the load generator, load.c
servers    a server while it is measured; processes: what the system knows of it
programs   how each server is started; building: what is compiled or fetched for that
runs       a whole run; machine: on what it was made
once       what is measured beside the rounds; startup: the script for one part of it
result     the file of a run, and the figures that follow from it
targets    what it is held against
report     its tables; charts: its pictures; documents: where they are quoted
"""
