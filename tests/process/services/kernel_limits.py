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

# Numbers of system calls.
_IS_ARM = platform.machine() == "aarch64"
SPLICE = {"x86_64": 275, "aarch64": 76}.get(platform.machine())
SETSOCKOPT, GETSOCKOPT, FCNTL = (208, 209, 25) if _IS_ARM else (54, 55, 72)

_libc = ctypes.CDLL(None, use_errno=True)


def no_privilege_over_pipes() -> None:
    """Whoever is root keeps to the limits on pipes of other users (pipe(7))."""
    for capability in CAP_SYS_ADMIN, CAP_SYS_RESOURCE:
        _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def no_splice() -> None:
    """The system call splice fails with EPERM, as under a strict seccomp profile."""
    assert SPLICE
    refuse(SPLICE, {}, EPERM)


def refuse(call: int, arguments: dict[int, int], error: int) -> None:
    """A system call with these arguments, by position, fails with an error from now on."""
    # The number of the call, then arguments, each of 64 bits, the lower ones first.
    wanted = {0: call} | {16 + 8 * position: value for position, value in arguments.items()}
    rules: list[tuple[int, int, int, int]] = []
    for left, (offset, value) in enumerate(wanted.items()):
        beyond = 2 * (len(wanted) - left) - 1  # rules to skip, to the one that allows
        rules += [(LOAD, 0, 0, offset), (JUMP_IF_EQUAL, 0, beyond, value)]
    rules += [(RETURN, 0, 0, SECCOMP_RET_ERRNO | error), (RETURN, 0, 0, SECCOMP_RET_ALLOW)]
    code = b"".join(struct.pack("=HBBI", *rule) for rule in rules)
    filters = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(rules), ctypes.addressof(filters))
    assert _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) == 0
