"""Which processors a program was built for, by the header of its ELF file."""

from __future__ import annotations

from nastk.errors import UserError

# Of elf.h: EI_CLASS at byte 4 (1: 32 bits, 2: 64 bits), EI_DATA at 5 (1: little-endian), e_machine at 18; and Android's
# names (developer.android.com/ndk/guides/abis).
MAGIC = b"\x7fELF"
ABIS = {
    (2, 183): "arm64-v8a",
    (1, 40): "armeabi-v7a",
    (2, 62): "x86_64",
    (1, 3): "x86",
    (2, 243): "riscv64",
}
HEADER = 20


def abi_of(program: bytes, where: str) -> str:
    """Returns Android's name of what a program was built for.

    Args:
        program: the file, or its first 20 bytes.
        where: for messages.

    Raises:
        UserError: it is no ELF file, or of a processor that Android does not run on.
    """
    if len(program) < HEADER or not program.startswith(MAGIC) or program[5] != 1:
        raise UserError(f"{where}: no ELF file, expected a program for Android")
    kind = program[4], int.from_bytes(program[18:20], "little")
    if kind not in ABIS:
        raise UserError(
            f"{where}: built for ELF machine {kind[1]} of {32 * kind[0]} bits, expected one of "
            f"{', '.join(ABIS.values())}"
        )
    return ABIS[kind]


def check_abi(program: bytes, where: str, there: str, abis: tuple[str, ...]) -> None:
    """Raises UserError where a program was built for another processor than those a phone runs programs of."""
    mine = abi_of(program, where)
    if mine not in abis:
        raise UserError(f"{where}: built for {mine}, {there} runs {', '.join(abis) or 'nothing that it tells of'}")
