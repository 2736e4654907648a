# SPDX-License-Identifier: Apache-2.0
"""What an authenticator app shows (RFC 6238), from the otpauth URL it was given."""
import base64
import hashlib
import hmac
import time
from urllib.parse import parse_qs, urlsplit

STEP_SECONDS = 30


def code(url, ahead):
    """The code of this moment's step, or of one `ahead` of it: both are good for longer than a case takes."""
    text = parse_qs(urlsplit(url).query)["secret"][0]
    secret = base64.b32decode(text + "=" * (-len(text) % 8))
    step = int(time.time()) // STEP_SECONDS + ahead
    mac = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at:at + 4], 'big') & 0x7fffffff) % 1000000:06}"
