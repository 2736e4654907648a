"""client.py KUBECONFIG NAMESPACE POD: what programs with Kubernetes' Python client do; says it as JSON."""
import json
import sys
import threading

from kubernetes import client, config, watch
from kubernetes.stream import stream

kubeconfig, namespace, pod = sys.argv[1:]
config.load_kube_config(kubeconfig)
core = client.CoreV1Api()
said = {"listed": [one.metadata.name for one in core.list_namespaced_pod(namespace).items]}

seen = []


def look():
    looker = watch.Watch()
    for event in looker.stream(client.CoreV1Api().list_namespaced_config_map, namespace, timeout_seconds=40):
        seen.append((event["type"], event["object"].metadata.name))
        if seen[-1] == ("ADDED", "by-python"):
            looker.stop()


thread = threading.Thread(target=look)
thread.start()
core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="by-python"), data={"a": "b"}))
thread.join(50)
said["seen"] = ["by-python"] if ("ADDED", "by-python") in seen else []

# Its exec is v4.channel.k8s.io, by GET.
run = stream(client.CoreV1Api().connect_get_namespaced_pod_exec, pod, namespace, command=["sh", "-c", "read line; echo got $line; echo bad >&2; exit 3"],
             stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False)
run.write_stdin("hello\n")
run.run_forever(timeout=30)
said["exec"] = {"out": run.read_stdout(), "err": run.read_stderr(), "code": run.returncode}

print(json.dumps(said))
