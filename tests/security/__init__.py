"""Tests of `make test-security`, which `make test` leaves out: their files are named so that pytest does not find them."""
