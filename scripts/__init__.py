"""What the Makefile runs and cannot say in a line."""
