"""Which processor a compiled file is for, from its first bytes."""

from __future__ import annotations

import struct

_ELF_LOADABLE = frozenset((2, 3))  # ET_EXEC, ET_DYN: what a loader runs; object files (ET_REL) are data
_ELF = {
    3: "i386", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "armv7l", 62: "x86_64", 183: "aarch64",
    190: "cuda", 224: "amdgpu", 243: "riscv64", 247: "bpf", 258: "loongarch64",
}  # fmt: skip
_MACH_O = {0x01000007: "x86_64", 0x0100000C: "arm64", 7: "i386"}
_PE = {0x8664: "pe-amd64", 0x014C: "pe-i386", 0xAA64: "pe-arm64", 0x01C4: "pe-arm"}
_ALIASES = {
    "amd64": "x86_64", "arm64": "aarch64", "i686": "i386", "i586": "i386", "x86": "i386",
    "armv6l": "armv7l", "armhf": "armv7l", "armv8l": "armv7l", "arm": "armv7l",
}  # fmt: skip
COPROCESSORS = frozenset(("cuda", "amdgpu", "bpf"))
"""Programs for a card or for the kernel; they say nothing about the machine that carries them."""


def machine_of(head: bytes) -> str:
    """The machine that the file is compiled for, empty when it is no program; `head` is its first 4 KiB or more."""
    match head[:4]:
        case b"\x7fELF":
            return _elf(head)
        case b"\xcf\xfa\xed\xfe" | b"\xce\xfa\xed\xfe" if len(head) >= 8:
            return "macho-" + _mach_o(struct.unpack_from("<L", head, 4)[0])
        case b"\xca\xfe\xba\xbe" | b"\xca\xfe\xba\xbf":
            return _mach_o_fat(head)
    return _pe(head) if head[:2] == b"MZ" else ""


def canonical_machine(machine: str) -> str:
    """One name for one machine, whatever uname or an image calls it."""
    return _ALIASES.get(machine.lower(), machine.lower())


def _elf(head: bytes) -> str:
    if len(head) < 20:
        return ""
    order = ">" if head[5] == 2 else "<"
    kind, machine = struct.unpack_from(f"{order}HH", head, 16)
    if kind not in _ELF_LOADABLE:
        return ""
    name = _ELF.get(machine, f"elf-{machine}")
    match name, head[4], order:
        case "ppc64", _, "<":
            return "ppc64le"
        case "x86_64", 1, _:
            return "x32"
        case "riscv64", 1, _:
            return "riscv32"
    return name


def _mach_o(processor: int) -> str:
    return _MACH_O.get(processor, f"cpu{processor}")


def _mach_o_fat(head: bytes) -> str:
    """A fat file. Java classes begin with the same four bytes; there the count is a version of 45 or more."""
    if len(head) < 8:
        return ""
    count, step = struct.unpack_from(">L", head, 4)[0], 20 if head[3] == 0xBE else 32
    if not 0 < count < 20 or len(head) < 8 + count * step:
        return ""
    parts = sorted({_mach_o(struct.unpack_from(">L", head, 8 + i * step)[0]) for i in range(count)})
    return "macho-universal2" if parts == ["arm64", "x86_64"] else "macho-" + "+".join(parts)


def _pe(head: bytes) -> str:
    if len(head) < 64:
        return ""
    at = struct.unpack_from("<L", head, 60)[0]
    if head[at : at + 4] != b"PE\0\0" or len(head) < at + 6:
        return ""
    machine = struct.unpack_from("<H", head, at + 4)[0]
    return _PE.get(machine, f"pe-{machine:#x}")
