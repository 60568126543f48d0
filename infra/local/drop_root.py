"""Becomes another program as the user `nobody`, for servers that refuse to run as root.

Run as `python drop_root.py PROGRAM ARGUMENT...`; whoever is not root keeps who they are. A project under a
directory that only root may enter (as /root) stays as closed as it is: instead of opening it for everybody,
the program keeps the one capability of root to pass such directories. Where the kernel does not grant that,
it runs without.
"""

import ctypes
import os
import pwd
import sys

_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 47, 2


def unprivileged_user() -> pwd.struct_passwd:
    """Who such a program runs as: `nobody` for root, everybody else themselves."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _drop_root() -> None:
    user = unprivileged_user()
    linux = sys.platform == "linux"
    libc = ctypes.CDLL(None)
    if linux:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    if linux:
        bit = 1 << _CAP_DAC_OVERRIDE
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable; upper halves
        libc.capset(header, sets)
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


if __name__ == "__main__":
    if os.geteuid() == 0:
        _drop_root()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606
