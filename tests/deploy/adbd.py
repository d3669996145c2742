"""A stand-in for a phone: it speaks adb's transport protocol over TCP to a real adb server, and runs what it is sent.

The protocol is that of packages/modules/adb/protocol.txt and SYNC.TXT. What the phone's shell is sent runs in a sandbox
folder, in which `/data/local/tmp` and `/sys` are folders and Android's own commands are scripts.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = (
    int.from_bytes(name, "little") for name in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)
VERSION, MOST = 0x01000001, 4096
TOKEN, PUBLIC_KEY = 1, 3
BANNER = b"device::ro.product.name=standin;ro.product.model=Stand_in;ro.product.device=standin;"


class Stream:
    """One of the connections that share the transport."""

    def __init__(self, link: Link, mine: int, theirs: int) -> None:
        self.link, self.mine, self.theirs = link, mine, theirs
        self.came: queue.Queue[bytes] = queue.Queue()
        self.acknowledged = threading.Semaphore(0)
        self.rest = b""

    def read(self, count: int) -> bytes:
        while len(self.rest) < count:
            data = self.came.get(timeout=20)
            if not data:
                raise ConnectionError("closed")
            self.rest += data
        found, self.rest = self.rest[:count], self.rest[count:]
        return found

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), MOST):
            self.link.send(WRTE, self.mine, self.theirs, data[at : at + MOST])
            self.acknowledged.acquire(timeout=20)

    def close(self) -> None:
        self.link.send(CLSE, self.mine, self.theirs)


class Link:
    """The transport to one adb server."""

    def __init__(self, phone: Adbd, connection: socket.socket) -> None:
        self.phone, self.connection = phone, connection
        self.lock = threading.Lock()
        self.streams: dict[int, Stream] = {}

    def send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        head = struct.pack("<6I", command, first, second, len(data), sum(data) & 0xFFFFFFFF, command ^ 0xFFFFFFFF)
        with self.lock:
            self.connection.sendall(head + data)

    def serve(self) -> None:
        try:
            while True:
                command, first, second, length, *_ = struct.unpack("<6I", self._exactly(24))
                self._take(command, first, second, self._exactly(length))
        except (OSError, ConnectionError):
            for stream in self.streams.values():
                stream.came.put(b"")
        finally:
            self.connection.close()

    def _take(self, command: int, first: int, second: int, data: bytes) -> None:
        if command == CNXN or (command == AUTH and first != PUBLIC_KEY):
            if self.phone.authorized:
                self.send(CNXN, VERSION, MOST, BANNER)
            else:
                self.send(AUTH, TOKEN, 0, bytes(20))
        elif command == OPEN:
            stream = Stream(self, len(self.streams) + 1, first)
            self.streams[stream.mine] = stream
            self.send(OKAY, stream.mine, first)
            service = data.rstrip(b"\0").decode()
            threading.Thread(target=self.phone.answer, args=(stream, service), daemon=True).start()
        elif command == WRTE and second in self.streams:
            self.streams[second].came.put(data)
            self.send(OKAY, second, first)
        elif command == OKAY and second in self.streams:
            self.streams[second].acknowledged.release()
        elif command == CLSE and second in self.streams:
            self.streams[second].came.put(b"")

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.connection.recv(count - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data


class Adbd:
    """The phone's daemon.

    Attributes:
        home: the sandbox folder.
        authorized: whether its owner has allowed debugging.
        before: called with each command that its shell is sent.
    """

    def __init__(self, home: Path) -> None:
        self.home, self.authorized = home, True
        self.before: Callable[[str], None] = lambda command: None
        self.links: list[Link] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def unplug(self) -> None:
        """Ends all connections and takes no more."""
        for sock in (self.listener, *(link.connection for link in self.links)):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def plug_in(self) -> None:
        """Takes connections again, at the same port."""
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def answer(self, stream: Stream, service: str) -> None:
        kind, _, rest = service.partition(":")
        try:
            if kind == "shell":
                self.before(rest)
                stream.write(self._shell(rest))
            elif kind == "sync":
                while self._sync(stream):
                    pass
            stream.close()
        except (OSError, ConnectionError, queue.Empty):
            pass  # the other side has gone

    def _accept(self) -> None:
        listener = self.listener
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.links.append(Link(self, connection))
            threading.Thread(target=self.links[-1].serve, daemon=True).start()

    def _place(self, text: str) -> str:
        return text.replace("/data/local/tmp", f"{self.home}/tmp").replace("/sys/", f"{self.home}/sys/")

    def _shell(self, command: str) -> bytes:
        environment = {"HOME": str(self.home), "PATH": f"{self.home}/bin:/usr/bin:/bin"}
        ran = subprocess.run(
            ["/bin/sh", "-c", self._place(command)], env=environment, cwd=self.home, stdout=-1, stderr=-2, check=False
        )
        return ran.stdout.replace(f"{self.home}/tmp".encode(), b"/data/local/tmp")

    def _sync(self, stream: Stream) -> bool:
        kind, length = struct.unpack("<4sI", stream.read(8))
        if kind == b"QUIT":
            return False
        name = stream.read(length).decode()
        if kind == b"STAT":
            path = Path(self._place(name))
            found = path.stat() if path.exists() else None
            numbers = (found.st_mode, found.st_size, int(found.st_mtime)) if found else (0, 0, 0)
            stream.write(b"STAT" + struct.pack("<3I", *numbers))
        elif kind == b"SEND":
            where, _, mode = name.rpartition(",")
            content = b""
            while True:
                part, count = struct.unpack("<4sI", stream.read(8))
                if part == b"DONE":
                    break
                content += stream.read(count)
            path = Path(self._place(where))
            path.write_bytes(content)
            path.chmod(int(mode) & 0o777)
            stream.write(b"OKAY" + struct.pack("<I", 0))
        return True
