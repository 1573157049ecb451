"""What a decoding child may do: compute, use some memory, and read and write the pipes that it has; nothing else.

A filter of system calls (seccomp) ends a process that asks for anything else, so that it opens no file and no socket,
starts no program and signals no process. On systems other than Linux there is no such filter, and only the limits hold.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from pathlib import Path

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38
SET_MODE_FILTER, FILTER_FLAG_TSYNC = 1, 1
CLONE_THREAD = 0x0001_0000
ENOSYS = 38

# Linux: include/uapi/linux/seccomp.h, filter.h and audit.h.
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
X32_BIT = 0x4000_0000

_JUDGED = ("clone", "clone3", "seccomp")
"""System calls that the filter judges by other rules, or that only install it."""

_X86_64 = {
    "read": 0, "write": 1, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14,
    "rt_sigreturn": 15, "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "setitimer": 38, "getpid": 39,
    "clone": 56, "exit": 60, "gettimeofday": 96, "sigaltstack": 131, "gettid": 186, "futex": 202,
    "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228, "clock_nanosleep": 230, "exit_group": 231,
    "set_robust_list": 273, "seccomp": 317, "getrandom": 318, "rseq": 334, "clone3": 435,
}  # fmt: skip
"""System calls that compute, allocate, wait, or use what is open already: the pipes. Their numbers are those of
arch/x86/entry/syscalls/syscall_64.tbl."""

_AARCH64 = {
    "read": 63, "write": 64, "exit": 93, "exit_group": 94, "futex": 98, "set_robust_list": 99, "nanosleep": 101,
    "setitimer": 103, "clock_gettime": 113, "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124,
    "restart_syscall": 128, "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139,
    "gettimeofday": 169, "getpid": 172, "gettid": 178, "brk": 214, "munmap": 215, "mremap": 216, "clone": 220,
    "mmap": 222, "mprotect": 226, "madvise": 233, "seccomp": 277, "getrandom": 278, "rseq": 293, "clone3": 435,
}  # fmt: skip
"""The same ones, with the numbers of include/uapi/asm-generic/unistd.h."""

_MACHINES = {"x86_64": (0xC000_003E, _X86_64), "aarch64": (0xC000_00B7, _AARCH64)}


class CannotConfine(Exception):
    """The system does not let a process give up its rights."""


def confine(memory_bytes: int) -> bool:
    """Give up every right that decoding does not need, for all threads and for ever.

    Args:
        memory_bytes: How much address space the process may use beyond what it uses now.

    Returns:
        Whether system calls are filtered; not on systems other than Linux.

    Raises:
        CannotConfine: this is Linux, and it refuses the filter or is of an unknown architecture.
    """
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    if sys.platform != "linux":
        return False
    resource.setrlimit(resource.RLIMIT_AS, (_address_space_bytes() + memory_bytes,) * 2)
    machine = platform.machine()
    if machine not in _MACHINES:
        raise CannotConfine(f"the system calls of {machine} are not known here")
    architecture, numbers = _MACHINES[machine]
    _install(filter_of(architecture, numbers), numbers["seccomp"])
    return True


def filter_of(architecture: int, numbers: dict[str, int]) -> bytes:
    """Return the program that judges each system call of an architecture.

    The program is classic BPF: a list of (code, jump if true, jump if false, value), as seccomp(2) describes it.
    """
    allowed = sorted(number for name, number in numbers.items() if name not in _JUDGED)
    kill, allow = (RETURN, 0, 0, KILL_PROCESS), (RETURN, 0, 0, ALLOW)
    program = [
        (LOAD, 0, 0, ARCHITECTURE_AT), (EQUAL, 1, 0, architecture), kill,
        (LOAD, 0, 0, NUMBER_AT), (AT_LEAST, 0, 1, X32_BIT), kill,
        # glibc falls back to clone, whose flags are visible here; only threads may be created.
        (EQUAL, 0, 1, numbers["clone3"]), (RETURN, 0, 0, ERRNO | ENOSYS),
        (EQUAL, 0, 4, numbers["clone"]), (LOAD, 0, 0, FIRST_ARGUMENT_AT), (ANY_BIT, 0, 1, CLONE_THREAD), allow, kill,
    ]  # fmt: skip
    for number in allowed:
        program += [(EQUAL, 0, 1, number), allow]
    program.append(kill)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _install(program: bytes, seccomp: int) -> None:
    """Install a filter for all threads of this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise CannotConfine(f"prctl failed: {os.strerror(ctypes.get_errno())}")
    held = ctypes.create_string_buffer(program, len(program))
    length, address = len(program) // struct.calcsize("=HBBI"), ctypes.addressof(held)
    described = ctypes.create_string_buffer(struct.pack("@HP", length, address))
    if libc.syscall(seccomp, SET_MODE_FILTER, FILTER_FLAG_TSYNC, described):
        raise CannotConfine(f"seccomp failed: {os.strerror(ctypes.get_errno())}")


def _address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")
