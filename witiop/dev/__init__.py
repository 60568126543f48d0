"""The development stack of `witiop dev`: its start, supervision and stop. Servers are started through `infra.local`.
Only the `dev` command and `witiop.installation` import this package.
"""
