"""Fixtures of the integration tests. Everything is real; what is started here ends here, and its log shows in failures."""
import uuid

import pytest

from harness import process
from harness.cluster import Cluster
from harness.gate import Gate
from harness.kubectl import NEWEST, VERSIONS, Kubectl
from harness.leases import Leases
from harness.postern import BINARY, Dev, Split
from harness.stub import near_stub

GREETER = "#!/bin/sh\necho \"I am greeter of $*\"\nexec sleep infinity\n"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """One cluster for the whole session: keep to a namespace of your own."""
    folder = tmp_path_factory.mktemp("cluster")
    greeter = folder / "greeter"
    greeter.write_text(GREETER)
    greeter.chmod(0o755)
    images = {"greeter": greeter} | ({"postern": BINARY} if BINARY.exists() else {})
    cluster = Cluster(folder, images)
    yield cluster
    cluster.stop()


@pytest.fixture
def namespace(cluster):
    """The name of a namespace that only this test has."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(params=VERSIONS)
def kubectl(request, tmp_path):
    """Each kubectl in turn, without a kubeconfig yet: kubectl.using(…)."""
    return Kubectl(request.param, tmp_path)


@pytest.fixture
def newest_kubectl(tmp_path):
    return Kubectl(NEWEST, tmp_path)


@pytest.fixture(scope="session")
def postern_dev(tmp_path_factory):
    """`postern server --dev`: server, relay and gateway in one process."""
    instance = Dev(tmp_path_factory.mktemp("dev"))
    yield instance
    instance.stop()


@pytest.fixture(scope="session")
def postern_split(tmp_path_factory):
    """Server, relay and gateway, each as a process of its own."""
    instance = Split(tmp_path_factory.mktemp("split"))
    yield instance
    instance.stop()


@pytest.fixture(params=["dev", "split"])
def postern(request):
    """Postern in both forms: what works must work in each."""
    return request.getfixturevalue(f"postern_{request.param}")


@pytest.fixture
def new_dev(tmp_path):
    """Makes instances that a test may break."""
    made = []

    def make(*options, **more):
        made.append(Dev(tmp_path / f"dev{len(made)}", *options, **more))
        return made[-1]
    yield make
    for instance in made:
        instance.stop()


@pytest.fixture(scope="session")
def leases(postern_dev, cluster):
    """A project with dynamic secrets, and what Postern may in two namespaces: keep to names of your own."""
    return Leases.made(postern_dev, cluster)


@pytest.fixture
def stub(tmp_path):
    """An API server of which a test says how it fails."""
    stub = near_stub(tmp_path)
    yield stub
    stub.stop()


@pytest.fixture
def gate(cluster):
    """Before the API server: a test is told of every request, and may break it."""
    gate = Gate(cluster)
    yield gate
    gate.stop()


# The files that take longest, longest first: begun last, one of them would keep one worker busy while the others have nothing to do.
LONGEST = ("test_partitions.py", "test_cables.py", "test_lease_kills.py", "test_lease_gateways.py", "test_leases.py", "test_lease_clocks.py", "test_walk.py",
           "test_lease_faults.py", "test_session.py", "test_guide_dynamic_secrets.py", "test_kubernetes_auth.py", "test_gateway_road.py",
           "test_lease_clients.py", "test_record.py", "test_number.py", "test_impersonation.py", "test_conformance.py", "test_workload.py",
           "test_port.py")


def pytest_collection_modifyitems(items):
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for started in process.STARTED:
            if started.log.exists():
                report.sections.append((f"log of {started.name}: {started.log}", started.text()[-4000:]))
    return report
