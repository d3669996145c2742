"""`nastk images=FOLDER max_latency_ms=3`, and `nastk COMMAND ...` for `python -m nastk.COMMAND ...`.

Nothing but the standard library is loaded until it is known what is wanted.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from nastk.cli.interrupts import WHOLE
from nastk.console import console
from nastk.errors import nearest
from nastk.version import __version__

COMMANDS = {
    "doctor": "what of this machine nastk can use, and what to install for the rest",
    "search": "searches networks within the limits",
    "transfer": "trains the best of a search, and known networks of the same budget, in full",
    "export": "quantizes trained networks and writes them for their target, checked and timed",
    "bench": "times exported files on this machine",
    "report": "draws the page of a run or of a sweep",
    "pipeline": "all five, with every setting of each",
    "predict": "says what an exported file sees in images",
    "describe": "lists networks and search spaces, or describes one",
    "show": "draws a network to an SVG or PNG file",
    "audit": "tells whether a search's short training ranks networks or noise",
    "backbone": "trains a network as the backbone of a segmentation or detection",
}
SETS = ("digits", "fashion_mnist", "cifar10", "cifar100")
HELP = ("help", "--help", "-h")
VERSION = ("--version", "-V", "version")
COMPLETION = ("--shell-completion", "-sc")
WITHOUT_HYDRA = ("doctor", "predict")
LISTED = """nastk {version}: from images, a device and a latency budget to a measured, quantized network

The whole job:
  nastk images=FOLDER max_latency_ms=3    a folder of images for each class in FOLDER; nastk --help has the settings

Commands:
{commands}

nastk help COMMAND lists a command's settings, nastk help data=image_folder those of one choice.
A command that was stopped goes on when given again with run=NAME."""


def main() -> None:
    """Entry point: runs the command that the first word names, or the whole job where it is a setting."""
    words = sys.argv[1:]
    first = words[0] if words else "help"
    if any(word in COMPLETION for word in words):
        _complete(words)
    elif first == "help" and len(words) > 1 and words[1] in COMMANDS:
        _run(words[1], ["--help", *words[2:]])
    elif first == "help" and len(words) > 1 and "=" in words[1]:
        _run(WHOLE, ["--help", *words[1:]])
    elif first in COMMANDS:
        _run(first, words[1:])
    elif first not in (*VERSION, "help") and ("=" in first or first.startswith(("-", "~"))):
        _run(WHOLE, words)
    else:
        _say(words)


def _run(command: str, words: list[str]) -> None:
    """Runs `python -m nastk.<command> <words>`."""
    sys.argv[1:] = words
    importlib.import_module(f"nastk.{command}").main()


def _complete(words: list[str]) -> None:
    """Answers a shell that completes a line, which Hydra expects to begin with one name: that of a program."""
    program, *typed = os.environ.get("COMP_LINE", "").split(" ")
    first = typed[0] if typed else ""
    if len(typed) > 1 and first in COMMANDS:
        os.environ["COMP_LINE"] = " ".join([program, *typed[1:]])
        if first not in WITHOUT_HYDRA:
            _run(first, words)
        return
    if len(typed) == 1 and "query=bash" in words:
        print(*(name for name in COMMANDS if name.startswith(first)))
    _run(WHOLE, words)


@console
def _say(words: list[str]) -> None:
    """Prints version or commands; exits with 2 and one line where a word is neither."""
    if words and words[0] in VERSION:
        print(f"nastk {__version__}")
        return
    asked = words[1:2] if words[:1] == ["help"] else words[:1]
    if asked and asked[0] not in HELP:
        print(f"nastk: {_unknown(asked[0])}", file=sys.stderr)
        sys.exit(2)
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  nastk {name:<{width}}  {text}" for name, text in COMMANDS.items())
    print(LISTED.format(version=__version__, commands=listed))


def _unknown(word: str) -> str:
    if Path(word).exists() or word in SETS:
        return f"{word!r} is no command; images are given as images={word}, nastk help lists the commands"
    near = nearest(word, COMMANDS)[0]
    return f"unknown command {word!r}; nearest is {near!r}, there are: {', '.join(COMMANDS)}; nastk help lists them"


if __name__ == "__main__":
    main()
