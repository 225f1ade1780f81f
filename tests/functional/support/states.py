"""What lbctl says of backends, and waiting for it to say something."""

from support.host import wait_until


def backends(lab, service=None):
    """Backends as the daemon shows them, one dictionary each."""
    shown = lab.balancer.lbctl("-o", "json", "backend", "list").json()["backends"]
    return [b for b in shown if service in (None, b["service"])]


def backend_state(lab, service, name):
    return next((b for b in backends(lab, service) if b["name"] == name), None)


def wait_effective(lab, effective, service=None, name=None, timeout_s=15.0):
    """Until these backends (all that match) are `effective`: serving, draining or out."""
    def reached():
        matching = [b for b in backends(lab, service) if name in (None, b["name"])]
        return matching and all(b["effective"] == effective for b in matching)
    wait_until(f"{service or 'every service'}/{name or '*'} {effective}", reached, timeout_s, interval_s=0.05)


def worker_packets(lab):
    """{worker: packets so far}, from the metrics."""
    return {dict(labels)["worker"]: value for (name, labels), value in lab.balancer.metrics().items()
            if name == "fairlead_worker_packets_total"}
