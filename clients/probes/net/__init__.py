"""Sockets that share one deadline. Every OS error becomes an outcome here."""
