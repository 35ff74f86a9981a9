"""Ids as the APIs spell them."""

import base64
import hashlib

# A file's, well-formed, that never was anybody's.
NO_FILE_ID = "A" * 21 + "Q"


def raw_id(file_id):
    """As Redivis' API names a file: digits that follow from its id, and the id."""
    rest = int.from_bytes(hashlib.sha256(base64.urlsafe_b64decode(file_id + "==")).digest(), "big") % 36**13
    digits = ""
    for _ in range(13):
        rest, digit = divmod(rest, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return f"{digits[:4]}-{digits[4:]}.{file_id}"
