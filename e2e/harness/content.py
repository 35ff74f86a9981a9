"""Bodies that follow from a seed: any part of one can be made and compared without storing it."""

import functools
import hashlib
import random

_PIECE = 1 << 20


class Content:
    """`size` bytes that follow from `seed`. No two pieces of a mebibyte are alike, nor any two seeds."""

    def __init__(self, seed, size):
        self.seed = seed
        self.size = size

    def __repr__(self):
        return f"Content({self.seed!r}, {self.size})"

    def part(self, start, end):
        """The bytes from `start` up to `end`."""
        end = min(end, self.size)
        parts = []
        while start < end:
            number, offset = divmod(start, _PIECE)
            n_bytes = min(_PIECE - offset, end - start)
            parts.append(self._piece(number)[offset : offset + n_bytes])
            start += n_bytes
        return b"".join(parts)

    def pieces(self):
        """All of it, in pieces of at most a mebibyte."""
        for number in range(-(-self.size // _PIECE)):
            yield self._piece(number)[: self.size - number * _PIECE]

    def bytes(self):
        """All of it at once."""
        return self.part(0, self.size)

    @functools.cached_property
    def sha256(self):
        """The digest of all of it, in hexadecimal digits."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()

    def _piece(self, number):
        return number.to_bytes(8, "big") + _random_bytes(self.seed)


@functools.lru_cache(maxsize=64)
def _random_bytes(seed):
    return random.Random(f"content of {seed}").randbytes(_PIECE - 8)
