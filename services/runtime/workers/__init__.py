"""Several processes behind one port: a supervisor, its processes, and what they report."""
