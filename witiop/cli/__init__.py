"""The commands of `witiop`, one module per group of commands. A module reads options, calls other packages and prints;
it contains no business rules and no SQL."""
