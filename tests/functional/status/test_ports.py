"""What the engine sees of its ports is what status says of them."""

from support.host import wait_until
from support.lending import URLS


def check(platform):
    return platform.balancer.lbctl("status", "--check", check=False)


def port(platform, name="edge"):
    ports = platform.balancer.lbctl("-o", "json", "status").json()["engine"]["ports"]
    return next(each for each in ports if each["name"] == name)


def test_the_only_port_without_a_carrier_is_critical_until_it_has_one(platform):
    balancer = platform.balancer
    wait_until("all is well", lambda: check(platform).code == 0)
    before = len((balancer.directory / "lbd.log").read_text())
    platform.router.ip("link set balancer down")
    try:
        line = wait_until("it is critical", lambda: (done := check(platform)).code == 2 and done.out, 5)
        assert "port edge: " in line
        page = balancer.lbctl("status").out
        assert "No problems" not in page and "port edge: " in page
        assert not port(platform)["up"]
        assert balancer.metric("fairlead_port_up", port="edge") == 0
    finally:
        platform.router.ip("link set balancer up")
    wait_until("all is well again", lambda: check(platform).code == 0, 20)
    logged = (balancer.directory / "lbd.log").read_text()[before:]
    assert "event=port-condition port=edge" in logged and "event=port-condition-over port=edge" in logged
    assert platform.client.get(URLS["portal"]) in {"b1", "b2", "b3"}


def test_every_condition_has_a_series(platform):
    series = {dict(labels)["condition"]: value for (name, labels), value in platform.balancer.metrics().items()
              if name == "fairlead_port_condition"}
    assert set(series) == {"interface_gone", "admin_down", "no_carrier", "not_open", "mtu_too_large", "queue_unpolled",
                           "tags_taken_off", "program_gone"}
    assert set(series.values()) == {0.0}
    assert port(platform)["conditions"] == []
