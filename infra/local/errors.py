"""Errors of local servers. Each message is one line for the user."""


class LocalServerError(Exception):
    """A problem on this machine. The message is one line that names the problem and a fix."""


class NotReachableError(LocalServerError):
    """A service outside this machine does not answer."""
