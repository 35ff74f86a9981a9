"""The audit checked without any code of the server's: SHA-256, canonical JSON, and Ed25519 as RFC 8032 writes it down.

docs/audit.md shows the same thirty lines.
"""

import hashlib
import json

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def canonical(value):
    """RFC 8785, for what rows hold: texts, whole numbers, objects."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check(lines):
    """Checks an export; gives its rows. Raises AssertionError at the first thing that is wrong."""
    chain = keys = last = None
    rows, sealed, ended = [], {}, False
    for line in (json.loads(line, object_pairs_hook=_once) for line in lines):
        assert not ended, "something comes after the end"
        if line["type"] == "head":
            assert line["format"] == "valetkey-audit-1"
            chain, keys = line["chain"], {key["id"]: bytes.fromhex(key["public"]) for key in line["keys"]}
        elif line["type"] == "row":
            assert line.keys() == {"type", "chain", "seq", "prev", "hash", "row", "personal"} and line["chain"] == chain, line
            before = (last["seq"], last["hash"]) if last else (line["seq"] - 1, sealed.get(line["seq"] - 1, "00" * 32))
            assert (line["seq"] - 1, line["prev"]) == before, f"row {line['seq']} does not follow {before}"
            said = {"chain": chain, "prev": line["prev"], "row": line["row"], "seq": line["seq"], "v": 1}
            assert hashlib.sha256(canonical(said)).hexdigest() == line["hash"], f"row {line['seq']} was changed"
            for field, plain in line["personal"].items():
                digest = hashlib.sha256(bytes.fromhex(plain["salt"]) + plain["value"].encode()).hexdigest()
                assert digest == line["row"][field], f"{field} of row {line['seq']} was changed"
            last = line
            rows.append(line)
        elif line["type"] == "checkpoint":
            said = {name: line[name] for name in ("at", "chain", "hash", "key_id", "seq")} | {"v": 1}
            assert verifies(keys[line["key_id"]], canonical(said), bytes.fromhex(line["signature"]))
            assert last is None or (last["seq"], last["hash"]) == (line["seq"], line["hash"])
            sealed[line["seq"]] = line["hash"]
        else:
            ended = line["type"] == "end"
    assert ended, "the export is cut off"
    assert sealed, "nothing is sealed"
    return rows


def verifies(public, message, signature):
    """RFC 8032, section 5.1.7."""
    a, r, s = _point(public), _point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    base = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    left, right = _times(s, base), _add(r, _times(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


def _once(pairs):
    fields = dict(pairs)
    assert len(fields) == len(pairs), "a field is there twice"
    return fields


def _point(encoded):
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * SQRT_M1 % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def _add(one, other):
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point, scalar = _add(point, point), scalar >> 1
    return result
