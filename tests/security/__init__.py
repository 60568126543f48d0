"""Tests of `make test-security`. `make test` leaves them out: their files are named so that pytest does not find them."""
