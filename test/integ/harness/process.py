"""Processes in the background: each has a log, and none outlives the tests."""
import os
import signal
import subprocess
from pathlib import Path

from harness.poll import until

STARTED = []  # for conftest.py: whose logs to show when a test fails


class Process:
    """A command in a session of its own, so that its end is the end of all that it started.

    With `ready`, a file that the command writes when it is up, it is awaited.
    """

    def __init__(self, name, argv, log, env=None, ready=None, ready_s=60):
        self.name, self.argv, self.log, self.env = name, [str(word) for word in argv], Path(log), env
        self.ready, self.ready_s = ready, ready_s
        self.start()

    def start(self):
        if self.ready:
            self.ready.unlink(missing_ok=True)
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.env,
                                          start_new_session=True)
        STARTED.append(self)
        if self.ready:
            self.wait_for(self.ready.exists, f"{self.name} ready", timeout=self.ready_s)

    def restart(self, kill=False):
        """The same again; with `kill` as after a power cut."""
        if kill:
            self.kill()
        else:
            self.stop()
        self.start()

    @property
    def pid(self):
        return self.popen.pid

    def is_running(self):
        return self.popen.poll() is None

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, check, what, timeout=20.0):
        """Like until(), but gives up at once when the process has ended."""
        def alive_and_checked():
            value = check()
            if not value and not self.is_running():
                return ChildProcessError(f"{self.name} ended with {self.popen.returncode}:\n{self.text()[-4000:]}")
            return value
        value = until(alive_and_checked, what, timeout)
        if isinstance(value, Exception):
            raise value
        return value

    def stop(self, timeout=15.0):
        """Asks it to end, and returns its exit code; one that does not listen is killed, which is an error."""
        if self.is_running():
            self.popen.terminate()
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        self._kill_session()
        return self.popen.returncode

    def kill(self):
        """kill -9, as the fault tests want it."""
        self.popen.kill()
        self.popen.wait()
        self._kill_session()

    def _kill_session(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if self in STARTED:
            STARTED.remove(self)
