// SPDX-License-Identifier: Apache-2.0
// The walk of ../README.md with github.com/infisical/go-sdk.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"regexp"
	"strconv"

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
