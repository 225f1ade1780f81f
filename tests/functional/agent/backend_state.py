"""What lbagent may change on a host, to be compared before and after; and the agent's log read back."""

import json
import re
import shlex


def state_of(host):
    """Addresses, kernel settings, routes and attached BPF programs of a host."""
    addresses = {(link["ifname"], address["local"], address["prefixlen"])
                 for link in json.loads(host.run("ip", "-j", "address").stdout) for address in link["addr_info"]}
    settings = set(host.run("sysctl", "-e", "-a", "-r", r"^net\.ipv[46]\.conf\.").stdout.splitlines())
    routes = set(host.run("ip", "route", "show", "table", "all").stdout.splitlines())
    programs = json.loads(host.run("bpftool", "-j", "net").stdout)
    return {"addresses": addresses, "settings": settings, "routes": routes, "programs": programs}


def attached_programs(host):
    return json.loads(host.run("bpftool", "-j", "net").stdout)[0]["xdp"]


def addresses_on(host, device):
    links = json.loads(host.run("ip", "-j", "address", "show", "dev", device).stdout)
    return {address["local"] for address in links[0]["addr_info"]}


def events(process):
    """The log as a list of dictionaries; only whole lines."""
    text = process.log.read_text()
    lines = text[:text.rfind("\n") + 1].splitlines()
    return [dict(word.split("=", 1) for word in shlex.split(line.split(" ", 2)[2]))
            for line in lines if re.match(r"^\S+Z \w+ event=", line)]


def counters(process):
    """The last value of each outcome that the log tells."""
    return {event["outcome"]: int(event["packets"]) for event in events(process)
            if event["event"] == "tunnel-packets"}
