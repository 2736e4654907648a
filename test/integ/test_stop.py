"""A server that is asked to end while a request is with a cluster that does not answer."""
import signal
import threading

import pytest


@pytest.mark.timeout(120)
def test_a_request_that_outlasts_the_stop(new_dev, leases, gate):
    """It is waited for as long as `drain-timeout` says, and no longer; its thread comes back to a server that is going, and harms nothing."""
    here = leases.having(new_dev(env={"POSTERN_DRAIN_TIMEOUT": "1s"}))
    here.create("silent", here.through(gate))
    silence, asked = threading.Event(), threading.Event()
    gate.on = lambda *_: asked.set() or silence.wait(5) and None

    def ask():
        try:
            here.lease("silent")
        except (OSError, AssertionError):
            pass  # the connection ends with the server

    client = threading.Thread(target=ask)
    client.start()
    assert asked.wait(20), "a thread of the server is with the cluster"
    server = here.postern.server
    server.popen.send_signal(signal.SIGTERM)
    assert server.popen.wait(30) == 0, server.text()[-4000:]
    assert "server-stopped" in server.text()
    client.join()
