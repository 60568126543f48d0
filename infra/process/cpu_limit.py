"""A limit on the processor time of one piece of work. A process that was stopped meanwhile, or that got no processor,
has used none of it."""

from time import thread_time


class CpuLimit:
    """The processor time that the current thread may use from now on."""

    def __init__(self, seconds: float) -> None:
        self._until = thread_time() + seconds

    def is_reached(self) -> bool:
        """Returns whether the time is used up. Called by the same thread."""
        return thread_time() >= self._until
