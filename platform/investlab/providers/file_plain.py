"""The part of a text file that is plain: UTF-8 without quotation marks, where a line is a row; Arrow reads it fast.

What is not plain, or not right, is left to the reader that goes line by line and knows what to say.
"""

import codecs
import io
from collections.abc import Iterator

import pyarrow as pa
from pyarrow import csv

from investlab.providers.file_blocks import Block, check_header

CHUNK_BYTES = 8 * 2**20


class PlainLines:
    """Reads from the beginning of a file as far as it is plain.

    Afterwards `is_whole` says whether that was all of it; if not, `lines_read` lines were used, the first of them for
    the `header` (empty when not even that was plain).
    """

    def __init__(self, raw: io.BufferedReader, file: str, delimiter: str) -> None:
        self._raw, self._file = raw, file
        self._parse = csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=True)
        self.header: list[str] = []
        self.lines_read = 0
        self.is_whole = False

    def blocks(self) -> Iterator[Block]:
        """Yield the rows of the plain part; there is at least one block, without rows if need be, once it is whole."""
        self._read_header()
        while self.header:
            data = self._raw.read(CHUNK_BYTES) + self._raw.readline()
            block = self._block(data) if data or self.lines_read == 1 else None
            if block is not None:
                yield block
                self.lines_read += len(block)
            elif data:
                return
            if not data:
                self.is_whole = True
                return

    def _read_header(self) -> None:
        line = self._raw.readline().removeprefix(codecs.BOM_UTF8)
        if not _is_plain(line) or not line.strip() or b"\0" in line:
            return
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            return
        self.header = check_header(self._file, 1, text.rstrip("\r\n").split(self._parse.delimiter))
        self.lines_read = 1

    def _block(self, data: bytes) -> Block | None:
        """Return the rows of whole lines, None when they are not plain."""
        if not _is_plain(data):
            return None
        count = data.count(b"\n") + (not data.endswith(b"\n") if data else 0)
        columns = dict.fromkeys(self.header, pa.string())
        if not count:
            return Block(self._file, range(0), {name: pa.array([], pa.string()) for name in self.header})
        try:
            table = csv.read_csv(
                io.BytesIO(data),
                csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=self.header),
                self._parse,
                csv.ConvertOptions(column_types=columns, strings_can_be_null=False),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != count:
            return None
        begun = self.lines_read + 1
        arrays = {name: table.column(name).combine_chunks() for name in self.header}
        return Block(self._file, range(begun, begun + count), arrays)


def _is_plain(data: bytes) -> bool:
    """Say whether each line is a row: no quotation mark, and no line that ends in a bare carriage return."""
    return b'"' not in data and data.count(b"\r") == data.count(b"\r\n")
