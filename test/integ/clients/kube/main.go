// client NAMESPACE POD: what programs with client-go do, by the kubeconfig of the environment; says it as JSON.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

type said struct {
	Listed, Informed []string
	Applied          string
	Seen             []string // by the informer's watch, after it had listed
	Websocket, Spdy  command
}

type command struct {
	Out, Err string
	Code     int
}

func must[T any](value T, err error) T {
	if err != nil {
		_ = json.NewEncoder(os.Stdout).Encode(map[string]string{"error": err.Error()})
		os.Exit(1)
	}
	return value
}

func run(ctx context.Context, config *rest.Config, client *kubernetes.Clientset, namespace, pod string, isWebsocket bool) command {
	request := client.CoreV1().RESTClient().Post().Resource("pods").Name(pod).Namespace(namespace).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: []string{"sh", "-c", "cat; echo bad >&2; exit 3"}, Stdin: true, Stdout: true, Stderr: true},
			scheme.ParameterCodec)
	var executor remotecommand.Executor
	if isWebsocket {
		executor = must(remotecommand.NewWebSocketExecutor(config, "GET", request.URL().String()))
	} else {
		executor = must(remotecommand.NewSPDYExecutor(config, "POST", request.URL()))
	}
	var out, bad bytes.Buffer
	err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: bytes.NewBufferString("hello"), Stdout: &out, Stderr: &bad})
	var code exec.CodeExitError
	if errors.As(err, &code) {
		return command{out.String(), bad.String(), code.Code}
	}
	must(0, err)
	return command{out.String(), bad.String(), 0}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	namespace, pod := os.Args[1], os.Args[2]
	config := must(clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG")))
	client := must(kubernetes.NewForConfig(config))
	answer := said{}

	for _, one := range must(client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})).Items {
		answer.Listed = append(answer.Listed, one.Name)
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().ConfigMaps().Informer()
	seen := make(chan string, 16)
	must(informer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{AddFunc: func(object any, isInitial bool) {
		name := must(meta.Accessor(object)).GetName()
		if isInitial {
			answer.Informed = append(answer.Informed, name)
		} else {
			seen <- name
		}
	}}))
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	applied := must(client.CoreV1().ConfigMaps(namespace).Apply(ctx, applycorev1.ConfigMap("by-client-go", namespace).
		WithData(map[string]string{"a": "b"}), metav1.ApplyOptions{FieldManager: "test"}))
	answer.Applied = applied.Name
	select {
	case name := <-seen:
		answer.Seen = append(answer.Seen, name)
	case <-ctx.Done():
		must(0, errors.New("the watch has seen nothing"))
	}
	answer.Websocket = run(ctx, config, client, namespace, pod, true)
	answer.Spdy = run(ctx, config, client, namespace, pod, false)
	must(0, json.NewEncoder(os.Stdout).Encode(answer))
}
