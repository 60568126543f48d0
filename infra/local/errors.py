"""What can go wrong with the servers of one machine, as a line for the person at the keyboard."""


class LocalServerError(Exception):
    """Something on this machine is in the way; the message says what, and what to do, in one line."""


class NotReachableError(LocalServerError):
    """Something outside this machine is needed and does not answer."""
