"""Vocabulary of the client tools: outcomes, targets, results and text. No I/O."""
