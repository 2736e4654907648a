/* SPDX-License-Identifier: Apache-2.0 */
/* The commands for workloads and secrets, against a pretend server. */
#include "cli/stage.h"

#include <sys/stat.h>

#define ID "01a20591-b4b3-7a63-bac2-af80c2884fb1"
/* {"kubernetes.io":{"namespace":"shop","serviceaccount":{"name":"backend"}},"aud":["other"],"exp":1} */
#define JWT                                                                                        \
    "e30."                                                                                         \
    "eyJrdWJlcm5ldGVzLmlvIjogeyJuYW1lc3BhY2UiOiAic2hvcCIsICJzZXJ2aWNlYWNjb3VudCI6IHsibmFtZSI6ICJi" \
    "YWNrZW5kIn19LCAiYXVkIjogWyJvdGhlciJdLCAiZXhwIjogMX0.c2ln"

PN_TEST(commands_are_calls)
{
    static const struct scene cases[] = {
        { "identity create ci --role member --metadata team=build",
          { { 200, "{\"identityDetails\":{\"organization\":{\"id\":\"O1\"}}}" },
            { 200, "{\"identity\":{\"id\":\"I1\",\"name\":\"ci\"}}" } },
          "POST /api/v1/identities",
          0,
          "I1",
          "" },
        { "identity create ci --organization O2",
          { { 200, "{\"identity\":{\"id\":\"I1\",\"name\":\"ci\"}}" } },
          "POST /api/v1/identities",
          0,
          "I1",
          "" },
        { "identity list",
          { { 200, "{\"identityDetails\":{\"organization\":{\"id\":\"O1\"}}}" },
            { 200, "{\"identities\":[{\"identityId\":\"I1\",\"identity\":{\"name\":\"ci\"}},{"
                   "\"identityId\":\"I2\",\"identity\":{\"name\":\"two\"}},{\"identityId\":\"I3\","
                   "\"identity\":{\"name\":\"two\"}}]}" } },
          "GET /api/v1/identities?orgId=O1",
          0,
          "ci",
          "" },
        { "identity list",
          { { 403, "{\"message\":\"no\"}" },
            { 200, "{\"organizations\":[{\"id\":\"O7\"}]}" },
            { 200, "{\"identities\":[{\"identityId\":\"I1\",\"identity\":{\"name\":\"ci\"}},{"
                   "\"identityId\":\"I2\",\"identity\":{\"name\":\"two\"}},{\"identityId\":\"I3\","
                   "\"identity\":{\"name\":\"two\"}}]}" } },
          "GET /api/v1/identities?orgId=O7",
          0,
          "ci",
          "" },
        { "identity list",
          { { 403, "{\"message\":\"no\"}" },
            { 200, "{\"organizations\":[{\"id\":\"O7\"},{\"id\":\"O8\"}]}" } },
          "GET /api/v1/organization",
          64,
          "",
          "--organization ID" },
        { "identity get 01a20591-b4b3-7a63-bac2-af80c2884fb1",
          { { 200, "{\"identity\":{\"identityId\":\"01a20591-b4b3-7a63-bac2-af80c2884fb1\","
                   "\"identity\":{\"name\":\"ci\"}}}" } },
          "GET /api/v1/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "ci",
          "" },
        { "identity set ci --role no-access",
          { { 200, "{\"identityDetails\":{\"organization\":{\"id\":\"O1\"}}}" },
            { 200, "{\"identities\":[{\"identityId\":\"I1\",\"identity\":{\"name\":\"ci\"}},{"
                   "\"identityId\":\"I2\",\"identity\":{\"name\":\"two\"}},{\"identityId\":\"I3\","
                   "\"identity\":{\"name\":\"two\"}}]}" },
            { 200, "{\"identity\":{\"name\":\"ci\"}}" } },
          "PATCH /api/v1/identities/I1",
          0,
          "ci",
          "" },
        { "identity delete two",
          { { 200, "{\"identityDetails\":{\"organization\":{\"id\":\"O1\"}}}" },
            { 200, "{\"identities\":[{\"identityId\":\"I1\",\"identity\":{\"name\":\"ci\"}},{"
                   "\"identityId\":\"I2\",\"identity\":{\"name\":\"two\"}},{\"identityId\":\"I3\","
                   "\"identity\":{\"name\":\"two\"}}]}" } },
          "GET /api/v1/identities?orgId=O1",
          64,
          "",
          "several have the name" },
        { "identity delete three",
          { { 200, "{\"identityDetails\":{\"organization\":{\"id\":\"O1\"}}}" },
            { 200, "{\"identities\":[{\"identityId\":\"I1\",\"identity\":{\"name\":\"ci\"}},{"
                   "\"identityId\":\"I2\",\"identity\":{\"name\":\"two\"}},{\"identityId\":\"I3\","
                   "\"identity\":{\"name\":\"two\"}}]}" } },
          "GET /api/v1/identities?orgId=O1",
          6,
          "",
          "there is no identity \"three\"" },
        { "identity kubernetes attach 01a20591-b4b3-7a63-bac2-af80c2884fb1 --host https://k "
          "--namespaces a,b",
          { { 200, "{\"identityKubernetesAuth\":{\"identityId\":\"01a20591-b4b3-7a63-bac2-"
                   "af80c2884fb1\",\"kubernetesHost\":\"https://k\"}}" } },
          "POST /api/v1/auth/kubernetes-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "https://k",
          "" },
        { "identity kubernetes update 01a20591-b4b3-7a63-bac2-af80c2884fb1 --gateway edge",
          { { 200, "[{\"id\":\"G1\",\"name\":\"edge\"}]" },
            { 200, "{\"identityKubernetesAuth\":{}}" } },
          "PATCH /api/v1/auth/kubernetes-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "HOST",
          "" },
        { "identity kubernetes update 01a20591-b4b3-7a63-bac2-af80c2884fb1 --pool no",
          { { 200, "[]" } },
          "GET /api/v1/gateway-pools",
          6,
          "",
          "there is no gateway pool \"no\"" },
        { "identity kubernetes update 01a20591-b4b3-7a63-bac2-af80c2884fb1 --gateway=",
          { { 200, "{\"identityKubernetesAuth\":{\"identityId\":\"01a20591-b4b3-7a63-bac2-"
                   "af80c2884fb1\",\"kubernetesHost\":\"https://k\"}}" } },
          "PATCH /api/v1/auth/kubernetes-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "https://k",
          "" },
        { "identity kubernetes get 01a20591-b4b3-7a63-bac2-af80c2884fb1",
          { { 200, "{\"identityKubernetesAuth\":{\"identityId\":\"01a20591-b4b3-7a63-bac2-"
                   "af80c2884fb1\",\"kubernetesHost\":\"https://k\"}}" } },
          "GET /api/v1/auth/kubernetes-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "https://k",
          "" },
        { "identity kubernetes revoke 01a20591-b4b3-7a63-bac2-af80c2884fb1",
          { { 200, "{\"identityKubernetesAuth\":{\"identityId\":\"01a20591-b4b3-7a63-bac2-"
                   "af80c2884fb1\",\"kubernetesHost\":\"https://k\"}}" } },
          "DELETE /api/v1/auth/kubernetes-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "https://k",
          "" },
        { "identity universal-auth attach 01a20591-b4b3-7a63-bac2-af80c2884fb1",
          { { 200, "{\"identityUniversalAuth\":{\"clientId\":\"C1\"}}" } },
          "POST /api/v1/auth/universal-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "C1",
          "" },
        { "identity universal-auth get 01a20591-b4b3-7a63-bac2-af80c2884fb1",
          { { 200, "{\"identityUniversalAuth\":{\"clientId\":\"C1\"}}" } },
          "GET /api/v1/auth/universal-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "C1",
          "" },
        { "identity universal-auth revoke 01a20591-b4b3-7a63-bac2-af80c2884fb1",
          { { 200, "{\"identityUniversalAuth\":{\"clientId\":\"C1\"}}" } },
          "DELETE /api/v1/auth/universal-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "C1",
          "" },
        { "identity universal-auth update 01a20591-b4b3-7a63-bac2-af80c2884fb1 --lockout=false",
          { { 200, "{\"identityUniversalAuth\":{\"clientId\":\"C1\"}}" } },
          "PATCH /api/v1/auth/universal-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "C1",
          "" },
        { "identity universal-auth client-secret create 01a20591-b4b3-7a63-bac2-af80c2884fb1 --ttl "
          "60",
          { { 200, "{\"clientSecret\":\"cs-1\",\"clientSecretData\":{\"id\":\"S1\"}}" } },
          "POST "
          "/api/v1/auth/universal-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1/"
          "client-secrets",
          0,
          "cs-1",
          "" },
        { "identity universal-auth client-secret list 01a20591-b4b3-7a63-bac2-af80c2884fb1",
          { { 200, "{\"clientSecretData\":[{\"id\":\"S1\"}]}" } },
          "GET "
          "/api/v1/auth/universal-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1/"
          "client-secrets",
          0,
          "S1",
          "" },
        { "identity universal-auth client-secret revoke 01a20591-b4b3-7a63-bac2-af80c2884fb1 ../x",
          { { 200, "{\"clientSecretData\":{\"id\":\"S1\"}}" } },
          "POST "
          "/api/v1/auth/universal-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1/"
          "client-secrets/..%2Fx/revoke",
          0,
          "S1",
          "" },
        { "identity token create 01a20591-b4b3-7a63-bac2-af80c2884fb1",
          { { 404, "{\"error\":\"NotFound\",\"message\":\"none\"}" },
            { 200, "{\"identityTokenAuth\":{}}" },
            { 200, "{\"accessToken\":\"at-1\",\"expiresIn\":60,\"tokenData\":{\"id\":\"T1\"}}" } },
          "POST /api/v1/auth/token-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1/tokens",
          0,
          "at-1",
          "" },
        { "identity token create 01a20591-b4b3-7a63-bac2-af80c2884fb1",
          { { 200, "{}" },
            { 200, "{\"accessToken\":\"at-1\",\"expiresIn\":60,\"tokenData\":{\"id\":\"T1\"}}" } },
          "POST /api/v1/auth/token-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1/tokens",
          0,
          "at-1",
          "" },
        { "identity token create 01a20591-b4b3-7a63-bac2-af80c2884fb1",
          { { 403, "{\"message\":\"Not you\"}" } },
          "GET /api/v1/auth/token-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          5,
          "",
          "Not you" },
        { "identity token list 01a20591-b4b3-7a63-bac2-af80c2884fb1",
          { { 200, "{\"tokens\":[{\"id\":\"T1\",\"name\":\"laptop\"}]}" } },
          "GET "
          "/api/v1/auth/token-auth/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1/"
          "tokens?limit=100",
          0,
          "laptop",
          "" },
        { "identity token revoke T1",
          { { 200, "{\"message\":\"Revoked\"}" } },
          "POST /api/v1/auth/token-auth/tokens/T1/revoke",
          0,
          "Revoked",
          "" },
        { "project get",
          { { 200, "{\"project\":{\"id\":\"project-1\",\"environments\":[{\"id\":\"E1\",\"slug\":"
                   "\"dev\",\"name\":\"Development\"}]}}" } },
          "GET /api/v1/projects/project-1",
          0,
          "project-1",
          "" },
        { "project get web",
          { { 200, "{\"projects\":[{\"id\":\"P1\",\"slug\":\"web\"}]}" },
            { 200, "{\"project\":{\"id\":\"P1\"}}" } },
          "GET /api/v1/projects/P1",
          0,
          "P1",
          "" },
        { "project set --name x",
          { { 200, "{\"project\":{\"id\":\"project-1\",\"environments\":[{\"id\":\"E1\",\"slug\":"
                   "\"dev\",\"name\":\"Development\"}]}}" } },
          "PATCH /api/v1/projects/project-1",
          0,
          "project-1",
          "" },
        { "project delete web",
          { { 200, "{\"projects\":[]}" } },
          "GET /api/v1/projects",
          6,
          "",
          "there is no project \"web\"" },
        { "project identity add 01a20591-b4b3-7a63-bac2-af80c2884fb1 --role viewer",
          { { 200, "{\"identityMembership\":{\"identityId\":\"01a20591-b4b3-7a63-bac2-"
                   "af80c2884fb1\",\"projectId\":\"project-1\"}}" } },
          "POST "
          "/api/v1/projects/project-1/memberships/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "01a20591-b4b3-7a63-bac2-af80c2884fb1",
          "" },
        { "project identity set 01a20591-b4b3-7a63-bac2-af80c2884fb1 --role viewer",
          { { 200, "{\"identityMembership\":{\"identityId\":\"01a20591-b4b3-7a63-bac2-"
                   "af80c2884fb1\",\"projectId\":\"project-1\"}}" } },
          "PATCH "
          "/api/v1/projects/project-1/memberships/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "01a20591-b4b3-7a63-bac2-af80c2884fb1",
          "" },
        { "project identity remove 01a20591-b4b3-7a63-bac2-af80c2884fb1",
          { { 200, "{\"identityMembership\":{\"identityId\":\"01a20591-b4b3-7a63-bac2-"
                   "af80c2884fb1\",\"projectId\":\"project-1\"}}" } },
          "DELETE "
          "/api/v1/projects/project-1/memberships/identities/01a20591-b4b3-7a63-bac2-af80c2884fb1",
          0,
          "01a20591-b4b3-7a63-bac2-af80c2884fb1",
          "" },
        { "project identity list",
          { { 200, "{\"identityMemberships\":[{\"identity\":{\"id\":\"I1\",\"name\":\"ci\"},"
                   "\"roles\":[{\"role\":\"viewer\"}]}]}" } },
          "GET /api/v1/projects/project-1/memberships/identities",
          0,
          "viewer",
          "" },
        { "project user list",
          { { 200, "{\"memberships\":[{\"id\":\"M1\",\"user\":{\"email\":\"a@b.c\"}}]}" } },
          "GET /api/v1/projects/project-1/memberships",
          0,
          "a@b.c",
          "" },
        { "env list",
          { { 200, "{\"project\":{\"id\":\"project-1\",\"environments\":[{\"id\":\"E1\",\"slug\":"
                   "\"dev\",\"name\":\"Development\"}]}}" } },
          "GET /api/v1/projects/project-1",
          0,
          "Development",
          "" },
        { "env create test --position 2",
          { { 200, "{\"environment\":{\"slug\":\"test\"}}" } },
          "POST /api/v1/projects/project-1/environments",
          0,
          "test",
          "" },
        { "env set dev --name D",
          { { 200, "{\"project\":{\"id\":\"project-1\",\"environments\":[{\"id\":\"E1\",\"slug\":"
                   "\"dev\",\"name\":\"Development\"}]}}" },
            { 200, "{\"environment\":{\"slug\":\"dev\"}}" } },
          "PATCH /api/v1/projects/project-1/environments/E1",
          0,
          "dev",
          "" },
        { "env delete dev",
          { { 200, "{\"project\":{\"id\":\"project-1\",\"environments\":[{\"id\":\"E1\",\"slug\":"
                   "\"dev\",\"name\":\"Development\"}]}}" },
            { 200, "{\"environment\":{\"slug\":\"dev\"}}" } },
          "DELETE /api/v1/projects/project-1/environments/E1",
          0,
          "dev",
          "" },
        { "env delete no",
          { { 200, "{\"project\":{\"id\":\"project-1\",\"environments\":[{\"id\":\"E1\",\"slug\":"
                   "\"dev\",\"name\":\"Development\"}]}}" } },
          "GET /api/v1/projects/project-1",
          6,
          "",
          "there is no environment \"no\"" },
        { "folder list /shop --recursive",
          { { 200, "{\"folders\":[{\"id\":\"F1\",\"name\":\"db\"}]}" } },
          "GET /api/v2/folders?projectId=project-1&environment=dev&path=%2Fshop&recursive=true",
          0,
          "db",
          "" },
        { "folder create /shop/db/",
          { { 200, "{\"folder\":{\"name\":\"db\"}}" } },
          "POST /api/v2/folders",
          0,
          "db",
          "" },
        { "folder set /shop/db --name dbs",
          { { 200, "{\"folders\":[{\"id\":\"F1\",\"name\":\"db\"}]}" },
            { 200, "{\"folder\":{\"name\":\"dbs\"}}" } },
          "PATCH /api/v2/folders/F1",
          0,
          "dbs",
          "" },
        { "folder delete /shop/d\tb",
          { { 200, "{\"folder\":{\"name\":\"d b\"}}" } },
          "DELETE /api/v2/folders/d%20b",
          0,
          "d b",
          "" },
        { "secret list",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=dev&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true&"
          "viewSecretValue=false",
          0,
          "NAME",
          "" },
        { "secret list --env prod --path /shop --recursive --show-values --expand=false --tags a,b",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=prod&secretPath=%2Fshop&recursive=true&"
          "expandSecretReferences=false&includeImports=true&includePersonalOverrides=true&tagSlugs="
          "a%2Cb",
          0,
          "own",
          "" },
        { "secret get A\tB --plain",
          { { 200, "{\"secret\":{\"secretKey\":\"A B\",\"secretValue\":\"v1\"}}" } },
          "GET "
          "/api/v4/secrets/"
          "A%20B?projectId=project-1&environment=dev&secretPath=%2F&expandSecretReferences=true&"
          "includeImports=true",
          0,
          "v1\n",
          "" },
        { "secret get A\tB --version 2",
          { { 200, "{\"secret\":{\"secretKey\":\"A B\",\"secretValue\":\"v1\"}}" } },
          "GET "
          "/api/v4/secrets/"
          "A%20B?projectId=project-1&environment=dev&secretPath=%2F&expandSecretReferences=true&"
          "includeImports=true&version=2",
          0,
          "v1",
          "" },
        { "secret get A\tB",
          { { 404, "{\"error\":\"NotFound\",\"message\":\"Secret not found\"}" } },
          "GET "
          "/api/v4/secrets/"
          "A%20B?projectId=project-1&environment=dev&secretPath=%2F&expandSecretReferences=true&"
          "includeImports=true",
          6,
          "",
          "Secret not found" },
        { "secret set A=1 B=2",
          { { 200, "{\"secrets\":[{\"secretKey\":\"A\",\"version\":2}]}" } },
          "PATCH /api/v4/secrets/batch",
          0,
          "A",
          "" },
        { "secret set A=1 --type personal",
          { { 404, "{\"error\":\"NotFound\",\"message\":\"none\"}" },
            { 200, "{\"secret\":{\"secretKey\":\"A\"}}" } },
          "POST /api/v4/secrets/A",
          0,
          "A",
          "" },
        { "secret delete A B",
          { { 200, "{\"secrets\":[{\"secretKey\":\"A\"},{\"secretKey\":\"B\"}]}" } },
          "DELETE /api/v4/secrets/batch",
          0,
          "B",
          "" },
        { "export",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=dev&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true",
          0,
          "A=\"a'b\"\nB='own'\nC='last'\n",
          "" },
        { "export --format json",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=dev&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true",
          0,
          "{\n  \"A\": \"a'b\",\n  \"B\": \"own\",\n  \"C\": \"last\"\n}\n",
          "" },
        { "export --format toml",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=dev&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true",
          64,
          "",
          "not toml" },
        { "run -- sh -c exit\t7",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=dev&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true",
          7,
          "",
          "" },
        { "run -- sh -c test\t\"$B$C\"\t=\townlast",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=dev&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true",
          0,
          "",
          "" },
        { "run -- sh -c kill\t-9\t$$",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=dev&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true",
          137,
          "",
          "" },
        { "run -- /no/such",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=dev&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true",
          127,
          "",
          "no such command" },
        { "run -- true",
          { { 403, "{\"error\":\"PermissionDenied\",\"message\":\"Not you\"}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=dev&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true",
          5,
          "",
          "Not you" },
    };
    struct stage s;

    up(&s, state);
    for (size_t i = 0; i < PN_COUNT(cases); i++)
        stage_play(&s, "postern", &cases[i]);
    down(&s);
}

/* The same program by another name: the official client's verbs and flags. */
/* 127 may be the command's own: only when it is not there do we say so. */
PN_TEST(a_command_s_own_127_is_not_commented)
{
    const struct ran *r;
    struct stage s;

    up(&s, state);
    HOST_SAYS(&s.host, { 200, "{\"secrets\":[],\"imports\":[]}" });
    r = ran("run -- sh -c exit\t127");
    CHECK_RAN(r, 127);
    CHECK_EQ(r->err[0], '\0');
    r = ran("run -- postern-no-such-command");
    CHECK_RAN(r, 127);
    CHECK_SAYS(r->err, "postern-no-such-command: no such command");
    down(&s);
}

/* The working directory may be anybody's. */
PN_TEST(a_project_file_that_is_none_does_not_hold_us_up)
{
    struct stage s;

    up(&s, state);
    unsetenv("POSTERN_PROJECT_ID");
    CHECK_EQ(chdir(home_file(s.home, ".")), 0);
    CHECK_EQ(mkfifo(".infisical.json", 0600), 0);
    CHECK_RAN(ran("secret list"), 64);
    CHECK_SAYS(ran("secret list")->err, ".infisical.json");
    CHECK_EQ(unlink(".infisical.json"), 0);
    CHECK_EQ(symlink("/dev/zero", ".infisical.json"), 0);
    CHECK_RAN(ran("secret list"), 64);
    CHECK_EQ(unlink(".infisical.json"), 0);
    CHECK_EQ(chdir("/"), 0);
    down(&s);
}

PN_TEST(infisical_is_understood)
{
    static const struct scene cases[] = {
        { "secrets --plain",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=dev&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true",
          0,
          "a'b\nown\nlast\n",
          "" },
        { "secrets --projectId p2 --env prod --recursive=false --token t",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=p2&environment=prod&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true",
          0,
          "own",
          "" },
        { "secrets get A\tB --plain --silent",
          { { 200, "{\"secret\":{\"secretKey\":\"A B\",\"secretValue\":\"v1\"}}" } },
          "GET "
          "/api/v4/secrets/"
          "A%20B?projectId=project-1&environment=dev&secretPath=%2F&expandSecretReferences=true&"
          "includeImports=true",
          0,
          "v1\n",
          "" },
        { "secrets set A=1",
          { { 200, "{\"secrets\":[{\"secretKey\":\"A\"}]}" } },
          "PATCH /api/v4/secrets/batch",
          0,
          "A",
          "" },
        { "secrets delete A",
          { { 200, "{\"secrets\":[{\"secretKey\":\"A\"}]}" } },
          "DELETE /api/v4/secrets/batch",
          0,
          "A",
          "" },
        { "secrets folders get --path /shop",
          { { 200, "{\"folders\":[{\"id\":\"F1\",\"name\":\"db\"}]}" } },
          "GET /api/v2/folders?projectId=project-1&environment=dev&path=%2Fshop",
          0,
          "db",
          "" },
        { "run --command=exit\t9",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=dev&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true",
          9,
          "",
          "" },
        { "export --format=json",
          { { 200,
              "{\"secrets\":[{\"secretKey\":\"B\",\"secretValue\":\"own\",\"secretPath\":\"/"
              "\"},{\"secretKey\":\"A\",\"secretValue\":\"a'b\"}],\"imports\":[{\"secrets\":[{"
              "\"secretKey\":\"B\",\"secretValue\":\"first\"},{\"secretKey\":\"C\",\"secretValue\":"
              "\"first\"}]},{\"secrets\":[{\"secretKey\":\"C\",\"secretValue\":\"last\"}]}]}" } },
          "GET "
          "/api/v4/"
          "secrets?projectId=project-1&environment=dev&secretPath=%2F&recursive=false&"
          "expandSecretReferences=true&includeImports=true&includePersonalOverrides=true",
          0,
          "[\n  {\n    \"key\": \"A\",",
          "" },
        { "login --method=universal-auth --client-id c --client-secret s --plain",
          { { 200, "{\"accessToken\":\"at-1\"}" } },
          "POST /api/v1/auth/universal-auth/login",
          0,
          "at-1\n",
          "" },
        { "login --method=universal-auth --client-id c --client-secret s",
          { { 401, "{\"error\":\"UnauthorizedError\",\"message\":\"Invalid credentials\"}" } },
          "POST /api/v1/auth/universal-auth/login",
          4,
          "",
          "infisical: Invalid credentials" },
    };
    struct stage s;

    up(&s, state);
    for (size_t i = 0; i < PN_COUNT(cases); i++)
        stage_play(&s, i % 2 == 0 ? "infisical" : "/usr/local/bin/infisical", &cases[i]);
    CHECK_RAN(ran_as("infisical", "pam access a/b"), 64);
    CHECK_SAYS(ran_as("infisical", "secrets --help")->out, "--include-imports");
    down(&s);
}

PN_TEST(a_token_in_argv_goes_before_others)
{
    struct stage s;

    up(&s, state);
    HOST_SAYS(&s.host, { 200, "{\"secrets\":[]}" });
    CHECK_RAN(ran_as("infisical", "secrets --token argued"), 0);
    CHECK_STR(pn_str_from(s.host.authorization), "Bearer argued");
    CHECK_RAN(ran("secret list --token argued"), 64);
    down(&s);
}

/* ---- identity kubernetes check ---- */

PN_TEST(check_names_the_step_and_what_mends_it)
{
    static const struct {
        struct host_answer login;
        const char *step, *says;
    } cases[] = {
        { { 404, "{\"error\": \"NotFound\", \"message\": \"Kubernetes auth method not found for "
                 "identity, did you configure Kubernetes auth?\"}" },
          "find the identity's Kubernetes Auth",
          "identity kubernetes attach 01a20591-b4b3-7a63-bac2-af80c2884fb1" },
        { { 400, "{\"error\": \"KubernetesConnectionRefused\", \"message\": \"Failed to connect to "
                 "Kubernetes API server at k: Connection refused.\"}" },
          "reach the cluster's API server",
          "https://k.example" },
        { { 400, "{\"error\": \"KubernetesHostNotFound\", \"message\": \"Failed to resolve\"}" },
          "reach the cluster's API server",
          "--review-mode gateway" },
        { { 400, "{\"error\": \"GatewayConnectionTimeout\", \"message\": \"timed out\"}" },
          "reach the cluster's API server",
          "" },
        { { 400, "{\"error\": \"KubernetesCertificateError\", \"message\": \"SSL certificate "
                 "verification failed\"}" },
          "trust its certificate",
          "--ca-file ca.crt" },
        { { 401,
            "{\"error\": \"KubernetesTokenReviewerUnauthorized\", \"message\": \"Unauthorized\"}" },
          "be known there as reviewer",
          "--reviewer-token-file -" },
        { { 401, "{\"error\": \"KubernetesTokenReviewerForbidden\", \"message\": \"tokenreviews is "
                 "forbidden: User \\\"system:serviceaccount:infra:rev\\\" cannot create\"}" },
          "be allowed to review tokens",
          "  - kind: ServiceAccount\n    name: rev\n    namespace: infra\n" },
        { { 401, "{\"error\": \"KubernetesTokenReviewerForbidden\", \"message\": \"no words\"}" },
          "be allowed to review tokens",
          "    name: backend\n    namespace: shop\n" },
        { { 401, "{\"error\": \"KubernetesTokenReviewError\", \"message\": \"[invalid bearer "
                 "token, service account token has expired]\"}" },
          "find the token genuine",
          "The token has expired" },
        { { 401, "{\"error\": \"KubernetesTokenReviewError\", \"message\": \"token is invalid for "
                 "the target audiences [postern]\"}" },
          "find its audience right",
          "audience: postern\n" },
        { { 403, "{\"error\": \"ForbiddenError\", \"message\": \"Access denied: K8s namespace not "
                 "allowed.\"}" },
          "find its namespace allowed",
          "--namespaces 'web,shop'" },
        { { 403, "{\"error\": \"ForbiddenError\", \"message\": \"Access denied: K8s name not "
                 "allowed.\"}" },
          "find its service account allowed",
          "--names 'backend'" },
        { { 401, "{\"error\": \"UnauthorizedError\", \"message\": \"Access denied: K8s audience "
                 "not allowed.\"}" },
          "find its audience right",
          "--audience 'other'" },
    };
    struct stage s;
    char words[256];

    up(&s, state);
    home_write(s.home, "token", JWT "\n", 0600);
    snprintf(words, sizeof words, "identity kubernetes check " ID " --token-file %s",
             home_file(s.home, "token"));
    for (size_t i = 0; i < PN_COUNT(cases); i++) {
        char failed[128];
        const struct ran *r;

        HOST_SAYS(&s.host,
                  { 200, "{\"identityKubernetesAuth\":{\"kubernetesHost\":\"https://k.example\","
                         "\"allowedNamespaces\":\"web\",\"allowedNames\":\"\","
                         "\"allowedAudience\":\"postern\"}}" },
                  cases[i].login);
        r = ran(words);
        CHECK(r->code == 2 || r->code == 4 || r->code == 5 || r->code == 6);
        snprintf(failed, sizeof failed, "%-35s  FAILED\n", cases[i].step);
        CHECK_SAYS(r->out, failed);
        CHECK_SAYS(r->out, cases[i].says);
        CHECK(strstr(r->out, "c2ln") == NULL); /* nothing of the token */
        CHECK_STR(pn_str_from(s.host.last), "POST /api/v1/auth/kubernetes-auth/login");
        CHECK_STR(pn_str_from(s.host.authorization), "");
    }
    down(&s);
}

PN_TEST(check_gives_its_token_back)
{
    const struct ran *r;
    struct stage s;
    char words[256];

    up(&s, state);
    home_write(s.home, "token", "not a JWT", 0600);
    snprintf(words, sizeof words, "identity kubernetes check " ID " -o json --token-file %s",
             home_file(s.home, "token"));
    HOST_SAYS(&s.host, { 403, "{}" }, { 200, "{\"accessToken\":\"at-1\"}" }, { 200, "{}" });
    r = ran(words);
    CHECK_RAN(r, 0);
    CHECK_SAYS(r->out, "\"ok\": true");
    CHECK(strstr(r->out, "at-1") == NULL);
    CHECK_STR(pn_str_from(s.host.last), "POST /api/v1/auth/token/revoke");
    HOST_SAYS(&s.host, { 403, "{}" },
              { 403, "{\"error\":\"ForbiddenError\",\"message\":"
                     "\"K8s namespace not allowed.\"}" });
    r = ran(words);
    CHECK_RAN(r, 5);
    CHECK_SAYS(r->out, "NAMESPACE");
    CHECK_SAYS(r->out, "keep what is on it");
    down(&s);
}

/* ---- logging in ---- */

PN_TEST(a_machine_logs_in_by_file_or_environment)
{
    const struct ran *r;
    struct stage s;
    char words[256];

    up(&s, state);
    home_write(s.home, "secret", "cs-1\n", 0600);
    snprintf(words, sizeof words,
             "login --method universal-auth --client-id c --client-secret-file %s",
             home_file(s.home, "secret"));
    HOST_SAYS(&s.host, { 200, "{\"accessToken\":\"at-1\"}" });
    r = ran(words);
    CHECK_RAN(r, 0);
    CHECK_SAYS(r->out, "as a machine identity");
    CHECK_STR(pn_str_from(s.host.authorization), "");
    CHECK_EQ(home_mode(s.home, "postern/credentials.json"), 0600);
    unsetenv("POSTERN_TOKEN");
    HOST_SAYS(&s.host, { 200, "{\"secrets\":[]}" });
    CHECK_RAN(ran("secret list"), 0);
    CHECK_STR(pn_str_from(s.host.authorization), "Bearer at-1");

    setenv("POSTERN_IDENTITY_ID", ID, 1);
    setenv("POSTERN_KUBERNETES_TOKEN_FILE", home_file(s.home, "secret"), 1);
    HOST_SAYS(&s.host, { 200, "{\"accessToken\":\"at-2\"}" });
    r = ran("login --method kubernetes --plain");
    CHECK_RAN(r, 0);
    CHECK_STR(pn_str_from(r->out), "at-2\n");
    CHECK_STR(pn_str_from(s.host.last), "POST /api/v1/auth/kubernetes-auth/login");
    CHECK(pn_str_search(home_read(s.home, "postern/credentials.json"), PN_LIT("at-2")) < 0);
    down(&s);
}

/* Nobody is asked when the words are wrong. */
PN_TEST(wrong_words_make_no_calls)
{
    static const char *const wrong[] = {
        "login --method ldap",
        "login --method universal-auth",
        "login --method universal-auth --client-id c",
        "login --method kubernetes",
        "login --method kubernetes --identity-id i --token-file /no/such",
        "identity kubernetes attach " ID,
        "identity kubernetes attach " ID " --host h --access-token-ttl x",
        "identity kubernetes attach " ID " --host h --access-token-ttl 99999999999999999999",
        "identity kubernetes attach " ID " --host h --ca-file /no/such",
        "identity kubernetes attach " ID " --host h --verify-tls=perhaps",
        "identity kubernetes update " ID,
        "identity universal-auth update " ID,
        "identity create a --organization o --metadata nothing",
        "identity set a",
        "project identity add " ID,
        "project set",
        "env set dev",
        "folder set /a",
        "folder create /",
        "folder delete /..",
        "secret get ..",
        "secret set =x",
        "secret set A B",
        "secret set A=@/no/such",
        "secret set A=1 --type other",
        "secret set A --value-file /dev/null",
        "secret list --recursive=maybe",
        "run",
        "run true",
        "export more",
    };
    struct stage s;

    up(&s, state);
    HOST_SAYS(&s.host, { 500, "" });
    for (size_t i = 0; i < PN_COUNT(wrong); i++) {
        const struct ran *r = ran(wrong[i]);

        CHECK_RAN(r, 64);
        CHECK_EQ(r->out[0], '\0');
    }
    CHECK_EQ(host_calls(&s.host), 0);
    down(&s);
}

PN_TEST_MAIN(H(commands_are_calls), H(a_command_s_own_127_is_not_commented),
             H(a_project_file_that_is_none_does_not_hold_us_up), H(infisical_is_understood),
             H(a_token_in_argv_goes_before_others), H(check_names_the_step_and_what_mends_it),
             H(check_gives_its_token_back), H(a_machine_logs_in_by_file_or_environment),
             H(wrong_words_make_no_calls))
