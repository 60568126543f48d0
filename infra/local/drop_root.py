"""Runs a program as the user `nobody` instead of root, for servers that refuse to run as root.

Usage: `python drop_root.py PROGRAM ARGUMENT...`. Other users than root are not changed. The project may be in a
directory that only root can enter, e.g. /root. So the program keeps one capability of root, to enter such directories;
nothing is opened for other users. Where the kernel does not grant the capability, the program runs without it.
"""

import ctypes
import os
import pwd
import sys

_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 47, 2


def unprivileged_user() -> pwd.struct_passwd:
    """Returns the user that such a program runs as: `nobody` for root, otherwise the current user."""
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
