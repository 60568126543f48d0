"""Tests of `make test-security`. `make test` leaves them out: pytest does not find files of such names."""
