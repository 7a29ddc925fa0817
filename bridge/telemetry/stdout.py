"""How does a log line get out without anybody waiting for its reader?

A pipe that nobody empties holds up whoever writes to it, and under gevent that is
the whole process. So a line is written only where there is room for it; else it
waits here, among a bounded number of others, for a thread that waits for room.
"""

import _thread
import logging
import os
import select
from collections import deque

from gevent.monkey import get_original

MAX_WAITING = 10_000  # pieces of lines, some 3 MB
# So much is written to a pipe in one go, unmixed with other processes' lines, and
# there is room for it whenever there is room at all.
PIECE = select.PIPE_BUF  # bytes
LAST_MOMENT_MS = 1000
DROPPED = "log lines were dropped, since nobody read them in time: %s"

# gevent's own would switch to other greenlets in the middle of a line.
_new_poll = get_original("select", "poll")


class Stdout(logging.Handler):
    """Write lines to standard output, or to another file descriptor."""

    def __init__(self, fd: int = 1) -> None:
        super().__init__()
        self._fd = fd
        self._room = _new_poll()
        self._room.register(fd, select.POLLOUT)
        self._waiting: deque[bytes] = deque()
        self._dropped = 0
        self._is_draining = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's line, now or when there is room; never waits."""
        line = (self.format(record) + "\n").encode("ascii", "backslashreplace")
        if len(self._waiting) >= MAX_WAITING:
            self._dropped += 1
            return
        self._waiting.extend(line[i : i + PIECE] for i in range(0, len(line), PIECE))
        if not self._is_draining and not self._write_out(0):
            self._is_draining = True
            _thread.start_new_thread(self._drain, ())

    def flush(self) -> None:
        """Write what still waits, if it is read in this last moment."""
        with self.lock:  # type: ignore[union-attr]
            self._write_out(LAST_MOMENT_MS)

    def _write_out(self, milliseconds: int) -> bool:
        """Write while there is room; False when something is left."""
        while self._waiting:
            if not self._room.poll(milliseconds):
                return False
            piece = self._waiting.popleft()
            try:
                written = os.write(self._fd, piece)
            except BlockingIOError:
                written = 0
            except OSError:  # nobody will ever read it
                continue
            if written < len(piece):
                self._waiting.appendleft(piece[written:])
                return False
        return True

    def _drain(self) -> None:
        """Write what waits as room is made, and say how much found no place."""
        while True:
            select.select([], [self._fd], [], 1.0)
            with self.lock:  # type: ignore[union-attr]
                if not self._write_out(0):
                    continue
                self._is_draining = False
                dropped, self._dropped = self._dropped, 0
            if dropped:
                logging.getLogger(__name__).warning(DROPPED, dropped)
            return
