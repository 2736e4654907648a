"""The walk of ../README.md with infisicalsdk."""
import json
import os

from infisical_sdk import InfisicalSDKClient
from infisical_sdk.infisical_requests import APIError

PLACE = {"project_id": os.environ["PROJECT"], "environment_slug": "dev", "secret_path": "/"}


def main():
    client = InfisicalSDKClient(host=os.environ["SERVER"], token=os.environ.get("ACCESS_TOKEN"), cache_ttl=None)
    seen = {}
    if "CLIENT_ID" in os.environ:
        login = client.auth.universal_auth.login(client_id=os.environ["CLIENT_ID"], client_secret=os.environ["CLIENT_SECRET"])
        seen["tokenType"] = login.tokenType
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
