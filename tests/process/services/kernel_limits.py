"""What a server's process can be denied by the kernel before it starts: for `preexec_fn`."""

import ctypes
import platform
import struct

# linux/prctl.h, linux/capability.h, linux/seccomp.h, linux/filter.h
PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 22, 24, 38
CAP_SYS_ADMIN, CAP_SYS_RESOURCE = 21, 24
SECCOMP_MODE_FILTER, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 2, 0x7FFF0000, 0x00050000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
EPERM = 1

SPLICE = {"x86_64": 275, "aarch64": 76}.get(platform.machine())

_libc = ctypes.CDLL(None, use_errno=True)


def no_privilege_over_pipes() -> None:
    """Whoever is root keeps to the limits on pipes of other users (pipe(7))."""
    for capability in CAP_SYS_ADMIN, CAP_SYS_RESOURCE:
        _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def no_splice() -> None:
    """The system call splice fails with EPERM, as under a strict seccomp profile."""
    rules = [
        (LOAD, 0, 0, 0),  # the number of the system call
        (JUMP_IF_EQUAL, 0, 1, SPLICE),
        (RETURN, 0, 0, SECCOMP_RET_ERRNO | EPERM),
        (RETURN, 0, 0, SECCOMP_RET_ALLOW),
    ]
    code = b"".join(struct.pack("=HBBI", *rule) for rule in rules)
    filters = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(rules), ctypes.addressof(filters))
    assert _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) == 0
