"""What holds for all tests."""

from hypothesis import settings

# A slow machine is no failure: every test has a timeout, and no example needs one of its own.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
