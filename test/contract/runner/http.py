# SPDX-License-Identifier: Apache-2.0
"""One request on one connection of its own, with exactly the headers it is given."""
import http.client
import json
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT = 30


@dataclass
class Reply:
    status: int
    headers: dict  # names in lower case
    text: str

    @property
    def json(self):
        return json.loads(self.text)


class Api:
    """A server under its URL, trusted by its own CA file alone."""

    def __init__(self, url, ca_file):
        self.address = urlsplit(url)
        self.context = ssl.create_default_context(cafile=ca_file)

    def send(self, method, path, headers, body=None):
        connection = http.client.HTTPSConnection(self.address.hostname, self.address.port, timeout=TIMEOUT, context=self.context)
        try:
            connection.request(method, path, body=body, headers=headers)
            reply = connection.getresponse()
            text = "" if reply.getheader("content-type") == "text/event-stream" else reply.read().decode()  # which has no end
            return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, text)
        finally:
            connection.close()
