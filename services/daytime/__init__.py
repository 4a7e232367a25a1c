"""The daytime service, RFC 867."""
