"""Services that every process uses: logging, metrics, readiness, clock, back-off, memory, crash points.
Nothing that knows what a process is for."""
