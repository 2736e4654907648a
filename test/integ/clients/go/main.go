// SPDX-License-Identifier: Apache-2.0
// The walk of ../README.md with github.com/infisical/go-sdk.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"regexp"
	"strconv"
	"time"

	infisical "github.com/infisical/go-sdk"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func login(client infisical.InfisicalClientInterface, seen map[string]any) {
	if token := os.Getenv("ACCESS_TOKEN"); token != "" {
		client.Auth().SetAccessToken(token)
		return
	}
	var credential infisical.MachineIdentityCredential
	if id := os.Getenv("IDENTITY_ID"); id != "" {
		credential = must(client.Auth().KubernetesAuthLogin(id, os.Getenv("TOKEN_FILE")))
	} else {
		credential = must(client.Auth().UniversalAuthLogin(os.Getenv("CLIENT_ID"), os.Getenv("CLIENT_SECRET")))
	}
	seen["tokenType"] = credential.TokenType
}

// The second walk.
func leases(client infisical.InfisicalClientInterface, seen map[string]any) {
	const environment, path = "dev", "/"
	name, project := os.Getenv("LEASE_OF"), os.Getenv("PROJECT_SLUG")
	secrets := client.DynamicSecrets()
	seen["got"] = must(secrets.GetByName(infisical.GetDynamicSecretRootCredentialByNameOptions{DynamicSecretName: name,
		ProjectSlug: project, EnvironmentSlug: environment, SecretPath: path})).Type
	seen["listed"] = len(must(secrets.List(infisical.ListDynamicSecretsRootCredentialsOptions{ProjectSlug: project, EnvironmentSlug: environment,
		SecretPath: path})))
	create := func(ttl string) (string, string, map[string]any) {
		data, _, lease, err := secrets.Leases().Create(infisical.CreateDynamicSecretLeaseOptions{DynamicSecretName: name, ProjectSlug: project,
			EnvironmentSlug: environment, SecretPath: path, TTL: ttl})
		if err != nil {
			log.Fatal(err)
		}
		return lease.Id, lease.ExpireAt.Format(time.RFC3339Nano), data
	}
	id, expires, data := create("15m")
	without, _, _ := create("")
	seen["lease"], seen["expires"], seen["data"], seen["without"] = id, expires, data, without
	leases := must(secrets.Leases().List(infisical.ListDynamicSecretLeasesOptions{DynamicSecretName: name, ProjectSlug: project,
		EnvironmentSlug: environment, SecretPath: path}))
	seen["leases"] = len(leases)
	seen["found"] = must(secrets.Leases().GetById(infisical.GetDynamicSecretLeaseByIdOptions{LeaseId: id, ProjectSlug: project,
		EnvironmentSlug: environment, SecretPath: path})).ExternalEntityId
	seen["renewed"] = must(secrets.Leases().RenewById(infisical.RenewDynamicSecretLeaseOptions{LeaseId: id, ProjectSlug: project,
		EnvironmentSlug: environment, SecretPath: path, TTL: "5m"})).ExpireAt.Format(time.RFC3339Nano)
	fmt.Println(string(must(json.Marshal(seen))))
	bufio.NewReader(os.Stdin).ReadString('\n')
	revoked := []string{}
	for _, of := range []string{id, without} {
		revoked = append(revoked, must(secrets.Leases().DeleteById(infisical.DeleteDynamicSecretLeaseOptions{LeaseId: of, ProjectSlug: project,
			EnvironmentSlug: environment, SecretPath: path})).Id)
	}
	seen["revoked"] = revoked
	_, _, _, err := secrets.Leases().Create(infisical.CreateDynamicSecretLeaseOptions{DynamicSecretName: name, ProjectSlug: project,
		EnvironmentSlug: environment, SecretPath: path, TTL: "59s"})
	if err != nil {
		seen["error"] = err.Error()
		if status := regexp.MustCompile(`status-code=(\d+)`).FindStringSubmatch(err.Error()); status != nil {
			seen["refused"] = must(strconv.Atoi(status[1]))
		}
	}
	fmt.Println(string(must(json.Marshal(seen))))
}

func main() {
	const environment, path, key = "dev", "/", "WALK"
	project := os.Getenv("PROJECT")
	seen := map[string]any{}
	client := infisical.NewInfisicalClient(context.Background(), infisical.Config{
		SiteUrl:       os.Getenv("SERVER"),
		CaCertificate: string(must(os.ReadFile(os.Getenv("CA_FILE")))),
		SilentMode:    true,
	})
	login(client, seen)
	if os.Getenv("LEASE_OF") != "" {
		leases(client, seen)
		return
	}
	secrets := client.Secrets()
	read := infisical.RetrieveSecretOptions{SecretKey: key, ProjectID: project, Environment: environment, SecretPath: path}

	seen["created"] = must(secrets.Create(infisical.CreateSecretOptions{SecretKey: key, SecretValue: "one", SecretComment: "by go",
		ProjectID: project, Environment: environment, SecretPath: path})).SecretValue
	got := must(secrets.Retrieve(read))
	seen["got"], seen["comment"] = got.SecretValue, got.SecretComment
	updated := must(secrets.Update(infisical.UpdateSecretOptions{SecretKey: key, NewSecretValue: "two",
		ProjectID: project, Environment: environment, SecretPath: path}))
	seen["updated"], seen["version"] = updated.SecretValue, updated.Version
	listed := map[string]string{}
	for _, secret := range must(secrets.List(infisical.ListSecretsOptions{ProjectID: project, Environment: environment, SecretPath: path})) {
		listed[secret.SecretKey] = secret.SecretValue
	}
	seen["listed"] = listed
	seen["deleted"] = must(secrets.Delete(infisical.DeleteSecretOptions{SecretKey: key, ProjectID: project, Environment: environment,
		SecretPath: path})).SecretKey
	if _, err := secrets.Retrieve(read); err != nil {
		if status := regexp.MustCompile(`status-code=(\d+)`).FindStringSubmatch(err.Error()); status != nil {
			seen["missing"] = must(strconv.Atoi(status[1]))
		}
	}
	fmt.Println(string(must(json.Marshal(seen))))
}
