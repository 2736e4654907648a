"""A subscription to a project's events, held by curl over either version of HTTP."""
import json
import queue
import subprocess
import threading

from harness.poll import until

PATIENCE = 60  # of a machine that is busy with other tests
ALL = [{"event": f"secret:{kind}"} for kind in ("create", "update", "delete", "import-mutation")]


def at(environment, path="/", kinds=("create", "update", "delete", "import-mutation")):
    """What a client registers that wants to hear of one place, as the operator does."""
    return [{"event": f"secret:{kind}", "conditions": {"environmentSlug": environment, "secretPath": path}} for kind in kinds]


class Feed:
    """Reads on from its start; `status` and `headers` are those of the answer."""

    def __init__(self, instance, project, register, token=None, http="--http1.1", folder=None):
        self.folder = folder or instance.folder
        head = self.folder / f"head-{id(self)}"
        body = json.dumps({"projectId": project, "register": register})
        self.curl = subprocess.Popen(
            ["curl", "-sSN", http, "--noproxy", "*", "--cacert", instance.ca_file, "-D", head, "-X", "POST", "-H",
             f"Authorization: Bearer {instance.token if token is None else token}", "-H", "Content-Type: application/json", "-H",
             "Accept: text/event-stream", "-d", body, f"{instance.url}/api/v1/events/subscribe/project-events"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.events, self.text, self.pings = queue.Queue(), "", 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        lines = until(lambda: head.exists() and (text := head.read_bytes().decode()).endswith("\r\n\r\n") and text, "an answer", PATIENCE).splitlines()
        head.unlink()
        self.version, self.status = lines[0].split()[0], int(lines[0].split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}

    def _read(self):
        event = {}
        for line in self.curl.stdout:
            self.text += line
            name, _, value = line.rstrip("\n").partition(": ")
            if line != "\n":
                event[name] = value
                continue
            if event.get("event") == "ping":
                self.pings += 1
            elif event:
                self.events.put(event)
            event = {}
        self.events.put(None)

    def next(self, timeout=PATIENCE):
        """The next event that is no ping, its data parsed; None at the end."""
        event = self.events.get(timeout=timeout)
        return event and event | {"data": json.loads(event["data"])}

    def payloads(self, count, timeout=PATIENCE):
        """(event, item) of as many changes, whatever events they come in."""
        found = []
        while len(found) < count:
            event = self.next(timeout)
            assert event and event["event"] != "error", f"over after {len(found)} of {count}: {event}"
            found += [(event["event"], item) for item in event["data"]["data"]["payload"]]
        return found

    def end(self, timeout=PATIENCE):
        """What came last, and how curl found the end: 0 is a clean one."""
        code = self.curl.wait(timeout)
        self.reader.join(timeout)
        rest = []
        while (event := self.events.get(timeout=timeout)) is not None:
            rest.append(event)
        return code, rest

    def close(self):
        self.curl.kill()
        self.curl.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
