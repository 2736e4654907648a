# SPDX-License-Identifier: Apache-2.0
"""${name} in a case: kept from an earlier reply, of an actor (${user.email}), or of the instance (${project}); $${name} is ${name} itself."""
import re
import secrets
from collections import ChainMap

NAME = re.compile(r"(\$?)\$\{([^{}]+)\}")


class Missing(Exception):
    """A variable that no earlier step has set: usually because that step failed."""


class Variables:
    def __init__(self, lookup):
        self.lookup = lookup  # what is not of this case: called with the name, None when unknown
        self.values = {"n": secrets.token_hex(4)}
        self.kept = self.values  # where keep puts things

    def having(self, more):
        """The same with a few more, for one repetition of a step; what that keeps stays."""
        copy = Variables(self.lookup)
        copy.values = ChainMap(more, self.values)
        copy.kept = self.kept
        return copy

    def keep(self, name, value):
        self.kept[name] = value

    def get(self, name):
        if name in self.values:
            return self.values[name]
        found = self.lookup(name)
        if found is None:
            raise Missing(f"${{{name}}} is not known here")
        return found

    def fill(self, value):
        """A copy with every ${name} replaced; a text that is nothing else keeps the type of the value."""
        if isinstance(value, dict):
            return {self.fill(name): self.fill(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if not isinstance(value, str):
            return value
        whole = NAME.fullmatch(value)
        if whole and not whole[1]:
            return self._repeat(whole[2])
        return NAME.sub(lambda match: match[0][1:] if match[1] else str(self._repeat(match[2])), value)

    def _repeat(self, name):
        """${x:65} is 65 times x: for lengths at and over a limit."""
        text, _, count = name.rpartition(":")
        return text * int(count) if count.isdigit() else self.get(name)
