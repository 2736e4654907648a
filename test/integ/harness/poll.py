"""Waiting without guessing how long it takes."""
import time


def until(check, what, timeout=20.0):
    """Returns the first truthy value of check(), which may raise in between; the last word is in the error."""
    deadline = time.monotonic() + timeout
    while True:
        last = None
        try:
            last = check()
            if last:
                return last
        except Exception as error:  # pylint: disable=broad-except
            last = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not after {timeout} s; last: {last!r}")
        time.sleep(0.02)
