"""Waiting without guessing how long it takes."""
import time


def until(check, what, timeout=20.0):
    """Returns the first truthy value of check(), which may raise in between; the last word, of a check begun when time was up, is in the error."""
    deadline = time.monotonic() + timeout
    while True:
        last, is_late = None, time.monotonic() > deadline
        try:
            last = check()
            if last:
                return last
        except Exception as error:  # pylint: disable=broad-except
            last = error
        if is_late:
            raise TimeoutError(f"{what}: not after {timeout} s; last: {last!r}")
        time.sleep(0.02)
