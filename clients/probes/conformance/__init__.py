"""The requirements of each protocol as checks, and what runs them."""
