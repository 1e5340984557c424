"""What an address of a cluster that cannot be joined is refused with."""

import socket

import pytest

from reeltune.cluster.session import address as module
from reeltune.cluster.session.address import check_address
from reeltune.trainables.errors import InputError


@pytest.fixture
def listening():
    """The address of a socket that listens here."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def refused(address, **options):
    with pytest.raises(InputError) as error:
        check_address(address, **options)
    return str(error.value)


@pytest.mark.parametrize("address", ["http://head:8265", "head", "a b"])
def test_a_wrong_form_names_the_client_only_where_the_command_takes_it(address):
    assert "ray://" in refused(address)
    assert "ray://" not in refused(address, takes_client=False)
    assert "6379" in refused("head", takes_client=False)


@pytest.mark.parametrize("address", ["head..lan:6379", "ray://head..lan:10001", f"{'h' * 64}.lan:6379"])
def test_a_name_that_no_host_can_have_is_one_line(address):
    line = refused(address)
    assert line.startswith(f"--address {address}: no Ray cluster there (")
    assert "\n" not in line


def test_where_no_ray_is_a_command_without_the_client_names_a_job(monkeypatch):
    def none():
        raise ConnectionError

    monkeypatch.setattr(module, "found_by_auto", none)
    assert "name the cluster: --address ray://HOST:10001" in refused("auto")
    line = refused("auto", takes_client=False)
    assert "ray://" not in line
    assert "reeltune submit --address http://127.0.0.1:8265 -- VERB" in line


@pytest.mark.parametrize("there", ["client", "cluster"])
def test_another_way_into_a_cluster_that_is_there_is_one_that_the_command_takes(there, listening, monkeypatch):
    monkeypatch.setattr(module, "listener", lambda _: there)
    monkeypatch.setattr(module, "has_node_here", lambda _: False)
    monkeypatch.setattr(module, "STARTS", 0)
    assert "--address ray://127.0.0.1:" in refused(listening)
    line = refused(listening, takes_client=False)
    assert "ray://" not in line
    assert ("6379" in line) if there == "client" else ("reeltune submit" in line)
