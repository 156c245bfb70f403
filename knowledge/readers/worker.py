"""The process that reads documents for `knowledge.reading`; run as a module with a socket and its limits.

Rule: one document at a time, every limit set anew for it, every failure answered in one line.
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import select
import signal
import socket
import struct
import sys
import threading
from typing import Final

from knowledge.documents import Reading
from knowledge.errors import Unreadable
from knowledge.hidden_text import strip
from knowledge.long_headings import shortened
from knowledge.media_types import detect
from knowledge.readers.formats import reader

_LENGTH: Final = struct.Struct("!Q")
_MB: Final = 2**20
# Formats whose files are all text: no pictures make them large.
_TEXT: Final = frozenset({"csv", "html", "ipynb", "json", "md", "mdx", "rst", "rtf", "txt"})


def main() -> None:
    """Answers documents until the parent closes the socket."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    limits = {name: float(value) for name, value in json.loads(sys.argv[2]).items()}
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, args=(connection.fileno(),), daemon=True).start()
    sys.setrecursionlimit(2000)
    memory = int(limits["memory_bytes"])
    gc.freeze()
    _answer(connection, b"ready")
    while True:
        suffix = _document(connection)
        body = _document(connection)
        if suffix is None or body is None:
            return
        _limit_cpu(limits["cpu_s"])
        _limit_memory(memory)
        retire = _read(connection, body, suffix.decode("utf-8", "replace"), limits)
        del body
        _limit_memory(None)
        if retire:
            return


def _read(connection: socket.socket, body: bytes, suffix: str, limits: dict[str, float]) -> bool:
    """Reads and answers one document; True when this process is spent."""
    try:
        answer = _written(_reading(body, suffix, int(limits["text_bytes"])), int(limits["output_characters"]))
    except Unreadable as error:
        answer = _refused(error.reason)
    except MemoryError:
        _limit_memory(None)
        _answer(connection, _refused(f"needs more than {int(limits['memory_bytes']) // _MB} MB", retire=True))
        return True
    except ModuleNotFoundError as error:
        answer = _refused(f"the library for its format is not installed ({error.name})")
    except ImportError as error:
        _limit_memory(None)
        reason = f"the library for its format cannot be loaded ({_line(error)})"
        _answer(connection, _refused(reason, retire=True))
        return True
    except RecursionError:
        answer = _refused("nested too deeply")
    except Exception as error:
        answer = _refused(f"a damaged file ({type(error).__name__}: {_line(error)})")
    _answer(connection, answer)
    return False


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:100]


def _reading(body: bytes, suffix: str, text_bytes: int) -> Reading:
    """What a document says, without hidden text and endless headings. Raises `Unreadable`, or anything in a broken file."""
    name = detect(body, suffix=suffix)
    if name in _TEXT and len(body) > text_bytes:
        raise Unreadable(f"larger than {text_bytes // _MB} MB, which is too much for text")
    reading = shortened(strip(reader(name)(body)))
    if not reading.sections:
        raise Unreadable("no text inside")
    return reading


def _written(reading: Reading, limit: int) -> bytes:
    characters = sum(len(block.text) for section in reading.sections for block in section.blocks)
    if characters > limit:
        raise Unreadable(f"holds more than {limit:,} characters of text")
    return json.dumps(
        {
            "reason": None,
            "retire": False,
            "title": reading.title,
            "updated_at": None if reading.updated_at is None else reading.updated_at.isoformat(),
            "notes": reading.notes,
            "sections": [
                (section.headings, section.page, [(block.text, block.kind) for block in section.blocks])
                for section in reading.sections
            ],
        },
        ensure_ascii=False,
    ).encode("utf-8", "replace")


def _refused(reason: str, *, retire: bool = False) -> bytes:
    shown = "".join(character if character.isprintable() else " " for character in reason)
    return json.dumps({"reason": shown, "retire": retire}).encode()


def _answer(connection: socket.socket, answer: bytes) -> None:
    connection.sendall(_LENGTH.pack(len(answer)))
    connection.sendall(answer)


def _document(connection: socket.socket) -> bytes | None:
    head = connection.recv(_LENGTH.size, socket.MSG_WAITALL)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = bytearray(length)
    view = memoryview(body)
    got = 0
    while got < length:
        count = connection.recv_into(view[got:], min(_MB, length - got))
        if not count:
            return None
        got += count
    view.release()
    return bytes(body)


def _limit_cpu(seconds: float) -> None:
    """The kernel ends this process when the document at hand takes more; the limit counts from its start."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds)
    _set(resource.RLIMIT_CPU, soft)


def _limit_memory(more: int | None) -> None:
    """Lets the address space grow by `more` bytes from here; None lifts the limit."""
    if more is None:
        _set(resource.RLIMIT_AS, resource.RLIM_INFINITY)
        return
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - pathlib is slow, this runs for each file
        pages = int(file.read().split()[0])
    _set(resource.RLIMIT_AS, pages * os.sysconf("SC_PAGE_SIZE") + more)


def _set(limit: int, soft: int) -> None:
    """Sets a soft limit, no higher than the hard one that this process was started under."""
    hard = resource.getrlimit(limit)[1]
    if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard):
        soft = hard
    resource.setrlimit(limit, (soft, hard))


def _die_with_parent(descriptor: int) -> None:
    """Ends this process at once when the parent's end of the socket is closed, whatever is being read.

    PR_SET_PDEATHSIG would do the same when the *thread* that started this process ends.
    """
    watch = select.poll()
    watch.register(descriptor, select.POLLRDHUP)
    watch.poll()
    os._exit(0)


if __name__ == "__main__":
    main()
