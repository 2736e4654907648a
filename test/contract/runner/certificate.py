# SPDX-License-Identifier: Apache-2.0
"""What certificates promise (pam-gateway.md §7), read with openssl and not with our own code."""
import json
import re
import subprocess
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

SKEW = timedelta(seconds=60)  # notBefore lies this long before the issue (§7.3, ours)
SLACK = timedelta(seconds=30)  # how long a step may take
ONE = re.compile(r"-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n", re.S)


def openssl(*words, text=""):
    return subprocess.run(["openssl", *map(str, words)], input=text, capture_output=True, text=True, check=False)


def read(pem, *options):
    return openssl("x509", "-noout", "-nameopt", "RFC2253,sep_comma_plus_space,-esc_msb", *options, text=pem).stdout.strip()


def section(text, name):
    """The lines below a heading of `openssl x509 -text`."""
    found = re.search(rf"^ *{re.escape(name)}:.*\n(.*)$", text, re.M)
    return found[1].strip() if found else ""


def extension(text, oid):
    """The value of a private extension, that openssl prints as it is."""
    found = re.search(rf"^ *{re.escape(oid)}:[^\n]*\n *([^\n]*)$", text, re.M)
    return found[1] if found else ""


def moment(line):
    return datetime.strptime(line.partition("=")[2], "%b %d %H:%M:%S %Y %Z").replace(tzinfo=timezone.utc)


def _parse(pem):
    text = read(pem, "-text")
    return {
        "subject": read(pem, "-subject").partition("=")[2],
        "issuer": read(pem, "-issuer").partition("=")[2],
        "uses": section(text, "X509v3 Extended Key Usage"),
        "key use": section(text, "X509v3 Key Usage"),
        "names": section(text, "X509v3 Subject Alternative Name"),
        "constraints": section(text, "X509v3 Basic Constraints"),
        "from": moment(read(pem, "-startdate")),
        "until": moment(read(pem, "-enddate")),
        "text": text,
        "public key": openssl("x509", "-noout", "-pubkey", text=pem).stdout,
    }


def _check_lifetime(wanted, found, at):
    differences = []
    now = datetime.now(timezone.utc)
    if "hours" in wanted:
        until = now + timedelta(hours=wanted["hours"])
        if abs(found["until"] - until) > SLACK:
            differences.append(f"{at} ends {found['until']}, wanted about {until}")
    if "until" in wanted and found["until"] != datetime.fromisoformat(wanted["until"].replace("Z", "+00:00")).replace(microsecond=0):
        differences.append(f"{at} ends {found['until']}, wanted {wanted['until']}")
    if wanted.get("skewed") and abs(now - SKEW - found["from"]) > SLACK:
        differences.append(f"{at} begins {found['from']}, wanted {SKEW} ago")
    return differences


def _check_chain(wanted, pem, at):
    """Verified for a purpose, from the leaf through `through` to an authority that stands in `chain`."""
    with tempfile.TemporaryDirectory() as folder:
        parts = {"leaf": pem, "through": wanted.get("through", ""), "root": wanted["chain"]}
        for name, text in parts.items():
            (Path(folder) / name).write_text(text)
        words = ["verify", "-x509_strict", "-partial_chain", "-purpose", wanted["for"], "-CAfile", f"{folder}/root"]
        words += ["-untrusted", f"{folder}/through"] if parts["through"] else []
        done = openssl(*words, f"{folder}/leaf")
    return [] if done.returncode == 0 else [f"{at} does not verify: {done.stdout.strip()} {done.stderr.strip()}"]


def compare(wanted, pem, at):
    """{"subject": "CN=…", "uses": […], "names": […], "hours": 24, "key": PEM, "verified": {"chain": PEM, "for": "sslserver"}, …}"""
    certificates = ONE.findall(pem) if isinstance(pem, str) else []
    if not certificates:
        return [f"{at} is {str(pem)[:80]!r}, wanted a certificate"]
    differences = []
    if "count" in wanted and len(certificates) != wanted["count"]:
        differences.append(f"{at} holds {len(certificates)} certificates, wanted {wanted['count']}")
    found = _parse(certificates[0])
    for name in ("subject", "issuer"):
        for part in wanted.get(name, []):
            if part not in found[name].split(", "):
                differences.append(f"{at}: the {name} is {found[name]}, wanted {part} in it")
    for name in ("uses", "key use", "names"):
        if name in wanted and sorted(found[name].split(", ")) != sorted(wanted[name]):
            differences.append(f"{at}: the {name} are {found[name]}, wanted {wanted[name]}")
    if "is CA" in wanted and found["constraints"].startswith("CA:TRUE") != wanted["is CA"]:
        differences.append(f"{at}: constraints are {found['constraints']}")
    for oid, content in wanted.get("extensions", {}).items():
        value = extension(found["text"], oid)
        if not value or json.loads(value) != content:
            differences.append(f"{at}: extension {oid} is {value!r}, wanted {content}")
    if "key" in wanted:
        public = openssl("pkey", "-pubout", text=wanted["key"])
        if not wanted["key"].startswith("-----BEGIN PRIVATE KEY-----") or public.stdout != found["public key"]:
            differences.append(f"{at}: the key is not its key in PKCS#8 ({public.stderr.strip()})")
    differences += _check_lifetime(wanted, found, at)
    if "verified" in wanted:
        differences += _check_chain(wanted["verified"], certificates[0], at)
    if "refused" in wanted and not _check_chain(wanted["refused"], certificates[0], at):
        differences.append(f"{at} verifies under an authority that is not its own")
    return differences


def compare_chain(wanted, pem, at):
    """The common names of a bundle of authorities, in order; each is a CA that strict verifiers take."""
    certificates = ONE.findall(pem) if isinstance(pem, str) else []
    parsed = [_parse(one) for one in certificates]
    names = [re.sub(r".*CN=([^,]*).*", r"\1", one["subject"]) for one in parsed]
    differences = [] if names == wanted else [f"{at} is of {names}, wanted {wanted}"]
    differences += [f"{at}: {name} is no CA" for name, one in zip(names, parsed) if not one["constraints"].startswith("CA:TRUE")]
    return differences
