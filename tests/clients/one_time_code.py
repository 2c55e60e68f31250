"""One-time codes by the clock (RFC 6238): of six digits, for 30 seconds, by HMAC-SHA-1."""

import base64
import hashlib
import hmac
import struct
import time


def one_time_code(secret: str) -> str:
    """The code of now."""
    counter = struct.pack(">Q", int(time.time()) // 30)
    digest = hmac.digest(base64.b32decode(secret + "=" * (-len(secret) % 8)), counter, hashlib.sha1)
    place = digest[-1] & 15
    return str((struct.unpack(">I", digest[place:place + 4])[0] & 0x7FFFFFFF) % 10**6).zfill(6)
