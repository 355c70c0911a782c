"""The checksum of bench/src/book/checksum.rs."""

import struct
from datetime import datetime, timedelta

EPOCH = datetime(1970, 1, 1)


def text(value):
    match value:
        case None:
            return "\\N"
        case float():
            return struct.pack(">d", value).hex()
        case datetime():
            return str((value - EPOCH) // timedelta(microseconds=1))
        case _:
            return str(value)


class Checksum:
    def __init__(self):
        self.sum, self.rows, self.texts = 0xCBF29CE484222325, 0, 0

    def row(self, row):
        self.rows += 1
        for column in row.__table__.columns:
            value = getattr(row, column.key)
            self.texts += isinstance(value, str) and value != ""
            for byte in text(value).encode() + b"\x1f":
                self.sum = (self.sum ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF

    def add(self, answer):
        """Adds a row, or rows with their children, in any nesting of lists and tuples."""
        if isinstance(answer, (list, tuple)):
            for part in answer:
                self.add(part)
        else:
            self.row(answer)
