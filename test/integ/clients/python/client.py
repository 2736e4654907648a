"""The walk of ../README.md with infisicalsdk."""
import json
import os

from infisical_sdk import InfisicalSDKClient
from infisical_sdk.infisical_requests import APIError

PLACE = {"project_id": os.environ["PROJECT"], "environment_slug": "dev", "secret_path": "/"}


def leases(client, seen):
    """The second walk."""
    place = {"project_slug": os.environ["PROJECT_SLUG"], "environment_slug": "dev", "path": "/"}
    secrets, name = client.dynamic_secrets, os.environ["LEASE_OF"]
    seen["got"] = secrets.get_by_name(name=name, **place).type
    made = secrets.create(name=f"{name}-python", provider_type="kubernetes", inputs=json.loads(os.environ["INPUTS"]), default_ttl="1h", max_ttl="2h",
                          **place)
    seen["made"] = [made.name, made.type, made.defaultTTL]
    seen["updated"] = secrets.update(name=made.name, default_ttl="30m", **place).defaultTTL
    seen["deleted"] = secrets.delete(name=made.name, **place).name
    lease = secrets.leases.create(dynamic_secret_name=name, ttl="15m", **place)
    seen["data"], seen["lease"], seen["expires"] = lease.data, lease.lease.id, lease.lease.expireAt
    seen["without"] = secrets.leases.create(dynamic_secret_name=name, **place).lease.id
    seen["found"] = secrets.leases.get(lease.lease.id, **place).externalEntityId
    seen["renewed"] = secrets.leases.renew(lease.lease.id, ttl="5m", **place).expireAt
    print(json.dumps(seen), flush=True)
    input()
    seen["revoked"] = [secrets.leases.revoke(of, **place).id for of in (lease.lease.id, seen["without"])]
    try:
        secrets.leases.create(dynamic_secret_name=name, ttl="59s", **place)
    except APIError as error:
        seen["refused"] = error.status_code
    print(json.dumps(seen))


def main():
    client = InfisicalSDKClient(host=os.environ["SERVER"], token=os.environ.get("ACCESS_TOKEN"), cache_ttl=None)
    seen = {}
    if "CLIENT_ID" in os.environ:
        login = client.auth.universal_auth.login(client_id=os.environ["CLIENT_ID"], client_secret=os.environ["CLIENT_SECRET"])
        seen["tokenType"] = login.tokenType
    if "LEASE_OF" in os.environ:
        leases(client, seen)
        return
    secrets = client.secrets
    seen["created"] = secrets.create_secret_by_name(secret_name="WALK", secret_value="one", secret_comment="by python", **PLACE).secretValue
    got = secrets.get_secret_by_name(secret_name="WALK", **PLACE)
    seen["got"], seen["comment"] = got.secretValue, got.secretComment
    updated = secrets.update_secret_by_name(current_secret_name="WALK", secret_value="two", **PLACE)
    seen["updated"], seen["version"] = updated.secretValue, updated.version
    seen["listed"] = {secret.secretKey: secret.secretValue for secret in secrets.list_secrets(**PLACE).secrets}
    seen["deleted"] = secrets.delete_secret_by_name(secret_name="WALK", **PLACE).secretKey
    try:
        secrets.get_secret_by_name(secret_name="WALK", **PLACE)
    except APIError as error:
        seen["missing"] = error.status_code
    print(json.dumps(seen))


main()
