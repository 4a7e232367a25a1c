"""One exchange of each protocol, and how attempts repeat."""
