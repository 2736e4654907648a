#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seeds of fuzz_input from the shapes: for each operation of doc/api/openapi.json a request with every member.

Run it after routes have changed: test/fuzz/seed_input.py. It replaces corpus/input/op-*.
"""
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEXTS = {"uuid": "0198f0c0-0000-7000-8000-000000000001", "date-time": "2026-01-02T03:04:05.678Z", "password": "long enough"}


def example(schema):
    """A value that fits, with every member of every object."""
    if "allOf" in schema:
        return example(schema["allOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        members = {name: example(inner) for name, inner in schema.get("properties", {}).items()}
        return members or {"key": "value"}
    if kind == "array":
        return [example(schema["items"])]
    if kind == "integer":
        return max(schema.get("minimum", 0), 1)
    if kind == "boolean":
        return True
    if kind == "string":
        text = TEXTS.get(schema.get("format"), "text")
        return text.ljust(schema.get("minLength", 0), "x")[:schema.get("maxLength", 4096)]
    return {"any": ["value"]}


def seed(method, path, operation):
    query = []
    for parameter in operation["parameters"]:
        value = example(parameter["schema"])
        value = value[0] if isinstance(value, list) else value
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", text)
        else:
            query.append(f"{parameter['name']}={text}")
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = json.dumps(example(content["schema"]), separators=(",", ":")) if content else ""
    return f"{method.upper()} {path}{'?' + '&'.join(query) if query else ''}\n{body}"


def main():
    corpus = HERE / "corpus/input"
    corpus.mkdir(exist_ok=True)
    for old in corpus.glob("op-*"):
        old.unlink()
    for path, item in json.loads((HERE.parent.parent / "doc/api/openapi.json").read_text())["paths"].items():
        for method, operation in item.items():
            text = seed(method, path, operation)
            if "?" in text or not text.endswith("\n"):
                (corpus / f"op-{operation['operationId']}").write_text(text)


main()
