"""The echo service, RFC 862."""
