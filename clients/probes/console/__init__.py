"""The edge of the process: terminal, signals, and the file of a report."""
